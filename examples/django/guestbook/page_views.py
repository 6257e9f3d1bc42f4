# SPDX-License-Identifier: Apache-2.0
"""How often each page was shown, kept in a file that all processes add to.

A request only counts in memory; a thread adds the counts to the file now and then. What it has not added when the
process stops would be lost, so the process adds it then.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from guestbook.shutdown import on_shutdown

logger = logging.getLogger(__name__)

INTERVAL = 10.0  # seconds between two additions to the file
JOIN_TIMEOUT = 2.0  # seconds; httpd kills a daemon process 3 s after it told it to stop


class CountPageViews:
    """Middleware: counts the pages that are shown, by the names of their URL patterns.

    Addresses would not do: strangers can make up any number of them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.PAGE_VIEWS_FILE:
            raise MiddlewareNotUsed("DJANGO_PAGE_VIEWS_FILE is empty.")
        self.get_response = get_response
        self.page_views = PageViews(Path(settings.PAGE_VIEWS_FILE))
        on_shutdown(self.page_views.stop)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        shown = request.method == "GET" and response.status_code == 200
        if shown and request.resolver_match and response.get("Content-Type", "").startswith("text/html"):
            self.page_views.count(request.resolver_match.view_name)
        return response


class PageViews:
    """Counts on their way to the file. The thread starts with the first, so that `manage.py migrate` has none."""

    def __init__(self, path: Path, interval: float = INTERVAL) -> None:
        self._path = path
        self._interval = interval
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, name: str) -> None:
        """Count one view of a page."""
        with self._lock:
            self._counts[name] += 1
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="page views", daemon=True)
                self._thread.start()
        if self._stopping.is_set():
            # mod_wsgi calls the handlers before it waits for the requests that are still running.
            self.flush()

    def stop(self) -> None:
        """End the thread and add what is left. Safe to call from any thread, and more than once."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_TIMEOUT)
        self.flush()

    def flush(self) -> None:
        """Add the counts to the file now. When that fails it is logged, and the next time adds them too."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            add_to_file(self._path, counts)
        except (OSError, ValueError, TypeError):
            logger.exception("The page views cannot be added to %s", self._path)
            with self._lock:
                self._counts += counts

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.flush()


def add_to_file(path: Path, counts: Mapping[str, int]) -> None:
    """Add counts to those of a JSON file, one process after the other; who reads it meanwhile sees whole files only.

    Raises OSError when the file cannot be written, and ValueError or TypeError when it holds something else.
    """
    lock = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        totals = Counter(**json.loads(path.read_bytes())) if path.exists() else Counter()
        totals.update(counts)
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(totals, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(path)
    finally:
        os.close(lock)
