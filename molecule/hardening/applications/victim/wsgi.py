# SPDX-License-Identifier: Apache-2.0
"""An application beside it, which counts what it is asked."""

import json
import threading
import time

lock = threading.Lock()
seen = []
HANG = 8
"""Seconds until `/hang` is answered."""
LARGE = 16
"""Pieces of a mebibyte in the answer to `/large`, each of another byte."""


def application(environ, start_response):
    """`/seen` tells the requests so far, each with its body, but for those of `/large`, `/medium` and `/hang`.

    `/hang` takes a thread for HANG seconds.
    """
    start_response("200 OK", [("Content-Type", "application/json")])
    path = environ["PATH_INFO"]
    if path == "/large":
        return (bytes([piece]) * (1 << 20) for piece in range(LARGE))
    if path == "/medium":
        return [bytes(200_000)]
    if path == "/hang":
        time.sleep(HANG)
        return [b"{}\n"]
    if path == "/healthz":
        return [b"{}\n"]
    if path == "/seen":
        with lock:
            return [json.dumps(seen).encode()]
    body = environ["wsgi.input"].read()
    with lock:
        seen.append([environ["REQUEST_METHOD"], path, len(body)])
    return [b"{}\n"]
