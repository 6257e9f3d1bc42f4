# SPDX-License-Identifier: Apache-2.0
"""A site that tells on what it runs, and needs its virtual environment for each request."""

import importlib
import json
import sys
import sysconfig
import threading

import markupsafe._speedups  # compiled for one Python: another one does not find it
import mod_wsgi

importing = threading.Lock()
"""Two threads that find a module anew at the same time take it from each other."""


def libraries():
    """The files that are mapped into this process and are a libpython."""
    # Only the process itself may read this: it has changed its user.
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sorted({line.split()[-1] for line in maps if "/libpython" in line})


def application(_environ, start_response):
    """Answer with a description of this process, as JSON."""
    # As a process does that imports late: found anew each time, wherever the deployment has got to.
    with importing:
        sys.modules.pop("markupsafe._native", None)
        importlib.import_module("markupsafe._native")
    description = {
        "python": sysconfig.get_python_version(),
        "mod_wsgi": ".".join(str(part) for part in mod_wsgi.version),
        "multiarch": sysconfig.get_config_var("MULTIARCH"),
        "libraries": libraries(),
        "extension": markupsafe._speedups.__file__.rpartition("/")[2],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(description).encode()]
