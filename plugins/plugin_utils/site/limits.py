# SPDX-License-Identifier: Apache-2.0
"""How large the body of a request may be: the keys `max_body_size` and `body_limits`."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries, path_of, plain_path
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject


def check(application: App) -> Problems:
    """Sizes in bytes, and for which paths they are."""
    sizes = [("", application)]
    for key, limit in entries(application, "body_limits"):
        yield from plain_path(f"{key}.path", limit["path"])
        sizes.append((f"{key}.", limit))
    for key, limit in sizes:
        if limit["max_body_size"] < 0:
            yield f"{key}max_body_size", f"{limit['max_body_size']} is negative; use 0 or more"


def normalise(application: App, _: Place) -> dict[str, Any]:
    """The limits of paths."""
    return {"body_limits": [{**limit, "path": path_of(limit)} for limit in application["body_limits"]]}


SUBJECT = Subject(check, normalise=normalise)
