# SPDX-License-Identifier: Apache-2.0
"""What `make test` leaves to `make test-all`: more of the same, and never a promise.

`MODWSGI_ALSO_TEST=breadth`, which `make test-all` sets, adds it. What it adds is

- the hosts of a scenario's folder `breadth/`, an inventory beside `inventory/` (its molecule.yml names both), so that
  `make test` does not even create them;
- tests that are marked `@pytest.mark.breadth("why it may wait")`, or single parameters of them (`wider`);
- the scenarios of `BREADTH` in tools/scenarios.py, as a whole; `make molecule SCENARIO=` runs each of them always;
- the images for other Pythons than 3.11 (molecule/image/converge.yml builds them, tests/images looks at them).

pyproject.toml loads this file into pytest, so the two hooks below hold for every test. They deselect, and tell at the
end what they have left out and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

VARIABLE = "MODWSGI_ALSO_TEST"
BREADTH = "breadth"
"""A value of the variable; the name of the marker, and of the folder."""

UBUNTU = "ubuntu"
"""Another value, and the folder of hosts that only a machine with a registry of images can have; nothing is marked."""

_left_out = pytest.StashKey[dict[str, list[str]]]()
"""By the reason: the function of each test."""


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this run includes breadth. Raises ValueError when the variable says something else."""
    return _value(environment) == BREADTH


def _value(environment: Mapping[str, str] = os.environ) -> str:
    value = environment.get(VARIABLE, "")
    if value not in ("", BREADTH, UBUNTU):
        raise ValueError(
            f"{VARIABLE} is '{value}': set it to '{BREADTH}' to test as `make test-all` does, to '{UBUNTU}' for hosts "
            "of Ubuntu, or unset it."
        )
    return value


def inventories(scenario: Path) -> list[Path]:
    """The folders with the scenario's own hosts in this run."""
    further = scenario / (_value() or BREADTH)
    return [scenario / "inventory", *([further] if _value() and further.is_dir() else [])]


def hosts(scenario: Path) -> dict[str, dict[str, Any]]:
    """The hosts of this run and their variables, those of breadth last."""
    return {name: variables for folder in inventories(scenario) for name, variables in _hosts_of(folder).items()}


def hosts_left_out(scenario: Path) -> list[str]:
    """The hosts that this run does without."""
    return [] if wanted() or not (scenario / BREADTH).is_dir() else list(_hosts_of(scenario / BREADTH))


def _hosts_of(inventory: Path) -> dict[str, dict[str, Any]]:
    listed = yaml.safe_load((inventory / "hosts.yml").read_text(encoding="utf-8"))["wsgi"]["hosts"]
    return {name: variables or {} for name, variables in listed.items()}


def wider(values: Iterable[Any], reason: str) -> list[Any]:
    """Parameters of a test: the first is a promise, the others are breadth."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.breadth(reason)) for value in others)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests that are marked, unless they are wanted."""
    left_out = config.stash.setdefault(_left_out, {})
    if wanted():
        return
    marked = [(item, marker) for item in items if (marker := item.get_closest_marker(BREADTH))]
    for item, marker in marked:
        (reason,) = marker.args  # a marker says why
        left_out.setdefault(str(reason), []).append(item.nodeid.rpartition("/")[2].partition("[")[0])
    if marked:
        config.hook.pytest_deselected(items=[item for item, _ in marked])
        items[:] = [item for item in items if not item.get_closest_marker(BREADTH)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what was left out."""
    scenario = os.environ.get("MOLECULE_SCENARIO_DIRECTORY", "")
    missing = hosts_left_out(Path(scenario)) if scenario else []
    if missing:
        terminalreporter.write_line(f"left to `make test-all`: hosts {', '.join(missing)}")
    for reason, names in config.stash.get(_left_out, {}).items():
        functions = ", ".join(dict.fromkeys(names))
        terminalreporter.write_line(f"left to `make test-all` ({reason}): {len(names)} of {functions}")
