# SPDX-License-Identifier: Apache-2.0
"""What benchmarks ask for is measured on a host that serves, and the host is left as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.evidence import items
from support.deployment import play
from support.managed_host import ManagedHost
from support.site import Site
from support.snapshot import differences, snapshot

NOT_MET = {
    "CIS 2.4", "CIS 2.6", "CIS 2.9", "AS24-U1-000970", "AS24-U2-000580", "CIS 5.1", "CIS 5.2", "CIS 5.9", "CIS 5.15",
    "AS24-U2-000360", "AS24-U1-000620", "CIS 5.16", "CIS 5.17", "CIS 5.18", "CIS 6.1", "CIS 6.2", "CIS 6.4", "CIS 6.6",
    "CIS 7.2", "CIS 7.9", "CIS 7.11", "CIS 9.1", "CIS 10.4", "CIS 12.1", "CIS 12.3",
}  # fmt: skip
"""By their first number. Each has a reason in the table."""
ELSEWHERE = {"CIS 6.5", "CIS 12.1"}
"""What the kernel and the day decide: whether there is AppArmor, and a correction that is newer than the host."""
BY_HAND = "/etc/apache2/conf-enabled/zz-by-hand.conf"
"""Read after all of ours."""
HIDDEN = "/srv/wsgi/victim/current/static/.svn"


def measured(machine: ManagedHost, folder: Path) -> tuple[dict[str, Any], str]:
    """The items by their first number, and the report for people."""
    done = play("playbooks/evidence.yml", variables={"evidence_report": str(folder / "report")})
    assert done.status == 0, done.output
    assert done.recap(machine.container)["changed"] == 0
    report = json.loads((folder / "report.json").read_text())
    host = report["hosts"][machine.container]
    assert host["in_force"] is True
    return {row["ids"][0]: row for row in host["items"]}, (folder / "report.md").read_text()


def test_a_deployed_host_is_measured_and_left_as_it_is(machine: ManagedHost, tmp_path: Path) -> None:
    before = snapshot(machine)
    found, text = measured(machine, tmp_path)
    assert differences(before, snapshot(machine)) == {}
    assert list(found) == [item.ids[0] for item in items()]
    assert {name for name, row in found.items() if row["status"] == "not met"} - ELSEWHERE == NOT_MET - ELSEWHERE
    assert [name for name, row in found.items() if "could not be measured" in row["fact"]] == []
    assert "TRACE / on" in found["CIS 5.8"]["fact"]
    assert "NoNewPrivileges=yes" in found["CIS 12.3"]["fact"]
    assert f"## {machine.container}".replace("_", "\\_") in text
    assert all(row.get("why") or row.get("setting") for row in found.values() if row["status"] == "not met")


@pytest.fixture(name="by_hand")
def fixture_by_hand(machine: ManagedHost) -> Iterator[None]:
    """What somebody has changed on the host; afterwards it is as before."""
    lines = ["TraceEnable On", "ServerTokens Full", "LimitRequestLine 65536"]
    machine.run("tee", BY_HAND, text="\n".join([*lines, ""]))
    machine.run("chmod", "0666", BY_HAND)
    try:
        machine.run("systemctl", "reload", "apache2")
        yield
    finally:
        machine.run("rm", BY_HAND)
        machine.run("systemctl", "reload", "apache2")


@pytest.mark.usefixtures("by_hand")
def test_what_was_changed_by_hand_is_measured(machine: ManagedHost, tmp_path: Path) -> None:
    found, _ = measured(machine, tmp_path)
    wrong = {name: row["fact"] for name, row in found.items() if row["status"] == "not met" and name not in NOT_MET}
    assert set(wrong) - ELSEWHERE == {"CIS 3.6", "CIS 5.8", "CIS 8.1", "CIS 10.1"}
    assert BY_HAND in wrong["CIS 3.6"]
    assert "victim.example:443: 200" in wrong["CIS 5.8"], "by its answer, and not by its configuration"
    assert "Apache/2.4" in wrong["CIS 8.1"]


def test_what_a_version_control_system_keeps_is_not_served(machine: ManagedHost) -> None:
    site = Site(machine.address(), "victim.example")
    machine.run("sh", "-c", f"mkdir {HIDDEN} && echo secret > {HIDDEN}/entries")
    try:
        assert site.get("/static/.svn/entries").status_code == 403
        assert site.get("/static/style.css").status_code == 200
    finally:
        machine.run("rm", "-r", HIDDEN)
