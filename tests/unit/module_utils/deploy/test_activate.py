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
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate, daemon

WILLING = "import signal; print(flush=True); signal.pause()"
"""Ends by a signal."""
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

    def start(self, code: str = WILLING, title: str = "(wsgi:shop)") -> daemon.Process:
        """One that runs this, once it has written a line."""
        process = subprocess.Popen([title, "-c", code], executable=sys.executable, stdout=subprocess.PIPE)
        self.started.append(process)
        assert process.stdout
        process.stdout.readline()
        return daemon.Process(process.pid, daemon.start_time(process.pid) or 0)

    def group(
        self,
        stale: list[daemon.Process],
        look: activate.FirstLook | None = None,
        made: list[dict[str, Any]] | None = None,
        **application: Any,
    ) -> activate.Group:
        """The group, which has one process, after a switch; ``made``: for whom somebody looks."""
        self.record.write_text(json.dumps({"stale_processes": [list(process) for process in stale]}))
        described = {
            "name": "shop",
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "paths": {"deployment": str(self.record), "code": str(self.record.parent)},
            "replacement_seconds": 0,
            "shutdown_timeout": 0,
            "all_processes": 1,
            "fewest_threads": 15,
            **application,
        }

        def looks(one: dict[str, Any]) -> activate.FirstLook:
            assert look
            if made is not None:
                made.append(one)
            return look

        return activate.Group(described, os.getpid(), looks if look else None)


@pytest.fixture(name="daemons")
def fixture_daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    monkeypatch.setattr(os, "fchown", lambda *_: None)  # of who runs the tests
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
        daemons.start()

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
    willing = daemons.start()
    successor = daemons.start()
    group = daemons.group([willing])
    assert activate.replace([group]) == []
    assert daemons.started[0].wait(10) == -signal.SIGUSR1
    assert daemon.alive(successor)
    assert (group.killed, group.warning()) == ([], "")


def test_a_later_process_with_the_same_pid_is_not_killed(daemons: Daemons) -> None:
    process = daemons.start()
    earlier = daemon.Process(process.pid, process.started - 1)
    daemon.kill(earlier)
    assert daemon.threads(earlier) == 0
    assert daemon.alive(process)


def test_successors_that_do_not_come_are_a_problem(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activate, "MARGIN_SECONDS", 0.1)
    willing = daemons.start()
    (problem,) = activate.replace([daemons.group([willing])])
    assert problem.startswith("httpd started 0 of 1 daemon processes of shop within 0.2 s")


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (2, [1] * 2), (3, [1] * 3), (7, [1] * 7), (8, [2] * 4), (9, [2, 2, 2, 2, 1]), (16, [4] * 4)],
)
def test_a_quarter_of_the_processes_goes_at_a_time(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, count: int, sizes: list[int]
) -> None:
    stale = [daemon.Process(1000 + number, 7) for number in range(count)]
    monkeypatch.setattr(activate, "alive", lambda _: True)
    rounds = daemons.group(stale).waiting
    assert list(map(len, rounds)) == sizes
    assert sorted(each for together in rounds for each in together) == stale
    for together in rounds:
        pids = sorted(process.pid for process in together)
        assert all(later - earlier >= 4 for earlier, later in pairwise(pids)), "a group's processes are side by side"


def test_the_youngest_goes_first(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a return it has what has failed."""
    monkeypatch.setattr(activate, "alive", lambda _: True)
    old, young = daemon.Process(1002, 7), daemon.Process(1001, 8)
    assert daemons.group([old, young]).waiting == [[young], [old]]


def follow(daemons: Daemons, monkeypatch: pytest.MonkeyPatch, stale: list[daemon.Process]) -> None:
    """httpd starts a successor when a process has gone."""
    ask = activate.ask_to_restart

    def ask_and_follow(process: daemon.Process) -> None:
        ask(process)
        daemons.started[stale.index(process)].wait(10)
        daemons.start()

    monkeypatch.setattr(activate, "ask_to_restart", ask_and_follow)


def test_one_process_goes_after_the_other(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked before those that were asked earlier have successors, and these have loaded."""
    stale = [daemons.start() for _ in range(3)]
    group = daemons.group(stale, all_processes=3, replacement_seconds=20)
    serving: list[tuple[int, int]] = []
    loading = iter([True, False])
    monkeypatch.setattr(group, "loads", lambda _: next(loading, False))
    follow(daemons, monkeypatch, stale)
    ask = group.ask

    def note_and_ask(going: list[daemon.Process]) -> None:
        serving.append((len(group.left()), len(group.successors())))
        ask(going)

    monkeypatch.setattr(group, "ask", note_and_ask)
    assert activate.replace([group]) == []
    assert list(group.asked) == stale[::-1]
    assert serving == [(3, 0), (2, 1), (1, 2)]
    assert next(loading, None) is None, "whether a successor has loaded was not asked"


class Look:
    """Finds this, and notes whether it was told that a successor has ended."""

    def __init__(self, problem: str) -> None:
        self.found = problem
        self.told: list[bool] = []

    def problem(self, has_ended: bool) -> tuple[str, list[str]]:
        self.told.append(has_ended)
        return self.found, ["a line"]


class TestFirstLook:
    """The first successors are asked before another process goes."""

    def test_the_others_stay_when_the_first_one_is_not_well(
        self, daemons: Daemons, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = [daemons.start() for _ in range(3)]
        look = Look("It answers 500.")
        group = daemons.group(stale, look, all_processes=3, replacement_seconds=20, fewest_threads=0)
        follow(daemons, monkeypatch, stale)
        assert activate.replace([group]) == []
        assert group.left() == stale[:2]
        assert (group.stopped, group.lines, look.told) == ("It answers 500.", ["a line"], [False])
        assert json.loads(daemons.record.read_text())["stale_processes"], "the next run knows of them"
        note = daemons.record.with_name("rolling")
        assert 0 < int(note.read_text()) - time.time() < 200, "httpd goes on to start processes that cannot load"

    def test_it_asks_once(self, daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
        stale = [daemons.start() for _ in range(3)]
        look = Look("")
        group = daemons.group(stale, look, all_processes=3, replacement_seconds=20, fewest_threads=0)
        follow(daemons, monkeypatch, stale)
        assert activate.replace([group]) == []
        assert (group.left(), group.stopped, look.told) == ([], "", [False])

    @pytest.mark.parametrize(("problem", "stays"), [("", False), ("It answers 500.", True)])
    def test_what_lets_new_processes_end_stays_until_the_return(
        self, daemons: Daemons, monkeypatch: pytest.MonkeyPatch, problem: str, stays: bool
    ) -> None:
        stale = [daemons.start() for _ in range(2)]
        group = daemons.group(stale, Look(problem), all_processes=2, replacement_seconds=20, fewest_threads=0)
        follow(daemons, monkeypatch, stale)
        activation = activate.Activation([], "/nowhere")
        activation.groups, activation.applications = [group], [group.application]
        activation.perform()
        note = daemons.record.with_name("rolling")
        assert note.exists() == stays
        back = activate.Activation([group.application], "/nowhere")
        assert back.groups == [], "all that had to go have ended by themselves"
        back.perform()
        assert not note.exists()

    def test_a_successor_that_has_ended_is_told(self, daemons: Daemons) -> None:
        stale = [daemons.start() for _ in range(2)]
        look = Look("It ended.")
        group = daemons.group(stale, look, all_processes=2, replacement_seconds=20, fewest_threads=0)
        group.followers = {daemon.Process(1 << 22, 1)}
        group.ask(group.waiting.pop(0))
        daemons.started[1].wait(10)
        assert group.advance()
        assert (group.left(), group.stopped, look.told) == (stale[:1], "It ended.", [True])

    def test_nobody_looks_where_no_process_could_stay(self, daemons: Daemons) -> None:
        made: list[dict[str, Any]] = []
        one = daemons.start()
        daemons.group([one], Look("x"), made=made)
        assert made == []
        daemons.group([one, daemons.start()], Look("x"), made=made)
        assert [each["name"] for each in made] == ["shop"]


def test_it_is_not_late_while_some_are_not_asked_yet(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time may end between two looks."""
    stale = [daemons.start() for _ in range(2)]
    group = daemons.group(stale, all_processes=0)
    looks: list[int] = []

    def advance(_: activate.Group) -> bool:
        looks.append(1)
        if len(looks) == 2:
            group.waiting = []
        return len(looks) == 3

    monkeypatch.setattr(group, "is_late", lambda: len(looks) == 1)
    assert activate.wait([group], advance) == []
    assert len(looks) == 3


@pytest.mark.slow
def test_where_no_successor_comes_the_others_go_all_the_same(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activate, "MARGIN_SECONDS", 0.5)
    stale = [daemons.start() for _ in range(2)]
    (problem,) = activate.replace([daemons.group(stale, all_processes=2)])
    assert problem.startswith("httpd started 0 of 2 daemon processes of shop")
    assert [process.wait(10) for process in daemons.started] == [-signal.SIGUSR1] * 2


def test_a_successor_that_ends_is_not_waited_for(daemons: Daemons) -> None:
    """The new release does not load; the proof says why, and sooner than the limit."""
    group = daemons.group([daemons.start()], replacement_seconds=600)
    successor = daemons.start()
    group.asked = {group.stale[0]: time.monotonic()}
    assert not group.is_followed()
    daemons.started[1].kill()
    daemons.started[1].wait(10)
    assert not daemon.alive(successor)
    assert group.is_followed()


class TestColours:
    """Of two daemon process groups one serves."""

    def group(self, daemons: Daemons, stale: list[daemon.Process], **application: Any) -> activate.Group:
        folder = daemons.record.parent
        (folder / "active").write_text("active shop:green\nresting shop:blue\n")
        paths = {"deployment": str(daemons.record), "code": str(folder)}
        return daemons.group(stale, paths=paths, colours=["blue", "green"], **application)

    def test_all_of_the_colour_that_rests_go_at_once(self, daemons: Daemons) -> None:
        blue = [daemons.start(WILLING, "(blue:shop)") for _ in range(2)]
        green = [daemons.start(WILLING, "(green:shop)") for _ in range(2)]
        assert self.group(daemons, blue).waiting == [blue]
        both = self.group(daemons, [*blue, *green]).waiting
        assert both == [[*blue, green[1]], [green[0]]], "visitors are served meanwhile"

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
