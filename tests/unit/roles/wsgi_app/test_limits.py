# SPDX-License-Identifier: Apache-2.0
"""Each application is moved to a control group of its own, with its limits; shown on a tree of ordinary files."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from support.scripts import load_script

limits = load_script("roles/wsgi_app/files/limits.py")

GIB = 1 << 30
SHOP = {"name": "shop", "user": "wsgi-shop", "control_group": "/run/limits.sock", "max_tasks": 300}
ACCOUNTS = {"wsgi-shop": 1001, "wsgi-blog": 1002, "root": 0}
EVENTS = "low 0\nhigh 0\nmax 7\noom 1\noom_kill {}\n"


class Kernel:
    """A unit's control groups as files. Processes are moved when a number is written, as the kernel does."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.accounts: dict[int, int] = {}
        self.busy = False
        self.gone: set[int] = set()
        self.writes: list[tuple[str, str]] = []
        make, remove = os.mkdir, os.rmdir

        def mkdir(path: str, mode: int = 0o777) -> None:
            make(path, mode)
            for file in ("cgroup.procs", "memory.max", "memory.swap.max", "pids.max", "cpu.weight"):
                Path(path, file).write_text("")
            Path(path, "memory.events").write_text(EVENTS.format(0))
            Path(path, "pids.events").write_text("max 0\n")

        def rmdir(path: str) -> None:
            if Path(path, "cgroup.procs").read_text():
                raise OSError(errno.EBUSY, "busy")
            for file in Path(path).iterdir():
                file.unlink()
            remove(path)

        monkeypatch.setattr(limits.os, "mkdir", mkdir)
        monkeypatch.setattr(limits.os, "rmdir", rmdir)
        monkeypatch.setattr(limits, "write", self.write)
        root.mkdir()
        (root / "cgroup.procs").write_text("")
        (root / "cgroup.subtree_control").write_text("")

    def write(self, path: str, text: str) -> None:
        """What the kernel does about a write."""
        file = Path(path)
        self.writes.append((str(file.relative_to(self.root)), text))
        if file.name == "cgroup.procs":
            if int(text) in self.gone:
                raise OSError(errno.ESRCH, "gone")
            for group in (self.root, *filter(Path.is_dir, self.root.iterdir())):
                self.put(group.name if group != self.root else "", set(self.pids(group)) - {int(text)})
            self.put(file.parent.name if file.parent != self.root else "", {*self.pids(file.parent), int(text)})
        elif file.name == "cgroup.subtree_control":
            if self.pids(self.root) or self.busy:
                raise OSError(errno.EBUSY, "Device or resource busy")
            file.write_text(text.replace("+", ""))
        else:
            file.write_text(text)

    def pids(self, group: Path) -> list[int]:
        """The processes of a group."""
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]

    def put(self, group: str, pids: set[int]) -> None:
        """Let a group have these processes."""
        (self.root / group / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in sorted(pids)))

    def start(self, pid: int, uid: int, group: str = "") -> None:
        """A process begins to run."""
        self.accounts[pid] = uid
        self.put(group, {*self.pids(self.root / group), pid})

    def has(self, group: str) -> list[int]:
        """The processes of a group, by its name."""
        return self.pids(self.root / group)

    def read(self, group: str) -> dict[str, str]:
        """The limits of a group."""
        names = ("memory.max", "memory.swap.max", "pids.max", "cpu.weight")
        return {name: (self.root / group / name).read_text() for name in names}


@pytest.fixture(name="kernel")
def fixture_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path / "apache2.service", monkeypatch)


class Host:
    """The service, the kernel's side, and the applications' files."""

    def __init__(self, kernel: Kernel, folder: Path) -> None:
        self.kernel = kernel
        self.folder = folder
        self.service = limits.Service(
            "apache2.service",
            find=lambda _: str(kernel.root),
            pattern=f"{folder}/*/application*.json",
            uid_of=ACCOUNTS.get,
        )
        self.service.memory = 10 * GIB
        self.service.tree = limits.Tree(str(kernel.root), kernel.accounts.get)

    def deploy(self, file: str = "application.json", **keys: Any) -> Path:
        """Write an application's file; where it is."""
        application = {**SHOP, **keys}
        path = self.folder / application["name"] / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(application))
        path.chmod(0o640)
        return path


@pytest.fixture(name="fresh")
def fixture_fresh(kernel: Kernel, tmp_path: Path) -> Host:
    """httpd's unit has just been started."""
    return Host(kernel, tmp_path / "etc")


@pytest.fixture(name="host")
def fixture_host(fresh: Host) -> Host:
    """An application has run before."""
    limits.os.mkdir(str(fresh.kernel.root / "httpd"))
    (fresh.kernel.root / "cgroup.subtree_control").write_text("cpu memory pids\n")
    return fresh


def test_each_process_comes_to_the_group_of_its_account(fresh: Host) -> None:
    fresh.deploy()
    fresh.deploy(name="blog", user="wsgi-blog")
    for pid, uid in ((10, 0), (11, 33), (12, 1001), (13, 1002), (14, 1001)):
        fresh.kernel.start(pid, uid)
    fresh.service.look(True)
    assert fresh.kernel.has("") == []
    assert fresh.kernel.has("httpd") == [10, 11], "httpd's parent and its children"
    assert fresh.kernel.has("app-shop") == [12, 14]
    assert fresh.kernel.has("app-blog") == [13]
    assert (fresh.kernel.root / "cgroup.subtree_control").read_text() == "cpu memory pids"


def test_nothing_is_made_before_an_application_runs(fresh: Host) -> None:
    """systemd starts ExecStartPre and ExecStart in the unit's own group; with controllers it fails (219/CGROUP)."""
    fresh.deploy()
    fresh.kernel.start(10, 0)
    fresh.service.look(True)
    assert (fresh.kernel.writes, fresh.kernel.has("")) == ([], [10])
    assert not (fresh.kernel.root / "httpd").exists()
    fresh.kernel.start(12, 1001)
    fresh.service.look(True)
    assert fresh.kernel.has("app-shop") == [12]


def test_a_process_that_is_started_later_follows_and_nothing_is_written_again(host: Host) -> None:
    host.deploy()
    host.kernel.start(10, 0)
    host.service.look(True)
    host.kernel.writes.clear()
    host.service.look(False)
    assert host.kernel.writes == []
    host.kernel.start(15, 1001, "httpd")
    host.service.look(False)
    assert host.kernel.writes == [("app-shop/cgroup.procs", "15")]


def test_a_process_in_the_group_of_an_application_stays_there_whatever_its_account(host: Host) -> None:
    host.deploy()
    host.service.look(True)
    host.kernel.start(16, 0, "app-shop")
    host.service.look(True)
    assert host.kernel.has("app-shop") == [16], "a setuid program is the application's, too"


def test_a_process_that_has_ended_meanwhile_hinders_nobody(host: Host) -> None:
    host.deploy()
    host.kernel.gone = {12}
    host.kernel.start(13, 1001)
    host.service.look(True)
    host.kernel.start(12, 1001, "httpd")
    host.kernel.start(14, 1001, "httpd")
    host.service.look(True)
    assert host.kernel.has("app-shop") == [13, 14]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {"memory.max": str(8 * GIB), "memory.swap.max": "max", "pids.max": "300", "cpu.weight": "100"}),
        ({"memory_max": 3 * GIB + 17}, {"memory.max": str(3 * GIB), "memory.swap.max": "0"}),
        ({"memory_max": 0, "max_tasks": 0}, {"memory.max": "max", "memory.swap.max": "max", "pids.max": "max"}),
        ({"cpu_weight": 25}, {"cpu.weight": "25"}),
        ({"cpu_weight": "9 9", "memory_max": True, "max_tasks": -1}, {"cpu.weight": "100", "pids.max": "max"}),
    ],
)
def test_the_limits_are_those_of_the_application(host: Host, keys: dict[str, Any], expected: dict[str, str]) -> None:
    host.deploy(**keys)
    host.service.look(True)
    found = host.kernel.read("app-shop")
    assert {key: found[key] for key in expected} == expected


def test_a_changed_limit_takes_effect_without_a_start(host: Host) -> None:
    host.deploy()
    host.service.look(True)
    path = host.deploy(max_tasks=400)
    os.utime(path, ns=(1, 1))
    host.service.look(False)
    assert host.kernel.read("app-shop")["pids.max"] == "400"


def test_a_unit_that_was_started_again_gets_its_groups_again(host: Host) -> None:
    host.deploy()
    host.service.look(True)
    for group in ("httpd", "app-shop"):
        host.kernel.put(group, set())
        limits.os.rmdir(str(host.kernel.root / group))
    (host.kernel.root / "cgroup.subtree_control").write_text("")
    host.kernel.start(12, 1001)
    host.service.look(True)
    assert host.kernel.read("app-shop")["pids.max"] == "300"


def test_applications_with_one_account_share_the_loosest_limits(host: Host) -> None:
    host.deploy(memory_max=2 * GIB)
    host.deploy(name="later", max_tasks=0, memory_max=GIB, cpu_weight=300)
    host.service.look(True)
    assert host.kernel.read("app-later") == {
        "memory.max": str(2 * GIB),
        "memory.swap.max": "0",
        "pids.max": "max",
        "cpu.weight": "300",
    }
    assert not (host.kernel.root / "app-shop").exists()


def test_of_two_colours_the_newer_file_counts(host: Host) -> None:
    for file, tasks, changed in (("application-blue.json", 111, 2), ("application-green.json", 222, 1)):
        os.utime(host.deploy(file, max_tasks=tasks), ns=(changed, changed))
    host.service.look(True)
    assert host.kernel.read("app-shop")["pids.max"] == "111"


def link(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.symlink_to("kept")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o660),
        lambda path: path.chmod(0o646),
        pytest.param(lambda path: os.chown(path, 65534, -1), marks=pytest.mark.root("gives a file away")),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        link,
        pipe,
    ],
)
def test_a_file_that_is_not_root_s_alone_says_nothing(host: Host, change: Any) -> None:
    change(host.deploy())
    host.service.look(True)
    assert not (host.kernel.root / "app-shop").exists()


@pytest.mark.parametrize("keys", [{"control_group": ""}, {"user": "root"}, {"user": "gone"}])
def test_some_applications_have_no_group(host: Host, keys: dict[str, str]) -> None:
    host.deploy(**keys)
    host.kernel.start(10, 0)
    host.service.look(True)
    assert host.kernel.has("httpd") == [10]
    assert not (host.kernel.root / "app-shop").exists()


def test_the_group_of_an_application_that_is_gone_goes_once_it_is_empty(host: Host) -> None:
    path = host.deploy()
    host.kernel.start(12, 1001)
    host.service.look(True)
    path.unlink()
    host.service.look(True)
    assert host.kernel.has("app-shop") == [12]
    host.kernel.put("app-shop", set())
    host.service.look(True)
    assert not (host.kernel.root / "app-shop").exists()


def test_the_journal_says_what_was_ended_and_refused(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.deploy(memory_max=GIB)
    host.service.look(True)
    assert capsys.readouterr().out == ""
    (host.kernel.root / "app-shop" / "memory.events").write_text(EVENTS.format(2))
    (host.kernel.root / "app-shop" / "pids.events").write_text("max 50\n")
    host.service.look(False)
    host.service.look(False)
    (host.kernel.root / "app-shop" / "pids.events").write_text("max 90\n")  # within the minute
    host.service.look(False)
    assert capsys.readouterr().out == (
        "The kernel has ended 2 of the processes of the application shop, since memory was short; together they may "
        "have 1073741824 bytes (memory_max).\n"
        "The application shop was refused 50 further processes or threads, since it has 300 (max_tasks).\n"
    )


def test_what_fails_is_said_once_and_tried_again(fresh: Host, capsys: pytest.CaptureFixture[str]) -> None:
    fresh.deploy()
    fresh.kernel.busy = True
    fresh.kernel.start(12, 1001)
    fresh.service.look(True)
    fresh.service.look(False)
    assert capsys.readouterr().out == (
        "The limits of the applications cannot be set now ([Errno 16] Device or resource busy); the next look comes "
        "in a second.\n"
    )
    fresh.kernel.busy = False
    fresh.service.look(False)
    assert fresh.kernel.has("app-shop") == [12]


def test_a_systemd_that_does_not_answer_is_asked_again(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service goes on meanwhile, and does not start anew."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\nexec sleep 60\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.1)
    host.deploy()
    host.kernel.start(12, 1001)
    tree, host.service.tree = host.service.tree, None
    host.service.find = limits.control_group
    host.service.look(True)
    assert "(systemctl has not answered in 0 s); the next look comes in a second" in capsys.readouterr().out
    host.service.tree = tree
    host.service.look(False)
    assert host.kernel.has("app-shop") == [12]


def test_systemd_is_asked_for_the_group_when_somebody_waits(tmp_path: Path) -> None:
    asked: list[str] = []

    def find(unit: str) -> str:
        asked.append(unit)
        return "" if len(asked) == 1 else str(tmp_path / "none")

    service = limits.Service("apache2.service", find, pattern=f"{tmp_path}/*")
    service.look(False)
    service.look(False)
    assert len(asked) == 2, "until it is known"
    service.look(False)
    assert len(asked) == 2, "httpd does not run"
    service.look(True)
    assert len(asked) == 3


def test_who_connects_waits_until_all_processes_are_where_they_belong(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.deploy()
    host.kernel.start(12, 1001)
    path = str(tmp_path / "limits.sock")
    limits.listen(path).close()  # of an earlier service
    looks: list[bool] = []

    def look(asked: bool) -> None:
        looks.append(asked)
        if len(looks) == 2:
            raise StopIteration
        limits.Service.look(host.service, asked)

    monkeypatch.setattr(host.service, "look", look)
    monkeypatch.setattr(limits, "INTERVAL", 60)

    def serve(listener: socket.socket) -> None:
        with pytest.raises(StopIteration):
            host.service.serve(listener)

    with limits.listen(path) as listener:
        assert os.stat(path).st_mode & 0o777 == 0o666
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect(path)
            assert client.recv(1) == b""
            assert host.kernel.has("app-shop") == [12]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path)
        thread.join(30)
    assert looks == [True, True]


def test_the_account_of_a_process_is_the_kernel_s_word(tmp_path: Path) -> None:
    for pid, line in ((1, "Uid:\t1001\t1001\t1001\t1001"), (2, "Uid:\t0\t1001\t0\t1001")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(f"Name:\tUid: 7\n{line}\nGid:\t5\t5\t5\t5\n")
    assert [limits.uid_of_process(pid, str(tmp_path)) for pid in (1, 2, 3)] == [1001, None, None]
    assert limits.uid_of_process(os.getpid()) == os.getuid()


def test_systemd_hears_that_connections_are_taken(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        limits.notify(address)
        assert channel.recv(100) == b"READY=1"
    limits.notify("")
