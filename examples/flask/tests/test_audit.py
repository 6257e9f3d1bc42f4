# SPDX-License-Identifier: Apache-2.0
"""The journal of changes: nothing is lost when the process stops, and nothing runs on."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import types
import unittest
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from catalog import audit, create_app, store
from catalog.shutdown import on_shutdown

PROJECT = Path(__file__).resolve().parent.parent
NEVER = 3600.0  # seconds
MOMENT = 0.2  # seconds, in which something must not happen
WAIT = 30.0  # seconds for another thread; a test fails then


def fake_mod_wsgi() -> tuple[types.ModuleType, list]:
    """A module as httpd provides it, and the list of what was subscribed."""
    module, subscribed = types.ModuleType("mod_wsgi"), []
    module.subscribe_shutdown = subscribed.append
    return module, subscribed


class OnShutdownTests(unittest.TestCase):
    """Who calls a handler."""

    def setUp(self) -> None:
        self.handler = mock.Mock(return_value=None)
        self.register = self.enterContext(mock.patch("atexit.register"))

    def test_under_mod_wsgi_its_own_event_calls_it(self) -> None:
        module, subscribed = fake_mod_wsgi()

        with mock.patch.dict(sys.modules, mod_wsgi=module):
            on_shutdown(self.handler)
        (callback,) = subscribed
        callback("process_stopping", shutdown_reason="shutdown_signal")

        self.handler.assert_called_once_with()
        self.register.assert_not_called()

    def test_elsewhere_atexit_calls_it(self) -> None:
        # The second is the package that pip installs.
        for name, module in (("no module", None), ("a module without events", types.ModuleType("mod_wsgi"))):
            with self.subTest(name), mock.patch.dict(sys.modules, mod_wsgi=module):
                self.register.reset_mock()

                on_shutdown(self.handler)

                self.register.assert_called_once_with(self.handler)


class JournalTests(unittest.TestCase):
    """Lines on their way to the file."""

    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "audit.jsonl"
        self.enterContext(mock.patch("catalog.audit.JOIN_TIMEOUT", WAIT))

    def journal(self, interval: float = NEVER, batch: int = 1000) -> audit.Journal:
        journal = audit.Journal(str(self.path), logging.getLogger("catalog"), interval, batch)
        self.addCleanup(journal.close)
        return journal

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def audit_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "audit"]

    def appending_slowly(self) -> tuple[threading.Event, threading.Event]:
        """Two events: the line "one" is about to be in the file; it may be."""
        started, finish, append = threading.Event(), threading.Event(), audit.append

        def append_slowly(path: str, lines: Sequence[str]) -> None:
            if lines == ["one"]:
                started.set()
                finish.wait(WAIT)
            append(path, lines)

        self.enterContext(mock.patch("catalog.audit.append", append_slowly))
        return started, finish

    def written(self) -> threading.Event:
        """Set when the next lines are in the file."""
        event, append = threading.Event(), audit.append

        def append_and_tell(path: str, lines: Sequence[str]) -> None:
            append(path, lines)
            event.set()

        self.enterContext(mock.patch("catalog.audit.append", append_and_tell))
        return event

    def test_what_waits_is_written_when_the_journal_is_closed_and_the_thread_ends(self) -> None:
        journal = self.journal()
        journal.add("one")
        journal.add("two")
        self.assertEqual((self.lines(), len(self.audit_threads())), ([], 1))

        journal.close()

        self.assertEqual((self.lines(), self.audit_threads()), (["one", "two"], []))

    def test_closing_twice_writes_once_also_from_two_threads(self) -> None:
        journal = self.journal()
        journal.add("one")
        closers = [threading.Thread(target=journal.close) for _ in range(4)]

        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
        journal.close()

        self.assertEqual(self.lines(), ["one"])

    def test_a_request_that_outlasts_the_handlers_still_writes(self) -> None:
        journal = self.journal()
        journal.close()

        with mock.patch("threading.Thread.start") as start:
            journal.add("late")

        start.assert_not_called()
        self.assertEqual(self.lines(), ["late"])

    def test_many_lines_are_written_without_waiting(self) -> None:
        written, journal = self.written(), self.journal(batch=2)
        journal.add("one")
        self.assertEqual(self.lines(), [])

        journal.add("two")

        self.assertTrue(written.wait(WAIT))
        self.assertEqual(self.lines(), ["one", "two"])

    def test_one_line_is_written_after_the_interval(self) -> None:
        written, journal = self.written(), self.journal(interval=0.01)

        journal.add("one")

        self.assertTrue(written.wait(WAIT))
        self.assertEqual(self.lines(), ["one"])

    def test_without_a_line_there_is_no_thread_and_no_file(self) -> None:
        self.journal().close()

        self.assertEqual((self.audit_threads(), self.path.exists()), ([], False))

    def test_closing_waits_for_a_line_that_is_being_written(self) -> None:
        started, finish = self.appending_slowly()
        journal = self.journal(batch=1)
        journal.add("one")
        self.assertTrue(started.wait(WAIT))
        closer = threading.Thread(target=journal.close)

        closer.start()
        closer.join(MOMENT)

        self.assertTrue(closer.is_alive())
        finish.set()
        closer.join(WAIT)
        self.assertEqual((closer.is_alive(), self.lines()), (False, ["one"]))

    def test_a_thread_that_hangs_does_not_hold_up_the_stop(self) -> None:
        started, finish = self.appending_slowly()
        self.enterContext(mock.patch("catalog.audit.JOIN_TIMEOUT", MOMENT))
        journal = self.journal(batch=1)
        journal.add("one")
        self.assertTrue(started.wait(WAIT))
        (thread,) = self.audit_threads()
        journal.add("two")

        journal.close()

        self.assertEqual(self.lines(), ["two"])
        finish.set()
        thread.join(WAIT)
        self.assertEqual(self.lines(), ["two", "one"])

    def test_what_cannot_be_written_is_in_the_log(self) -> None:
        self.path = self.path.parent / "missing" / "audit.jsonl"
        journal = self.journal()
        journal.add("one")

        with self.assertLogs("catalog", "ERROR") as log:
            journal.close()

        self.assertIn("it lacks:\none\n", log.output[0])
        self.assertIn("FileNotFoundError", log.output[0])

    def test_what_fits_in_part_only_is_in_the_log(self) -> None:
        journal = self.journal()
        journal.add("one")

        with mock.patch("os.write", return_value=1), self.assertLogs("catalog", "ERROR") as log:
            journal.close()

        self.assertIn("it lacks:\none\n", log.output[0])
        self.assertIn("only 1 of 4 bytes could be written", log.output[0])


class ApplicationTests(unittest.TestCase):
    """The journal of the API."""

    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = self.directory / "audit.jsonl"
        module, self.subscribed = fake_mod_wsgi()
        self.enterContext(mock.patch.dict(sys.modules, mod_wsgi=module))

    def application(self, **configuration: str):
        app = create_app({"DATABASE": str(self.directory / "items.sqlite3"), **configuration})
        with app.app_context():
            store.create_tables()
        return app

    def stop(self) -> None:
        for callback in self.subscribed:
            callback("process_stopping", shutdown_reason="shutdown_signal")

    def test_a_created_item_is_in_the_journal_once_the_process_has_stopped(self) -> None:
        client = self.application(AUDIT_FILE=str(self.path)).test_client()
        self.addCleanup(self.stop)
        client.post("/api/items", json={"name": "Schlüssel", "quantity": 3})
        client.post("/api/items", json={"name": ""})

        # Python 3.13: the event may come twice.
        self.stop()
        self.stop()

        (entry,) = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        self.assertRegex(entry.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        item = {"id": 1, "name": "Schlüssel", "quantity": 3}
        self.assertEqual(entry, {"process": os.getpid(), "action": "created", "item": item})

    def test_the_file_is_in_the_state_directory_unless_another_is_named(self) -> None:
        elsewhere = str(self.directory / "elsewhere")
        for variables, path in (
            ({}, None),
            ({"WSGI_STATE_DIRECTORY": str(self.directory)}, str(self.path)),
            ({"WSGI_STATE_DIRECTORY": str(self.directory), "FLASK_AUDIT_FILE": elsewhere}, elsewhere),
            ({"WSGI_STATE_DIRECTORY": str(self.directory), "FLASK_AUDIT_FILE": ""}, ""),
        ):
            with self.subTest(variables), mock.patch.dict(os.environ, variables):
                self.assertEqual(self.application().config["AUDIT_FILE"], path)

    def test_without_a_file_items_are_created_and_nothing_is_subscribed(self) -> None:
        response = self.application(AUDIT_FILE="").test_client().post("/api/items", json={"name": "key"})

        self.assertEqual((response.status_code, self.subscribed), (201, []))
        self.assertFalse(self.path.exists())


class ProcessTests(unittest.TestCase):
    """Processes that end, as servers do."""

    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "audit.jsonl"

    def start(self, program: str, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(self.path), *arguments],
            cwd=PROJECT,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return process

    def assert_succeeds(self, process: subprocess.Popen) -> None:
        _output, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, errors), (0, ""))

    def test_several_processes_append_to_one_file_and_atexit_writes_the_rest(self) -> None:
        program = """
import logging, sys
from catalog.audit import Journal
from catalog.shutdown import on_shutdown
journal = Journal(sys.argv[1], logging.getLogger(), interval=3600, batch=7)
on_shutdown(journal.close)
for number in range(500):
    journal.add(f"{sys.argv[2]} {number} " + "x" * 100)
"""
        processes = [self.start(program, name) for name in "abc"]
        for process in processes:
            self.assert_succeeds(process)

        lines = self.path.read_text().splitlines()
        self.assertEqual({len(line.rpartition(" ")[2]) for line in lines}, {100})
        for name in "abc":
            numbers = sorted(int(line.split()[1]) for line in lines if line.startswith(name))
            self.assertEqual(numbers, list(range(500)))

    def test_under_mod_wsgi_the_rest_is_written_without_atexit(self) -> None:
        program = """
import logging, os, sys, types
subscribed = []
sys.modules["mod_wsgi"] = types.SimpleNamespace(subscribe_shutdown=subscribed.append)
from catalog.audit import Journal
from catalog.shutdown import on_shutdown
journal = Journal(sys.argv[1], logging.getLogger(), interval=3600)
on_shutdown(journal.close)
journal.add("one")
for callback in subscribed:
    callback("process_stopping", shutdown_reason="shutdown_signal")
os._exit(0)
"""
        self.assert_succeeds(self.start(program))

        self.assertEqual(self.path.read_text(), "one\n")
