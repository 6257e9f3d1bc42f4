# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the host that must not notice a refused deployment. Makes the collection importable, too."""

from __future__ import annotations

import pytest
from support.managed_host import ManagedHost
from support.site import Site


@pytest.fixture(name="shop", scope="module")
def fixture_shop(machine: ManagedHost) -> Site:
    """The first application."""
    return Site(machine.address(), "shop.example")


@pytest.fixture(name="blog", scope="module")
def fixture_blog(machine: ManagedHost) -> Site:
    """The second application."""
    return Site(machine.address(), "blog.example")
