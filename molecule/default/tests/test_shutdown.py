# SPDX-License-Identifier: Apache-2.0
"""`systemctl stop` ends everything quickly and by itself; a start serves again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.managed_host import ManagedHost
from support.site import Site

LIMIT = 2.0
"""Seconds that a stop may take on a machine that does nothing else; measured 0.1 to 0.2 (Debian 12, 2026-11)."""

KILLED = re.compile(
    r"AH0004[56]|SIGKILL|timed out|Killing process|still did not exit|core dump|Segmentation", re.IGNORECASE
)

# Runs the stop between two readings of one clock, on the host: what the container engine adds is not httpd's. A thread
# works a little all the while, and says how much longer that takes than it would on a machine that does nothing else.
STOP = """
import json, subprocess, threading, time

over = threading.Event()
worked = passed = 0.0

def work():
    global worked, passed
    while not over.wait(0.03):
        begun, before = time.monotonic(), time.thread_time()
        while time.thread_time() < before + 0.01:
            pass
        worked += time.thread_time() - before
        passed += time.monotonic() - begun

beside = threading.Thread(target=work)
beside.start()
begun = time.monotonic()
done = subprocess.run(["systemctl", "stop", "apache2"], capture_output=True, text=True)
seconds = time.monotonic() - begun
over.set()
beside.join()
slowed = passed / worked if worked else 1
print(json.dumps({"seconds": seconds, "slowed": slowed, "status": done.returncode, "errors": done.stderr}))
"""


@contextlib.contextmanager
def idle_connections(address: str, host_name: str, number: int) -> Iterator[list[socket.socket]]:
    """Connections that were answered once and then say nothing, as browsers leave them behind."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection((address, 80), timeout=10))
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host_name}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connections.append(connection)
        yield connections


@pytest.fixture(name="stopped")
def fixture_stopped(machine: ManagedHost, django: Site) -> Iterator[dict[str, object]]:
    """The service stopped with 20 idle connections open; started again afterwards."""
    cursor = machine.run("journalctl", "--show-cursor", "-n", "0").split("cursor: ")[-1].strip()
    log_size = int(machine.run("stat", "-c", "%s", "/var/log/apache2/error.log"))
    with idle_connections(machine.address(), django.host_name, 20):
        outcome = machine.python(STOP)
        outcome["journal"] = machine.run("journalctl", "--after-cursor", cursor, "--no-pager")
        outcome["error_log"] = machine.run("tail", "-c", f"+{log_size + 1}", "/var/log/apache2/error.log")
        yield outcome
    machine.run("systemctl", "start", "apache2")
    django.wait_until_it_answers()


def test_stop_is_quick_clean_and_complete(machine: ManagedHost, stopped: dict[str, object]) -> None:
    assert stopped["status"] == 0, stopped["errors"]
    assert float(str(stopped["seconds"])) < LIMIT * float(str(stopped["slowed"])), stopped
    shown = machine.run("systemctl", "show", "apache2", "-p", "ActiveState,Result,ExecMainCode,ExecMainStatus")
    assert set(shown.split()) == {"ActiveState=inactive", "Result=success", "ExecMainCode=1", "ExecMainStatus=0"}
    assert machine.processes("apache2") == []
    for kind in ("wsgi", "blue", "green"):
        assert machine.processes(f"({kind}:") == []
    assert "Stopped apache2.service" in str(stopped["journal"]), "the journal tells about the stop"
    assert not KILLED.search(f"{stopped['journal']}{stopped['error_log']}"), stopped


def test_a_start_serves_again(machine: ManagedHost, sites: list[Site], stopped: dict[str, object]) -> None:
    assert stopped["status"] == 0
    assert not any(site.health() == 200 for site in sites)
    machine.run("systemctl", "start", "apache2")
    for site in sites:
        site.wait_until_it_answers()


def test_a_request_in_flight_is_finished_before_the_stop(machine: ManagedHost, flask: Site) -> None:
    with ThreadPoolExecutor(1) as pool, flask.get("/stream?chunks=4&interval=0.5", stream=True) as answer:
        assert answer.status_code == 200
        stop = pool.submit(machine.python, STOP)
        lines = list(answer.iter_lines())
        outcome = stop.result()
    machine.run("systemctl", "start", "apache2")
    flask.wait_until_it_answers()
    assert len(lines) == 4
    assert outcome["status"] == 0, outcome
    assert outcome["seconds"] > 0.5, "it waited for the request"


def test_what_a_request_has_handed_over_is_on_disk_after_a_stop(machine: ManagedHost, flask: Site) -> None:
    """The example's thread writes only every 2 s; the handler of subscribe_shutdown writes what is left."""
    name = f"just before the stop, {os.urandom(4).hex()}"
    assert flask.request("POST", "/api/items", json={"name": name, "quantity": 1}).status_code == 201
    outcome = machine.python(STOP)
    entries = [json.loads(line) for line in machine.run("cat", "/var/lib/wsgi/flask/audit.jsonl").splitlines()]
    machine.run("systemctl", "start", "apache2")
    flask.wait_until_it_answers()
    assert outcome["status"] == 0, outcome
    assert [entry["item"]["name"] for entry in entries].count(name) == 1
