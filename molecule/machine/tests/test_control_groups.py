# SPDX-License-Identifier: Apache-2.0
"""The kernel holds each application to its limits, whatever becomes of httpd, and the other one does not notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.greed import FORKS, findings
from support.managed_host import ManagedHost
from support.site import Site
from support.visitor import meanwhile
from support.waiting import wait_for

TREE = "/sys/fs/cgroup/system.slice/apache2.service"
MEMORY, TASKS, WEIGHT, USUAL_WEIGHT = 256 * 1024 * 1024, 100, 50, 100
"""What the inventory allows the greedy application, and the weight of one without a key."""
BOUND = 240
"""Seconds for an answer; the processor may be emulated."""
EATS = """
kept = []
while True:
    kept.append(b"x" * (16 << 20))
"""


def group_file(machine: ManagedHost, application: str, file: str) -> str:
    """What the kernel says in a file of an application's control group."""
    return machine.run("cat", f"{TREE}/app-{application}/{file}").strip()


def count(machine: ManagedHost, file: str, what: str) -> int:
    """How often the kernel has counted something for the greedy application."""
    counts = dict(line.split() for line in group_file(machine, "greedy", file).splitlines())
    return int(counts[what])


def all_pids(machine: ManagedHost) -> set[int]:
    """The daemon processes of both applications."""
    return machine.daemon_pids("greedy") | machine.daemon_pids("victim")


def are_apart(machine: ManagedHost) -> bool:
    """Whether each application's processes are in its group, and none in the one above."""
    for application in ("greedy", "victim"):
        inside = {int(pid) for pid in group_file(machine, application, "cgroup.procs").split()}
        theirs = machine.daemon_pids(application)
        if not theirs or not theirs <= inside:
            return False
    return machine.run("cat", f"{TREE}/cgroup.procs").strip() == ""


@contextmanager
def asking(site: Site) -> Iterator[list[int | str]]:
    """Ask a site again and again while the block runs; its answers."""
    answers: list[int | str] = []

    def ask(over: threading.Event) -> None:
        while not over.is_set():
            answers.append(site.health())

    with meanwhile(ask):
        yield answers


def test_the_kernel_has_the_limits_of_the_inventory(machine: ManagedHost) -> None:
    assert are_apart(machine)
    assert group_file(machine, "greedy", "memory.max") == str(MEMORY)
    assert group_file(machine, "greedy", "pids.max") == str(TASKS)
    assert group_file(machine, "greedy", "cpu.weight") == str(WEIGHT)
    assert group_file(machine, "victim", "cpu.weight") == str(USUAL_WEIGHT)


@pytest.mark.parametrize(
    "command",
    [
        ("systemctl", "reload", "apache2"),
        ("systemctl", "restart", "apache2"),
        ("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "apache2"),
    ],
    ids=["reload", "restart", "SIGKILL"],
)
def test_new_processes_are_in_their_groups(
    machine: ManagedHost, greedy: Site, victim: Site, command: tuple[str, ...]
) -> None:
    before = all_pids(machine)
    machine.run(*command)
    wait_for(lambda: not before & all_pids(machine), "the old processes are gone", BOUND)
    for site in (greedy, victim):
        site.wait_until_it_answers(BOUND)
    assert are_apart(machine), "before they load the application"
    assert group_file(machine, "greedy", "memory.max") == str(MEMORY)
    assert group_file(machine, "greedy", "cpu.weight") == str(WEIGHT)


def test_an_eater_of_memory_is_killed_alone(machine: ManagedHost, greedy: Site, victim: Site) -> None:
    neighbours, own = machine.daemon_pids("victim"), machine.daemon_pids("greedy")
    killed = count(machine, "memory.events", "oom_kill")
    with asking(victim) as answers:
        answer = greedy.request("POST", "/", data=EATS.encode(), timeout=BOUND)
        wait_for(lambda: greedy.health() == 200, "another process serves", BOUND)
    assert answer.status_code == 502, answer.text
    assert count(machine, "memory.events", "oom_kill") == killed + 1
    assert set(answers) == {200}
    assert machine.daemon_pids("victim") == neighbours
    assert not own & machine.daemon_pids("greedy")
    assert "memory-max" in findings(machine, "greedy")
    assert are_apart(machine)


def test_forks_end_at_max_tasks(machine: ManagedHost, greedy: Site, victim: Site) -> None:
    neighbours, own = machine.daemon_pids("victim"), machine.daemon_pids("greedy")
    refused = count(machine, "pids.events", "max")
    with asking(victim) as answers:
        answer = greedy.request("POST", "/", data=FORKS.encode(), timeout=BOUND)
    assert answer.text.startswith("held BlockingIOError"), answer.text
    assert count(machine, "pids.events", "max") > refused, "by the control group"
    log = machine.run("cat", "/var/log/apache2/greedy-error.log").splitlines()
    children = [int(line.split()[-2]) for line in log if line.endswith("children")]
    assert children
    assert TASKS // 2 < children[-1] < TASKS
    assert set(answers) == {200}
    assert (machine.daemon_pids("victim"), machine.daemon_pids("greedy")) == (neighbours, own)
    assert greedy.health() == 200
    assert "tasks-max" in findings(machine, "greedy")
