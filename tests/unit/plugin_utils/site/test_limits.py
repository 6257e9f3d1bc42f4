# SPDX-License-Identifier: Apache-2.0
"""Sizes of requests."""

from __future__ import annotations

import pytest
from support.applications import App, refused

CASES: list[tuple[App, str]] = [
    ({"max_body_size": -1}, "max_body_size: is negative"),
    ({"body_limits": [{"path": "/x?", "max_body_size": 1}]}, "body_limits[0].path: is not usable"),
    ({"body_limits": [{"path": "/x", "max_body_size": -1}]}, "body_limits[0].max_body_size: is negative"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)
