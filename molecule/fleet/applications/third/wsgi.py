# SPDX-License-Identifier: Apache-2.0
"""The third version of a shop."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def application(_environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Answer with the version."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"shop third\n"]
