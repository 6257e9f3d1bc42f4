# SPDX-License-Identifier: Apache-2.0
"""An application beside it, which counts what it is asked."""

import json
import threading

lock = threading.Lock()
seen = []
LARGE = 16
"""Pieces of a mebibyte in the answer to `/large`, each of another byte."""


def application(environ, start_response):
    """`/seen` tells the requests so far, each with its body; all others but `/large` are among them."""
    start_response("200 OK", [("Content-Type", "application/json")])
    path = environ["PATH_INFO"]
    if path == "/large":
        return (bytes([piece]) * (1 << 20) for piece in range(LARGE))
    if path == "/healthz":
        return [b"{}\n"]
    if path == "/seen":
        with lock:
            return [json.dumps(seen).encode()]
    body = environ["wsgi.input"].read()
    with lock:
        seen.append([environ["REQUEST_METHOD"], path, len(body)])
    return [b"{}\n"]
