# SPDX-License-Identifier: Apache-2.0
"""An application that says how it runs."""

import json
import os
import resource
import sys

MASK = os.umask(0)
os.umask(MASK)


def application(environ, start_response):
    """Answer with what the settings of mod_wsgi have made of this process and this request."""
    answer = {
        "process_group": environ["mod_wsgi.process_group"],
        "script_name": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "user": environ.get("REMOTE_USER"),
        "received": len(environ["wsgi.input"].read()),
        "umask": oct(MASK),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "cpu_time": resource.getrlimit(resource.RLIMIT_CPU)[0],
        "data": resource.getrlimit(resource.RLIMIT_DATA)[0],
        "address_space": resource.getrlimit(resource.RLIMIT_AS)[0],
        "groups": os.getgroups(),
        "eggs": os.environ.get("PYTHON_EGG_CACHE"),
        "imported_for": os.environ.get("IMPORTED_FOR"),
        "optimize": sys.flags.optimize,
        "no_bytecode": sys.dont_write_bytecode,
        "switch_interval": round(sys.getswitchinterval(), 6),
        "warnings": sys.warnoptions,
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
