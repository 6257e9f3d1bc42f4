# SPDX-License-Identifier: Apache-2.0
"""Only a child that httpd itself calls stopping, and that has nothing to do for long enough, is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import status
from support.scripts import load_script
from support.waiting import wait_for

# As Apache 2.4.71 writes it (event MPM, one child hung after a reload).
PAGE = """<table rules="all" cellpadding="1%">
<tr><th rowspan="2">Slot</th><th rowspan="2">PID</th><th rowspan="2">Stopping</th><th colspan="2">Connections</th>
<th colspan="3">Threads</th><th colspan="4">Async connections</th></tr>
<tr><th>total</th><th>accepting</th><th>busy</th><th>graceful</th><th>idle</th><th>wait-io</th></tr>
<tr><td>0</td><td>7404</td><td>yes (old gen)</td><td>0</td><td>no</td><td>0</td><td>0</td><td>0</td><td>0</td></tr>
<tr><td>1</td><td>7405</td><td>yes (old gen)</td><td>1</td><td>no</td><td>1</td><td>0</td><td>0</td><td>0</td></tr>
<tr><td>2</td><td>7406</td><td>yes</td><td>0</td><td>no</td><td>0</td><td>1</td><td>0</td><td>0</td></tr>
<tr><td>3</td><td>7474</td><td>no</td><td>0</td><td>yes</td><td>0</td><td>0</td><td>25</td><td>0</td></tr>
<tr><td>Sum</td><td>2</td><td>1</td><td>0</td><td>&nbsp;</td><td>1</td><td>0</td><td>24</td><td>0</td></tr>
</table>"""

# Apache 2.4 before the columns "graceful" and "wait-io".
OLDER_PAGE = """
<tr><td>0</td><td>11</td><td>yes (old gen)</td><td>0</td><td>no</td><td>0</td><td>0</td><td>0</td></tr>
<tr><td>1</td><td>12</td><td>no</td><td>0</td><td>yes</td><td>0</td><td>25</td><td>0</td></tr>
"""

# As it lies beside it on a host.
sys.modules.setdefault("httpd_status", status)
reap = load_script("roles/httpd/files/reap.py")

AS_ROOT = pytest.mark.root("only root has processes of several accounts")


USER = os.geteuid() or 65534
"""The account of httpd's children: one without rights where the tests are root."""
OTHER = 65533
"""That of an application."""

# As httpd: children of its own user with its own command line, and processes that are none of them.
HTTPD = """
import json, os, signal, sys
user, other = map(int, sys.argv[1:])
signal.signal(signal.SIGTERM, signal.SIG_IGN)

def child(account, then):
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(1)
        if os.geteuid() == 0:
            os.setresuid(account, account, account)
        then(tell)
    os.close(tell)
    with open(told) as file:  # to its end: what it became, it is
        return int(file.read())

def waits(tell):
    os.write(tell, b"%d" % os.getpid())
    os.close(tell)
    signal.pause()

def titled(tell):
    os.write(tell, b"%d" % os.getpid())
    os.execv("/bin/sleep", ["(wsgi:shop)", "1000"])

def parent_of_another(tell):
    if os.fork():
        os.close(tell)
        signal.pause()
    waits(tell)

print(json.dumps({
    "child": child(user, waits),
    "another": child(user, waits),
    "daemon process of another account": child(other, waits),
    "root's": child(0, waits),
    "titled": child(user, titled),
    "grandchild": child(user, parent_of_another),
}), flush=True)
signal.pause()
"""


class Httpd(NamedTuple):
    """The stand-in's numbers."""

    main: int
    processes: dict[str, int]

    def started(self, name: str) -> int:
        found = reap.identity(self.processes[name])
        assert found is not None
        return int(found[1])

    def lives(self, name: str) -> bool:
        return reap.identity(self.processes[name]) is not None

    def end(self, name: str, started: int | None = None) -> str:
        told: str = reap.end(
            self.processes[name], 31.2, self.main, USER, self.started(name) if started is None else started
        )
        return told


@pytest.fixture(name="httpd")
def fixture_httpd() -> Iterator[Httpd]:
    """A parent with children, all of which end only when they are killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HTTPD, str(USER), str(OTHER)], stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        try:
            yield Httpd(parent.pid, json.loads(parent.stdout.readline()))
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


@pytest.fixture(name="child")
def fixture_child() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that ends only when it is killed."""
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def test_idle_leftovers_are_found_by_what_httpd_says() -> None:
    assert reap.idle_leftovers(PAGE) == {7404, 7406}


def test_the_columns_of_older_versions_are_understood() -> None:
    assert reap.idle_leftovers(OLDER_PAGE) == {11}


def test_a_page_without_processes_has_none() -> None:
    assert reap.idle_leftovers("<html><body><h1>It works!</h1></body></html>") == set()


def test_a_number_that_no_process_can_have_is_none() -> None:
    row = "<tr><td>0</td><td>{}</td><td>yes</td><td>0</td><td>no</td><td>0</td><td>0</td></tr>"
    assert [reap.idle_leftovers(row.format(number)) for number in ("9" * 5000, "\u00b2", "-1", "")] == [set()] * 4


def test_a_leftover_is_due_when_it_was_one_for_long_enough(child: subprocess.Popen[bytes]) -> None:
    watch, key = reap.Watch(30), (child.pid, reap.identity(child.pid)[1])
    assert watch.due({child.pid}, 100.0) == {}
    assert watch.due({child.pid}, 129.9) == {}
    assert watch.due({child.pid}, 130.0) == {key: 30.0}


def test_a_child_that_had_work_in_between_starts_anew(child: subprocess.Popen[bytes]) -> None:
    watch = reap.Watch(30)
    watch.due({child.pid}, 100.0)
    watch.due(set(), 120.0)
    assert watch.due({child.pid}, 131.0) == {}


def test_the_end_is_told_with_its_reason(httpd: Httpd, capsys: pytest.CaptureFixture[str]) -> None:
    assert httpd.end("child") == ""
    wait_for(lambda: not httpd.lives("child"), "the child has ended")
    told = capsys.readouterr().out
    assert f"Process {httpd.processes['child']} of httpd was ended" in told
    assert "for 31 s it had neither a request nor a connection" in told


def test_a_kernel_without_descriptors_of_processes_will_do(httpd: Httpd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(reap.os, "pidfd_open")
    assert httpd.end("child") == ""
    wait_for(lambda: not httpd.lives("child"), "the child has ended")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("daemon process of another account", "it does not run as httpd's user", marks=AS_ROOT),
        pytest.param("root's", "it does not run as httpd's user", marks=AS_ROOT),
        ("titled", "it does not have httpd's own command line"),
        ("grandchild", "it is no child of httpd's parent"),
    ],
)
def test_what_is_no_child_of_httpd_is_left_alone_and_told_once(
    httpd: Httpd, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    """Whatever the memory that daemon processes can write to says of it."""
    pid = httpd.processes[name]
    watch, told = reap.Watch(0), set()
    for _ in range(3):
        told = reap.look(watch, {pid}, httpd.main, USER, told)
    assert httpd.lives(name)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count(f"Process {pid} is left alone") == 1
    assert reason in said.err


def test_a_user_that_is_root_has_no_child_to_end(httpd: Httpd) -> None:
    pid = httpd.processes["root's"]
    assert reap.objection(pid, httpd.main, 0) == "it does not run as httpd's user"


def test_another_process_with_the_number_of_a_child_is_left_alone(httpd: Httpd) -> None:
    assert httpd.end("child", started=1) == ""
    assert httpd.lives("child")


def test_a_child_that_is_gone_already_is_no_error(child: subprocess.Popen[bytes]) -> None:
    started = reap.identity(child.pid)[1]
    child.kill()
    child.wait()
    assert reap.end(child.pid, 30, os.getpid(), USER, started) == ""


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([["child", "titled"], ["child", "titled"]], ["child"]),
        ([["child", "another"], ["another"]], ["another"]),
        ([["child"], []], []),
        ([["titled"]], []),
        ([[]], []),
    ],
)
def test_a_look_tells_those_that_stay_and_ends_none(
    httpd: Httpd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: list[list[str]], expected: list[str]
) -> None:
    row = "<tr><td>0</td><td>{}</td><td>yes</td><td>0</td><td>no</td><td>0</td><td>0</td></tr>"
    shown = iter(["".join(row.format(httpd.processes[name]) for name in names) for names in pages])
    monkeypatch.setattr(reap.httpd_status, "read", lambda *_: next(shown))
    now = iter(range(0, 1000, int(reap.INTERVAL)))
    monkeypatch.setattr(reap, "time", SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None))
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(httpd.main))
    assert reap.left_behind(str(pid_file), 297, USER) == sorted(httpd.processes[name] for name in expected)
    assert list(shown) == [], "it looks no more often than it has to"
    assert all(map(httpd.lives, httpd.processes))


def test_a_look_at_a_server_that_does_not_run_finds_nothing(tmp_path: Path) -> None:
    assert reap.left_behind(str(tmp_path / "pid"), 297, USER) == []
