# SPDX-License-Identifier: Apache-2.0
"""An application that must go on serving, whatever is asked of the deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def application(_environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer every path with the application's name."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"shop\n"]
