# SPDX-License-Identifier: Apache-2.0
"""The table of releases names all hosts; a way back is for an application that somebody has named."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.playbooks import ansible_playbook
from support.scripts import ROOT

INVENTORY = """
wsgi:
  hosts:
    web1: {ansible_connection: local}
    web2: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}
  vars: {ansible_become: false}
"""
"""One that has no applications, and one that nobody reaches."""


def play(folder: Path, playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on these hosts."""
    (folder / "hosts.yml").write_text(INVENTORY)
    return ansible_playbook(folder, "--inventory=hosts.yml", str(ROOT / "playbooks" / playbook), *options)


@pytest.mark.slow
def test_the_table_has_all_hosts(tmp_path: Path) -> None:
    done = play(tmp_path, "releases.yml", "--check", "--extra-vars", "app=no-such releases_report=report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    told = {row["host"]: row["health"] for row in report["releases"]}
    assert told["web1"].startswith("There is no application no-such on this host (there is: ")
    assert told["web2"].startswith("The host cannot be reached: ")
    lines = " ".join(done.stdout.split())
    assert "HOST APPLICATION RELEASE SOURCE SINCE BY HEALTH" in lines
    for name in ("web1", "web2"):
        assert f"{name} - - - - - The" in lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "No application is named; say which one, for example with -e app=shop."),
        (("--extra-vars", "app=no-such"), "There is no application no-such on this host (there is: "),
    ],
)
def test_a_way_back_that_there_is_not_fails_with_its_reason(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = play(tmp_path, "rollback.yml", "--limit", "web1", *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stdout.split())
