# SPDX-License-Identifier: Apache-2.0
"""`make check` is the fast part and loses nothing; its linters read the files that they are for, and find mistakes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools import check

WORKFLOW = """\
name: test
concurrency: {group: test, cancel-in-progress: true}
on: {push: {branches: [main]}}
permissions: {}
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: echo right
"""


def mistaken(right: str, wrong: str) -> str:
    """The workflow with a mistake."""
    assert WORKFLOW.count(right) == 1
    return WORKFLOW.replace(right, wrong)


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which the linters find nothing."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(check, "ROOT", tmp_path)
    files = {
        ".hadolint.yaml": (ROOT / ".hadolint.yaml").read_text(encoding="utf-8"),
        ".shellcheckrc": (ROOT / ".shellcheckrc").read_text(encoding="utf-8"),
        "images/a/Containerfile": "FROM debian:bookworm\nUSER 65532\n",
        "images/test-host/Dockerfile": "ARG BASE\nFROM ${BASE}\nRUN apt-get update\n",
        "run": "#!/usr/bin/env bash\nset -e\n. /etc/os-release\n",
        "notes": "sh is a shell\n",
        "tool": "#!/usr/bin/env python3\n",
        ".github/workflows/test.yml": WORKFLOW,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


LINTERS = ("hadolint", "shellcheck", "actionlint", "zizmor")


def test_a_repository_without_mistakes_passes(repository: Path) -> None:
    assert check.containerfiles() == ["images/a/Containerfile", "images/test-host/Dockerfile"]
    assert check.shell_scripts() == ["run"]
    assert check.workflows() == [".github/workflows/test.yml"]
    assert repository == check.ROOT
    results = {name: check.timed(check.CHECKS[name]) for name in LINTERS}
    assert {name: result.output for name, result in results.items() if not result.passed} == {}


@pytest.mark.parametrize(
    ("linter", "file", "text", "finding"),
    [
        ("hadolint", "images/a/Containerfile", "FROM debian\n", "DL3006"),
        ("hadolint", "b.Dockerfile", "FROM debian:latest\n", "DL3007"),
        ("hadolint", "images/a/Containerfile", "FROM debian:12\nRUN apt-get update\n", "DL3009"),
        ("shellcheck", "run", "#!/bin/sh\necho $1\n", "SC2086"),
        ("shellcheck", "other.sh", "#!/bin/sh\n[[ -e a ]]\n", "SC3010"),
        ("actionlint", ".github/workflows/test.yml", mistaken("run:", "walk:"), "step must run"),
        ("actionlint", ".github/workflows/test.yml", mistaken("echo right", "echo $HOME"), "SC2086"),
        (
            "zizmor",
            ".github/workflows/test.yml",
            mistaken("permissions: {}\n", ""),
            "permissions",
        ),
        (
            "zizmor",
            ".github/workflows/test.yml",
            WORKFLOW + "      - uses: actions/cache@v4\n",
            "unpinned",
        ),
    ],
)
def test_a_mistake_is_found(repository: Path, linter: str, file: str, text: str, finding: str) -> None:
    (repository / file).write_text(text, encoding="utf-8")
    result = check.timed(check.CHECKS[linter])
    assert not result.passed
    assert finding in result.output
    assert file in result.output


def test_each_unit_test_is_in_one_of_two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has the marker, and what has not, of the same files."""
    commands: list[list[str]] = []

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        commands.append(list(command))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(check, "run", run)
    for name in ("unit tests", check.SLOW_TESTS):
        check.EVERY_CHECK[name]()
    parts = [command.pop(command.index("-m") + 1) for command in commands]
    assert parts == ["not slow", "slow"]
    assert commands[0] == commands[1]
    assert commands[0][-1] == "tests/unit"


def test_every_check_is_a_fast_one_or_a_slow_one() -> None:
    assert not set(check.CHECKS) & set(check.SLOW_CHECKS)
    assert set(check.EVERY_CHECK) == {*check.CHECKS, *check.SLOW_CHECKS}


@pytest.mark.parametrize(("arguments", "wanted"), [([], check.CHECKS), (["--slow"], check.SLOW_CHECKS)])
def test_a_command_runs_its_part(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], wanted: dict[str, check.Check]
) -> None:
    ran: list[str] = []
    noting = {name: lambda name=name: (ran.append(name), [])[1] for name in check.EVERY_CHECK}
    monkeypatch.setattr(check, "EVERY_CHECK", noting)
    assert check.main(arguments) == 0
    assert sorted(ran) == sorted(wanted)


def test_make_test_runs_both_parts() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (needs,) = re.findall(r"^test: (.+?) ##", makefile, re.MULTILINE)
    assert {"check", "slow-checks"} <= set(needs.split())
    (recipe,) = re.findall(r"^slow-checks:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "tools/check.py --slow\n" in recipe
