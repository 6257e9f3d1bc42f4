# SPDX-License-Identifier: Apache-2.0
"""An application beside it, which counts what it is asked."""

import json
import threading

lock = threading.Lock()
seen = []


def application(environ, start_response):
    """`/seen` tells the requests so far, each with its body; all others are among them."""
    start_response("200 OK", [("Content-Type", "application/json")])
    path = environ["PATH_INFO"]
    if path == "/healthz":
        return [b"{}\n"]
    if path == "/seen":
        with lock:
            return [json.dumps(seen).encode()]
    body = environ["wsgi.input"].read()
    with lock:
        seen.append([environ["REQUEST_METHOD"], path, len(body)])
    return [b"{}\n"]
