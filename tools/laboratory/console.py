# SPDX-License-Identifier: Apache-2.0
"""What the lab says: progress with the elapsed time on standard error, and errors in one sentence."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LabError(Exception):
    """The lab cannot go on; the message is one sentence that tells what to do."""


class Console:
    """Progress lines, safe to use from several threads. Nothing is printed where nothing is done."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()
        #: Whether anything was reported.
        self.spoke = False

    def elapsed(self) -> float:
        """Seconds since the console was made."""
        return time.monotonic() - self._start

    def report(self, message: str) -> None:
        """One progress line."""
        with self._lock:
            self.spoke = True
            print(f"lab [{self.elapsed():5.1f} s] {message}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, message: str) -> Iterator[None]:
        """Reports the begin of a step, and its end with the seconds that it took."""
        began = time.monotonic()
        self.report(f"{message} ...")
        yield
        self.report(f"{message}: done in {time.monotonic() - began:.1f} s")
