# SPDX-License-Identifier: Apache-2.0
"""Who is not root is told which tests need root, and has a command that runs them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import root
from support.scripts import ROOT

from tools.laboratory import cli, engine, machine, root_tests
from tools.laboratory.console import LabError
from tools.laboratory.state import Lab


@pytest.mark.parametrize(
    ("user", "left_out"), [(0, []), (1000, ["writes as another account, as root: `make root-tests`"])]
)
def test_only_root_runs_what_needs_root(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, user: int, left_out: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    plain, marked = (pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None) for name in "ab")
    marked.add_marker(pytest.mark.root("writes as another account"))
    root.pytest_collection_modifyitems([plain, marked])
    assert list(plain.iter_markers("skip")) == []
    assert [marker.kwargs["reason"] for marker in marked.iter_markers("skip")] == left_out


def test_what_is_left_out_is_counted() -> None:
    class Reporter:
        stats: dict[str, Any] = {
            "skipped": [
                type("Report", (), {"longrepr": ("a.py", 1, f"Skipped: {reason}")})
                for reason in ("gives files to root, as root: `make root-tests`", "docker has no buildx here")
            ]
        }
        lines: list[str] = []

        def write_line(self, line: str) -> None:
            self.lines.append(line)

    reporter: Any = Reporter()
    root.pytest_terminal_summary(reporter)
    assert reporter.lines == ["left to `make root-tests`: 1 tests that need root"]
    (pattern,) = re.findall(r"sed --quiet --regexp-extended '/(.*)/p'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert re.match(pattern, reporter.lines[0]), "`make check` does not tell it"


def test_no_test_asks_by_itself_who_runs_it() -> None:
    """Without the marker, nobody would run it who is not root."""
    asking = re.compile(r"skipif\(\s*os\.geteuid|geteuid\(\)[^\n]*:\n\s*pytest\.skip")
    tests = (ROOT / "tests/unit").rglob("test_*.py")
    assert [path for path in tests if asking.search(path.read_text(encoding="utf-8"))] == []


def test_root_has_nothing_left_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "is_root", lambda: True)
    monkeypatch.setattr(engine, "ensure", lambda *_: pytest.fail("no engine is needed"))
    assert cli.main(["root-tests"]) == 0
    assert capsys.readouterr().out == (
        "You are root, so `make check` and `make slow-checks` run the unit tests that need it.\n"
    )


@pytest.mark.parametrize("status", [0, 1, 5])
def test_a_container_runs_them_and_writes_nothing_into_the_clone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(subprocess, "run", run)
    if status:
        with pytest.raises(LabError, match=r"Unit tests that need root failed in a container of image:1; they say why"):
            root_tests.run(Lab(tmp_path), "image:1")
    else:
        root_tests.run(Lab(tmp_path), "image:1")
    (command,) = commands
    assert f"--volume={tmp_path}:/clone:ro" in command
    assert command[command.index("-m") + 1] == root.MARKER


def test_what_is_installed_decides_about_the_image(tmp_path: Path) -> None:
    names = set()
    for requirements, packages in (("pytest==1", "gcc"), ("pytest==2", "gcc"), ("pytest==2", "gcc git")):
        folder = tmp_path / "images/test-host/unit-tests"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile").write_text(f"RUN apt-get install {packages}\n", encoding="utf-8")
        (tmp_path / "requirements-dev.txt").write_text(requirements, encoding="utf-8")
        names |= {
            root_tests.image_name(Lab(tmp_path), host) for host in ("test-host:bookworm-1", "test-host:bookworm-2")
        }
    assert len(names) == 6
