# SPDX-License-Identifier: Apache-2.0
"""A host is described, and one that cannot serve is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.filter import httpd as filters
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import preflight, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import base

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'


def test_a_supported_distribution_is_known_by_its_codename() -> None:
    assert preflight.distribution(BOOKWORM, "web1") == {
        "distribution": "debian",
        "codename": "bookworm",
        "release": "12",
        "python_version": "3.11",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n', "Fedora Linux 41"),
        ("ID=debian\nVERSION_CODENAME=buster\n", "debian"),
    ],
)
def test_another_distribution_is_refused_with_the_list_of_supported_ones(text: str, shown: str) -> None:
    with pytest.raises(
        preflight.HostError, match=rf"^web1 runs {shown}, which is not supported; use one of Debian 11 \("
    ):
        preflight.distribution(text, "web1")


def test_a_port_that_another_program_has_is_refused_by_program_and_pid(taken: int) -> None:
    with pytest.raises(preflight.HostError) as refusal:
        preflight.refuse_taken_ports(instance("apache2"), [Listener("*", taken)], "web1")
    assert str(refusal.value).startswith(f"Port {taken} of web1 is in use by ")
    assert f"(pid {os.getpid()}), so httpd cannot listen on {taken}; stop that program" in str(refusal.value)


def test_a_port_on_another_address_is_free(taken: int) -> None:
    preflight.refuse_taken_ports(instance("apache2"), [Listener("192.0.2.1", taken)], "web1")


def test_a_port_that_this_instance_holds_is_fine(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = processes.process(os.getpid())
    monkeypatch.setattr(preflight, "httpd_main_process", lambda _: mine)
    preflight.refuse_taken_ports(instance("apache2"), [Listener("*", taken)], "web1")


@pytest.mark.parametrize(
    ("first", "warns"), [("1024", False), ("298", False), ("297", True), ("0", True), (None, False)]
)
def test_a_kernel_that_lets_any_account_listen_on_the_private_port_is_warned_of(
    tmp_path: Path, first: str | None, warns: bool
) -> None:
    setting = tmp_path / "ip_unprivileged_port_start"
    if first is not None:
        setting.write_text(f"{first}\n")
    warning = preflight.unprivileged_port_warning(297, "web1", setting)
    assert bool(warning) == warns
    if warns:
        assert f"since net.ipv4.ip_unprivileged_port_start is {first} there; set that to 1024" in warning
        assert ("or set httpd_private_port below 297" in warning) == (first == "297")


def test_addresses_of_the_kernels_tables_are_read() -> None:
    read = processes._address
    assert read("0100007F") == "127.0.0.1"
    assert read("00000000") == "*"
    assert read("00000000000000000000000000000000") == "*"
    assert read("0000000000000000FFFF00000100007F") == "127.0.0.1"
    assert read("B80D0120000000000000000001000000") == "2001:db8::1"


def test_modules_are_enabled_with_their_configuration_and_unused_ones_disabled() -> None:
    files = {entry["path"]: entry for entry in base.module_files(["status", "mime", "dir"], ["dir", "env"], ["status"])}
    assert files["mods-enabled/mime.conf"]["optional"] is True
    assert files["mods-enabled/status.conf"]["absent"] is True
    assert files["mods-enabled/env.load"]["absent"] is True
    assert "link" in files["mods-enabled/dir.load"]
    assert {entry["action"] for entry in files.values()} == {"restart"}


def test_only_the_instance_of_the_distribution_is_known() -> None:
    assert filters.instance("apache2")["server_root"] == "/etc/apache2"
    with pytest.raises(AnsibleFilterError, match="The httpd instance 'other' is not known; use 'apache2'"):
        filters.instance("other")


@pytest.mark.parametrize(
    ("manager", "controllers", "has_some"),
    [
        ("systemd", "cpuset cpu io memory hugetlb pids rdma misc\n", True),
        ("systemd", "cpu pids\n", False),
        ("systemd", "", False),
        ("systemd", None, False),
        ("none", "cpu memory pids\n", False),
    ],
)
def test_control_groups_need_systemd_and_the_kernel_s_controllers(
    manager: str, controllers: str | None, has_some: bool, tmp_path: Path
) -> None:
    file = tmp_path / "cgroup.controllers"
    if controllers is not None:
        file.write_text(controllers)
    assert preflight.has_control_groups(manager, file) is has_some
