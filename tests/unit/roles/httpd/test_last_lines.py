# SPDX-License-Identifier: Apache-2.0
"""The unit ends when the last lines of the logs are written, and waits for nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.scripts import load_script

last_lines = load_script("roles/httpd/files/last_lines.py")

LONG = 60.0
"""Seconds; more than any of these tests takes."""


@contextmanager
def writer(folder: Path) -> Iterator[tuple[bytes, subprocess.Popen[bytes]]]:
    """A program that runs until its standard input ends."""
    program = folder / "log_writer.py"
    program.write_text("import sys\nprint('begun', flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, "-I", program, "error"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        yield os.fsencode(program), process
        process.communicate()


def test_a_program_that_still_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    with writer(tmp_path) as (program, process):

        def look(_: float) -> None:
            looks.append(last_lines.is_at_work(program))
            if len(looks) == 3:
                process.communicate()

        monkeypatch.setattr(last_lines.time, "sleep", look)
        last_lines.wait(program, LONG)
        assert looks == [True, True, True]
        assert process.returncode == 0


def test_one_that_hangs_is_waited_for_no_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(last_lines.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(last_lines.time, "sleep", lambda _: None)
    with writer(tmp_path) as (program, process):
        last_lines.wait(program, 2)
        assert process.poll() is None, "it ends nothing itself"
    assert next(clock) == 3


def test_nothing_else_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_lines.time, "sleep", lambda _: pytest.fail("it waited"))
    with writer(tmp_path) as (program, _):
        last_lines.wait(b"/usr/local/lib/modwsgi/log_writer.py", LONG)
        content = last_lines.content
        monkeypatch.setattr(  # the program of another unit
            last_lines,
            "content",
            lambda pid, *rest: b"0::/other\n" if rest == ("cgroup",) and pid == "self" else content(pid, *rest),
        )
        last_lines.wait(program, LONG)


@pytest.mark.parametrize(
    ("mine", "theirs", "waits"),
    [
        (b"0::/system.slice/apache2.service/.control\n", b"0::/system.slice/apache2.service/httpd\n", True),
        (b"0::/system.slice/apache2.service\n", b"0::/system.slice/apache2.service/app-shop\n", True),
        (
            b"0::/docker.service/x/system.slice/a.service/.control\n",
            b"0::/docker.service/x/system.slice/b.service\n",
            False,
        ),
        (b"0::/system.slice/apache2.service\n", b"0::/system.slice/apache2-b.service\n", False),
    ],
)
def test_a_unit_is_one_whatever_groups_it_has_below(
    mine: bytes, theirs: bytes, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = last_lines.content
    with writer(tmp_path) as (program, _):
        monkeypatch.setattr(
            last_lines,
            "content",
            lambda pid, *rest: (
                {True: mine, False: theirs}[pid == "self"] if rest == ("cgroup",) else content(pid, *rest)
            ),
        )
        assert last_lines.is_at_work(program) is waits
