# SPDX-License-Identifier: Apache-2.0
"""Names, ports and paths; what applications of one vhost share."""

from __future__ import annotations

import re

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.applications import App, complete, problems, refused, vhost
from support.vhost_texts import KEYS, Text, directives

CASES: list[tuple[App, str]] = [
    ({"server_name": "shop example"}, "server_name: is not a host name"),
    ({"server_name": "shop.example\nInclude /etc/shadow"}, "server_name: holds a newline, a NUL"),
    ({"server_name": "*.example.com"}, "server_name: is not a host name"),
    ({"server_aliases": ["ok.example", "-bad"]}, "server_aliases[1]: is not a host name"),
    ({"port": 70000}, "port: is not a port"),
    ({"port": 81}, "port: httpd does not listen on 81; add it to httpd_listen (now 80, 443, 8080)"),
    ({"address": "localhost"}, "address: is neither * nor an IP address"),
    ({"path": "shop"}, "path: begin with /"),
    ({"path": "/a b"}, "path: is not usable"),
    ({"path": "/../x"}, "path: is not usable"),
    ({"extra_ports": [0]}, "extra_ports[0]: is not a port"),
    ({"extra_ports": [81]}, "extra_ports[0]: httpd does not listen on 81"),
    ({"extra_ports": [80]}, "extra_ports[0]: has the port 80 twice"),
    ({"redirect_names": ["a b"]}, "redirect_names[0]: is not a host name"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_a_port_speaks_either_http_or_tls(shop: App) -> None:
    other = {**shop, "name": "blog", "server_name": "blog.example", "port": 443}
    (sentence,) = problems({**shop, "tls": {"self_signed": True}}, other)
    assert "key tls.port: the application 'blog' speaks plain http on port 443" in sentence


def test_two_applications_with_one_host_name(shop: App) -> None:
    other = {**shop, "name": "blog", "server_name": "blog.example.com", "server_aliases": ["SHOP.example"]}
    (sentence,) = problems(shop, other)
    assert "'blog', key server_name: shop.example on port 80 is already the application 'shop'" in sentence
    assert problems(shop, {**other, "port": 8080}) == []


def test_two_default_applications_on_one_port(shop: App) -> None:
    shop["default_vhost"] = True
    other = {**shop, "name": "blog", "server_name": "blog.example.com"}
    (sentence,) = problems(shop, other)
    assert "'blog', key default_vhost: the application 'shop' is already the default of port 80" in sentence
    assert problems(shop, {**other, "port": 8080}) == []


def test_applications_share_a_vhost_by_paths(shop: App) -> None:
    blog = {**shop, "name": "blog", "path": "/blog/", "max_body_size": 5}
    deep = {**shop, "name": "deep", "path": "/blog/deep", "health": {"path": "/ok"}}
    text = vhost(shop, deep, blog)
    aliases = re.findall(r"WSGIScriptAlias (\S+) .* process-group=(\S+)", text)
    assert aliases == [("/blog/deep", "deep"), ("/blog", "blog"), ("/", "shop")]
    assert "<Location /blog>\n        LimitRequestBody 5" in text
    assert re.findall(r"^WSGIDaemonProcess (\S+)", text, re.MULTILINE) == ["deep", "blog", "shop"]
    assert {a["name"]: a["health"]["path"] for a in complete(shop, blog, deep)} == {
        "shop": "/healthz",
        "blog": "/blog/healthz",
        "deep": "/blog/deep/ok",
    }


def test_applications_of_one_vhost_must_not_be_in_each_other_s_way(shop: App, blog: App) -> None:
    (sentence,) = problems(shop, blog, {**blog, "name": "twin"})
    assert "'twin', key path: /blog is already the application 'blog'" in sentence
    for key, value in {"server_aliases": ["x.example"], "trusted_proxy_headers": ["X-Forwarded-For"]}.items():
        (sentence,) = problems(shop, {**blog, key: value})
        text = f"'blog', key {key}: it is for the whole vhost, which is that of the application 'shop'; move it there."
        assert text in sentence


HOSTILE = st.text(max_size=12) | st.sampled_from(
    ["a\nListen 81", "a\\", '"', "</VirtualHost>", "${X}", "%{X}e", "a b", "#", "' || 'a", "\\\nListen 81"]
)


@pytest.mark.slow
@given(st.sampled_from(KEYS), HOSTILE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_no_text_adds_a_directive(shop: App, key: Text, text: str) -> None:
    """Whatever the value: refused, or httpd still finds whole sections and nothing that listens."""
    for application in ({**shop, **key.change(value)} for value in key.candidates(text)):
        try:
            lines = [] if problems(application) else list(directives(vhost(application)))
        except QuotingError:
            continue
        names = [line.split(maxsplit=1)[0].lower() for line in lines]
        assert "listen" not in names
        depth = 0
        for name in names:
            depth += -1 if name.startswith("</") else 1 if name.startswith("<") else 0
            assert depth >= 0
        assert depth == 0
        assert names.count("<virtualhost") == names.count("</virtualhost>")
