# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the host under test, and the sites that it serves."""

from __future__ import annotations

import pytest
from support.managed_host import ManagedHost
from support.site import Site

APPLICATIONS = ("django", "flask")


@pytest.fixture(name="django")
def fixture_django(machine: ManagedHost) -> Site:
    """The Django example as a new visitor sees it."""
    return Site(machine.address(), "django.example")


@pytest.fixture(name="flask")
def fixture_flask(machine: ManagedHost) -> Site:
    """The Flask example as a new visitor sees it."""
    return Site(machine.address(), "flask.example")


@pytest.fixture(name="sites")
def fixture_sites(django: Site, flask: Site) -> list[Site]:
    """Both."""
    return [django, flask]


@pytest.fixture(name="application", params=APPLICATIONS)
def fixture_application(request: pytest.FixtureRequest) -> str:
    """The name of each application in turn."""
    return str(request.param)
