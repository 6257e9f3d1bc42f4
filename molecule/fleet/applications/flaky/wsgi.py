# SPDX-License-Identifier: Apache-2.0
"""A version of a shop that is well where it is asked for that, and fails for half of its visitors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

COUNT = itertools.count()


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the version; every second time as an error."""
    is_well = environ["PATH_INFO"] == "/healthz" or next(COUNT) % 2 == 0
    status = "200 OK" if is_well else "500 Internal Server Error"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [b"shop flaky\n"]
