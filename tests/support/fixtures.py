# SPDX-License-Identifier: Apache-2.0
"""Fixtures of more than one scenario; pyproject.toml loads them into pytest."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from support.managed_host import ManagedHost


@pytest.fixture(name="machine", scope="module")
def fixture_machine(host: Host) -> ManagedHost:
    """The host container behind testinfra's host."""
    return ManagedHost(container=host.backend.get_hostname())
