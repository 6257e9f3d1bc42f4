# SPDX-License-Identifier: Apache-2.0
"""A reload loses no request, costs an idle server next to nothing, and can be stopped."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

import pytest
import requests
from support.managed_host import STATUS, ManagedHost
from support.site import Site
from support.visitor import Visitor, visiting
from support.waiting import wait_for

MACHINE = ManagedHost("rollback-debian12")
ERROR_LOG = "/var/log/apache2/error.log"
RELOADS = 10
REQUESTS_PER_SECOND = 200
ENOUGH = 1000
"""Fewer requests would not show that somebody has watched all the reloads."""
HALF_SENT = 60
LINE_OF_AN_OPERATOR = "/etc/apache2/conf-enabled/zz-operator.conf"
"""Read after all of ours."""
IDLE_LIMIT = 1000
"""Milliseconds that a reload waits where nobody asks, by its own clock; measured 70 to 240 on a busy machine.

Who waits needs 2500.
"""
STOP_LIMIT = 8.0
"""Seconds from the stop to the end of httpd: the reload goes on first, with httpd's 3 s for daemon processes."""
CUT_AFTER = (5.0, 7.0)
"""Seconds that a request has in a daemon process from the reload on: the wait of 2.5 s, then httpd's 3 s."""
CUT_AT_ONCE_AFTER = (2.7, 4.3)
"""The same without the wait."""
PATIENCE = 30.0
"""Seconds without an answer until a test fails."""


def shop() -> Site:
    """The application."""
    return Site(MACHINE.address(), "shop.example")


def serving_process() -> int:
    """The daemon process that answers."""
    return int(shop().get("/pid").text)


def busy() -> int:
    """The requests that httpd has, other than the one that asks for it."""
    status = MACHINE.run(*STATUS)
    found = re.search(r"^BusyWorkers: (\d+)$", status, re.MULTILINE)
    assert found, status
    return int(found[1]) - 1


class Log:
    """What httpd writes to its error log from now on."""

    def __init__(self) -> None:
        self.size = int(MACHINE.run("stat", "-c", "%s", ERROR_LOG))

    def text(self) -> str:
        """All of it."""
        return MACHINE.run("tail", "-c", f"+{self.size + 1}", ERROR_LOG)

    def wait_for(self, part: str) -> None:
        """Return as soon as it is there."""
        wait_for(lambda: part in self.text(), f"httpd logs {part}")


def signal_main(name: str) -> None:
    """Send a signal to httpd's parent process."""
    MACHINE.run("systemctl", "kill", "--kill-whom=main", f"--signal={name}", "apache2")


def signal_reload() -> None:
    """Tell httpd itself, without the test of the configuration that `systemctl reload` makes before."""
    signal_main("SIGUSR1")


def replaced(before: set[int]) -> None:
    """Return as soon as successors of these daemon processes answer."""
    wait_for(lambda: serving_process() not in before, "the new daemon processes answer")


@contextmanager
def half_sent(number: int) -> Iterator[list[socket.socket]]:
    """Connections on which httpd waits for the rest of a request."""
    with ExitStack() as stack:
        connections = []
        address = MACHINE.address()
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection((address, 80), timeout=PATIENCE))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.exa")
            connections.append(connection)
        wait_for(lambda: busy() >= number, f"httpd reads {number} requests")
        yield connections


def rest_sent(connections: list[socket.socket]) -> list[bytes]:
    """The answers, status line first, once the requests are whole."""
    for connection in connections:
        connection.sendall(b"mple\r\nConnection: close\r\n\r\n")
    return [b"".join(iter(lambda: connection.recv(65536), b"")) for connection in connections]  # noqa: B023


@contextmanager
def long_request() -> Iterator[Future[requests.Response]]:
    """A request in a daemon process that is never answered by it."""
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(shop().get, "/slow?20", timeout=PATIENCE)
        wait_for(lambda: busy() >= 1, "httpd has the long request")
        yield request
        if not request.exception():
            assert request.result().status_code != requests.codes.ok


def seconds_until_cut() -> float:
    """Seconds from the signal on that a request has that takes far longer."""
    before = MACHINE.daemon_pids("shop")
    with long_request() as request:
        begun = time.monotonic()
        signal_reload()
        wait([request])
        seconds = time.monotonic() - begun
    replaced(before)
    return seconds


@contextmanager
def line_of_an_operator(line: str) -> Iterator[None]:
    """httpd has read this line, too, as long as the block runs."""

    def reload() -> None:
        before = MACHINE.daemon_pids("shop")
        MACHINE.run("systemctl", "reload", "apache2")
        replaced(before)

    MACHINE.run("tee", LINE_OF_AN_OPERATOR, text=f"{line}\n")
    try:
        reload()
        yield
    finally:
        MACHINE.run("rm", LINE_OF_AN_OPERATOR)
        reload()


@pytest.fixture(autouse=True)
def _idle() -> None:
    """Nothing of an earlier test is left."""
    shop().wait_until_it_answers()
    wait_for(lambda: busy() == 0, "httpd is idle")


def test_ten_reloads_under_load_lose_nothing() -> None:
    visitor = Visitor(MACHINE.address(), {"shop.example": b"shop\n"}, interval=1 / REQUESTS_PER_SECOND)
    with visiting(visitor):
        for _ in range(RELOADS):
            before = MACHINE.daemon_pids("shop")
            MACHINE.run("systemctl", "reload", "apache2")
            replaced(before)
    assert visitor.lost == []
    assert len(visitor.answers) > ENOUGH


def test_requests_that_are_half_sent_are_answered() -> None:
    log, before = Log(), MACHINE.daemon_pids("shop")
    with half_sent(HALF_SENT) as connections:
        signal_reload()
        log.wait_for("Doing graceful restart")
        assert MACHINE.daemon_pids("shop") == before, "nothing was held, so nothing is proven"
        answers = rest_sent(connections)
    assert [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200 ")] == []
    replaced(before)
    assert "ReloadDrainTimeout" not in log.text(), "the wait went on though nobody was left"


def test_a_request_that_is_never_whole_holds_a_reload_no_longer_than_allowed() -> None:
    log, before = Log(), MACHINE.daemon_pids("shop")
    with half_sent(1):
        begun = time.monotonic()
        signal_reload()
        replaced(before)
        seconds = time.monotonic() - begun
    found = re.search(r"children still serve after (\d+) ms \(ReloadDrainTimeout\): 1\b", log.text())
    assert found, log.text()
    assert 2500 <= int(found[1]) < 3000
    assert seconds > 2.3, "the processes were replaced before that"


def test_an_idle_server_reloads_at_once() -> None:
    with line_of_an_operator("LogLevel reload_drain:debug"):
        log, before = Log(), MACHINE.daemon_pids("shop")
        signal_reload()
        replaced(before)
        found = re.search(r"all children ended within (\d+) ms", log.text())
    assert found, log.text()
    assert int(found[1]) < IDLE_LIMIT


def ended_cleanly(log: Log) -> bool:
    """Whether a stop in the middle of a reload has ended httpd by itself; starts it again."""
    said = log.text()
    result = MACHINE.run("systemctl", "show", "--property=Result", "--value", "apache2").strip()
    MACHINE.run("systemctl", "start", "apache2")
    assert re.search(r"reload: signal \d+ came while children had requests", said), "the reload was over: no proof"
    assert not re.search(r"AH0004[56]|SIGKILL", said), said
    return result == "success"


def test_sigterm_while_a_reload_waits_ends_httpd() -> None:
    log = Log()
    with long_request():
        signal_reload()
        log.wait_for("Doing graceful restart")
        begun = time.monotonic()
        signal_main("SIGTERM")
        wait_for(lambda: not MACHINE.httpd_processes(), "all processes of httpd have ended")
        seconds = time.monotonic() - begun
    assert ended_cleanly(log)
    assert seconds < STOP_LIMIT


def test_a_graceful_stop_while_a_reload_waits_lets_requests_finish() -> None:
    log = Log()
    with half_sent(1) as connections:
        signal_reload()
        log.wait_for("Doing graceful restart")
        begun = time.monotonic()
        signal_main("SIGWINCH")
        (answer,) = rest_sent(connections)
        wait_for(lambda: not MACHINE.httpd_processes(), "all processes of httpd have ended")
        seconds = time.monotonic() - begun
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ended_cleanly(log)
    assert seconds < STOP_LIMIT


def test_a_long_request_is_cut_after_the_wait_and_httpds_limit() -> None:
    assert CUT_AFTER[0] < seconds_until_cut() < CUT_AFTER[1]


def test_the_wait_is_the_one_that_was_asked_for() -> None:
    """Half a second longer than without the variable."""
    assert "ReloadDrainTimeout 2.5\n" in MACHINE.run("cat", "/etc/apache2/mods-enabled/modwsgi.conf")


@pytest.fixture(name="_without_the_wait", scope="class")
def fixture_without_the_wait() -> Iterator[None]:
    """A host where reloads do not wait."""
    with line_of_an_operator("ReloadDrainTimeout 0"):
        yield


@pytest.mark.usefixtures("_without_the_wait")
class TestWithoutTheWait:
    """As mod_wsgi has it, so that the tests above can fail."""

    def test_requests_that_are_half_sent_are_lost(self) -> None:
        before = MACHINE.daemon_pids("shop")
        with half_sent(HALF_SENT) as connections:
            signal_reload()
            replaced(before)
            answers = rest_sent(connections)
        assert {answer[:13] for answer in answers} == {b"HTTP/1.1 503 "}

    def test_a_long_request_is_cut_by_httpds_limit_alone(self) -> None:
        assert CUT_AT_ONCE_AFTER[0] < seconds_until_cut() < CUT_AT_ONCE_AFTER[1]
