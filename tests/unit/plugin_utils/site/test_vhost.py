# SPDX-License-Identifier: Apache-2.0
"""What a vhost can have, what is refused, and that no text adds a directive."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import certificates as wsgi_certificates
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import vhost as wsgi_vhost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scripts import ROOT

ROLE = ROOT / "roles" / "wsgi_app"
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 2048}
HASH = "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"


@pytest.fixture(name="shop")
def fixture_shop(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "wsgi.py").write_text("")
    (tmp_path / "static").mkdir()
    return {"name": "shop", "source": {"directory": str(tmp_path)}, "server_name": "shop.example"}


def found(*applications: dict[str, Any], environment: str = "") -> list[str]:
    return apps.problems(list(applications), [80, 443, 8080], environment)


def rendered(*applications: dict[str, Any], certificates: dict[str, Any] | None = None) -> dict[str, str]:
    complete = apps.normalise(
        list(applications), [80, 443, 8080], {a["name"]: SIZES for a in applications}, instance("apache2")
    )
    files = wsgi_files.files(complete, instance("apache2"), certificates)
    return {file["path"]: file["content"] for file in files if "content" in file}


def vhost(*applications: dict[str, Any], certificates: dict[str, Any] | None = None) -> str:
    return rendered(*applications, certificates=certificates)["sites-available/100-modwsgi-shop.conf"]


CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"path": "shop"}, "path", "begin with /"),
    ({"path": "/a b"}, "path", "is not usable"),
    ({"path": "/../x"}, "path", "is not usable"),
    ({"extra_ports": [0]}, "extra_ports[0]", "is not a port"),
    ({"extra_ports": [81]}, "extra_ports[0]", "httpd does not listen on 81"),
    ({"extra_ports": [80]}, "extra_ports[0]", "has the port 80 twice"),
    ({"redirect_names": ["a b"]}, "redirect_names[0]", "is not a host name"),
    ({"body_limits": [{"path": "/x?", "max_body_size": 1}]}, "body_limits[0].path", "is not usable"),
    ({"body_limits": [{"path": "/x", "max_body_size": -1}]}, "body_limits[0].max_body_size", "is negative"),
    ({"redirects": [{"from": "old", "to": "/new"}]}, "redirects[0].from", "is not a URL path"),
    ({"redirects": [{"from": "/old"}]}, "redirects[0].to", "neither a path nor an http(s) address"),
    ({"redirects": [{"from": "/old", "to": "//evil"}]}, "redirects[0].to", "neither a path nor"),
    ({"redirects": [{"from": "/old", "to": "javascript:x"}]}, "redirects[0].to", "neither a path nor"),
    ({"redirects": [{"from": "/old", "to": "/old/x"}]}, "redirects[0].to", "run in a circle"),
    ({"redirects": [{"from": "/old", "to": "/n", "status": 200}]}, "redirects[0].status", "is not a redirect"),
    ({"redirects": [{"from": "/old", "to": "/n", "status": 410}]}, "redirects[0].to", "is gone"),
    ({"headers": [{"name": "X A", "value": "b"}]}, "headers[0].name", "is not the name of a header"),
    ({"headers": [{"name": "X-A", "value": "a\nb"}]}, "headers[0].value", "holds a newline"),
    ({"headers": [{"name": "X-A"}]}, "headers[0].value", "need a value"),
    ({"headers": [{"name": "X-A", "value": "expr=1"}]}, "headers[0].value", "for an expression"),
    (
        {"headers": [{"name": "Strict-Transport-Security", "value": "max-age=1"}]},
        "headers[0].name",
        "use tls.hsts_seconds",
    ),
    ({"error_documents": [{"status": 200, "file": "x"}]}, "error_documents[0].status", "is not an error"),
    ({"error_documents": [{"status": 404, "file": "../x"}]}, "error_documents[0].file", "is not a file"),
    ({"error_documents": [{"status": 404, "file": "x"}] * 2}, "error_documents", "404 is there 2 times"),
    ({"maintenance": {"retry_after": 0}}, "maintenance.retry_after", "is too short"),
    ({"maintenance": {"page": "x/"}}, "maintenance.page", "is not a file"),
    ({"maintenance": {"enabled": True}, "health": {"path": "/a'b"}}, "health.path", "with maintenance"),
    ({"auth": [{"users": {}}]}, "auth[0].users", "nobody could log in"),
    ({"auth": [{"users": {"a": "secret"}}]}, "auth[0].users.a", "is not a hashed password"),
    ({"auth": [{"users": {"a:b": HASH}}]}, "auth[0].users", "is not usable as a user's name"),
    ({"auth": [{"users": {"a": f"{HASH}\nroot:x"}}]}, "auth[0].users.a", "is not a hashed password"),
    ({"auth": [{"users": {"a": HASH}, "user_file": "/x"}]}, "auth[0].users", "give one of the two"),
    ({"auth": [{"user_file": "x"}]}, "auth[0].user_file", "is not the absolute path"),
    ({"auth": [{"type": "openid-connect", "users": {"a": HASH}}]}, "auth[0].users", "for the type Basic"),
    ({"auth": [{"user_file": "/x", "require": ['a"b']}]}, "auth[0].require[0]", "is not what Require takes"),
    ({"auth": [{"user_file": "/x", "require": ["a\nb"]}]}, "auth[0].require[0]", "is not what Require takes"),
    ({"auth": [{"type": "x", "directives": "</Location>"}]}, "auth[0].directives", "closes a section"),
    ({"auth": [{"type": "x", "modules": ["../x"]}]}, "auth[0].modules[0]", "is not a module"),
    ({"auth": [{"user_file": "/x"}, {"user_file": "/y"}]}, "auth", "the path / is there 2 times"),
    ({"trusted_proxies": ["proxy"]}, "trusted_proxies[0]", "neither an IP address nor a network"),
    ({"trusted_proxy_headers": ["X-Evil"]}, "trusted_proxy_headers[0]", "is not known to mod_wsgi"),
    ({"backends": [{"path": "/", "url": "http://a/"}]}, "backends[0].path", "hide the whole application"),
    ({"backends": [{"path": "/ws", "url": "ftp://a/"}]}, "backends[0].url", "is not the address of a server"),
    ({"backends": [{"path": "/ws", "url": "http://a/ nocanon"}]}, "backends[0].url", "is not the address"),
    ({"backends": [{"path": "/ws", "url": "http://a/", "timeout": 0}]}, "backends[0].timeout", "is too short"),
    ({"extra_config": "ServerName x"}, "extra_config", "line 1: the role itself sets ServerName"),
    ({"extra_config": "</VirtualHost>"}, "extra_config", "closes a section"),
    ({"tls": {}}, "tls", "none is given"),
    ({"tls": {"certificate": "/a"}}, "tls.key", "give both or neither"),
    ({"tls": {"self_signed": True, "certificate": "/a", "key": "/b"}}, "tls", "certificate and self_signed are given"),
    ({"tls": {"certificate": "a", "key": "/b"}}, "tls.certificate", "is not the absolute path"),
    ({"tls": {"self_signed": True, "profile": "old"}}, "tls.profile", "is not known"),
    (
        {"tls": {"self_signed": True, "acme_challenge_directory": "/var/www/*"}},
        "tls.acme_challenge_directory",
        "is a pattern for httpd",
    ),
    ({"tls": {"self_signed": True, "port": 8080}, "extra_ports": [8080]}, "tls.port", "has the port 8080 twice"),
    ({"tls": {"self_signed": True, "port": 444}}, "tls.port", "httpd does not listen on 444"),
    ({"tls": {"self_signed": True, "hsts_seconds": -1}}, "tls.hsts_seconds", "is negative"),
    ({"tls": {"self_signed": True, "hsts_seconds": 9, "redirect": False}}, "tls.hsts_seconds", "redirect is false"),
    ({"tls": {"acme": {"contact": "x", "agree_terms": True}}}, "tls.acme.contact", "wants an e-mail address"),
    (
        {"tls": {"acme": {"contact": "a@b.example", "agree_terms": True}}, "server_aliases": ["*.shop.example"]},
        "tls.acme",
        "cannot get a certificate for *.shop.example",
    ),
    ({"tls": {"acme": {"contact": "a@b.example"}}}, "tls.acme.agree_terms", "agrees to its terms"),
]


@pytest.mark.parametrize(("change", "key", "text"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: dict[str, Any], change: dict[str, Any], key: str, text: str) -> None:
    (sentence,) = found({**shop, **change})
    assert sentence.startswith(f"wsgi_apps: application 'shop', key {key}: ")
    assert text in sentence
    assert sentence.endswith(".")
    assert "secret" not in sentence


def test_a_self_made_certificate_is_not_for_production(shop: dict[str, Any]) -> None:
    shop["tls"] = {"self_signed": True}
    assert found(shop) == []
    (sentence,) = found(shop, environment="production")
    assert "key tls.self_signed: browsers refuse it" in sentence


def test_a_port_speaks_either_http_or_tls(shop: dict[str, Any]) -> None:
    other = {**shop, "name": "blog", "server_name": "blog.example", "port": 443}
    (sentence,) = found({**shop, "tls": {"self_signed": True}}, other)
    assert "key tls.port: the application 'blog' speaks plain http on port 443" in sentence


def test_applications_share_a_vhost_by_paths(shop: dict[str, Any]) -> None:
    blog = {**shop, "name": "blog", "path": "/blog/", "max_body_size": 5}
    deep = {**shop, "name": "deep", "path": "/blog/deep", "health": {"path": "/ok"}}
    assert found(shop, blog, deep) == []
    files = rendered(shop, deep, blog)
    text = files["sites-available/100-modwsgi-shop.conf"]
    aliases = re.findall(r"WSGIScriptAlias (\S+) .* process-group=(\S+)", text)
    assert aliases == [("/blog/deep", "deep"), ("/blog", "blog"), ("/", "shop")]
    assert "<Location /blog>\n        LimitRequestBody 5" in text
    assert re.findall(r"^WSGIDaemonProcess (\S+)", text, re.MULTILINE) == ["deep", "blog", "shop"]
    complete = apps.normalise(
        [shop, blog, deep], [80], dict.fromkeys(("shop", "blog", "deep"), SIZES), instance("apache2")
    )
    assert {a["name"]: a["health"]["path"] for a in complete} == {
        "shop": "/healthz",
        "blog": "/blog/healthz",
        "deep": "/blog/deep/ok",
    }


def test_applications_of_one_vhost_must_not_be_in_each_other_s_way(shop: dict[str, Any]) -> None:
    blog = {**shop, "name": "blog", "path": "/blog"}
    (sentence,) = found(shop, blog, {**blog, "name": "twin"})
    assert "'twin', key path: /blog is already the application 'blog'" in sentence
    (sentence,) = found(shop, {**blog, "server_aliases": ["x.example"]})
    assert "'blog', key server_aliases: it is for the whole vhost, which is that of the application 'shop'" in sentence
    (sentence,) = found({**shop, "static": [{"url": "/blog", "directory": "static"}]}, blog)
    assert "'shop', key static[0].url: /blog would hide the application 'blog'" in sentence


def test_without_new_keys_nothing_is_added(shop: dict[str, Any]) -> None:
    assert wsgi_vhost.modules([shop]) == []
    assert wsgi_vhost.tls_ports([shop]) == []
    assert not [path for path in rendered(shop) if "tls" in path]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "shop",
        [None, "shop"],
        [{"tls": "yes", "static": "x", "auth": {"a": 1}, "backends": [5]}],
        [{"tls": {"port": "https", "http2": "perhaps"}, "auth": ["x", {"modules": 5}], "backends": [{}]}],
    ],
)
def test_what_the_role_httpd_asks_survives_an_unchecked_list(value: object) -> None:
    """The role wsgi_app refuses these in a sentence, later."""
    assert isinstance(wsgi_vhost.modules(value), list)
    assert wsgi_vhost.tls_ports(value) == []


def test_the_modules_are_those_that_are_needed(shop: dict[str, Any]) -> None:
    shop |= {
        "tls": {"self_signed": True, "http2": False},
        "static": [{"url": "/s", "directory": "static", "precompressed": True}],
        "auth": [{"type": "openid-connect", "modules": ["auth_openidc"]}],
        "backends": [{"path": "/a", "url": "unix:/run/x|http://localhost/"}, {"path": "/b", "url": "ws://b/"}],
    }
    assert wsgi_vhost.modules([shop]) == [
        "auth_openidc", "authn_core", "authz_user", "proxy", "proxy_http", "proxy_wstunnel", "rewrite", "setenvif",
        "socache_shmcb", "ssl",
    ]  # fmt: skip


def test_tls_redirects_and_keeps_what_was_asked(shop: dict[str, Any]) -> None:
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


def test_http2_can_be_turned_off(shop: dict[str, Any]) -> None:
    shop["tls"] = {"self_signed": True, "http2": False}
    assert "Protocols h2" not in vhost(shop)


def test_a_certificate_without_a_responder_is_not_stapled(shop: dict[str, Any]) -> None:
    shop["tls"] = {"certificate": "/c", "key": "/k"}
    assert "SSLUseStapling" not in vhost(shop)


def test_a_new_certificate_changes_the_vhost(shop: dict[str, Any]) -> None:
    shop["tls"] = {"certificate": "/c", "key": "/k"}
    texts = {vhost(shop, certificates={"shop": {"fingerprint": f, "stapling": False}}) for f in ("a", "b")}
    assert len(texts) == 2


def test_tls_can_be_all_there_is(shop: dict[str, Any]) -> None:
    shop |= {"port": 443, "tls": {"self_signed": True}, "redirect_names": ["www.shop.example"]}
    assert found(shop) == []
    assert re.findall(r"<VirtualHost (.*)>", vhost(shop)) == ["*:443", "*:443"]


def test_both_protocols_can_be_served(shop: dict[str, Any]) -> None:
    shop["tls"] = {"self_signed": True, "redirect": False}
    assert vhost(shop).count("WSGIScriptAlias / ") == 2


def test_the_certificates_of_a_host(shop: dict[str, Any]) -> None:
    shop |= {"tls": {"self_signed": True}, "redirect_names": ["www.shop.example"]}
    complete = apps.normalise([shop], [80, 443], {"shop": SIZES}, instance("apache2"))
    mine, unknown = wsgi_certificates.wanted(complete, "/state")
    assert (mine["names"], mine["self_signed"]) == (["shop.example", "www.shop.example"], True)
    assert unknown["certificate"] == "/state/tls/unknown-host.crt"
    plain = apps.normalise([{**shop, "tls": None}], [80], {"shop": SIZES}, instance("apache2"))
    assert wsgi_certificates.wanted(plain, "/state") == []


def test_httpd_itself_gets_certificates(shop: dict[str, Any]) -> None:
    shop["tls"] = {"acme": {"contact": "ops@shop.example", "agree_terms": True}}
    files = rendered(shop)
    assert "SSLCertificateFile" not in files["sites-available/100-modwsgi-shop.conf"]
    server = files["conf-available/modwsgi-tls.conf"]
    assert "MDCertificateAgreement accepted" in server
    assert (
        "<MDomain shop.example>\n    MDContactEmail ops@shop.example\n    MDCAChallenges http-01\n    MDStapling on\n"
        "</MDomain>" in server
    )
    assert "md" in wsgi_vhost.modules([shop])


ACME = {"contact": "ops@shop.example", "agree_terms": True}


def test_mod_md_staples_for_its_own_certificates(shop: dict[str, Any]) -> None:
    shop["tls"] = {"acme": ACME, "stapling": False}
    files = rendered(shop)
    assert "MDStapling off" in files["conf-available/modwsgi-tls.conf"]
    assert "SSLUseStapling" not in rendered({**shop, "tls": {"acme": ACME}})["sites-available/100-modwsgi-shop.conf"]


def test_an_authority_is_answered_on_port_443_where_80_is_silent(shop: dict[str, Any]) -> None:
    shop.update(port=443, tls={"acme": ACME})
    files = {file["path"]: file for file in wsgi_files.files(completed([shop], [443]), instance("apache2"))}
    assert "MDCAChallenges tls-alpn-01" in files["conf-available/modwsgi-tls.conf"]["content"]
    assert "Protocols h2 http/1.1 acme-tls/1\n" in files["sites-available/100-modwsgi-shop.conf"]["content"]


def completed(applications: list[dict[str, Any]], listen: list[int]) -> list[dict[str, Any]]:
    return apps.normalise(
        applications, listen, {application["name"]: SIZES for application in applications}, instance("apache2")
    )


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
    assert tls.challenge({"port": port}, listen) == expected


def test_a_name_that_no_authority_can_reach_is_refused(shop: dict[str, Any]) -> None:
    shop.update(port=8080, tls={"port": 8443, "acme": ACME})
    assert apps.problems([shop], [8080, 8443]) == [
        "wsgi_apps: application 'shop', key tls.acme: an authority asks on port 80, or on port 443 over TLS, and httpd "
        "answers on neither; add 80 to httpd_listen, or give a certificate."
    ]
    assert apps.problems([shop], [80, 8080, 8443]) == []


def test_the_health_is_asked_privately_until_there_is_a_certificate(shop: dict[str, Any]) -> None:
    shop.update(tls={"acme": ACME}, health={"path": "/is.it?well=1"}, auth=[{"path": "/", "users": {"alice": HASH}}])
    part = {**shop, "name": "part", "path": "/part", "health": {}, "tls": None, "auth": []}
    found = wsgi_files.files(completed([shop, part], [80, 443]), instance("apache2"), private_port=297)
    files = {file["path"]: file for file in found}
    lines = files["sites-available/060-modwsgi-probes.conf"]["content"].splitlines()
    shown = [line.strip() for line in lines]
    assert "<VirtualHost 127.0.0.1:297>" in shown
    assert "ServerName shop.example" in shown
    launcher = "/usr/local/lib/modwsgi/launcher.py"
    assert "ErrorLog /var/log/apache2/shop-error.log" in shown
    assert [line for line in shown if line.startswith("WSGIScriptAlias")] == [
        "WSGIScriptAlias /probe/part /usr/local/lib/modwsgi/probe.py",
        "WSGIScriptAlias /probe/shop /usr/local/lib/modwsgi/probe.py",
        f"WSGIScriptAlias /part {launcher}",
        f"WSGIScriptAlias / {launcher}",
    ]
    groups = [line for line in shown if line.startswith(("<Location ", "WSGIProcessGroup"))]
    assert groups == [
        "<Location />",
        "WSGIProcessGroup shop",
        "<Location /part>",
        "WSGIProcessGroup part",
        '<Location "/">',
        "<Location /probe/part>",
        "WSGIProcessGroup part",
        "<Location /probe/shop>",
        "WSGIProcessGroup shop",
    ]
    # Nobody but the health check comes past the login.
    assert [line for line in shown if line.startswith("<LocationMatch")] == [
        '<LocationMatch "^/is\\\\.it$">',
        '<LocationMatch "^/part/healthz$">',
    ]
    assert files["sites-enabled/060-modwsgi-probes.conf"]["link"] == "../sites-available/060-modwsgi-probes.conf"


def test_a_timer_looks_for_certificates_where_httpd_gets_them(shop: dict[str, Any]) -> None:
    shop["tls"] = {"acme": ACME}
    files = {file["path"]: file for file in wsgi_files.files(completed([shop], [80, 443]), instance("apache2"))}
    units = "/etc/systemd/system"
    assert (
        "ExecStart=/usr/bin/python3 -I /usr/local/lib/modwsgi/renewals.py /var/lib/modwsgi/apache2/md "
        "/var/lib/modwsgi/apache2/renewals.json apache2.service\n"
        in files[f"{units}/modwsgi-renewals.service"]["content"]
    )
    assert files[f"{units}/timers.target.wants/modwsgi-renewals.timer"]["link"] == "../modwsgi-renewals.timer"
    assert f"{units}/modwsgi-renewals.timer" in files
    shop["tls"] = {"self_signed": True}
    others = [file["path"] for file in wsgi_files.files(completed([shop], [80, 443]), instance("apache2"))]
    assert not [path for path in others if "renewals" in path or "health" in path]


def test_a_name_is_in_one_certificate_of_httpd_s_own(shop: dict[str, Any]) -> None:
    shop["tls"] = {"acme": ACME}
    other = {**shop, "name": "other", "port": 8080, "tls": {"acme": ACME, "port": 8443}}
    problems = apps.problems([shop, other], [80, 443, 8080, 8443])
    assert problems == [
        "wsgi_apps: application 'other', key tls.acme: httpd already gets a certificate for shop.example, for the "
        "application 'shop'; give one of the two a certificate of its own."
    ]


def test_the_private_port_is_the_default_of_the_role_httpd() -> None:
    defaults = yaml.safe_load((ROLE.parent / "httpd" / "defaults" / "main.yml").read_text())
    assert defaults["httpd_private_port"] == int(instance("apache2")["private_port"])


def test_users_are_in_no_value_that_a_module_logs(shop: dict[str, Any]) -> None:
    shop["auth"] = [{"path": "/x", "users": {"alice": HASH}}]
    complete = apps.without_environments(apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2")))
    assert HASH not in json.dumps(complete)
    assert HASH not in json.dumps(rendered(shop))
    assert wsgi_vhost.user_files([shop]) == {"modwsgi-users/shop-0": f"alice:{HASH}\n"}
    assert "AuthUserFile modwsgi-users/shop-0" in vhost(shop)


def test_the_health_check_needs_no_login(shop: dict[str, Any]) -> None:
    shop["auth"] = [{"user_file": "/users", "require": ["user alice"]}]
    text = vhost(shop)
    assert "<Location /healthz>\n        Require local\n        Require user alice\n    </Location>" in text
    assert text.index("<Location />") < text.index("<Location /healthz>")


def test_the_maintenance_page_leaves_out_what_it_must(shop: dict[str, Any]) -> None:
    shop["maintenance"] = {"retry_after": 7}
    blog = {**shop, "name": "blog", "path": "/blog"}
    text = vhost(shop, blog)
    assert "<If \"-f '/srv/wsgi/shop/maintenance' && %{REQUEST_URI} != '/healthz' && " in text
    assert r"%{REQUEST_URI} !~ m#^(?:/\.modwsgi|/blog)(?:/|$)#" in text
    assert "%{REQUEST_URI} != '/blog/healthz' && %{REQUEST_URI} =~ m#^/blog(?:/|$)#" in text
    assert text.count("Header always set Retry-After 7") == 2


def test_only_a_trusted_proxy_says_who_asks(shop: dict[str, Any]) -> None:
    assert "Trusted" not in vhost(shop)
    assert "MODWSGI_REQUEST_ID" not in vhost(shop)
    shop["trusted_proxies"] = ["192.0.2.1", "2001:db8::/32"]
    text = vhost(shop)
    assert "WSGITrustedProxies 192.0.2.1 2001:db8::/32\n" in text
    assert "(%{CONN_REMOTE_ADDR} -ipmatch '192.0.2.1' || %{CONN_REMOTE_ADDR} -ipmatch '2001:db8::/32') && " in text


def test_header_values_come_as_they_are(shop: dict[str, Any]) -> None:
    shop["headers"] = [{"name": "X-A", "value": '100% "sure"'}]
    assert 'Header always set X-A "100%% \\"sure\\""' in vhost(shop)


def test_a_header_is_set_appended_or_removed(shop: dict[str, Any]) -> None:
    shop["headers"] = [
        {"name": "X-A", "value": "a"},
        {"name": "Vary", "value": "Cookie", "action": "append"},
        {"name": "X-Powered-By", "action": "unset"},
    ]
    lines = [line.strip() for line in vhost(shop).splitlines() if "Header " in line]
    assert {"Header always set X-A a", "Header append Vary Cookie", "Header always unset X-Powered-By"} <= set(lines)


def test_the_profiles_are_mozilla_s_and_dated() -> None:
    assert re.fullmatch(r"\d+\.\d+, \d{4}-\d\d-\d\d", tls.profiles_version())
    assert tls.settings("modern")[0] == "SSLProtocol -all +TLSv1.3"


def specified(options: dict[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_the_argument_specification_repeats_the_defaults() -> None:
    specification = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    options = specification["options"]["wsgi_apps"]["options"]
    for key, defaults in {
        "redirects": wsgi_vhost.REDIRECT_DEFAULTS,
        "headers": wsgi_vhost.HEADER_DEFAULTS,
        "maintenance": wsgi_vhost.MAINTENANCE_DEFAULTS,
        "auth": wsgi_vhost.AUTH_DEFAULTS,
        "backends": wsgi_vhost.BACKEND_DEFAULTS,
        "tls": tls.DEFAULTS,
    }.items():
        assert specified(options[key]["options"]) == defaults, key
    acme = specified(options["tls"]["options"]["acme"]["options"])
    assert {"contact": "", **acme} == tls.ACME_DEFAULTS
    assert options["tls"]["options"]["profile"]["choices"] == list(tls.profiles())


HOSTILE = st.text(max_size=12) | st.sampled_from(
    ["a\nListen 81", "a\\", '"', "</VirtualHost>", "${X}", "%{X}e", "a b", "#", "' || 'a", "\\\nListen 81"]
)
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "path": HOSTILE.map("/{}".format),
        "redirect_names": st.lists(HOSTILE, min_size=1, max_size=1),
        "redirects": st.tuples(HOSTILE, HOSTILE, st.booleans()).map(
            lambda t: [{"from": f"/{t[0]}", "to": f"/x{t[1]}", "exact": t[2]}]
        ),
        "headers": st.tuples(HOSTILE, HOSTILE).map(lambda t: [{"name": t[0] or "X", "value": t[1] or "x"}]),
        "error_documents": HOSTILE.map(lambda t: [{"status": 404, "file": f"x{t}"}]),
        "maintenance": HOSTILE.map(lambda t: {"page": t}),
        "auth": st.tuples(HOSTILE, HOSTILE, HOSTILE).map(
            lambda t: [{"realm": t[0], "user_file": f"/x{t[1]}", "require": [f"user {t[2]}"], "path": "/y"}]
        ),
        "trusted_proxies": st.lists(HOSTILE, min_size=1, max_size=1),
        "backends": HOSTILE.map(lambda t: [{"path": "/b", "url": f"http://b/{t}"}]),
        "extra_config": HOSTILE,
        "tls": st.tuples(HOSTILE, HOSTILE).map(lambda t: {"certificate": f"/c{t[0]}", "key": f"/k{t[1]}"}),
    },
)


@given(SHAPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_no_text_adds_a_directive(shop: dict[str, Any], change: dict[str, Any]) -> None:
    """Whatever the values: refused, or the lines are those that harmless values of the same shape give."""
    application = {**shop, **change}
    if found(application):
        return
    try:
        text = vhost(application)
    except ValueError:
        return  # refused by the quoting
    extra = application.get("extra_config", "")
    text = text.replace(extra.rstrip("\n"), "") if extra else text
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    assert not [line for line in lines if re.match(r"(?i)listen\b", line)]
    sections = [line for line in lines if line.startswith("<")]
    depth = 0
    for line in sections:
        depth += -1 if line.startswith("</") else 1
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"(?m)^<VirtualHost", text)) == len(re.findall(r"(?m)^</VirtualHost>", text))
