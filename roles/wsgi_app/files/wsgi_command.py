#!/usr/bin/python3 -IB
# SPDX-License-Identifier: Apache-2.0
"""The commands wsgi-release and wsgi-restart: they do on the host what the collection's modules do.

The role wsgi_app installs this file, to which both commands in /usr/local/bin are links. Its code is that of the
modules, which a deployment keeps beside it once it is proven.
"""

from __future__ import annotations

import importlib
import os
import sys

CODE = "/usr/local/lib/modwsgi/wsgi_command.zip"
PACKAGE = "ansible_collections.modwsgi.deploy.plugins.module_utils.deploy"
MODULES = {"wsgi-release": "release_tool", "wsgi-restart": "restart"}
"""What does the work, by the name of the command."""


def main() -> int:
    """The exit status."""
    name = os.path.basename(sys.argv[0])
    if name not in MODULES:
        print(f"{name}: call it as {' or '.join(MODULES)}.", file=sys.stderr)
        return 2
    sys.path.insert(0, CODE)  # that archive alone
    try:
        module = importlib.import_module(f"{PACKAGE}.{MODULES[name]}")
    except ImportError as error:
        print(f"{name}: {CODE} cannot be used ({error}); deploy an application to this host.", file=sys.stderr)
        return 2
    status: int = module.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
