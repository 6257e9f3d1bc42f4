# SPDX-License-Identifier: Apache-2.0
"""Every scenario runs once, to its end, whatever has failed before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import scenarios

TESTS = """import pytest
def test_that_runs(): pass
def test_that_fails(): assert False
@pytest.mark.skip
def test_that_is_not_run(): pass
"""
PROGRAM = """#!/bin/sh
echo "$1 of $3"
echo "$3" >> "$CALLS"
[ "$3" = upgrade ] || echo '<suite><testcase name="test_it" time="2"/><testcase name="test_more" time="1"/></suite>' \\
  > "${PYTEST_ADDOPTS##* --junit-xml=}"
[ "$3" != refusals ]
"""


def test_what_others_need_and_what_takes_long_begins_first(tmp_path: Path) -> None:
    for name in ("debug", "a-new-one", "default", "directives", "no-scenario"):
        (tmp_path / "molecule" / name).mkdir(parents=True)
        if name != "no-scenario":
            (tmp_path / "molecule" / name / "molecule.yml").touch()
    assert scenarios.scenarios(tmp_path, wider=False) == ["default", "directives", "debug", "a-new-one"]
    assert sorted(scenarios.scenarios(scenarios.ROOT, wider=False)) == sorted(scenarios.ORDER)


def test_what_emulates_a_processor_is_left_to_the_wider_command_and_begins_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promised = scenarios.scenarios(scenarios.ROOT, wider=False)
    assert scenarios.scenarios(scenarios.ROOT, wider=True) == [*promised, *scenarios.BREADTH]
    for value, further in (("", ()), ("breadth", scenarios.BREADTH), ("ubuntu", ())):
        monkeypatch.setenv("MODWSGI_ALSO_TEST", value)
        assert scenarios.main(["--list"]) == 0
        assert capsys.readouterr().out.split() == sorted([*promised, *further])


def test_there_is_one_more_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, workers in ((None, 2), (1, 2), (2, 3), (8, 9)):
        monkeypatch.setattr(os, "cpu_count", lambda processors=processors: processors)
        assert scenarios.workers() == workers


def test_all_run_and_the_failed_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "molecule").write_text(PROGRAM)
    (tmp_path / "molecule").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("MODWSGI_ALSO_TEST", raising=False)
    assert scenarios.main(["destroy"]) == 1
    names = scenarios.scenarios(scenarios.ROOT, wider=False)
    assert sorted((tmp_path / "calls").read_text().split()) == sorted(names)
    output = capfd.readouterr().out
    assert all(f"destroy of {name}" in output for name in names)
    output, _, last = output.rstrip().rpartition("\n")
    assert last == "left to `make test-all`: machine"
    recap = output.splitlines()[-len(names) :]
    assert [line.split()[-1] for line in recap if line.startswith("failed")] == ["refusals"]
    # In seconds, and how many tests ran; one scenario has verified nothing.
    told = {line.split()[-1]: int(line.split()[3]) for line in recap}
    assert told == {name: 0 if name == "upgrade" else 2 for name in names}
    slow = output.splitlines()[-len(names) - 1 - scenarios.SLOWEST : -len(names) - 1]
    seconds = ["2.0"] * (len(names) - 1) + ["1.0"] * scenarios.SLOWEST
    assert [line.split()[0] for line in slow] == seconds[: scenarios.SLOWEST]
    assert slow[0] == "   2.0 s  vhosts: test_it"


@pytest.mark.parametrize("action", ["test", "converge"])
def test_a_whole_run_builds_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    (tmp_path / "molecule").write_text("#!/bin/sh\n")
    (tmp_path / "molecule").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(scenarios, "WHEELS", tmp_path / "wheels")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/of-before.whl").touch()
    assert scenarios.main([action]) == 0
    assert (tmp_path / "wheels").exists() == (action != "test")


def test_the_tests_that_ran_are_counted(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    report = tmp_path / "report.xml"
    assert scenarios.tests_in(report) == ()
    command = [sys.executable, "-m", "pytest", f"--junit-xml={report}", "--rootdir", str(tmp_path), str(tmp_path)]
    own = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert [test.name for test in scenarios.tests_in(report)] == ["test_that_runs", "test_that_fails"]
