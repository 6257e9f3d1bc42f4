# SPDX-License-Identifier: Apache-2.0
"""Unit tests that act as several accounts, or give files away, need root: `@pytest.mark.root("what it does")`.

Where somebody else runs the tests, these are left out and told, and `make root-tests` runs them in a container.
pyproject.toml loads this file into pytest.
"""

from __future__ import annotations

import os

import pytest

MARKER = "root"


def left_out(item: pytest.Item) -> bool:
    """Whether a test needs root, and this is not root."""
    return item.get_closest_marker(MARKER) is not None and os.geteuid() != 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of each test that is left out what it does as root."""
    for item in filter(left_out, items):
        (reason,) = item.get_closest_marker(MARKER).args  # type: ignore[union-attr]  # it has one; a marker says why
        item.add_marker(pytest.mark.skip(reason=f"{reason}, as root: `make root-tests`"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many were left out."""
    skipped = terminalreporter.stats.get("skipped", [])
    if count := sum("as root: `make root-tests`" in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"left to `make root-tests`: {count} tests that need root")
