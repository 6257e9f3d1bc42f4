# SPDX-License-Identifier: Apache-2.0
"""Every scenario runs once, to its end, whatever has failed before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import scenarios

PROGRAM = """#!/bin/sh
echo "$1 of $3"
echo "$3" >> "$CALLS"
[ "$3" != refusals ]
"""


def test_every_scenario_is_in_one_step() -> None:
    names = scenarios.scenarios(scenarios.ROOT)
    planned = [name for rows in scenarios.steps(names) for row in rows for name in row]
    assert sorted(planned) == names
    assert {*scenarios.FIRST, *(name for row in scenarios.ROWS for name in row)} <= set(names)


def test_what_others_need_comes_first_and_what_measures_runs_alone() -> None:
    steps = scenarios.steps(["debug", "default", "directives", "pythons", "refusals", "shutdown", "upgrade"])
    assert steps[:2] == [(("default",),), (("directives",),)]
    assert steps[2] == (("pythons",), ("refusals", "upgrade", "debug"))
    assert steps[3:] == [(("shutdown",),)]
    assert scenarios.steps(["shutdown"]) == [(("shutdown",),)]


def test_all_run_and_the_failed_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "molecule").write_text(PROGRAM)
    (tmp_path / "molecule").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    assert scenarios.main(["destroy"]) == 1
    names = scenarios.scenarios(scenarios.ROOT)
    assert sorted((tmp_path / "calls").read_text().split()) == names
    output = capfd.readouterr().out
    assert all(f"destroy of {name}" in output for name in names)
    recap = output.splitlines()[-len(names) :]
    assert [line.split()[-1] for line in recap if line.startswith("failed")] == ["refusals"]
