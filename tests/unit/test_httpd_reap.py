# SPDX-License-Identifier: Apache-2.0
"""Only a child that httpd itself calls stopping, and that has nothing to do for long enough, is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.scripts import load_script

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


reap = load_script("roles/httpd/files/reap.py")


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


def test_a_leftover_is_due_when_it_was_one_for_long_enough(child: subprocess.Popen[bytes]) -> None:
    watch = reap.Watch(30)
    assert watch.due({child.pid}, os.getpid(), 100.0) == {}
    assert watch.due({child.pid}, os.getpid(), 129.9) == {}
    assert watch.due({child.pid}, os.getpid(), 130.0) == {child.pid: 30.0}


def test_a_child_that_had_work_in_between_starts_anew(child: subprocess.Popen[bytes]) -> None:
    watch = reap.Watch(30)
    watch.due({child.pid}, os.getpid(), 100.0)
    watch.due(set(), os.getpid(), 120.0)
    assert watch.due({child.pid}, os.getpid(), 131.0) == {}


def test_a_process_of_another_parent_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    watch = reap.Watch(0)
    assert watch.due({child.pid}, os.getppid(), 0.0) == {}
    assert watch.due({child.pid}, os.getpid(), 0.0) == {child.pid: 0.0}


def test_the_end_is_told_with_its_reason(child: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    reap.end(child.pid, 31.2)
    assert child.wait() == -signal.SIGKILL
    told = capsys.readouterr().out
    assert f"Process {child.pid} of httpd was ended" in told
    assert "for 31 s it had neither a request nor a connection" in told


def test_a_child_that_is_gone_already_is_no_error(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    reap.end(child.pid, 30)
