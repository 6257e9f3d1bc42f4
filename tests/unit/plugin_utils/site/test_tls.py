# SPDX-License-Identifier: Apache-2.0
"""TLS and certificates."""

from __future__ import annotations

import re

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import certificates, tls
from support.applications import App, complete, problems, refused, rendered, vhost

ACME = {"contact": "ops@shop.example", "agree_terms": True}

CASES: list[tuple[App, str]] = [
    ({"tls": {}}, "tls: none is given"),
    ({"tls": {"certificate": "/a"}}, "tls.key: give both or neither"),
    ({"tls": {"self_signed": True, "certificate": "/a", "key": "/b"}}, "tls: certificate and self_signed are given"),
    ({"tls": {"certificate": "a", "key": "/b"}}, "tls.certificate: is not the absolute path"),
    (
        {"tls": {"self_signed": True, "acme_challenge_directory": "/var/www/*"}},
        "tls.acme_challenge_directory: is a pattern for httpd",
    ),
    ({"tls": {"self_signed": True, "port": 8080}, "extra_ports": [8080]}, "tls.port: has the port 8080 twice"),
    ({"tls": {"self_signed": True, "port": 444}}, "tls.port: httpd does not listen on 444"),
    ({"tls": {"self_signed": True, "hsts_seconds": -1}}, "tls.hsts_seconds: is negative"),
    ({"tls": {"self_signed": True, "hsts_seconds": 9, "redirect": False}}, "tls.hsts_seconds: redirect is false"),
    ({"tls": {"acme": {"contact": "x", "agree_terms": True}}}, "tls.acme.contact: wants an e-mail address"),
    (
        {"tls": {"acme": {"contact": "a@b.example", "agree_terms": True}}, "server_aliases": ["*.shop.example"]},
        "tls.acme: cannot get a certificate for *.shop.example",
    ),
    ({"tls": {"acme": {"contact": "a@b.example"}}}, "tls.acme.agree_terms: agrees to its terms"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_a_self_made_certificate_is_not_for_production(shop: App) -> None:
    shop["tls"] = {"self_signed": True}
    assert problems(shop) == []
    (sentence,) = problems(shop, environment="production")
    assert "key tls.self_signed: browsers refuse it" in sentence


def test_tls_redirects_and_keeps_what_was_asked(shop: App) -> None:
    shop |= {"server_aliases": ["*.shop.example"], "tls": {"certificate": "/c", "key": "/k", "hsts_seconds": 5}}
    text = vhost(shop, certificates={"shop": {"fingerprint": "abc", "stapling": True}})
    secure, plain = text.split("<VirtualHost *:80>")
    assert "<VirtualHost *:443>" in secure
    for line in (
        "SSLCertificateFile /c",
        "SSLCertificateKeyFile /k",
        "SSLProtocol -all +TLSv1.2 +TLSv1.3",
        "SSLUseStapling on",
        "Protocols h2 http/1.1",
        "Header always set Strict-Transport-Security max-age=5",
        "# SHA-256 of the certificate's files: abc",
    ):
        assert f"    {line}\n" in secure
    assert "WSGIScriptAlias" not in plain
    assert "Redirect 308 https://%{SERVER_NAME}%{REQUEST_URI}" in plain
    assert "ServerAlias *.shop.example" in plain


def test_http2_can_be_turned_off(shop: App) -> None:
    shop["tls"] = {"self_signed": True, "http2": False}
    assert "Protocols h2" not in vhost(shop)


def test_a_certificate_without_a_responder_is_not_stapled(shop: App) -> None:
    shop["tls"] = {"certificate": "/c", "key": "/k"}
    assert "SSLUseStapling" not in vhost(shop)


def test_a_new_certificate_changes_the_vhost(shop: App) -> None:
    shop["tls"] = {"certificate": "/c", "key": "/k"}
    texts = {vhost(shop, certificates={"shop": {"fingerprint": f, "stapling": False}}) for f in ("a", "b")}
    assert len(texts) == 2


def test_tls_can_be_all_there_is(shop: App) -> None:
    shop |= {"port": 443, "tls": {"self_signed": True}, "redirect_names": ["www.shop.example"]}
    assert re.findall(r"<VirtualHost (.*)>", vhost(shop)) == ["*:443", "*:443"]


def test_both_protocols_can_be_served(shop: App) -> None:
    shop["tls"] = {"self_signed": True, "redirect": False}
    assert vhost(shop).count("WSGIScriptAlias / ") == 2


def test_the_certificates_of_a_host(shop: App) -> None:
    shop |= {"tls": {"self_signed": True}, "redirect_names": ["www.shop.example"]}
    mine, unknown = certificates.wanted(complete(shop), "/state")
    assert (mine["names"], mine["self_signed"]) == (["shop.example", "www.shop.example"], True)
    assert unknown["certificate"] == "/state/tls/unknown-host.crt"
    assert certificates.wanted(complete({**shop, "tls": None}), "/state") == []


def test_httpd_itself_gets_certificates_and_staples(shop: App) -> None:
    files = rendered({**shop, "tls": {"acme": ACME}})
    assert "SSLCertificateFile" not in files["sites-available/100-modwsgi-shop.conf"]
    assert "SSLUseStapling" not in files["sites-available/100-modwsgi-shop.conf"]
    server = files["conf-available/modwsgi-tls.conf"]
    assert "MDCertificateAgreement accepted" in server
    assert (
        "<MDomain shop.example>\n    MDContactEmail ops@shop.example\n    MDCAChallenges http-01\n    MDStapling on\n"
        "</MDomain>" in server
    )
    files = rendered({**shop, "tls": {"acme": ACME, "stapling": False}})
    assert "MDStapling off" in files["conf-available/modwsgi-tls.conf"]


def test_an_authority_is_answered_on_port_443_where_80_is_silent(shop: App) -> None:
    files = rendered({**shop, "port": 443, "tls": {"acme": ACME}}, listen=[443])
    assert "MDCAChallenges tls-alpn-01" in files["conf-available/modwsgi-tls.conf"]
    assert "Protocols h2 http/1.1 acme-tls/1\n" in files["sites-available/100-modwsgi-shop.conf"]


@pytest.mark.parametrize(
    ("port", "listen", "expected"),
    [
        (443, [80, 443], "http-01"),
        (8443, [80, 8443], "http-01"),
        (443, [443], "tls-alpn-01"),
        (80, [80], ""),
        (8443, [443, 8443], ""),
        (443, [8080], ""),
    ],
)
def test_how_a_name_is_proven_depends_on_the_ports(port: int, listen: list[int], expected: str) -> None:
    assert tls.challenge(port, listen) == expected


def test_a_name_that_no_authority_can_reach_is_refused(shop: App) -> None:
    shop.update(port=8080, tls={"port": 8443, "acme": ACME})
    assert problems(shop, listen=[8080, 8443]) == [
        "wsgi_apps: application 'shop', key tls.acme: an authority asks on port 80, or on port 443 over TLS, and httpd "
        "answers on neither; add 80 to httpd_listen, or give a certificate."
    ]
    assert problems(shop, listen=[80, 8080, 8443]) == []


def test_a_timer_looks_for_certificates_where_httpd_gets_them(shop: App) -> None:
    units = "/etc/systemd/system"
    files = rendered({**shop, "tls": {"acme": ACME}})
    assert (
        "ExecStart=/usr/bin/python3 -I /usr/local/lib/modwsgi/renewals.py /var/lib/modwsgi/apache2/md "
        "/var/lib/modwsgi/apache2/renewals.json apache2.service\n" in files[f"{units}/modwsgi-renewals.service"]
    )
    assert files[f"{units}/timers.target.wants/modwsgi-renewals.timer"] == "../modwsgi-renewals.timer"
    assert f"{units}/modwsgi-renewals.timer" in files
    others = rendered({**shop, "tls": {"self_signed": True}})
    assert not [path for path in others if "renewals" in path or "health" in path]


def test_a_name_is_in_one_certificate_of_httpd_s_own(shop: App) -> None:
    shop["tls"] = {"acme": ACME}
    other = {**shop, "name": "other", "port": 8080, "tls": {"acme": ACME, "port": 8443}}
    assert problems(shop, other, listen=[80, 443, 8080, 8443]) == [
        "wsgi_apps: application 'other', key tls.acme: httpd already gets a certificate for shop.example, for the "
        "application 'shop'; give one of the two a certificate of its own."
    ]


def test_the_profiles_are_mozilla_s_and_dated() -> None:
    assert re.fullmatch(r"\d+\.\d+, \d{4}-\d\d-\d\d", tls.profiles_version())
    assert tls.settings("modern")[0] == "SSLProtocol -all +TLSv1.3"
    options = settings.options("wsgi_app")["wsgi_apps"]["options"]
    assert options["tls"]["options"]["profile"]["choices"] == list(tls.profiles())
