# SPDX-License-Identifier: Apache-2.0
"""Daemon processes are recognised for certain, and never mistaken for a later process with the same pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import Process


@pytest.fixture(name="child")
def fixture_child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title that mod_wsgi gives to the daemon processes of `shop`."""
    code = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen(["(wsgi:shop)", "-c", code], executable=sys.executable, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        yield child
        child.kill()


def test_the_stat_file_is_read_whatever_the_name_is() -> None:
    fields = ["S", "77", *["0"] * 17, "4242", "0"]
    assert daemon.parse_stat(f"12 (a) b) ({') ' + ' '.join(fields)}") == (77, 4242)


@pytest.mark.parametrize(
    ("command_line", "matches"),
    [
        (b"(wsgi:shop)      \x00-k\x00start\x00", True),
        (b"(wsgi:shop)\x00", True),
        (b"(green:shop)\x00-k\x00start\x00", True),
        (b"(blue:shop)\x00", True),
        (b"(red:shop)\x00", False),
        (b"(blue:\x00", False),
        (b"(wsgi:sh\x00", True),  # cut to the length of what was there before
        (b"(wsgi:shop2)\x00", False),
        (b"(wsgi:blog)\x00", False),
        (b"(wsgi:\x00", False),
        (b"/usr/sbin/apache2\x00-k\x00start\x00", False),
        (b"", False),
    ],
)
def test_the_title_of_a_process(command_line: bytes, matches: bool) -> None:
    assert daemon.title_matches(command_line, "shop") is matches


def test_the_title_of_one_colour() -> None:
    assert daemon.title_matches(b"(blue:shop)\x00", "shop", ["blue"])
    assert not daemon.title_matches(b"(blue:shop)\x00", "shop", ["green"])
    assert not daemon.title_matches(b"(wsgi:shop)\x00", "shop", ["green"])


def test_daemon_processes_are_children_of_httpd_with_account_and_title(child: subprocess.Popen[bytes]) -> None:
    (found,) = daemon.processes(os.getpid(), "shop", os.geteuid())
    assert found.pid == child.pid
    assert daemon.processes(os.getpid(), "blog", os.geteuid()) == []
    assert daemon.processes(os.getpid(), "shop", os.geteuid() + 1) == []
    assert daemon.processes(child.pid, "shop", os.geteuid()) == []


def test_a_later_process_with_the_same_pid_is_another(child: subprocess.Popen[bytes]) -> None:
    (found,) = daemon.processes(os.getpid(), "shop", os.geteuid())
    assert daemon.alive(found)
    earlier = Process(found.pid, found.started - 1)
    assert not daemon.alive(earlier)
    daemon.ask_to_restart(earlier)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.2)
    daemon.ask_to_restart(found)
    assert child.wait(10) == -signal.SIGUSR1
    assert not daemon.alive(found)


def test_a_process_that_nobody_waits_for_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    started = daemon.start_time(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert not daemon.alive(Process(child.pid, started or 0))
    child.wait()


@pytest.mark.parametrize(
    ("content", "pid"),
    [(None, None), ("", None), ("x", None), (f"{os.getpid()}\n", os.getpid())],
    ids=["no file", "empty", "no number", "a number"],
)
def test_the_pid_of_httpd(tmp_path: Path, content: str | None, pid: int | None) -> None:
    path = tmp_path / "apache2.pid"
    if content is not None:
        path.write_text(content)
    assert daemon.httpd_pid(str(path)) == pid


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("0::/system.slice/apache2.service/app-shop\n", "/sys/fs/cgroup/system.slice/apache2.service/app-shop"),
        ("4:memory:/x/app-no\n0::/a.slice/apache2.service/app-b_1\n", "/sys/fs/cgroup/a.slice/apache2.service/app-b_1"),
        ("0::/system.slice/apache2.service/httpd\n", ""),
        ("0::/system.slice/apache2.service\n", ""),
        ("0::/\n", ""),
        ("4:memory:/app-no\n", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_control_group_of_an_application(text: str | None, folder: str, tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    if text is not None:
        (tmp_path / "7" / "cgroup").write_text(text)
    assert daemon.own_group(7, str(tmp_path)) == folder
