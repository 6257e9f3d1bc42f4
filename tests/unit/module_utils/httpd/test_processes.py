# SPDX-License-Identifier: Apache-2.0
"""Which children of httpd accept connections."""

from __future__ import annotations

import os

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import Process
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance


def test_the_user_of_a_process() -> None:
    assert processes.user_of(os.getpid()) == os.geteuid()
    assert processes.user_of(2**22 + 1) is None


@pytest.mark.parametrize(("parent", "expected"), [(0, {20}), (1000, {10, 20})])
def test_a_program_for_logs_accepts_nothing(monkeypatch: pytest.MonkeyPatch, parent: int, expected: set[int]) -> None:
    """Just forked, it has the listening sockets; where httpd is not root, users tell nothing."""
    users = {1: parent, 10: parent, 20: 33 if parent == 0 else parent}
    monkeypatch.setattr(processes, "listening_sockets", lambda: {7: None})
    monkeypatch.setattr(processes, "sockets_of", lambda _: {7})
    monkeypatch.setattr(processes, "children", lambda _: [Process(10, 0), Process(20, 0)])
    monkeypatch.setattr(processes, "user_of", users.__getitem__)
    found = processes.serving(Process(1, 0))
    assert {child.pid for child in found.children} == expected


def test_a_daemon_process_that_has_just_been_forked_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no longer root, and still has the listening sockets."""
    names = {10: b"(wsgi:shop)     \0-k\0start\0", 20: b"/usr/sbin/apache2\0-k\0start\0"}
    monkeypatch.setattr(processes, "listening_sockets", lambda: {7: None})
    monkeypatch.setattr(processes, "sockets_of", lambda _: {7})
    monkeypatch.setattr(processes, "children", lambda _: [Process(pid, 0) for pid in names])
    monkeypatch.setattr(processes, "user_of", {1: 0, 10: 1001, 20: 33}.__getitem__)
    monkeypatch.setattr(processes, "command_line", names.__getitem__)
    assert processes.serving(Process(1, 0)) == ({Process(20, 0)}, True)


def test_a_process_that_is_gone_has_no_command_line() -> None:
    assert processes.command_line(os.getpid()).count(b"\0") > 0
    assert processes.command_line(2**22 + 1) == b""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (b"/usr/sbin/apache2\0-k\0start\0", "apache2"),
        (b"/usr/sbin/apache2\0-d\0/etc/apache2\0-k\0start\0", "apache2"),
        (b"/usr/sbin/apache2\0-d\0/etc/apache2-second\0-k\0start\0", "apache2-second"),
        (b"(wsgi:shop)     \0-d\0/etc/apache2-second\0-k\0start\0", "apache2-second"),
        (b"", "apache2"),
    ],
)
def test_a_process_counts_for_its_own_instance(
    monkeypatch: pytest.MonkeyPatch, arguments: bytes, expected: str
) -> None:
    monkeypatch.setattr(processes, "pids", lambda: [10])
    monkeypatch.setattr(processes, "executable", lambda _: "/usr/sbin/apache2")
    monkeypatch.setattr(processes, "command_line", lambda _: arguments)
    assert [name for name in ("apache2", "apache2-second") if processes.runs(instance(name))] == [expected]
