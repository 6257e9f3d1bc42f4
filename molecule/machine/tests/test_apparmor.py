# SPDX-License-Identifier: Apache-2.0
"""AppArmor's profile logs by default what is beyond it, which no ordinary work is; enforced, it holds.

The tests stand in the order in which the host changes: first it is as the first deployment has left it.
"""

from __future__ import annotations

import re

import pytest
from support.deployment import Deployment, deploy
from support.greed import findings
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

PROFILE = "modwsgi-apache2"
OTHER_DATA = "/srv/theirs.txt"
"""Its mode lets everybody read it; the profile lets nobody, since no key of the inventory names it."""
OWN_DATA = "import os; path = '/var/lib/wsgi/greedy/own.txt'; open(path, 'w').write('mine'); found = open(path).read()"
BOUND = 240
"""Seconds for an answer; the processor may be emulated."""


def confinements(machine: ManagedHost) -> set[str]:
    """Under which profiles httpd and all its processes run, as the kernel says."""
    pids = [str(process.pid) for process in machine.httpd_processes()]
    assert len(pids) >= 4, "httpd, one worker at the least, and a daemon process of each application"
    return set(machine.run("cat", *(f"/proc/{pid}/attr/current" for pid in pids)).splitlines())


def told_by_the_kernel(machine: ManagedHost, what: str) -> list[str]:
    """What AppArmor has allowed only since the profile complains (ALLOWED), or has refused (DENIED)."""
    lines = machine.run("journalctl", "--dmesg", "--boot", "--output=cat", "--no-pager").splitlines()
    return [line for line in lines if f'apparmor="{what}"' in line]


def files_told(machine: ManagedHost, what: str) -> set[str]:
    """The files that those lines name."""
    named = (re.search(r' name="([^"]+)"', line) for line in told_by_the_kernel(machine, what))
    return {found[1] for found in named if found}


def shadow(machine: ManagedHost) -> tuple[int, str]:
    """How a reading of the accounts' passwords ends for root under the profile: exit status, and what it says."""
    done = machine.attempt("aa-exec", "--profile", PROFILE, "--", "cat", "/etc/shadow")
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(name="other_data", scope="module")
def fixture_other_data(machine: ManagedHost) -> str:
    """A file of nobody that the inventory knows."""
    machine.run("install", "--mode=0644", "/dev/stdin", OTHER_DATA, text="theirs")
    return OTHER_DATA


@pytest.fixture(name="enforced", scope="module")
def fixture_enforced() -> Deployment:
    """A deployment that enforces the profile."""
    done = deploy(variables={"httpd_apparmor": "enforce"})
    assert done.status == 0, done.output
    return done


def test_by_default_the_profile_only_logs(machine: ManagedHost) -> None:
    assert confinements(machine) == {f"{PROFILE} (complain)"}


def test_a_deployment_and_ordinary_work_are_within_the_profile(
    machine: ManagedHost, greedy: Site, victim: Site
) -> None:
    assert greedy.request("POST", "/", data=OWN_DATA.encode(), timeout=BOUND).text == "found 'mine'"
    assert victim.get("/seen", timeout=BOUND).status_code == 200
    machine.run("systemctl", "reload", "apache2")
    wait_for(lambda: victim.health() == 200 == greedy.health(), "both answer after the reload", BOUND)
    assert told_by_the_kernel(machine, "ALLOWED") == []
    assert told_by_the_kernel(machine, "DENIED") == []


def test_what_is_beyond_the_profile_is_logged(machine: ManagedHost, greedy: Site, other_data: str) -> None:
    answer = greedy.request("POST", "/", data=f"found = open({other_data!r}).read()".encode(), timeout=BOUND)
    assert answer.text == "found 'theirs'", "the file is open to all"
    status, said = shadow(machine)
    assert (status, "root:" in said) == (0, True)
    wait_for(
        lambda: files_told(machine, "ALLOWED") >= {other_data, "/etc/shadow"}, "the kernel's log has both files", BOUND
    )
    assert told_by_the_kernel(machine, "DENIED") == []


@pytest.mark.usefixtures("enforced")
def test_enforced_it_holds(machine: ManagedHost, greedy: Site, victim: Site, other_data: str) -> None:
    assert confinements(machine) == {f"{PROFILE} (enforce)"}
    assert greedy.request("POST", "/", data=OWN_DATA.encode(), timeout=BOUND).text == "found 'mine'"
    assert victim.get("/seen", timeout=BOUND).status_code == 200
    assert told_by_the_kernel(machine, "DENIED") == [], "the deployment and ordinary work are within it"
    answer = greedy.request("POST", "/", data=f"found = open({other_data!r}).read()".encode(), timeout=BOUND)
    assert answer.text.startswith("held PermissionError"), answer.text
    status, said = shadow(machine)
    assert (status, "Permission denied" in said) == (1, True), said
    wait_for(
        lambda: files_told(machine, "DENIED") == {other_data, "/etc/shadow"}, "the kernel's log has both files", BOUND
    )
    assert "apparmor-denied" in findings(machine, "greedy")
