# SPDX-License-Identifier: Apache-2.0
"""What the lab remembers, and how it knows its processes again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools.laboratory import machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import Daemon, remove_stale_pid_files
from tools.laboratory.process import last_words, require, run, runs, start_time
from tools.laboratory.state import Lab, content_hash


def test_memory_outlives_the_process_and_forgets_what_is_none(tmp_path: Path) -> None:
    Lab(tmp_path).remember("engine", {"pid": 1})
    Lab(tmp_path).add("images", ["b"])
    Lab(tmp_path).add("images", ["a", "b"])
    assert Lab(tmp_path).recall("engine") == {"pid": 1}
    assert Lab(tmp_path).recall("images") == ["a", "b"]
    Lab(tmp_path).remember("engine", None)
    assert Lab(tmp_path).recall("engine", "gone") == "gone"


def test_content_hash_sees_where_one_text_ends() -> None:
    assert content_hash(["ab", "c"]) != content_hash(["a", "bc"])
    assert content_hash(["ab", b"c"]) == content_hash([b"ab", "c"])


def test_a_program_that_is_missing_or_hangs_is_a_failure() -> None:
    assert run(["no-such-program"]).returncode == 127
    assert run(["sleep", "10"], timeout=0.1).returncode == 124


def test_a_failure_is_told_with_the_programs_last_words() -> None:
    with pytest.raises(LabError, match=r"^It failed: second / third$"):
        require(run(["sh", "-c", "echo; echo second >&2; echo third >&2; exit 3"]), "It failed")
    assert last_words("a\nb\nc\nd\n\n", lines=2) == "c / d"


def test_a_process_is_known_by_its_number_and_start_time() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert start_time(child.pid) is not None
        assert runs(child.pid, "sleep")
        assert not runs(child.pid, "dockerd")
    finally:
        child.kill()
    # Not waited for yet: only its remains are there.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None
    assert not runs(child.pid, "sleep")
    child.wait()


@pytest.mark.parametrize(
    "content", [str(os.getpid()), "999999999", "", "garbage"], ids=["another program", "nobody", "empty", "garbage"]
)
def test_pid_files_of_a_killed_engine_are_removed(tmp_path: Path, content: str) -> None:
    """The number can be of a process that is another one by now: this one."""
    daemon = Daemon(runtime=tmp_path)
    for file in daemon.pid_files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    remove_stale_pid_files(daemon)
    assert [file for file in daemon.pid_files if file.exists()] == []


def await_name(pid: int, name: str) -> None:
    """Popen returns when exec has closed its pipe, which is just before the kernel gives the process its new name."""
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() != name:
        assert time.monotonic() < end, f"the process {pid} is not called {name}"


def test_the_pid_file_of_a_running_engine_is_left(tmp_path: Path) -> None:
    sleeper = tmp_path / "dockerd"
    shutil.copy("/bin/sleep", sleeper)
    child = subprocess.Popen([sleeper, "60"])
    try:
        await_name(child.pid, "dockerd")
        (tmp_path / "docker.pid").write_text(f"{child.pid}\n")
        remove_stale_pid_files(Daemon(runtime=tmp_path))
        assert (tmp_path / "docker.pid").exists()
    finally:
        child.kill()
        child.wait()


def python(folder: Path, name: str, status: int) -> str:
    """A program that ends with this status, whatever it is to import."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def test_builds_are_tried_with_a_python_that_every_account_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        bare, good = python(Path(folder), "bare", 1), python(Path(folder), "good", 0)
        (tmp_path / "home").mkdir(mode=0o700)
        closed = python(tmp_path / "home", "closed", 0)
        monkeypatch.setattr(machine, "is_root", lambda: True)
        assert machine.python_for_accounts([closed, bare, f"{folder}/missing", good]) == good
        assert machine.python_for_accounts([closed, bare]) is None
        monkeypatch.setattr(machine, "is_root", lambda: False)
        assert machine.python_for_accounts([bare, closed]) == closed


@pytest.mark.parametrize(("root", "found"), [(True, None), (True, "/usr/bin/python3"), (False, None)])
def test_the_lab_installs_what_builds_are_tried_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: bool, found: str | None
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(machine, "is_root", lambda: root)
    monkeypatch.setattr(machine, "is_debian_family", lambda: True)
    monkeypatch.setattr(machine, "python_for_accounts", lambda: found)
    monkeypatch.setattr(machine, "install_packages", lambda _lab, _console, packages: installed.extend(packages))
    machine.ensure_python_for_accounts(Lab(tmp_path), Console())
    assert installed == (["python3-venv"] if root and found is None else [])


def test_what_two_processes_remember_at_once_is_all_kept(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from tools.laboratory.state import Lab\n"
    program += "for number in range(50): Lab(Path(sys.argv[1])).add('images', [sys.argv[2] + str(number)])"
    words = [sys.executable, "-c", program, str(tmp_path)]
    writers = [subprocess.Popen([*words, name], cwd=ROOT) for name in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert len(Lab(tmp_path).recall("images")) == 100
    Lab(tmp_path).discard("images", "a7")
    assert "a7" not in Lab(tmp_path).recall("images")
    assert len(Lab(tmp_path).recall("images")) == 99


def test_worktrees_that_link_one_folder_share_what_is_there(tmp_path: Path) -> None:
    """By another path, the environment would be another one, and each would make it anew for itself."""
    (tmp_path / "clone/.lab").mkdir(parents=True)
    (tmp_path / "worktree").mkdir()
    (tmp_path / "worktree/.lab").symlink_to(tmp_path / "clone/.lab")
    assert Lab(tmp_path / "worktree").environment == Lab(tmp_path / "clone").environment
