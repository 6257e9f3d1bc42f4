# SPDX-License-Identifier: Apache-2.0
"""A release that answers, and says that it is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the release; the health path is broken."""
    is_well = environ["PATH_INFO"] != "/healthz"
    start_response("200 OK" if is_well else "500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"health\n"]
