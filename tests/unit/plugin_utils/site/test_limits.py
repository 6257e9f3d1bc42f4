# SPDX-License-Identifier: Apache-2.0
"""Sizes of requests, and whether httpd takes them in first."""

from __future__ import annotations

import re

import pytest
from support.applications import App, refused, vhost

CASES: list[tuple[App, str]] = [
    ({"max_body_size": -1}, "max_body_size: is negative"),
    ({"body_limits": [{"path": "/x?", "max_body_size": 1}]}, "body_limits[0].path: is not usable"),
    ({"body_limits": [{"path": "/x", "max_body_size": -1}]}, "body_limits[0].max_body_size: is negative"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_what_holds_for_all_is_not_said_again(shop: App, blog: App) -> None:
    assert "Buffering" not in vhost(shop, blog)


def test_an_application_may_take_its_requests_and_answer_as_they_come(shop: App, blog: App) -> None:
    text = vhost({**shop, "request_buffering": False}, {**blog, "response_buffering": False})
    found = re.findall(r"<Location (\S+)>\s+BufferingRequests (\w+)\s+BufferingResponses (\w+)\s+</Location>", text)
    assert found == [("/", "Off", "On"), ("/blog", "On", "Off")], "httpd takes the last section that fits"
    assert text.count("<IfModule wsgi_buffering_module>") == 1, "the module of a package does not know them"
