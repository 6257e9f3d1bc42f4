# SPDX-License-Identifier: Apache-2.0
"""The request that proves an application."""

from __future__ import annotations

from typing import Any

import pytest
from support.applications import HASH, App, complete, contents, refused, shown, vhost

CASES: list[tuple[App, str]] = [
    ({"health": {"path": "healthz"}}, "health.path: is not a path"),
    ({"health": {"status": 20}}, "health.status: is not an HTTP status"),
    ({"health": {"timeout": 0}}, "health.timeout: is too short"),
    ({"health": {"headers": {"X Y": "1"}}}, "health.headers: is not the name of a header"),
    ({"health": {"headers": {"X:": "1"}}}, "health.headers: is not the name of a header"),
    ({"health": {"headers": {"HOST": "a"}}}, "health.headers: HOST cannot be set, since the application is asked"),
    ({"health": {"headers": {"X-A": "a "}}}, "health.headers: the value of X-A has to be a text"),
    ({"health": {"headers": {"X-A": True}}}, "health.headers: the value of X-A has to be a text"),
    ({"health": {"headers": {"X-A": ""}}}, "health.headers: the value of X-A has to be a text"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


@pytest.mark.parametrize(
    ("change", "listen", "address", "host"),
    [
        ({}, [80], "127.0.0.1", "shop.example"),
        ({}, ["192.0.2.1:80"], "192.0.2.1", "shop.example"),
        ({"port": 8080, "address": "::1"}, ["[::1]:8080"], "::1", "shop.example:8080"),
    ],
)
def test_health_is_asked_where_httpd_listens(
    shop: App, change: App, listen: list[Any], address: str, host: str
) -> None:
    (found,) = complete({**shop, **change}, listen=listen)
    assert found["health"] == {
        "path": "/healthz",
        "status": 200,
        "timeout": 30,
        "headers": {},
        "tls": False,
        "certificate": "",
        "address": address,
        "host": host,
        "port": found["port"],
    }


def test_the_health_is_asked_privately_until_there_is_a_certificate(shop: App) -> None:
    tls = {"acme": {"contact": "ops@shop.example", "agree_terms": True}}
    part = {**shop, "name": "part", "path": "/part"}
    shop |= {"tls": tls, "health": {"path": "/is.it?well=1"}, "auth": [{"users": {"alice": HASH}}]}
    files = contents(complete(shop, part), private_port=297)
    lines = shown(files["sites-available/060-modwsgi-probes.conf"])
    wanted = {"<VirtualHost 127.0.0.1:297>", "ServerName shop.example", "ErrorLog /var/log/apache2/shop-error.log"}
    assert wanted <= set(lines)
    launcher = "/usr/local/lib/modwsgi/launcher.py"
    assert [line for line in lines if line.startswith("WSGIScriptAlias")] == [
        "WSGIScriptAlias /probe/part /usr/local/lib/modwsgi/probe.py",
        "WSGIScriptAlias /probe/shop /usr/local/lib/modwsgi/probe.py",
        f"WSGIScriptAlias /part {launcher}",
        f"WSGIScriptAlias / {launcher}",
    ]
    assert [line for line in lines if line.startswith(("<Location ", "WSGIProcessGroup"))] == [
        *("<Location />", "WSGIProcessGroup shop", "<Location /part>", "WSGIProcessGroup part", '<Location "/">'),
        *("<Location /probe/part>", "WSGIProcessGroup part", "<Location /probe/shop>", "WSGIProcessGroup shop"),
    ]
    # Nobody but the health check comes past the login.
    assert [line for line in lines if line.startswith("<LocationMatch")] == [
        '<LocationMatch "^/is\\\\.it$">',
        '<LocationMatch "^/part/healthz$">',
    ]
    assert files["sites-enabled/060-modwsgi-probes.conf"] == "../sites-available/060-modwsgi-probes.conf"


def test_the_host_may_say_what_a_proxy_says_on_the_health_path_alone(shop: App) -> None:
    """mod_wsgi removes the headers of proxies that it does not trust, so the application would never see them."""
    shop |= {"trusted_proxies": ["192.0.2.7"], "health": {"path": "/is.it?well=1"}}
    assert "LocationMatch" not in vhost(shop)
    shop["health"]["headers"] = {"X-Probe": "1"}
    assert "LocationMatch" not in vhost(shop), "nobody removes this header"
    shop["health"]["headers"] = {"x-forwarded-PROTO": "https"}
    lines = shown(vhost(shop))
    start = lines.index('<LocationMatch "^/is\\\\.it$">')
    assert lines[start + 1] == "WSGITrustedProxies 192.0.2.7 127.0.0.1"
    assert "WSGITrustedProxies 192.0.2.7" in lines, "elsewhere only the proxy is believed"
    del shop["trusted_proxies"]
    assert "LocationMatch" not in vhost(shop)


def test_an_application_below_the_site_is_asked_as_its_proxy_would(shop: App) -> None:
    part = {**shop, "name": "part", "path": "/part", "health": {"headers": {"X-Forwarded-Proto": "https"}}}
    lines = shown(vhost({**shop, "trusted_proxies": ["192.0.2.7"]}, part))
    assert [line for line in lines if line.startswith("<LocationMatch")] == ['<LocationMatch "^/part/healthz$">']
