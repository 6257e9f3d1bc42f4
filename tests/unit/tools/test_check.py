# SPDX-License-Identifier: Apache-2.0
"""`make check` is the fast part and loses nothing; its linters read the files that they are for, and find mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.scripts import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LINTERS = ("hadolint", "shellcheck", "actionlint", "zizmor")
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
def fixture_repository(tmp_path: Path) -> Path:
    """A repository in which the linters find nothing."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    files = {
        "Makefile": MAKEFILE,
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


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_repository_without_mistakes_passes(repository: Path) -> None:
    done = make(repository, "--keep-going", *(f"check-{name}" for name in LINTERS))
    assert re.findall(r"^ok     +\d+ s  (.+)$", done.stdout, re.MULTILINE) == list(LINTERS), done.stdout + done.stderr
    commands = make(repository, "--dry-run", *(f"check-{name}" for name in LINTERS)).stdout
    assert "hadolint --no-color images/a/Containerfile && " in commands
    assert "shellcheck --color=never --format=gcc run)" in commands
    assert commands.count(" .github/workflows/test.yml)") == 2


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
        ("zizmor", ".github/workflows/test.yml", mistaken("permissions: {}\n", ""), "permissions"),
        ("zizmor", ".github/workflows/test.yml", WORKFLOW + "      - uses: actions/cache@v4\n", "unpinned"),
    ],
)
def test_a_mistake_is_found(repository: Path, linter: str, file: str, text: str, finding: str) -> None:
    (repository / file).write_text(text, encoding="utf-8")
    done = make(repository, f"check-{linter}")
    assert done.returncode != 0
    assert re.match(rf"FAILED +\d+ s  {linter}\n", done.stdout)
    assert finding in done.stdout
    assert file in done.stdout


def listed(variable: str) -> list[str]:
    """The words of a variable of the Makefile."""
    (words,) = re.findall(rf"^{variable} := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    return words.replace("\\\n", " ").split()


def test_each_unit_test_is_in_one_of_two_parts() -> None:
    """What has the marker, and what has not, of the same files."""
    runs = re.findall(r"^run-(?:slow-)?unit-tests = (.*)$", MAKEFILE, re.MULTILINE)
    assert runs == ['$(UNIT_TESTS) -m "not slow"', "$(UNIT_TESTS) -m slow"]
    assert listed("UNIT_TESTS")[-1] == "tests/unit"


def test_every_check_is_a_fast_one_or_a_slow_one() -> None:
    checks = re.findall(r"^run-([a-z-]+) =", MAKEFILE, re.MULTILINE)
    assert sorted(listed("CHECKS") + listed("SLOW_CHECKS")) == sorted(checks)


def test_a_command_runs_its_part() -> None:
    recipes = dict(re.findall(r"^(check|slow-checks): ##.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE))
    assert "--keep-going --jobs=2 --output-sync $(addprefix check-,$(or $(CHECK),$(CHECKS)))\n" in recipes["check"]
    assert recipes["slow-checks"] == '\t@$(MAKE) check CHECK="$(SLOW_CHECKS)"\n'


def test_make_test_runs_both_parts() -> None:
    (needs,) = re.findall(r"^test: (.+?) ##", MAKEFILE, re.MULTILINE)
    assert {"check", "slow-checks"} <= set(needs.split())
