# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the virtual machine and its sites."""

from __future__ import annotations

import pytest
from support.managed_host import ManagedHost
from support.site import Site
from testinfra.host import Host

IN_THE_MACHINE = "/usr/local/sbin/lab-guest"


@pytest.fixture(name="machine", scope="module")
def fixture_machine(host: Host) -> ManagedHost:
    """The virtual machine in the container behind testinfra's host."""
    return ManagedHost(container=host.backend.get_hostname(), within=(IN_THE_MACHINE,))


@pytest.fixture(name="greedy", scope="module")
def fixture_greedy(machine: ManagedHost) -> Site:
    """The application that runs what it is sent."""
    return Site(machine.address(), "greedy.example")


@pytest.fixture(name="victim", scope="module")
def fixture_victim(machine: ManagedHost) -> Site:
    """The application beside it."""
    return Site(machine.address(), "victim.example")
