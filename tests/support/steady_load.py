# SPDX-License-Identifier: Apache-2.0
"""Visitors who come at a steady rate, whatever becomes of those before, and what they have been answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

RATE = 40
"""Requests in a second; every other one takes a second."""
CONTROL_RATE = 20
PATIENCE = 30.0
"""Seconds until a request without an answer is lost."""


class Answer(NamedTuple):
    """One request; the times are of CLOCK_MONOTONIC."""

    begun: float
    ended: float
    version: str
    """What has answered with 200; empty for a request that is lost."""
    problem: str = ""
    """Why it is lost."""


def longest_gap(answers: Sequence[Answer], since: float) -> float:
    """The longest time without a good answer, from a moment on."""
    ends = [since, *sorted(each.ended for each in answers if each.version and each.ended >= since)]
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)


@dataclass
class Load:
    """Visitors of one application, and some of a neighbour on the same host, who have what the machine itself costs."""

    address: str
    host_name: str
    neighbour: str
    answers: list[Answer] = field(default_factory=list)
    control: list[Answer] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    async def come(self) -> None:
        """Ask until it is over, then wait for the answers that are still to come."""
        await asyncio.gather(
            self._come(self.host_name, RATE, ("/", "/slow"), self.answers),
            self._come(self.neighbour, CONTROL_RATE, ("/",), self.control),
        )

    async def _come(self, host_name: str, rate: int, paths: Sequence[str], answers: list[Answer]) -> None:
        requests = set()
        began, number = time.monotonic(), 0
        while not self.over.is_set():
            request = asyncio.create_task(self._ask(host_name, paths[number % len(paths)], answers))
            requests.add(request)
            request.add_done_callback(requests.discard)
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        await asyncio.gather(*requests)

    async def _ask(self, host_name: str, path: str, answers: list[Answer]) -> None:
        begun, version, problem = time.monotonic(), "", ""
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(self.address, 80)
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {host_name}\r\n\r\n".encode())
                answer = await reader.read()
                writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 200 "):
                version = body.decode().strip()
            else:
                line = head.partition(b"\r")[0] + b" " + body[-200:]
                problem = line.decode(errors="replace").strip() or "closed without an answer"
        except (TimeoutError, OSError) as error:
            problem = repr(error)
        answers.append(Answer(begun, time.monotonic(), version, problem))

    @property
    def lost(self) -> list[Answer]:
        """What was not answered well."""
        return [each for each in self.answers if not each.version]

    @property
    def versions(self) -> set[str]:
        """What has answered."""
        return {each.version for each in self.answers if each.version}

    def gap(self, since: float) -> float:
        """The longest time without an answer, beyond what a neighbour has had on the same machine."""
        return longest_gap(self.answers, since) - longest_gap(self.control, since)


@contextmanager
def under_load(address: str, host_name: str, neighbour: str) -> Iterator[Load]:
    """Let them come while the block runs, and wait for their last answers."""
    load = Load(address, host_name, neighbour)
    thread = threading.Thread(target=lambda: asyncio.run(load.come()))
    thread.start()
    try:
        yield load
    finally:
        load.over.set()
        thread.join()
