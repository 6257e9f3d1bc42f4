# SPDX-License-Identifier: Apache-2.0
"""Proxies before httpd and servers beside it."""

from __future__ import annotations

import pytest
from support.applications import App, problems, refused, vhost

CASES: list[tuple[App, str]] = [
    ({"trusted_proxies": ["proxy"]}, "trusted_proxies[0]: neither an IP address nor a network"),
    ({"trusted_proxy_headers": ["X-Evil"]}, "trusted_proxy_headers[0]: is not known to mod_wsgi"),
    ({"backends": [{"path": "/", "url": "http://a/"}]}, "backends[0].path: hide the whole application"),
    ({"backends": [{"path": "/ws", "url": "ftp://a/"}]}, "backends[0].url: is not the address of a server"),
    ({"backends": [{"path": "/ws", "url": "http://a/ nocanon"}]}, "backends[0].url: is not the address"),
    ({"backends": [{"path": "/ws", "url": "http://a/", "timeout": 0}]}, "backends[0].timeout: is too short"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_only_a_trusted_proxy_says_who_asks(shop: App) -> None:
    assert "Trusted" not in vhost(shop)
    assert "MODWSGI_REQUEST_ID" not in vhost(shop)
    shop["trusted_proxies"] = ["192.0.2.1", "2001:DB8::/32"]
    text = vhost(shop)
    assert "WSGITrustedProxies 192.0.2.1 2001:db8::/32\n" in text
    assert "(%{CONN_REMOTE_ADDR} -ipmatch '192.0.2.1' || %{CONN_REMOTE_ADDR} -ipmatch '2001:db8::/32') && " in text


def test_a_server_does_not_hide_another_application(shop: App, blog: App) -> None:
    (sentence,) = problems({**shop, "backends": [{"path": "/blog", "url": "http://b/"}]}, blog)
    assert "'shop', key backends[0].path: /blog would hide the application 'blog'" in sentence
