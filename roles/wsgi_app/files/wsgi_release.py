#!/usr/bin/python3 -IB
# SPDX-License-Identifier: Apache-2.0
"""Show the releases of an application on this host, and go back to one of them.

The role wsgi_app installs this file, to which /usr/local/bin/wsgi-release is a link. What it does is the code of the
collection's modules, which a deployment keeps beside this file once it is proven.
"""

from __future__ import annotations

import sys

CODE = "/usr/local/lib/modwsgi/wsgi_release.zip"


def main() -> int:
    """The exit status."""
    sys.path.insert(0, CODE)
    try:
        # From that archive alone.
        from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import release_tool  # noqa: PLC0415
    except ImportError as error:
        print(f"wsgi-release: {CODE} cannot be used ({error}); deploy an application to this host.", file=sys.stderr)
        return 2
    return release_tool.main()


if __name__ == "__main__":
    sys.exit(main())
