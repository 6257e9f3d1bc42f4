# SPDX-License-Identifier: Apache-2.0
"""A client that asks one site after the other at a steady rate, whatever becomes of its earlier requests."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

INTERVAL = 0.02
"""The usual one."""
PATIENCE = 30.0
"""Seconds until a request without an answer has failed."""


@dataclass(frozen=True)
class Failure:
    """A request that did not get the right answer; the time is of CLOCK_MONOTONIC."""

    asked: float
    reason: str


@dataclass
class Visitor:
    """A client of sites on one host, each request with a connection of its own."""

    address: str
    sites: dict[str, bytes]
    """By host name, the body of the right answer."""
    interval: float = INTERVAL
    """Seconds from one request to the next."""
    asked: int = 0
    slowest: float = 0.0
    """Seconds."""
    failures: list[Failure] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    async def visit(self) -> None:
        """Ask until it is over, then wait for the answers that are still to come."""
        requests = set()
        due = time.monotonic()
        for host_name, body in itertools.cycle(self.sites.items()):
            if self.over.is_set():
                break
            request = asyncio.create_task(self._ask(host_name, body))
            requests.add(request)
            request.add_done_callback(requests.discard)
            due += self.interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*requests)

    async def _ask(self, host_name: str, body: bytes) -> None:
        began = time.monotonic()
        try:
            reason = await asyncio.wait_for(self._exchange(host_name, body), PATIENCE)
        except (TimeoutError, OSError) as error:
            reason = repr(error)
        if reason:
            self.failures.append(Failure(began, f"{host_name}: {reason}"))
        self.asked += 1
        self.slowest = max(self.slowest, time.monotonic() - began)

    async def _exchange(self, host_name: str, body: bytes) -> str:
        """One request; why its answer is not the right one, or nothing."""
        reader, writer = await asyncio.open_connection(self.address, 80)
        try:
            writer.write(f"GET / HTTP/1.0\r\nHost: {host_name}\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
        good = answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(body)
        return "" if good else f"got {answer[:60]!r}"


@contextmanager
def visiting(client: Visitor) -> Iterator[Visitor]:
    """Let a client ask as long as the block runs."""
    thread = threading.Thread(target=lambda: asyncio.run(client.visit()))
    thread.start()
    try:
        yield client
    finally:
        client.over.set()
        thread.join()
