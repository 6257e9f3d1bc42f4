#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run all Molecule scenarios, each to its end, and tell which have failed and how long each took.

Scenarios that measure no short times run two at once; the output of each comes as a whole when it ends. Exits with 1
when one has failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: First `default`, which empties the cache of wheels, and `directives`, for which a container builds what others find.
FIRST = ("default", "directives")
#: Two rows that run beside each other. What they measure has ten times the time that it takes on an idle machine.
ROWS = (("pythons",), ("refusals", "upgrade", "debug"))


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended."""

    scenario: str
    status: int
    seconds: float

    def line(self) -> str:
        """For people."""
        return f"{'ok    ' if self.status == 0 else 'failed'} {self.seconds:6.0f} s  {self.scenario}"


def scenarios(root: Path) -> list[str]:
    """The names of all scenarios, sorted."""
    return sorted(path.parent.name for path in root.glob("molecule/*/molecule.yml"))


def steps(names: Iterable[str]) -> list[tuple[tuple[str, ...], ...]]:
    """What is done one after the other: each step is one or more rows that run beside each other."""
    left = list(names)
    rows = tuple(tuple(name for name in row if name in left) for row in ROWS)
    beside = {name for row in rows for name in row}
    first = [((name,),) for name in FIRST if name in left]
    last = [((name,),) for name in left if name not in FIRST and name not in beside]
    return [*first, *([rows] if beside else []), *last]


class Runner:
    """Runs scenarios."""

    def __init__(self, action: str) -> None:
        self.action = action
        self._output = threading.Lock()

    def run(self, scenario: str, alone: bool) -> Outcome:
        """Run one; its output comes at once when it is alone."""
        command = ["molecule", self.action, "--scenario-name", scenario]
        began = time.monotonic()
        if alone:
            status = subprocess.run(command, cwd=ROOT, check=False).returncode
            return self._told(Outcome(scenario, status, time.monotonic() - began))
        with tempfile.TemporaryFile() as output:
            status = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False).returncode
            outcome = Outcome(scenario, status, time.monotonic() - began)
            output.seek(0)
            with self._output:
                sys.stdout.buffer.write(output.read())
                return self._told(outcome)

    def row(self, names: Sequence[str], alone: bool) -> list[Outcome]:
        """Run some one after the other."""
        return [self.run(name, alone) for name in names]

    def step(self, rows: Sequence[Sequence[str]]) -> list[Outcome]:
        """Run rows beside each other."""
        with ThreadPoolExecutor(len(rows)) as pool:
            ended = list(pool.map(lambda row: self.row(row, alone=len(rows) == 1), rows))
        return [outcome for outcomes in ended for outcome in outcomes]

    @staticmethod
    def _told(outcome: Outcome) -> Outcome:
        sys.stdout.flush()
        print(f"\n{outcome.line()}\n", flush=True)
        return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", nargs="?", default="test", help="what Molecule is to do with each (default: test)")
    options = parser.parse_args(arguments)
    runner = Runner(options.action)
    outcomes = [outcome for rows in steps(scenarios(ROOT)) for outcome in runner.step(rows)]
    print("\n".join(outcome.line() for outcome in outcomes), flush=True)
    return 1 if any(outcome.status for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
