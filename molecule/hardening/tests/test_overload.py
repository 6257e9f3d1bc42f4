# SPDX-License-Identifier: Apache-2.0
"""What is too much is refused at once, and all others go on."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from support.greed import findings
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

FLOOD, SERVED = 300, 5 + 2 + 5
"""Requests to an application whose threads hang; those of them that its five threads, and what is ready for them, get
before nothing but waiting is left, with a margin."""
QUEUE_TIMEOUT = 4
LIMIT = 1.0
"""Seconds for the answer to a client like others; measured 0.02."""
WORKERS, MARGIN = 512, 20
"""Those that one address may hold, of 1,024."""
STREAMS, CLIENTS = 20, 12
"""mod_http2 works on six streams of a client at a time that do not go on, and the application has five threads."""


@pytest.fixture(name="site")
def fixture_site(machine: ManagedHost) -> Site:
    return Site(machine.address(), "victim.example")


@pytest.fixture(autouse=True)
def fixture_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def slowest(site: Site, path: str = "/healthz") -> float:
    """The longest of ten answers, in seconds."""
    seconds = []
    for _ in range(10):
        begun = time.monotonic()
        assert site.get(path).status_code == 200
        seconds.append(time.monotonic() - begun)
    return max(seconds)


def answer(address: str, found: list[tuple[str, float]]) -> None:
    """Ask for what hangs, and note status, whether Retry-After is there, and the seconds that it took."""
    begun = time.monotonic()
    try:
        with socket.create_connection((address, 80), timeout=60) as connection:
            connection.sendall(b"GET /hang HTTP/1.1\r\nHost: hanging.example\r\nConnection: close\r\n\r\n")
            head = connection.recv(1000)
        status = head[9:12].decode() + (" later" if b"\r\nRetry-After: " in head else "")
    except OSError as error:
        status = str(error)
    found.append((status, time.monotonic() - begun))


def test_an_application_that_hangs_refuses_the_surplus_and_others_go_on(machine: ManagedHost, site: Site) -> None:
    found: list[tuple[str, float]] = []
    flood = [threading.Thread(target=answer, args=(machine.address(), found)) for _ in range(FLOOD)]
    for thread in flood:
        thread.start()
    assert slowest(site) < LIMIT
    assert slowest(site, "/static/style.css") < LIMIT
    machine.probe("victim")
    for thread in flood:
        thread.join()
    statuses = Counter(status for status, _ in found)
    assert statuses["503 later"] >= FLOOD - SERVED, statuses
    assert max(seconds for status, seconds in found if status == "503 later") < QUEUE_TIMEOUT + 2
    assert "overloaded" in findings(machine, "hanging")
    Site(machine.address(), "hanging.example").wait_until_it_answers()


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_one_client_holds_half_of_the_workers(machine: ManagedHost, site: Site) -> None:
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(WORKERS + 100):
            connection = stack.enter_context(socket.create_connection((machine.address(), 80), timeout=30))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: victim.example\r\nX-Slow: ")
            connection.setblocking(False)
            held.append(connection)
        wait_for(lambda: sum(map(is_closed, held)) >= 100 - MARGIN, "what is too much is closed")
        assert sum(map(is_closed, held)) <= 100 + MARGIN
        assert isinstance(site.health(), str), "a further connection of the same client is closed, too"
        local = machine.fetch("http://127.0.0.1/healthz", "victim.example")
        assert local, "those of others are not"
        machine.probe("victim")
    wait_for(lambda: site.health() == 200, "what has ended does not count")
    assert "client-limit" in findings(machine, "victim")


class Stream:
    """A connection of HTTP/2 whose client takes 1,000 bytes of each answer, and no more."""

    FIELD, HEADERS, SETTINGS = 0, 1, 4
    END_STREAM, END_HEADERS = 1, 4
    INITIAL_WINDOW_SIZE = 4

    def __init__(self, address: str, name: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((address, 443), timeout=30)
        self.name, self.connection = name, context.wrap_socket(plain, server_hostname=name)
        assert self.connection.selected_alpn_protocol() == "h2"
        self.connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(self.SETTINGS, 0, 0, struct.pack(">HI", self.INITIAL_WINDOW_SIZE, 1000))

    def send(self, kind: int, flags: int, stream: int, data: bytes) -> None:
        """One frame."""
        head = struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        self.connection.sendall(head + data)

    def ask(self, number: int, path: str) -> None:
        """A request; the fields are literals without an index (RFC 7541, 6.2.2)."""
        fields = {":method": "GET", ":scheme": "https", ":authority": self.name, ":path": path}
        text = b"".join(
            bytes([self.FIELD, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in fields.items()
        )
        self.send(self.HEADERS, self.END_HEADERS | self.END_STREAM, 2 * number + 1, text)


def test_clients_that_stop_reading_streams_hold_no_thread(machine: ManagedHost, site: Site) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            client = Stream(machine.address(), "victim.example")
            stack.callback(client.connection.close)
            for number in range(STREAMS):
                client.ask(number, "/medium")
        wait_for(lambda: site.health() == 200, "the application is through with all of them")
        assert slowest(site) < LIMIT
        begun = time.monotonic()
        assert machine.run("curl", "-sk", "--http2", "--resolve", "victim.example:443:127.0.0.1", "--max-time", "5",
                           "https://victim.example/healthz")  # fmt: skip
        assert time.monotonic() - begun < LIMIT + 1, "with what it takes to start curl in the container"
