# SPDX-License-Identifier: Apache-2.0
"""A client that asks pages at a steady rate, whatever becomes of its earlier requests, and what it is answered."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

PATIENCE = 30.0
"""Seconds until a request without an answer is lost."""


@contextmanager
def meanwhile(*works: Callable[[threading.Event], object]) -> Iterator[None]:
    """Run these as long as the block runs, each in a thread of its own; each ends soon when the event is set."""
    over = threading.Event()
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, over) for work in works]
        try:
            yield
        finally:
            over.set()
    for each in running:
        each.result()


class Answer(NamedTuple):
    """One request; the times are of CLOCK_MONOTONIC, which a host in a container shares."""

    begun: float
    ended: float
    text: str
    """What was answered, and well; empty for a request that is lost."""
    problem: str = ""
    """Why it is lost."""


def longest_gap(answers: Sequence[Answer], since: float) -> float:
    """The longest time in seconds without a good answer, from a moment on."""
    ends = [since, *sorted(each.ended for each in answers if not each.problem and each.ended >= since)]
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)


@dataclass
class Visitor:
    """A client of sites on one host, each request with a connection of its own."""

    address: str
    sites: dict[str, bytes]
    """By host name, how the body of a right answer ends."""
    paths: Sequence[str] = ("/",)
    interval: float = 0.02
    """Seconds from one request to the next."""
    port: int = 80
    tls: bool = False
    """Any certificate will do."""
    answers: list[Answer] = field(default_factory=list)

    def visit(self, over: threading.Event) -> None:
        """Ask until it is over, then wait for the answers that are still to come."""
        asyncio.run(self._visit(over))

    async def _visit(self, over: threading.Event) -> None:
        requests = set()
        due = time.monotonic()
        for path, host_name in itertools.cycle(itertools.product(self.paths, self.sites)):
            if over.is_set():
                break
            request = asyncio.create_task(self._ask(host_name, path))
            requests.add(request)
            request.add_done_callback(requests.discard)
            due += self.interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*requests)

    async def _ask(self, host_name: str, path: str) -> None:
        begun, text, problem = time.monotonic(), "", ""
        try:
            answer = await asyncio.wait_for(self._exchange(host_name, path), PATIENCE)
            head, _, body = answer.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 200 ") and body.endswith(self.sites[host_name]):
                text = body.decode().strip()
            else:
                line = head.partition(b"\r")[0] + b" " + body[-200:]
                problem = line.decode(errors="replace").strip() or "closed without an answer"
        except (TimeoutError, OSError) as error:
            problem = repr(error)
        self.answers.append(Answer(begun, time.monotonic(), text, problem))

    async def _exchange(self, host_name: str, path: str) -> bytes:
        secure, name = (self._any_certificate, host_name) if self.tls else (None, None)
        reader, writer = await asyncio.open_connection(self.address, self.port, ssl=secure, server_hostname=name)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host_name}\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()

    @cached_property
    def _any_certificate(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def lost(self) -> list[Answer]:
        """What was not answered well."""
        return [each for each in self.answers if each.problem]

    @property
    def texts(self) -> set[str]:
        """What has answered."""
        return {each.text for each in self.answers if not each.problem}


@contextmanager
def visiting(client: Visitor) -> Iterator[Visitor]:
    """Let a client ask as long as the block runs."""
    with meanwhile(client.visit):
        yield client
