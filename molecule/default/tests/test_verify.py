# SPDX-License-Identifier: Apache-2.0
"""Whether a host is what the inventory says is told without a change, and what is not, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment, deploy, play
from support.managed_host import ManagedHost
from support.snapshot import differences, snapshot
from support.waiting import wait_for

HOST = ManagedHost("default-debian12")
"""How Ansible reaches a host makes no difference here."""
HERE = ("--limit", HOST.container)
VHOST = "/etc/apache2/sites-available/100-modwsgi-flask.conf"
FOLDER = "/etc/wsgi/flask"


def verified(folder: Path) -> tuple[Deployment, dict[str, Any]]:
    """A run of the playbook, and its report."""
    path = folder / "report.json"
    done = play("playbooks/verify.yml", *HERE, variables={"verify_report": str(path)})
    report: dict[str, Any] = json.loads(path.read_text())
    assert list(report["hosts"]) == [HOST.container]
    return done, report


@pytest.fixture(name="converged", scope="module")
def fixture_converged() -> None:
    """Other tests have deployed what the inventory does not say."""
    done = deploy(*HERE)
    assert done.status == 0, done.output


@pytest.mark.usefixtures("converged")
def test_a_host_that_is_well_is_verified_and_left_as_it_is(tmp_path: Path) -> None:
    before = snapshot(HOST)
    done, report = verified(tmp_path)
    assert done.status == 0, done.output
    assert report["well"] is True
    assert done.recap(HOST.container)["changed"] == 0
    assert f"{HOST.container} is what the inventory says: releases, Python 3.11" in done.message
    found = {(each["subject"], each["application"]) for each in report["hosts"][HOST.container]["verified"]}
    assert {(what, name) for what in ("processes", "health") for name in ("django", "flask")} <= found
    assert {("service", ""), ("listeners", ""), ("children", ""), ("configuration", "")} <= found
    assert differences(before, snapshot(HOST)) == {}


@pytest.fixture(name="by_hand")
def fixture_by_hand() -> Iterator[None]:
    """What somebody has done on the host; afterwards it is as before."""
    HOST.run("cp", "--preserve=all", VHOST, f"{VHOST}.kept")
    try:
        HOST.run("sh", "-c", f"echo '# by hand' >> {VHOST}")
        HOST.run("chmod", "0755", FOLDER)
        HOST.run("systemctl", "stop", "apache2")
        yield
    finally:
        HOST.run("mv", f"{VHOST}.kept", VHOST)
        HOST.run("chmod", "0750", FOLDER)
        HOST.run("systemctl", "start", "apache2")
        wait_for(lambda: len(HOST.daemon_processes("django")) == 2, "the applications run again")


@pytest.mark.usefixtures("converged", "by_hand")
def test_what_was_changed_by_hand_is_told_by_name(tmp_path: Path) -> None:
    done, report = verified(tmp_path)
    assert done.status != 0
    assert report["well"] is False
    found = report["hosts"][HOST.container]["findings"]
    assert [(each["subject"], each["text"].partition(";")[0]) for each in found] == [
        (
            "accounts",
            f"Accounts or folders are not as they were made: site.yml would correct owner and mode of {FOLDER}",
        ),
        ("configuration", f"{VHOST} has another content than the inventory says"),
        ("service", "httpd does not run"),
    ]
    told = done.failures(HOST.container)[0]["msg"]
    assert told.splitlines() == [f"{HOST.container}: {each['text']}" for each in found]
