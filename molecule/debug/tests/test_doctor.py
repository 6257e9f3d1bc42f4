# SPDX-License-Identifier: Apache-2.0
"""What an application really has, wsgi-doctor finds and explains, and nobody else is disturbed by that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from support.deployment import play
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

THREADS = 2
"""Of the only process of the application `sick`."""
GATE = "/var/lib/wsgi/sick/gate"
SOCKETS = "/run/wsgi"

OPEN_GATE = """
import os, sys
# The readers that wait get the end of the file, all at once.
os.close(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK))
"""


@pytest.fixture(name="sick")
def fixture_sick(machine: ManagedHost) -> Site:
    """The application that has what is to be found, as its visitors see it."""
    site = Site(machine.address(), "sick.example")
    site.wait_until_it_answers()
    return site


def asked(machine: ManagedHost, *words: str) -> dict[str, Any]:
    """The answer, by the names of what was found."""
    done = machine.attempt("wsgi-doctor", "--json", "--since", "5", "--hung", "1", *words, "sick")
    assert done.returncode in {0, 1}, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    found = {finding["id"]: finding for finding in answer["findings"]}
    assert done.returncode == bool(found)
    return {**answer, "found": found}


def daemon(machine: ManagedHost) -> int:
    """The number of the only daemon process."""
    (process,) = machine.daemon_processes("sick")
    return process.pid


def test_what_requests_do_wrong(machine: ManagedHost, sick: Site) -> None:
    for path in ("header", "populate", "write", "ascii"):
        assert sick.get(f"/{path}").status_code == 500
    found = asked(machine)["found"]
    assert {"header-too-long", "populate", "cannot-write", "locale"} <= set(found)
    # Whatever the modes say: the unit of httpd may not write there at all.
    assert found["cannot-write"]["traceback"][-1].startswith("OSError: [Errno 30] Read-only file system: ")
    assert found["cannot-write"]["explains"]["exception"] >= 1
    assert "WSGI0144" in found["header-too-long"]["lines"][0]


@pytest.mark.usefixtures("undisturbed")
def test_a_crash_explains_the_lost_request(machine: ManagedHost, sick: Site) -> None:
    before = daemon(machine)
    assert sick.get("/crash").status_code == 502
    finding = wait_for(lambda: asked(machine)["found"].get("crash"), "the crash is told")
    assert f"AH00052: child pid {before} exit signal Segmentation fault (11)" in finding["lines"][-1]
    assert finding["explains"]["no-headers"] >= 1
    assert finding["link"] == "docs/operating.md#why-a-daemon-process-ended"


@pytest.fixture(name="closed_socket")
def fixture_closed_socket(machine: ManagedHost, sick: Site) -> Iterator[None]:
    """Sockets that httpd's children may not use."""
    assert sick.health() == 200
    sockets = [f"{SOCKETS}/{name}" for name in machine.run("ls", SOCKETS).split() if name.endswith(".sock")]
    modes = machine.run("stat", "--format=%a", *sockets).split()
    machine.run("chmod", "0", *sockets)
    yield
    for socket, mode in zip(sockets, modes, strict=True):
        machine.run("chmod", mode, socket)


@pytest.mark.usefixtures("closed_socket")
def test_a_socket_that_httpd_may_not_use(machine: ManagedHost, sick: Site) -> None:
    assert sick.health() == 503
    (line, *_) = asked(machine)["found"]["socket-permissions"]["lines"]
    assert "(13)Permission denied" in line


@pytest.fixture(name="waiting")
def fixture_waiting(machine: ManagedHost, sick: Site) -> Iterator[list[Future[int]]]:
    """One request for each thread of the application and one more, all of which wait for the gate."""
    machine.run("sh", "-c", f"rm -f {GATE} && mkfifo {GATE} && chown wsgi-sick: {GATE}")
    with ThreadPoolExecutor(THREADS + 1) as pool:
        requests = [
            pool.submit(lambda: Site(sick.address, sick.host_name).get("/wait", timeout=60).status_code)
            for _ in range(THREADS + 1)
        ]
        yield requests

        def all_are_answered() -> bool:
            # The last one begins to wait once a thread is free.
            machine.attempt("/usr/bin/python3", "-c", OPEN_GATE, GATE)
            return all(request.done() for request in requests)

        wait_for(all_are_answered, "all requests are answered")
    machine.run("rm", "-f", GATE)


def test_hung_threads_are_told_with_their_stacks(machine: ManagedHost, waiting: list[Future[int]]) -> None:
    pid = daemon(machine)

    def hung() -> dict[str, Any] | None:
        answer = asked(machine)
        return answer if "hung" in answer["found"] else None

    queue = wait_for(hung, "all threads are busy")["state"]["queues"]["sick"]
    assert (queue["busy"], queue["waiting"]) == (THREADS, 1)
    (stack,) = asked(machine, "--stacks")["stacks"].values()
    assert len([line for line in stack if line.endswith(" in wait_here")]) == THREADS
    assert daemon(machine) == pid, "the process goes on"
    assert not any(request.done() for request in waiting)


def test_the_playbook_prints_the_report_and_changes_nothing(machine: ManagedHost) -> None:
    done = play("playbooks/diagnose.yml", variables={"app": "sick", "minutes": 5})
    assert done.status == 0, done.output
    assert done.recap(machine.container)["changed"] == 0
    assert "sick: 1 of 1 processes run" in done.output
    refused = play("playbooks/diagnose.yml", variables={"app": "blog"})
    assert refused.status != 0
    assert "There is no application blog on this host (there is: shop, sick, watched)." in refused.message
