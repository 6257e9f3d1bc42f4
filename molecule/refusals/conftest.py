# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the host that must not notice a refused deployment. Makes the collection importable, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collections")]

from support.fixtures import fixture_machine  # noqa: E402, F401 - used by name
from support.managed_host import ManagedHost  # noqa: E402
from support.site import Site  # noqa: E402


@pytest.fixture(name="shop", scope="module")
def fixture_shop(machine: ManagedHost) -> Site:
    """The first application."""
    return Site(machine.address(), "shop.example")


@pytest.fixture(name="blog", scope="module")
def fixture_blog(machine: ManagedHost) -> Site:
    """The second application."""
    return Site(machine.address(), "blog.example")
