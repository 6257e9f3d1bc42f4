# SPDX-License-Identifier: Apache-2.0
"""Old paths."""

from __future__ import annotations

import pytest
from support.applications import App, refused

CASES: list[tuple[App, str]] = [
    ({"redirects": [{"from": "old", "to": "/new"}]}, "redirects[0].from: is not a URL path"),
    ({"redirects": [{"from": "/old"}]}, "redirects[0].to: neither a path nor an http(s) address"),
    ({"redirects": [{"from": "/old", "to": "//evil"}]}, "redirects[0].to: neither a path nor"),
    ({"redirects": [{"from": "/old", "to": "javascript:x"}]}, "redirects[0].to: neither a path nor"),
    ({"redirects": [{"from": "/old", "to": "/old/x"}]}, "redirects[0].to: run in a circle"),
    ({"redirects": [{"from": "/old", "to": "/n", "status": 200}]}, "redirects[0].status: is not a redirect"),
    ({"redirects": [{"from": "/old", "to": "/n", "status": 410}]}, "redirects[0].to: is gone"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)
