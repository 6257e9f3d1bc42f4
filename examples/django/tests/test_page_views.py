# SPDX-License-Identifier: Apache-2.0
"""The counts of page views: right with several processes, and complete when a process stops."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

from django.conf import settings
from django.test import Client, SimpleTestCase, TestCase, override_settings
from guestbook import page_views
from guestbook.page_views import PageViews
from guestbook.shutdown import on_shutdown

NEVER = 3600.0  # seconds
MOMENT = 0.2  # seconds, in which something must not happen
WAIT = 30.0  # seconds for another thread; a test fails then

# Counts views, and is stopped as the server of the second argument stops it.
PROGRAM = """
import os, sys, types
from pathlib import Path

subscribed = []
if sys.argv[2] == "mod_wsgi":
    sys.modules["mod_wsgi"] = types.SimpleNamespace(subscribe_shutdown=subscribed.append)

from guestbook.page_views import PageViews
from guestbook.shutdown import on_shutdown

views = PageViews(Path(sys.argv[1]), interval=0.001)
on_shutdown(views.stop)
for _ in range(2000):
    views.count("guestbook:index")
if sys.argv[2] == "mod_wsgi":
    for callback in subscribed * 2:
        callback("process_stopping", shutdown_reason="shutdown_signal")
    os._exit(0)  # no atexit
"""


class OnShutdownTests(SimpleTestCase):
    """The handler is called by whoever stops the process."""

    def test_inside_httpd_it_is_subscribed(self) -> None:
        handler, subscribe = mock.Mock(return_value=None), mock.Mock()

        with (
            mock.patch.dict(sys.modules, mod_wsgi=SimpleNamespace(subscribe_shutdown=subscribe)),
            mock.patch("atexit.register") as register,
        ):
            on_shutdown(handler)
        subscribe.call_args.args[0]("process_stopping", shutdown_reason="graceful_signal")

        handler.assert_called_once_with()
        register.assert_not_called()

    def test_with_runserver_it_is_left_to_atexit(self) -> None:
        handler = mock.Mock()
        for module in (None, ModuleType("mod_wsgi")):  # the latter is what pip installs
            with mock.patch.dict(sys.modules, mod_wsgi=module), mock.patch("atexit.register") as register:
                on_shutdown(handler)
            register.assert_called_once_with(handler)


class PageViewsTests(SimpleTestCase):
    """From memory to the file."""

    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "page_views.json"
        self.enterContext(mock.patch("guestbook.page_views.JOIN_TIMEOUT", WAIT))

    def page_views(self, interval: float = NEVER) -> PageViews:
        views = PageViews(self.path, interval)
        self.addCleanup(views.stop)
        return views

    def totals(self) -> dict[str, int]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def threads(self) -> int:
        return sum(thread.name == "page views" for thread in threading.enumerate())

    def test_stopping_adds_what_is_in_memory_once_and_ends_the_thread(self) -> None:
        self.path.write_text('{"about": 1, "index": 40}')
        views = self.page_views()
        self.assertEqual(self.threads(), 0)
        views.count("index")
        views.count("index")
        self.assertEqual((self.totals()["index"], self.threads()), (40, 1))

        for _ in range(2):
            views.stop()

            self.assertEqual((self.totals(), self.threads()), ({"about": 1, "index": 42}, 0))

    def test_the_thread_adds_them_without_a_stop(self) -> None:
        added, add = threading.Event(), page_views.add_to_file

        def add_and_tell(path: Path, counts: Mapping[str, int]) -> None:
            add(path, counts)
            added.set()

        self.enterContext(mock.patch("guestbook.page_views.add_to_file", add_and_tell))

        self.page_views(interval=0.01).count("index")

        self.assertTrue(added.wait(WAIT))
        self.assertEqual(self.totals(), {"index": 1})

    def test_a_view_after_the_stop_is_added_at_once(self) -> None:
        views = self.page_views()
        views.stop()

        with mock.patch("threading.Thread.start") as start:
            views.count("index")

        start.assert_not_called()
        self.assertEqual(self.totals(), {"index": 1})

    def test_stopping_waits_for_an_addition_and_an_addition_for_another_process(self) -> None:
        views = self.page_views(interval=0.01)
        stopper = threading.Thread(target=views.stop)
        adding, add = threading.Event(), page_views.add_to_file

        def tell_and_add(path: Path, counts: Mapping[str, int]) -> None:
            adding.set()
            add(path, counts)

        self.enterContext(mock.patch("guestbook.page_views.add_to_file", tell_and_add))
        # As another process does that is adding its own.
        other = os.open(self.path.parent, os.O_RDONLY)
        self.addCleanup(os.close, other)
        fcntl.flock(other, fcntl.LOCK_EX)
        views.count("index")
        self.assertTrue(adding.wait(WAIT))
        stopper.start()
        stopper.join(MOMENT)

        self.assertEqual((self.totals(), stopper.is_alive()), ({}, True))
        fcntl.flock(other, fcntl.LOCK_UN)
        stopper.join(WAIT)
        self.assertEqual((self.totals(), stopper.is_alive()), ({"index": 1}, False))

    def test_a_file_that_holds_something_else_is_kept_and_the_counts_wait(self) -> None:
        for content in ("no JSON", '["index"]', '{"index": "many"}'):
            with self.subTest(content):
                self.path.write_text(content)
                views = self.page_views()
                views.count("index")

                with self.assertLogs("guestbook.page_views", "ERROR"):
                    views.flush()
                self.assertEqual(self.path.read_text(), content)

                self.path.unlink()
                views.stop()
                self.assertEqual(self.totals(), {"index": 1})

    def test_several_processes_add_to_one_file_however_they_are_stopped(self) -> None:
        environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self.path), server],
                cwd=settings.BASE_DIR,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for server in ("mod_wsgi", "runserver", "mod_wsgi")
        ]
        for process in processes:
            self.addCleanup(process.kill)
        for process in processes:
            _output, errors = process.communicate(timeout=60)
            self.assertEqual((process.returncode, errors), (0, ""))

        self.assertEqual(self.totals(), {"guestbook:index": 3 * 2000})
        self.assertEqual([file.name for file in self.path.parent.iterdir()], [self.path.name])


class MiddlewareTests(TestCase):
    """What counts as a page."""

    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "page_views.json"
        self.subscribed: list = []
        module = SimpleNamespace(subscribe_shutdown=self.subscribed.append)
        self.enterContext(mock.patch.dict(sys.modules, mod_wsgi=module))

    def test_pages_that_are_shown_are_counted_by_the_names_of_their_patterns(self) -> None:
        with override_settings(PAGE_VIEWS_FILE=str(self.path)):
            browser = Client()
            for address in ("/", "/", "/seiten/a/", "/seiten/b/", "/nothing", "/healthz", "/admin/"):
                browser.get(address)
            browser.head("/")
            browser.post("/", {"author": "Ada"})

        (stop,) = self.subscribed
        stop("process_stopping", shutdown_reason="shutdown_signal")

        self.assertEqual(json.loads(self.path.read_text()), {"guestbook:index": 2, "guestbook:page": 2})

    def test_without_a_file_nothing_is_counted(self) -> None:
        self.assertEqual(Client().get("/").status_code, 200)

        self.assertEqual(self.subscribed, [])

    def test_the_file_is_in_the_state_directory_unless_another_is_named(self) -> None:
        variables = {"DJANGO_SECRET_KEY": "k9" * 32, "DJANGO_STATE_DIRECTORY": "/nonexistent"}
        for named, path in (
            ({}, "/nonexistent/page_views.json"),
            ({"DJANGO_PAGE_VIEWS_FILE": "/elsewhere"}, "/elsewhere"),
            ({"DJANGO_PAGE_VIEWS_FILE": ""}, ""),
        ):
            with self.subTest(named):
                result = subprocess.run(
                    [sys.executable, "-c", "from config import settings; print(settings.PAGE_VIEWS_FILE)"],
                    cwd=settings.BASE_DIR,
                    env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **variables, **named},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                self.assertEqual(result.stdout, f"{path}\n", result.stderr)
