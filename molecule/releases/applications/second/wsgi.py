# SPDX-License-Identifier: Apache-2.0
"""The second release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the release, after a second where that is asked for."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"second\n"]
