# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the host and its sites."""

from __future__ import annotations

import pytest
from support.managed_host import ManagedHost
from support.site import Site


@pytest.fixture(name="shop")
def fixture_shop(machine: ManagedHost) -> Site:
    """The application that is debugged in a terminal, as its visitors see it."""
    return Site(machine.address(), "shop.example")


@pytest.fixture(name="watched")
def fixture_watched(machine: ManagedHost) -> Site:
    """The application whose vhost is in debug mode."""
    return Site(machine.address(), "watched.example")
