# SPDX-License-Identifier: Apache-2.0
"""Pages of httpd itself."""

from __future__ import annotations

import pytest
from support.applications import App, problems, refused, vhost

CASES: list[tuple[App, str]] = [
    ({"error_documents": [{"status": 200, "file": "/x"}]}, "error_documents[0].status: is not an error"),
    ({"error_documents": [{"status": 404, "file": "../x"}]}, "error_documents[0].file: is not a file"),
    ({"error_documents": [{"status": 404, "file": "/x"}] * 2}, "error_documents: 404 is there 2 times"),
    ({"maintenance": {"retry_after": 0}}, "maintenance.retry_after: is too short"),
    ({"error_documents": [{"status": 404, "file": "x"}]}, "error_documents[0].file: 'x' is not in the source"),
    ({"maintenance": {"page": "x/"}}, "maintenance.page: is not a file"),
    ({"maintenance": {"page": "x.html"}}, "maintenance.page: 'x.html' is not in the source"),
    ({"maintenance": {"page": "assets"}}, "maintenance.page: 'assets' is a folder in the source"),
    ({"maintenance": {"enabled": True}, "health": {"path": "/a'b"}}, "health.path: with maintenance"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_a_page_may_be_made_later_or_lie_on_the_host(shop: App) -> None:
    shop |= {"static_root": "made", "maintenance": {"page": "made/soon.html"}}
    assert problems({**shop, "error_documents": [{"status": 404, "file": "/srv/pages/404.html"}]}) == []


def test_the_maintenance_page_leaves_out_what_it_must(shop: App, blog: App) -> None:
    shop["maintenance"] = blog["maintenance"] = {"retry_after": 7}
    text = vhost(shop, blog)
    assert "<If \"-f '/srv/wsgi/shop/maintenance' && %{REQUEST_URI} != '/healthz' && " in text
    assert r"%{REQUEST_URI} !~ m#^(?:/\.modwsgi|/blog)(?:/|$)#" in text
    assert "%{REQUEST_URI} != '/blog/healthz' && %{REQUEST_URI} =~ m#^/blog(?:/|$)#" in text
    assert text.count("Header always set Retry-After 7") == 2
