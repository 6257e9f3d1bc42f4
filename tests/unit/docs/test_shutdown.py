# SPDX-License-Identifier: Apache-2.0
"""The code of docs/shutdown.md that people copy does what the text says."""

from __future__ import annotations

import ast
import atexit
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import atexit as wsgi_atexit
from support.scripts import ROOT

PAGE = ROOT / "docs" / "shutdown.md"
(CODE,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
NEVER = 3600.0  # seconds
MOMENT = 0.2  # seconds, in which something must not happen
WAIT = 30.0  # seconds for another thread; a test fails then

Stop = Callable[[], object]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> list[Stop]:
    """What was left to atexit; it is not called at the end of the tests."""
    registered: list[Stop] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    return registered


@pytest.fixture(params=["mod_wsgi", "runserver", "the package of pip"])
def stop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, handlers: list[Stop]) -> Stop:
    """Call the handlers as a process does that stops."""
    if request.param == "mod_wsgi":
        subscribed: list[Callable[..., object]] = []
        module = ModuleType("mod_wsgi")
        module.subscribe_shutdown = subscribed.append  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mod_wsgi", module)

        def publish() -> None:
            assert subscribed
            assert not handlers
            for callback in subscribed:
                callback("process_stopping", shutdown_reason="shutdown_signal")

        return publish
    monkeypatch.setitem(sys.modules, "mod_wsgi", None if request.param == "runserver" else ModuleType("mod_wsgi"))

    def leave() -> None:
        assert handlers
        for handler in handlers:
            handler()

    return leave


@pytest.fixture
def code() -> dict[str, Any]:
    """The names that the page's code defines."""
    names: dict[str, Any] = {}
    exec(compile(CODE, str(PAGE), "exec"), names)
    return names


def test_a_handler_is_called_without_arguments(code: dict[str, Any], stop: Stop) -> None:
    calls: list[tuple[object, ...]] = []
    code["on_shutdown"](lambda *arguments: calls.append(arguments))
    assert calls == []
    stop()
    assert calls == [()]


def test_what_is_left_is_written_once_however_often_the_process_says_that_it_stops(
    code: dict[str, Any], stop: Stop
) -> None:
    written: list[list[int]] = []
    before = set(threading.enumerate())
    collector = code["Collector"](written.append, NEVER)
    assert set(threading.enumerate()) == before
    collector.add(1)
    collector.add(2)
    (thread,) = set(threading.enumerate()) - before
    assert (written, thread.daemon) == ([], True)
    stop()
    stop()
    assert (written, thread.is_alive()) == ([[1, 2]], False)


def test_a_request_that_outlasts_the_handlers_writes_itself(
    code: dict[str, Any], stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[list[int]] = []
    collector = code["Collector"](written.append, NEVER)
    stop()
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    collector.add(1)
    assert (written, started) == ([[1]], [])


def test_entries_are_written_while_the_process_runs(code: dict[str, Any], stop: Stop) -> None:
    written = threading.Event()
    code["Collector"](lambda _entries: written.set(), 0.01).add(1)
    assert written.wait(WAIT)
    stop()


def test_a_stop_waits_for_what_is_being_written(code: dict[str, Any], stop: Stop) -> None:
    writing, finish = threading.Event(), threading.Event()
    written: list[list[int]] = []

    def write(entries: list[int]) -> None:
        writing.set()
        finish.wait(WAIT)
        written.append(entries)

    code["Collector"](write, 0.01).add(1)
    assert writing.wait(WAIT)
    stopper = threading.Thread(target=stop)
    stopper.start()
    stopper.join(MOMENT)
    assert (stopper.is_alive(), written) == (True, [])
    finish.set()
    stopper.join(WAIT)
    assert (stopper.is_alive(), written) == (False, [[1]])


def test_a_process_that_ends_by_itself_leaves_nothing() -> None:
    program = f"{CODE}\ncollector = Collector(print, {NEVER})\ncollector.add(1)\ncollector.add(2)\n"
    result = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert (result.stdout, result.stderr, result.returncode) == ("[1, 2]\n", "", 0)


def test_the_play_does_not_warn_of_it() -> None:
    assert "atexit.register(" in CODE
    assert wsgi_atexit.find(ast.parse(CODE)) == []


def test_the_examples_use_the_same_code() -> None:
    for module in ("examples/flask/catalog/shutdown.py", "examples/django/guestbook/shutdown.py"):
        body = (PAGE.parents[1] / module).read_text(encoding="utf-8").partition("    try:\n")[2]
        assert re.sub(r"  # noqa: .*", "", body) == CODE.partition("    try:\n")[2].partition("\n\n\n")[0] + "\n"
