# SPDX-License-Identifier: Apache-2.0
"""An application that takes all it can get harms itself alone, and its error log says so."""

from __future__ import annotations

import pytest
from support.greed import FORKS
from support.managed_host import ManagedHost
from support.site import Site

TASKS, FILES, DATA = 100, 256, 400 * 1024 * 1024
"""What the inventory allows the greedy application."""

OPENS = """
kept = []
try:
    while len(kept) < 100000:
        kept.append(open("/dev/null"))
finally:
    count = len(kept)
    for each in kept:
        each.close()
    print(count, "files", flush=True)
"""
MEMORY = """
kept = []
try:
    while len(kept) < 64:
        kept.append(bytearray(64 * 1024 * 1024))
finally:
    count = len(kept)
    kept.clear()
    print(count, "pieces", flush=True)
"""


@pytest.mark.parametrize(
    ("greed", "held_by", "unit", "most"),
    [
        (FORKS, "held BlockingIOError", "children", TASKS),
        (OPENS, "held OSError: [Errno 24] Too many open files", "files", FILES),
        (MEMORY, "held MemoryError", "pieces", DATA // (64 * 1024 * 1024)),
    ],
    ids=["forks", "open files", "memory"],
)
def test_it_is_held_and_the_neighbour_answers(
    machine: ManagedHost, greed: str, held_by: str, unit: str, most: int
) -> None:
    greedy, neighbour = (Site(machine.address(), f"{name}.example") for name in ("greedy", "victim"))
    before = machine.daemon_pids("victim")
    answer = greedy.request("POST", "/", data=greed.encode())
    assert answer.text.startswith(held_by), answer.text
    log = machine.run("cat", "/var/log/apache2/greedy-error.log").splitlines()
    told = [int(line.split()[-2]) for line in log if line.endswith(unit)]
    assert told, log
    assert 0 < told[-1] <= most
    assert neighbour.health() == 200
    assert greedy.health() == 200, "it goes on itself"
    assert machine.daemon_pids("victim") == before


def test_a_process_that_the_kernel_ends_for_memory_ends_no_other(machine: ManagedHost) -> None:
    """Unless the unit says so, systemd then stops all of it."""
    assert machine.run("systemctl", "show", "--property=OOMPolicy", "--value", "apache2").strip() == "continue"
