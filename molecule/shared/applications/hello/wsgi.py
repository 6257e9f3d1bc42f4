# SPDX-License-Identifier: Apache-2.0
"""The smallest application that says what it runs on."""

import sys


def application(environ, start_response):
    """Answer with the version of Python, or with the shared libraries of Python in this process, one a line."""
    body = (libraries() if environ["PATH_INFO"] == "/libpython" else sys.version).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def libraries():
    """The files that are mapped into this process and are a libpython."""
    # Only the process itself may read this: it has changed its user.
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/libpython" in line}
    return "\n".join(sorted(files))
