# SPDX-License-Identifier: Apache-2.0
"""Visitors who must not notice that somebody debugs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.managed_host import ManagedHost
from support.site import Site
from support.visitor import Visitor, visiting


@pytest.fixture(name="undisturbed")
def fixture_undisturbed(machine: ManagedHost, shop: Site) -> Iterator[None]:
    """All the time the ordinary site answers, from the same processes as before."""
    before = machine.daemon_pids("shop")
    assert len(before) == 2
    with visiting(Visitor(shop.address, {shop.host_name: b'"ok"'}, ("/healthz",), interval=0.1)) as client:
        yield
    assert client.lost == []
    assert machine.daemon_pids("shop") == before
