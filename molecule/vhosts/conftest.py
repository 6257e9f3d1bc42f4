# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the host, and what its sites answer over TLS."""

from __future__ import annotations

import pytest
from support.managed_host import ManagedHost
from support.secure_site import SecureSite, certificates


@pytest.fixture(name="trusted", scope="module")
def fixture_trusted(machine: ManagedHost, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the certificates that a visitor of these tests believes."""
    file = tmp_path_factory.mktemp("trusted") / "certificates.pem"
    file.write_text(certificates(machine))
    return str(file)


@pytest.fixture(name="guestbook")
def fixture_guestbook(machine: ManagedHost, trusted: str) -> SecureSite:
    """The Django example, and beside it the application under /status."""
    return SecureSite(machine.address(), "guestbook.example", trusted)


@pytest.fixture(name="shop")
def fixture_shop(machine: ManagedHost, trusted: str) -> SecureSite:
    """The application with a login, a backend and pages of its own."""
    return SecureSite(machine.address(), "shop.example", trusted)
