# SPDX-License-Identifier: Apache-2.0
"""One script for everything that mod_wsgi takes a script for."""

import os

# When it is imported, the variables of the application are there.
os.environ["IMPORTED_FOR"] = os.environ.get("WSGI_APP", "nobody")


def allow_access(environ, host):  # noqa: ARG001 - mod_wsgi calls it
    """Everybody may come in."""
    return True


def check_password(environ, user, password):  # noqa: ARG001 - mod_wsgi calls it
    """The password is the name, backwards."""
    return password == user[::-1]


def groups_for_user(environ, user):  # noqa: ARG001 - mod_wsgi calls it
    """One group, which has the user's name."""
    return [user]
