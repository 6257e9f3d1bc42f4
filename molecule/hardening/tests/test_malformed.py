# SPDX-License-Identifier: Apache-2.0
"""Requests that no client should send: refused, or answered as one request, and never two where one was sent."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.managed_host import ManagedHost
from support.site import Site

HOST = b"Host: victim.example\r\n"
PATIENCE = 10
"""Seconds for an answer; httpd gives up on a header after 20 to 40, which nothing here waits for."""

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@dataclass(frozen=True)
class Case:
    """What is sent, and how it may be answered."""

    what: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)
    """Allowed for the first answer; 0: the connection is closed without one."""
    path: str = ""
    """The one request that the application may see."""


def post(headers: bytes, body: bytes = b"", line: bytes = b"POST /first HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + headers + b"\r\n" + body


LENGTHS = [
    Case("two lengths", post(b"Content-Length: 4\r\nContent-Length: 40\r\n", b"abcd" + SMUGGLED)),
    Case("two lengths in one", post(b"Content-Length: 4, 40\r\n", b"abcd" + SMUGGLED)),
    Case("the same length twice", post(b"Content-Length: 4\r\nContent-Length: 4\r\n", b"abcd"), (200, 400), "/first"),
    *(
        Case(f"a length of {value!r}", post(b"Content-Length: " + value + b"\r\n", b"abcd" + SMUGGLED))
        for value in (
            b"-1",
            b"+4",
            b"4a",
            b"0x4",
            b"4.0",
            b"4 4",
            b"1e1",
            b"",
            b"18446744073709551620",
            b"'4'",
            b"\x004",
        )
    ),
    Case("a length and a fold", post(b"Content-Length:\r\n 4\r\n", b"abcd"), (200, 400), "/first"),
    Case("a length before a blank", post(b"Content-Length : 4\r\n", b"abcd" + SMUGGLED)),
    Case("a length with a control", post(b"Content-Length: \x0b4\r\n", b"abcd" + SMUGGLED)),
    Case("a length in a GET", b"GET /first HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nabcd", (200,), "/first"),
]
CHUNKS = [
    Case(
        "both a length and chunks",
        post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
        (200, 400),  # RFC 9112, 6.3: chunks count, and nothing more is read from the connection
        "/first",
    ),
    *(
        Case(f"a coding of {value!r}", post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"), (400, 411, 501))
        for value in (
            b"identity",
            b"chunked, identity",
            b"xchunked",
            b"chunked chunked",
            b"\x0bchunked",
            b"chunked\x00",
            b"gzip",
            b"chunked, chunked",
            b"'chunked'",
        )
    ),
    Case("the name with a blank", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Case(
        "chunks in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"POST /first HTTP/1.0"), (400, 411)
    ),
    *(
        Case(
            f"a chunk of {value!r}",
            post(b"Transfer-Encoding: chunked\r\n", value + b"\r\nabcd\r\n0\r\n\r\n"),
            (400, 411, 413),
        )
        for value in (
            b"-4",
            b"+4",
            b"0x4",
            b"4 4",
            b"g",
            b"",
            b"FFFFFFFFFFFFFFFFF",
            b"4;\x00",
            b"4;a=b;" + b"c" * 9000,
            b"\x0b4",
        )
    ),
    Case("no end of a chunk", post(b"Transfer-Encoding: chunked\r\n", b"4\r\nabcdef\r\n0\r\n\r\n"), (400, 411)),
    Case("a trailer that is none", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\x00: x\r\n\r\n"), (400, 411)),
]
LINES = [
    *(
        Case(f"a request line {line!r}", line + b"\r\n" + HOST + b"\r\n", statuses, "/first")
        for line, statuses in (
            (b"GET /first", (400,)),
            (b"GET  /first HTTP/1.1", (400,)),
            (b"GET /first  HTTP/1.1", (400,)),
            (b"GET\t/first\tHTTP/1.1", (400,)),
            (b"GET /a b HTTP/1.1", (400,)),
            (b"GET /first HTTP/1.1 ", (200, 400)),
            (b"GET /first HTTP/2.0", (200, 400, 505)),
            (b"GET /first HTTP/9.9", (200, 400, 505)),
            (b"GET /first http/1.1", (400,)),
            (b"GET /first HTTP/1.1a", (400,)),
            (b"G\x00T /first HTTP/1.1", (400,)),
            (b"GET /fir\x00st HTTP/1.1", (400,)),
            (b"GET /%00 HTTP/1.1", (400, 404)),
            (b"GET /../../etc/passwd HTTP/1.1", (400,)),
            (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", (400,)),
            (b"GET first HTTP/1.1", (400,)),
            (b"G(T /first HTTP/1.1", (400, 501)),
            (b"PRI * HTTP/2.0", (400, 505)),
            (b"TRACE / HTTP/1.1", (403, 405)),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1", (414,)),
        )
    ),
    # It is no proxy: the application is asked, and nothing is connected.
    Case("a tunnel", b"CONNECT victim.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", (200, 400, 405), "/"),
    Case("a line that ends with LF", b"GET /first HTTP/1.1\n" + HOST.replace(b"\r", b"") + b"\n", (400,)),
    Case("a bare CR in the line", b"GET /first\r HTTP/1.1\r\n" + HOST + b"\r\n", (400,)),
    Case(
        "the absolute form of another host",
        b"GET http://other.example/first HTTP/1.1\r\n" + HOST + b"\r\n",
        (200, 400, 404, 421),
    ),
    Case("the absolute form", b"GET http://victim.example/first HTTP/1.1\r\n" + HOST + b"\r\n", (200,), "/first"),
    Case("an authority", b"GET victim.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", (400, 404)),
    Case(
        "a user in the target", b"GET http://a@victim.example/first HTTP/1.1\r\n" + HOST + b"\r\n", (200, 400), "/first"
    ),
]
HEADERS = [
    *(
        Case(f"a header {line!r}", b"GET /first HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n")
        for line in (
            b"no colon",
            b": nothing",
            b"A B: c",
            b"A\t: b",
            b"A\x00: b",
            b"A: b\x00c",
            b"A(: b",
            b"A: b\rc",
            b"\x80: b",
            b" A: b",
            b"\x0bA: b",
        )
    ),
    Case("a folded header", b"GET /first HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", (200, 400), "/first"),
    Case("two hosts", b"GET /first HTTP/1.1\r\n" + HOST + b"Host: other.example\r\n\r\n"),
    Case("no host", b"GET /first HTTP/1.1\r\n\r\n"),
    *(
        Case(f"a host {value!r}", b"GET /first HTTP/1.1\r\nHost: " + value + b"\r\n\r\n", (400, 404))
        for value in (
            b"a b",
            b"a/b",
            b"a\x00",
            b"victim.example:",
            b"victim.example:99999",
            b"[::1",
            b"../etc",
            b"a@b",
            b"a\\b",
        )
    ),
    Case("a header of 9,000 bytes", b"GET /first HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 9000 + b"\r\n\r\n"),
    Case(
        "101 headers",
        b"GET /first HTTP/1.1\r\n" + HOST + b"".join(b"A%d: b\r\n" % each for each in range(100)) + b"\r\n",
    ),
    Case("an underscore for a dash", post(b"Content_Length: 4\r\n", b""), (200, 411), "/first"),
    Case("an expectation that nobody meets", post(b"Expect: 200-maybe\r\nContent-Length: 0\r\n"), (417,)),
    Case(
        "an upgrade",
        b"GET /first HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        (200, 101),
        "/first",
    ),
]
CASES = [*LENGTHS, *CHUNKS, *LINES, *HEADERS]


@pytest.fixture(name="victim", scope="module")
def fixture_victim(machine: ManagedHost) -> Site:
    return Site(machine.address(), "victim.example")


def answers(address: str, sent: bytes) -> bytes:
    """All that httpd answers until it closes; we send nothing more, so it does."""
    with socket.create_connection((address, 80), timeout=PATIENCE) as connected:
        connected.sendall(sent)
        connected.shutdown(socket.SHUT_WR)
        return b"".join(_received(connected))


def _received(connected: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            part = connected.recv(65536)
        except ConnectionResetError:
            return
        if not part:
            return
        yield part


def seen(victim: Site) -> list[list[object]]:
    found: list[list[object]] = json.loads(victim.get("/seen").text)
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.what[:60] for case in CASES])
def test_it_is_refused_or_one_request(victim: Site, case: Case) -> None:
    before = len(seen(victim))
    answer = answers(victim.address, case.sent)
    statuses = [int(found) for found in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)]
    first = statuses[0] if statuses else 0
    # Before HTTP/1.0 an answer has no status.
    assert first in case.statuses or (not first and b"400 Bad Request" in answer), answer[:300]
    asked = [path for _, path, _ in seen(victim)[before:]]
    assert asked in ([], [case.path or "/first"]), asked
    if first >= 400:
        assert asked == [], "it was refused, and asked all the same"


def test_there_are_as_many_as_promised() -> None:
    assert len(CASES) >= 60
