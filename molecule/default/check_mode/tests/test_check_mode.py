# SPDX-License-Identifier: Apache-2.0
"""On a fresh host, check mode predicts the deployment and changes nothing."""

from __future__ import annotations

import time

import pytest
from support.deployment import Deployment, deploy
from support.managed_host import ManagedHost

# What lives on its own, and what Ansible itself leaves in passing.
UNRELATED = ("/var/log/", "/root/.ansible", "/home/deployer/.ansible", "/var/lib/systemd/")


@pytest.fixture(name="begun", scope="session")
def fixture_begun() -> float:
    """When the check began, seconds since the epoch; control node and hosts share the clock."""
    return time.time()


@pytest.fixture(name="prediction", scope="session")
def fixture_prediction(begun: float) -> Deployment:
    """One check run over all hosts."""
    assert begun
    return deploy("--check", "--diff")


def test_the_check_succeeds_and_predicts_changes(machine: ManagedHost, prediction: Deployment) -> None:
    assert prediction.status == 0, prediction.output
    recap = prediction.recap(machine.container)
    assert recap["failed"] == recap["unreachable"] == 0
    assert recap["changed"] > 3


def test_the_difference_shows_what_would_be_written(prediction: Deployment) -> None:
    for line in ("+ServerTokens Prod", "+    ServerName django.example", "WSGIDaemonProcess"):
        assert line.replace(" ", "") in prediction.output.replace(" ", ""), f"{line} is not in the difference"
    assert "a-secret-of-this-test-alone" not in prediction.output


def test_nothing_is_installed(machine: ManagedHost, prediction: Deployment) -> None:
    assert prediction.status == 0
    assert not {name for name in machine.installed_packages() if "apache" in name or "mod-wsgi" in name}


def test_nothing_is_written(machine: ManagedHost, prediction: Deployment, begun: float) -> None:
    assert prediction.status == 0
    changed = machine.run("find", "/", "-xdev", "-newermt", f"@{begun:.3f}", "!", "-type", "d", "-print").splitlines()
    assert [path for path in changed if not path.startswith(UNRELATED)] == []
    for directory in ("/etc/apache2", "/srv/wsgi", "/etc/wsgi", "/var/lib/wsgi", "/var/lib/modwsgi", "/opt/mod_wsgi"):
        assert machine.attempt("test", "-e", directory).returncode == 1, f"{directory} exists"
    assert "wsgi-" not in machine.run("cat", "/etc/passwd")
