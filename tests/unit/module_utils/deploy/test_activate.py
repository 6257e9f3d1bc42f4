# SPDX-License-Identifier: Apache-2.0
"""Processes that do not go are killed after a bound, and it is told; those that serve have all their time."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate, daemon

TITLE = "(wsgi:shop)"
DEAF = """
import signal, threading
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
for _ in range({threads}):
    threading.Thread(target=signal.pause, daemon=True).start()
print(flush=True)
signal.pause()
"""


class Daemons:
    """Daemon processes of `shop`, children of this process."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "deployment.json"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, code: str, title: str = TITLE) -> daemon.Process:
        """One that runs this, once it has written a line."""
        process = subprocess.Popen([title, "-c", code], executable=sys.executable, stdout=subprocess.PIPE)
        self.started.append(process)
        assert process.stdout
        process.stdout.readline()
        return daemon.Process(process.pid, daemon.start_time(process.pid) or 0)

    def group(self, stale: list[daemon.Process], **application: Any) -> activate.Group:
        """The group, which has one process, after a switch."""
        self.record.write_text(json.dumps({"stale_processes": [list(process) for process in stale]}))
        described = {
            "name": "shop",
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "paths": {"deployment": str(self.record)},
            "replacement_seconds": 0,
            "shutdown_timeout": 0,
            "all_processes": 1,
            "fewest_threads": 15,
            **application,
        }
        return activate.Group(described, os.getpid())


@pytest.fixture(name="daemons")
def fixture_daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path)
    yield daemons
    for process in daemons.started:
        process.kill()
        process.communicate()


@pytest.fixture(name="successor")
def fixture_successor(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpd starts another process as soon as one was killed."""
    kill: Callable[[daemon.Process], None] = activate.kill

    def kill_and_follow(process: daemon.Process) -> None:
        kill(process)
        daemons.start("import signal; print(flush=True); signal.pause()")

    monkeypatch.setattr(activate, "kill", kill_and_follow)


@pytest.mark.usefixtures("successor")
def test_a_process_that_still_loads_the_application_is_killed_soon(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activate, "LOADING_SECONDS", 0.1)
    hung = daemons.start(DEAF.format(threads=2))
    group = daemons.group([hung], replacement_seconds=600)
    begun = time.monotonic()
    assert activate.replace([group]) == []
    assert time.monotonic() - begun < 10
    assert group.killed == [hung]
    assert daemons.started[0].wait(10) == -signal.SIGKILL
    assert f"Daemon processes {hung.pid} of shop were killed: they were still loading" in group.warning()
    assert json.loads(daemons.record.read_text())["stale_processes"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("successor")
@pytest.mark.parametrize("change", [{}, {"fewest_threads": None}], ids=["serves", "record of an earlier version"])
def test_a_process_that_serves_has_all_its_time_and_is_then_killed(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, change: dict[str, None]
) -> None:
    monkeypatch.setattr(activate, "LOADING_SECONDS", 0)
    monkeypatch.setattr(activate, "MARGIN_SECONDS", 1)
    serving = daemons.start(DEAF.format(threads=2 if change else 17))
    group = daemons.group([serving])
    if change:
        del group.application["fewest_threads"]
        group.loading = [process for process in group.stale if group.loads(process)]
    begun = time.monotonic()
    assert activate.replace([group]) == []
    assert 1 < time.monotonic() - begun < 10
    assert group.killed == [serving]
    assert "did not end within 1 s of SIGUSR1 (graceful_timeout or" in group.warning()


def test_a_process_that_goes_is_not_killed(daemons: Daemons) -> None:
    willing = daemons.start("import signal; print(flush=True); signal.pause()")
    successor = daemons.start("import signal; print(flush=True); signal.pause()")
    group = daemons.group([willing])
    assert activate.replace([group]) == []
    assert daemons.started[0].wait(10) == -signal.SIGUSR1
    assert daemon.alive(successor)
    assert (group.killed, group.warning()) == ([], "")


def test_a_later_process_with_the_same_pid_is_not_killed(daemons: Daemons) -> None:
    process = daemons.start("import signal; print(flush=True); signal.pause()")
    earlier = daemon.Process(process.pid, process.started - 1)
    daemon.kill(earlier)
    assert daemon.threads(earlier) == 0
    assert daemon.alive(process)


def test_successors_that_do_not_come_are_a_problem(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activate, "MARGIN_SECONDS", 0.1)
    willing = daemons.start("import signal; print(flush=True); signal.pause()")
    (problem,) = activate.replace([daemons.group([willing])])
    assert problem.startswith("httpd started 0 of 1 daemon processes of shop within 0.2 s")


FOLLOWED = "import signal; print(flush=True); signal.pause()"


def test_half_of_the_processes_serve_until_the_others_have_successors(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five, two go first; nobody else is asked before two have taken their place and have loaded."""
    stale = [daemons.start(FOLLOWED) for _ in range(5)]
    group = daemons.group(stale, all_processes=5, replacement_seconds=600)
    serving: list[tuple[int, int]] = []
    ask = activate.ask_to_restart
    loading = iter([True, False])
    monkeypatch.setattr(group, "loads", lambda _: next(loading, False))

    def ask_and_follow(process: daemon.Process) -> None:
        serving.append((len(group.left()), len(group.successors())))
        ask(process)
        daemons.started[stale.index(process)].wait(10)
        daemons.start(FOLLOWED)

    monkeypatch.setattr(activate, "ask_to_restart", ask_and_follow)
    assert activate.replace([group]) == []
    assert list(group.asked) == [stale[1], stale[3], stale[0], stale[2], stale[4]]
    assert serving == [(5, 0), (4, 1), (3, 2), (2, 3), (1, 4)]
    assert next(loading, None) is None, "whether a successor has loaded was not asked"


def test_where_no_successor_comes_the_others_go_all_the_same(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activate, "MARGIN_SECONDS", 0.1)
    stale = [daemons.start(FOLLOWED) for _ in range(2)]
    (problem,) = activate.replace([daemons.group(stale, all_processes=2)])
    assert problem.startswith("httpd started 0 of 2 daemon processes of shop")
    assert [process.wait(10) for process in daemons.started] == [-signal.SIGUSR1] * 2


def test_a_successor_that_ends_is_not_waited_for(daemons: Daemons) -> None:
    """The new release does not load; the proof says why, and sooner than the limit."""
    group = daemons.group([daemons.start(FOLLOWED)], replacement_seconds=600)
    successor = daemons.start(FOLLOWED)
    group.asked = {group.stale[0]: time.monotonic()}
    assert not group.is_followed()
    daemons.started[1].kill()
    daemons.started[1].wait(10)
    assert not daemon.alive(successor)
    assert group.is_followed()


class TestColours:
    """Of two daemon process groups one serves."""

    WAITS = "import signal; print(flush=True); signal.pause()"

    def group(self, daemons: Daemons, stale: list[daemon.Process], **application: Any) -> activate.Group:
        folder = daemons.record.parent
        (folder / "active").write_text("active shop:green\nresting shop:blue\n")
        paths = {"deployment": str(daemons.record), "code": str(folder)}
        return daemons.group(stale, paths=paths, colours=["blue", "green"], **application)

    def test_all_of_the_colour_that_rests_go_at_once(self, daemons: Daemons) -> None:
        blue = [daemons.start(self.WAITS, "(blue:shop)") for _ in range(2)]
        green = [daemons.start(self.WAITS, "(green:shop)") for _ in range(2)]
        assert self.group(daemons, blue).first() == blue
        assert self.group(daemons, [*blue, *green]).first() == [blue[1], green[1]], "visitors are served meanwhile"

    @pytest.mark.parametrize(("threads", "replaced"), [(20, True), (1, False)], ids=["loaded", "loads"])
    def test_it_is_replaced_when_all_have_loaded(self, daemons: Daemons, threads: int, replaced: bool) -> None:
        daemons.start(DEAF.format(threads=20), "(green:shop)")
        daemons.start(DEAF.format(threads=threads), "(blue:shop)")
        assert self.group(daemons, []).replaced() is replaced

    def test_one_that_has_ended_while_it_loaded_is_not_waited_for(self, daemons: Daemons) -> None:
        daemons.start(DEAF.format(threads=20), "(green:shop)")
        loads = daemons.start(DEAF.format(threads=1), "(blue:shop)")
        group = self.group(daemons, [])
        assert not group.replaced()
        daemon.kill(loads)
        daemons.started[-1].wait(10)
        daemons.start(DEAF.format(threads=1), "(blue:shop)")
        assert group.replaced(), "the proof tells why"
