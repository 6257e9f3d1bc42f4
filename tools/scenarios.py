#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run all Molecule scenarios, each to its end, and tell which have failed, how long each took and its slowest tests.

One more runs at once than there are processors, since each waits for a part of its time; the output of each comes as
a whole when it ends. Exits with 1 when one has failed. With MODWSGI_ALSO_TEST=breadth they test all that
`make test-all` does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]

#: In which order they begin; others follow. What a container builds for `directives` the others find. Of the rest, the
#: longest is first. What they measure has several times the time that it takes on an idle machine, or is compared with
#: other work of that moment.
ORDER = (
    "default", "image", "directives", "rollback", "vhosts", "fleet", "upgrade", "shutdown", "releases", "pythons",
    "refusals", "hardening", "debug",
)  # fmt: skip
#: Those that only `make test-all` runs. They begin last, since they take the processors from others.
BREADTH = ("machine",)
#: Modules that one scenario has built and others find; `default` has a folder of its own.
WHEELS = ROOT / ".lab/scenario-wheels"
#: How many of the slowest tests are told.
SLOWEST = 10


@dataclass(frozen=True)
class Test:
    """A test that ran."""

    name: str
    seconds: float
    """With the fixtures that it was the first to use."""


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended."""

    scenario: str
    status: int
    seconds: float
    tests: tuple[Test, ...] = ()

    def line(self) -> str:
        """For people."""
        state = "ok    " if self.status == 0 else "failed"
        return f"{state} {self.seconds:6.0f} s {len(self.tests):5} tests  {self.scenario}"


def tests_in(report: Path) -> tuple[Test, ...]:
    """The tests of a report in pytest's JUnit format that were not skipped; none when nothing was verified."""
    if not report.exists():
        return ()
    # What our own pytest has written is no hostile XML.
    cases = [case for case in ET.parse(report).getroot().iter("testcase") if case.find("skipped") is None]  # noqa: S314
    return tuple(Test(case.get("name", ""), float(case.get("time", "0"))) for case in cases)


def slowest(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for each of the tests that took longest."""
    every = [(test.seconds, outcome.scenario, test.name) for outcome in outcomes for test in outcome.tests]
    return [
        f"{seconds:6.1f} s  {scenario}: {name}" for seconds, scenario, name in sorted(every, reverse=True)[:SLOWEST]
    ]


def scenarios(root: Path, wider: bool) -> list[str]:
    """The names of the scenarios in their order, those of `BREADTH` where they are wanted."""
    last = len(ORDER)
    places = {**{name: place for place, name in enumerate(ORDER)}, **dict.fromkeys(BREADTH, last + 1)}
    names = sorted(path.parent.name for path in root.glob("molecule/*/molecule.yml"))
    return sorted((name for name in names if wider or name not in BREADTH), key=lambda name: places.get(name, last))


def is_wider() -> bool:
    """Whether this is `make test-all` (tests/support/breadth.py)."""
    return os.environ.get("MODWSGI_ALSO_TEST") == "breadth"


def workers() -> int:
    """How many run at once: two leave a sixth of two processors idle (2026-11)."""
    return (os.cpu_count() or 1) + 1


class Runner:
    """Runs scenarios."""

    def __init__(self, action: str, reports: Path) -> None:
        self.action, self.reports = action, reports
        self._output = threading.Lock()

    def run(self, scenario: str) -> Outcome:
        """Run one, and tell its output and how it ended."""
        with tempfile.TemporaryFile() as output:
            outcome = self._run(scenario, output)
            output.seek(0)
            with self._output:
                sys.stdout.buffer.write(output.read())
                sys.stdout.flush()
                print(f"\n{outcome.line()}\n", flush=True)
        return outcome

    def _run(self, scenario: str, output: IO[bytes]) -> Outcome:
        report = self.reports / f"{scenario}.xml"
        options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junit-xml={shlex.quote(str(report))}"
        began = time.monotonic()
        done = subprocess.run(
            ["molecule", self.action, "--scenario-name", scenario],
            cwd=ROOT, env={**os.environ, "PYTEST_ADDOPTS": options}, stdout=output, stderr=output, check=False,
        )  # fmt: skip
        return Outcome(scenario, done.returncode, time.monotonic() - began, tests_in(report))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", nargs="?", default="test", help="what Molecule is to do with each (default: test)")
    parser.add_argument("--list", action="store_true", help="only say which scenarios there are")
    parser.add_argument("--workers", type=int, default=workers(), help="how many run at once (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.list:
        print(*sorted(scenarios(ROOT, is_wider())), sep="\n")
        return 0
    if options.action == "test" and WHEELS.exists():
        shutil.rmtree(WHEELS)  # each run builds them
    with tempfile.TemporaryDirectory(prefix="modwsgi-reports-") as reports:
        runner = Runner(options.action, Path(reports))
        with ThreadPoolExecutor(options.workers) as pool:
            outcomes = list(pool.map(runner.run, scenarios(ROOT, is_wider())))
    if slow := slowest(outcomes):
        print(f"The slowest {len(slow)} tests:", *slow, "", sep="\n")
    print("\n".join(outcome.line() for outcome in outcomes), flush=True)
    if not is_wider():
        print(f"left to `make test-all`: {', '.join(BREADTH)}", flush=True)
    return 1 if any(outcome.status for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
