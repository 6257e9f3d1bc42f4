# SPDX-License-Identifier: Apache-2.0
"""What is done to one application of the host leaves the others alone."""

from __future__ import annotations

from support.managed_host import ManagedHost
from support.secure_site import Visitors


def pids(machine: ManagedHost, name: str) -> set[int]:
    return {process.pid for process in machine.daemon_processes(name)}


def test_a_restart_under_steady_load_loses_nothing(machine: ManagedHost) -> None:
    before, others = pids(machine, "shop"), pids(machine, "plain") | pids(machine, "guestbook")
    with Visitors(machine.address()) as visitors:
        said = machine.run("wsgi-restart", "shop")
    after = pids(machine, "shop")
    assert said.startswith("shop has new processes after ")
    assert (len(before), len(after), before & after) == (2, 2, set())
    assert pids(machine, "plain") | pids(machine, "guestbook") == others
    assert visitors.failures == []
    assert visitors.answers > 10
