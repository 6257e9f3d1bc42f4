# SPDX-License-Identifier: Apache-2.0
"""A release that is well, and fails for one request in twenty."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

NUMBERS = itertools.count(1)


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the release."""
    fails = environ["PATH_INFO"] != "/healthz" and next(NUMBERS) % 20 == 0
    start_response("500 Internal Server Error" if fails else "200 OK", [("Content-Type", "text/plain")])
    return [b"flaky\n"]
