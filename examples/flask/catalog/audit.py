# SPDX-License-Identifier: Apache-2.0
"""A journal of changes to the catalog: lines of JSON, appended by a thread so that no request waits for the disk.

Entries wait in memory for a moment, which is why the process must write what is left when it stops.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict

from flask import Flask, current_app

from catalog.shutdown import on_shutdown
from catalog.store import Item

INTERVAL = 2.0  # seconds that an entry waits at most
BATCH = 50  # entries that are written at once, without waiting
JOIN_TIMEOUT = 2.0  # seconds; httpd kills a daemon process 3 s after it told it to stop

_EXTENSION = "catalog.audit"


def init_app(app: Flask) -> None:
    """Keep the journal in the file `AUDIT_FILE`; keep none when it is empty."""
    if path := app.config.get("AUDIT_FILE"):
        journal = app.extensions[_EXTENSION] = Journal(path, app.logger)
        on_shutdown(journal.close)


def record(action: str, item: Item) -> None:
    """Note what was done to an item, if a journal is kept."""
    journal: Journal | None = current_app.extensions.get(_EXTENSION)
    if journal is not None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"time": now, "process": os.getpid(), "action": action, "item": asdict(item)}
        journal.add(json.dumps(entry, ensure_ascii=False))


class Journal:
    """Lines on their way to a file, which any number of processes may append to.

    The thread starts with the first line: a command that changes nothing needs none, and it must not start before
    a server forks its processes.
    """

    def __init__(self, path: str, logger: logging.Logger, interval: float = INTERVAL, batch: int = BATCH) -> None:
        self._path = path
        self._logger = logger
        self._interval = interval
        self._batch = batch
        self._waiting: list[str] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, line: str) -> None:
        """Hand a line over; it is written soon."""
        with self._changed:
            self._waiting.append(line)
            self._changed.notify()
            closed = self._closed
            if not closed and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()
        if closed:
            # mod_wsgi calls the handlers before it waits for the requests that are still running.
            self._write()

    def close(self) -> None:
        """End the thread and write what is left. Safe to call from any thread, and more than once."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_TIMEOUT)
        self._write()

    def _run(self) -> None:
        closed = False
        while not closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                self._changed.wait_for(lambda: self._closed or len(self._waiting) >= self._batch, self._interval)
                closed = self._closed
            self._write()

    def _write(self) -> None:
        with self._changed:
            lines, self._waiting = self._waiting, []
        if not lines:
            return
        try:
            append(self._path, lines)
        except OSError:
            # The error log keeps what the journal could not.
            self._logger.exception("The journal %s is not written; it lacks:\n%s", self._path, "\n".join(lines))


def append(path: str, lines: Sequence[str]) -> None:
    """Append lines to a file in one write, so that those of several processes do not mix.

    The file is opened each time, so that it can be moved away at any time. Raises OSError.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        written = os.write(descriptor, data)
    finally:
        os.close(descriptor)
    if written < len(data):
        raise OSError(f"only {written} of {len(data)} bytes could be written")
