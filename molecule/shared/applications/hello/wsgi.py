# SPDX-License-Identifier: Apache-2.0
"""The smallest application that says what it runs on."""

import sys


def application(_environ, start_response):
    """Answer with the version of Python."""
    body = sys.version.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
