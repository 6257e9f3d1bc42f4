# SPDX-License-Identifier: Apache-2.0
"""What the unit of httpd keeps it from, and how an operator takes a measure away."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import HOMES
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import hardening
from support.preflight import base
from support.scripts import ROOT

HOME = f"{HOMES[0]}/me"
SHOP: dict[str, Any] = {"name": "shop", "server_name": "shop.example", "source": {"directory": f"{HOME}/shop"}}
OTHERS: dict[str, Any] = {"sites": [{"file": "/etc/apache2/sites-enabled/old.conf"}], "mpm": "mpm_event"}


def unit(*applications: dict[str, Any], host: dict[str, Any] | None = None, **variables: Any) -> dict[str, str]:
    """The directives of the unit's file, by name."""
    files = base(applications, host, **variables).files()
    (content,) = [file["content"] for file in files if file["path"].endswith("/modwsgi-hardening.conf")]
    lines = [line.partition("=") for line in content.splitlines() if re.match(r"[A-Z]\w+=", line)]
    return {name: value for name, _, value in lines}


def problems(*applications: dict[str, Any], python: str = "3.11", **variables: Any) -> list[str]:
    return base(applications, **variables).problems("web1", python)


def test_all_measures_hold_unless_one_is_taken_away() -> None:
    assert set(hardening.DIRECTIVES) < set(unit())
    for directive in hardening.DIRECTIVES:
        left = unit(httpd_hardening_disabled=[directive])
        assert set(unit()) - set(left) >= {directive}
        assert set(hardening.DIRECTIVES) - set(left) == {directive}


def test_none_holds_where_the_operator_wants_none_or_others_are_served() -> None:
    assert unit(httpd_hardening=False) == {}
    assert unit(host={"foreign": OTHERS}) == {}
    assert "NoNewPrivileges" not in unit()
    assert unit(httpd_setuid_programs=False)["NoNewPrivileges"] == "yes"


def test_what_may_be_written_is_named() -> None:
    acme = {**SHOP, "tls": {"acme": {"contact": "me@example.com", "agree_terms": True}}}
    assert unit()["ReadWritePaths"] == "-/run -/var/log/apache2 -/var/lib/wsgi -/var/cache/apache2"
    assert unit(acme)["ReadWritePaths"].endswith(" -/var/lib/modwsgi/apache2")
    assert unit(httpd_writable_paths=["/srv/uploads"])["ReadWritePaths"].endswith(" -/srv/uploads")
    assert "ReadWritePaths" not in unit(httpd_hardening_disabled=["ProtectSystem"])
    (folder,) = [file for file in base().files() if file["path"] == "/var/lib/wsgi"]
    assert folder["directory"], "what is not there when httpd starts stays read-only"


def test_an_option_that_needs_a_right_gets_it() -> None:
    jail = {**SHOP, "daemon_options": {"chroot": "/srv/jail"}}
    nice = {**SHOP, "daemon_groups": [{"name": "fast", "paths": ["/fast"], "daemon_options": {"cpu_priority": -5}}]}
    assert "CAP_SYS_CHROOT" in unit(jail)["CapabilityBoundingSet"]
    assert unit(jail)["SystemCallFilter"] == "@system-service chroot"
    assert "CAP_SYS_NICE" in unit(nice)["CapabilityBoundingSet"]
    assert not re.search("CHROOT|NICE", unit(SHOP)["CapabilityBoundingSet"])
    more = unit(httpd_capabilities=["CAP_NET_RAW"], httpd_system_calls=["@debug", "bpf"])
    assert more["CapabilityBoundingSet"].endswith(" CAP_NET_RAW")
    assert more["SystemCallFilter"] == "@system-service @debug bpf"


@pytest.mark.parametrize(
    ("key", "value", "example"),
    [
        ("httpd_hardening_disabled", "ProtectHomes", "ProtectHome"),
        *(
            ("httpd_writable_paths", path, "/srv/uploads")
            for path in ("srv", "/", "/a b", "/a/../b", "/%t", '/"', "/a\n")
        ),
        ("httpd_capabilities", "NET_RAW", "CAP_NET_RAW"),
        ("httpd_system_calls", "~@debug", "@debug"),
        ("httpd_system_calls", "a b", "@debug"),
    ],
)
def test_what_systemd_would_not_take_is_refused(key: str, value: str, example: str) -> None:
    assert problems(**{key: [value]}) == [
        f"{key} of host web1 has {value!r}, which systemd would not take; write it like {example}."
    ]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (
            {"static": [{"url": "/s/", "directory": f"{HOME}/static"}]},
            "wsgi_apps: application 'shop', key static[0].directory",
        ),
        ({"tls": {"certificate": "/etc/c.pem", "key": "/root/key.pem"}}, "wsgi_apps: application 'shop', key tls.key"),
    ],
)
def test_what_is_in_a_home_is_refused_by_its_key(change: dict[str, Any], where: str) -> None:
    """A source is read without httpd, and what variables name is for the application to say."""
    (problem,) = problems({**SHOP, **change})
    assert problem.startswith(f"{where}: httpd of host web1 sees nothing of /home, /root and /run/user, and so nothing")
    assert problem.endswith("or name ProtectHome in httpd_hardening_disabled.")
    assert problems({**SHOP, **change}, httpd_hardening_disabled=["ProtectHome"]) == []
    assert problems({**SHOP, "environment": {"KEYS": f"{HOME}/keys"}}) == []


def test_a_path_of_a_url_is_no_path_of_the_host() -> None:
    site = {
        **SHOP,
        "redirects": [{"from": "/home", "to": "/root/new"}],
        "static": [{"url": "/home/", "directory": "public"}],
        "auth": [{"path": "/root", "user_file": "/etc/users"}],
        "health": {"path": "/home/up"},
    }
    assert problems(site) == []
    assert problems({**SHOP, "path": "/home"}) == []


def test_each_key_that_is_a_path_of_the_host_is_one_of_the_specification() -> None:
    specified = json.dumps(settings.options("wsgi_app"))
    assert [key for key in hardening.FILES if f'"{key}": {{' not in specified] == []


def test_a_python_in_a_home_is_refused() -> None:
    (problem,) = problems(python=f"{HOME}/.pyenv/versions/3.12.1/bin/python3")
    assert problem.startswith("mod_wsgi_python: httpd of host web1 sees nothing of /home")


def test_the_page_has_each_measure() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    section = text.partition("\n## The service\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)", section, re.MULTILINE)
    assert rows == [*hardening.DIRECTIVES, "NoNewPrivileges"]
