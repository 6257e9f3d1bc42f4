# SPDX-License-Identifier: Apache-2.0
"""Visitors who must not notice that somebody debugs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from support.managed_host import ManagedHost
from support.site import Site

PAUSE = 0.1
"""Seconds between two visits."""


@pytest.fixture(name="undisturbed")
def fixture_undisturbed(machine: ManagedHost, shop: Site) -> Iterator[None]:
    """All the time the ordinary site answers, from the same processes as before."""
    before = sorted(process.pid for process in machine.daemon_processes("shop"))
    assert len(before) == 2
    answers: Counter[int | str] = Counter()
    stop = threading.Event()

    def visit() -> None:
        while not stop.wait(PAUSE):
            answers[shop.health()] += 1

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        stop.set()
        visitor.join()
    assert set(answers) == {200}, answers
    assert sorted(process.pid for process in machine.daemon_processes("shop")) == before
