# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, or pretend to be, hold no thread of an application that has five."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest
import requests
from support.managed_host import STATUS, ManagedHost
from support.site import Site
from support.waiting import wait_for

HOST = "victim.example"
SENDERS, READERS = 400, 40
LIMIT = 1.0
"""Seconds for the answer to a client like others; measured 0.01, and without the module none in 30."""
ANSWER = b"".join(bytes([piece]) * (1 << 20) for piece in range(16))
"""Of `/large`: more than the kernel keeps for a connection (4 MiB)."""


@pytest.fixture(name="site")
def fixture_site(machine: ManagedHost) -> Site:
    return Site(machine.address(), HOST)


@pytest.fixture(autouse=True)
def fixture_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * SENDERS), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def clients(address: str, number: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which something was said, and that read nothing."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect((address, 80))
            connection.sendall(said)
            connections.append(connection)
        yield connections


def busy(machine: ManagedHost) -> int:
    """Workers of httpd that have a request, or are reading one."""
    status = machine.run(*STATUS)
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("BusyWorkers: "))


def slowest_answer(site: Site) -> float:
    """The longest of ten answers, in seconds."""
    seconds = []
    for _ in range(10):
        begun = time.monotonic()
        assert site.health() == 200
        seconds.append(time.monotonic() - begun)
    return max(seconds)


def test_bodies_that_come_slowly_hold_none(machine: ManagedHost, site: Site) -> None:
    said = f"POST /slow HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000\r\n\r\nx".encode()
    with clients(machine.address(), SENDERS, said):
        wait_for(lambda: busy(machine) >= SENDERS, "httpd reads all the bodies")
        assert slowest_answer(site) < LIMIT
    assert ["POST", "/slow", 1] not in site.get("/seen").json(), "what is incomplete does not reach the application"


def test_clients_that_read_slowly_hold_none(machine: ManagedHost, site: Site) -> None:
    said = f"GET /large HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    with clients(machine.address(), READERS, said) as connections:
        # Each has been waited for, and its answer is in a file.
        wait_for(lambda: site.health() == 200 and busy(machine) < 5, "the application is through with all of them")
        assert slowest_answer(site) < LIMIT
        for connection in connections[:3]:
            with connection.makefile("rb") as stream:
                body = stream.read().partition(b"\r\n\r\n")[2]
            assert hashlib.sha256(joined(body)).digest() == hashlib.sha256(ANSWER).digest()


def joined(chunks: bytes) -> bytes:
    """A body that was sent in chunks."""
    parts = []
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        parts.append(chunks[: int(size, 16)])
        chunks = chunks[int(size, 16) + 2 :]
    return b"".join(parts)


def test_a_body_without_a_length_arrives_with_one(machine: ManagedHost, site: Site) -> None:
    pieces = (piece for piece in (b"one", b"two" * 100000))
    headers = {"Host": HOST}
    assert requests.post(f"http://{machine.address()}/chunks", data=pieces, headers=headers, timeout=30).ok
    assert ["POST", "/chunks", 300003] in site.get("/seen").json()
