# SPDX-License-Identifier: Apache-2.0
"""An application that must go on serving, whatever is asked of the deployment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the application's name; /pid with the process, /slow?SECONDS after that time."""
    path, body = environ["PATH_INFO"], b"shop\n"
    if path == "/pid":
        body = b"%d\n" % os.getpid()
    elif path == "/slow":
        time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body]
