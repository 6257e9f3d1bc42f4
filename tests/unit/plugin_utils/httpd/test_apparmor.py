# SPDX-License-Identifier: Apache-2.0
"""The AppArmor profile says what the inventory needs, and nothing that an operator writes ends it early."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import apparmor
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.base import packages
from support.preflight import base

SHOP: dict[str, Any] = {"name": "shop", "server_name": "shop.example", "source": {"directory": "/srv/source/shop"}}
OTHERS: dict[str, Any] = {"sites": [{"file": "/etc/apache2/sites-enabled/old.conf"}], "mpm": "mpm_event"}
HAS = {"apparmor": True, "apparmor_ready": True}
PROFILE, DROP_IN = "/etc/apparmor.d/modwsgi-apache2", "/etc/systemd/system/apache2.service.d/modwsgi-apparmor.conf"


def files(*applications: dict[str, Any], **variables: Any) -> dict[str, dict[str, Any]]:
    """The files of the role, by path."""
    found = base(applications, HAS, **{"httpd_apparmor": "enforce", **variables}).files()
    return {file["path"]: file for file in found}


def profile(*applications: dict[str, Any], **variables: Any) -> list[str]:
    """The lines of the profile."""
    return [line.strip() for line in files(*applications, **variables)[PROFILE]["content"].splitlines()]


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ({}, "complain"),
        ({"apparmor": False}, "off"),
        ({"apparmor_ready": False}, "off"),
        ({"service_manager": "none"}, "off"),
        ({"foreign": OTHERS}, "off"),
    ],
)
def test_by_default_it_only_logs_where_the_host_has_all_for_it(host: dict[str, Any], mode: str) -> None:
    described = base(host={**HAS, **host})
    assert apparmor.mode(described.settings, described.host) == mode
    assert apparmor.problems(described.settings, described.host, "web1") == []
    assert apparmor.mode({"httpd_apparmor": "enforce"}, {}) == "enforce"


def test_there_is_none_where_it_is_off() -> None:
    assert not {PROFILE, DROP_IN} & set(files(httpd_apparmor="off"))
    assert not {PROFILE, DROP_IN} & {file["path"] for file in base().files()}


@pytest.mark.parametrize(
    ("mode", "flags", "prefix", "action"),
    [
        ("enforce", "attach_disconnected", "+", "restart"),
        ("complain", "attach_disconnected,complain", "-+", None),
        ("auto", "attach_disconnected,complain", "-+", None),
    ],
)
def test_the_unit_has_the_profile_which_is_loaded_before(mode: str, flags: str, prefix: str, action: str) -> None:
    """One that only logs is worth no restart, and no start that fails."""
    found = files(httpd_apparmor=mode)
    assert f"profile modwsgi-apache2 flags=({flags}) {{\n" in found[PROFILE]["content"]
    lines = found[DROP_IN]["content"].splitlines()
    assert f"ExecStartPre={prefix}/sbin/apparmor_parser --replace --write-cache {PROFILE}" in lines
    assert lines[-1] == "AppArmorProfile=-modwsgi-apache2"
    assert [found[PROFILE].get("action"), found[DROP_IN].get("action")] == [action, action]


def test_another_profile_is_another_unit() -> None:
    """So that systemd reads it again, when the kernel gets the profile, too."""
    assert files()[DROP_IN] == files()[DROP_IN]
    assert files()[DROP_IN] != files(httpd_apparmor_rules=["/data/** r,"])[DROP_IN]


def test_nothing_runs_from_where_applications_write() -> None:
    lines = profile(httpd_writable_paths=["/srv/uploads"])
    runs = [line for line in lines if re.search(r" \w*[xm]\w*,$", line) and line.startswith(("/", '"'))]
    written = [line.partition("{")[0] for line in lines if line.endswith(" rwkl,")]
    assert written == [
        *("/run", "/var/log/apache2", "/var/lib/wsgi", "/var/cache/apache2", "/srv/uploads"),
        *("/tmp", "/var/tmp", "/dev/shm"),
    ]
    assert [line.partition("{")[0] for line in runs] == list(apparmor.PROGRAMS)


def test_what_the_inventory_names_can_be_read_and_run() -> None:
    shop = {
        **SHOP,
        "tls": {"certificate": "/data/tls/shop.pem", "key": "/data/tls/shop key.pem"},
        "static": [{"url": "/media/", "directory": "/data/media"}],
        "daemon_options": {"chroot": "/srv/jail"},
    }
    lines = profile(shop, httpd_capabilities=["CAP_NET_RAW"], httpd_apparmor_rules=["/data/{a,b}/** mrix,"])
    for wanted in (
        "/data/tls/shop.pem{,/**} r,",
        '"/data/tls/shop key.pem{,/**}" r,',
        "/data/media{,/**} r,",
        "/srv/jail{,/**} mrix,",
        "capability net_raw,",
        "capability sys_chroot,",
        "/data/{a,b}/** mrix,",
    ):
        assert wanted in lines


def test_a_path_means_itself() -> None:
    assert apparmor.below("/srv/a") == "/srv/a{,/**}"
    assert apparmor.below('/srv/a*{b}"^@[1]\\') == '"/srv/a\\*\\{b\\}\\"\\^\\@\\[1\\]\\\\{,/**}"'


def test_the_parser_is_installed() -> None:
    assert "apparmor" in packages([], {"httpd_apparmor": "complain"})
    assert "apparmor" not in packages([], {"httpd_apparmor": "off"})
    assert "apparmor" not in packages([], {"httpd_apparmor": "auto"})


@pytest.mark.parametrize(
    "rule", ["/a r", "/a r,\n}", "/a r, # no", "}", "} profile x {,", "{,", "", ",", " /a r,", "/a\x00 r,"]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    (sentence,) = base(httpd_apparmor_rules=[rule]).problems("web1")
    assert sentence == (
        f"httpd_apparmor_rules of host web1 has {rule!r}, which is no rule on one line; write it like "
        "'/srv/tools/** mrix,', with the comma."
    )


@pytest.mark.parametrize("host", [{"apparmor": False}, {**HAS, "service_manager": "none"}])
def test_a_host_without_apparmor_is_refused(host: dict[str, Any]) -> None:
    (sentence,) = base(host=host, httpd_apparmor="enforce").problems("web1")
    assert sentence == (
        "httpd_apparmor of host web1 is enforce, and no AppArmor is active there (systemd, and a kernel that was "
        "started with it); set it to auto for that host."
    )


def test_sites_of_others_are_not_held_by_it() -> None:
    described = base(host=HAS, httpd_apparmor="complain")
    assert apparmor.problems(described.settings, {**described.host, "foreign": OTHERS}, "web1") == [
        "httpd_apparmor of host web1 is complain, which would hold for the sites of others, too; set it to auto."
    ]
