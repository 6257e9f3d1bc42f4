# SPDX-License-Identifier: Apache-2.0
"""A version of a shop that is well on all hosts but one, as what depends on a host can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable


def application(_environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the version; fail on the second host, also on the health path."""
    is_well = os.uname().nodename != "fleet-web2"
    status = "200 OK" if is_well else "500 Internal Server Error"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [b"shop half\n"]
