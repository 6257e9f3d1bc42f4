# SPDX-License-Identifier: Apache-2.0
"""After a reboot the host serves again by itself."""

from __future__ import annotations

from dataclasses import replace

from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for


def test_the_sites_come_back_by_themselves(machine: ManagedHost, sites: list[Site]) -> None:
    started = machine.inspect("{{.State.StartedAt}}")
    machine.engine("restart")
    assert machine.inspect("{{.State.StartedAt}}") != started
    address = machine.address()
    for site in sites:
        replace(site, address=address).wait_until_it_answers(deadline=60)
    wait_for(lambda: _boot_state(machine) == "running", "the boot is complete, and no unit has failed")


def _boot_state(machine: ManagedHost) -> str:
    return machine.run("systemctl", "is-system-running", check=False).strip()
