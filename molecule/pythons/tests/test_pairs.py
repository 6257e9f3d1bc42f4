# SPDX-License-Identifier: Apache-2.0
"""A pair of Python and mod_wsgi that the table allows is built, proven, served and stopped; others are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.site import Site

INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory" / "hosts.yml"
HOSTS: dict[str, dict[str, Any]] = yaml.safe_load(INVENTORY.read_text())["wsgi"]["hosts"]
ROUNDS = range(max(len(host["pairs"]) for host in HOSTS.values()))
REFUSED = [(name, version) for name, host in HOSTS.items() for version in host["refused"]]
STOP_LIMIT = 2.0
"""Seconds; a stop of an idle server takes 0.2 to 0.4 (Debian 12, Apache 2.4, 2026-11)."""

STOP = """
import json, subprocess, time
begun = time.monotonic()
subprocess.run(["systemctl", "stop", "apache2"], check=True)
seconds = time.monotonic() - begun
left = subprocess.run(["pgrep", "apache2"], stdout=subprocess.PIPE).stdout.decode().split()
print(json.dumps({"seconds": seconds, "left": left}))
"""


def prove(name: str, python: str, version: str) -> None:
    """The host serves with exactly this pair."""
    machine = ManagedHost(name)
    answer = machine.probe("hello")
    assert ".".join(str(part) for part in answer["version_info"][:2]) == python
    assert ".".join(str(part) for part in answer["mod_wsgi_version"]) == version
    site = Site(machine.address(), "hello.example")
    assert site.get("/").text.startswith(f"{python}."), name


@pytest.mark.parametrize("pair", ROUNDS)
def test_a_pair_serves_and_stops(pair: int) -> None:
    if pair:  # the first one is there already
        outcome = deploy(variables={"pair": pair})
        assert outcome.status == 0, outcome.output
    for name, host in HOSTS.items():
        version = host["pairs"][min(pair, len(host["pairs"]) - 1)]
        prove(name, host["mod_wsgi_python"], version)
        machine = ManagedHost(name)
        stopped = machine.python(STOP)
        machine.run("systemctl", "start", "apache2")
        assert stopped["left"] == [], (name, version)
        assert stopped["seconds"] < STOP_LIMIT, (name, version)


@pytest.mark.parametrize(("name", "version"), REFUSED)
def test_a_pair_that_does_not_fit_is_refused_before_a_build(name: str, version: str) -> None:
    python = HOSTS[name]["mod_wsgi_python"]
    outcome = deploy("--limit", name, variables={"mod_wsgi_version": version, "mod_wsgi_allow_known_bad": [version]})
    assert outcome.status != 0
    assert f"mod_wsgi {version} supports Python" in outcome.message
    assert f"is to use {python}" in outcome.message
    assert outcome.recap(name)["changed"] == 0
    machine = ManagedHost(name)
    assert machine.attempt("test", "-e", f"/opt/mod_wsgi/{version}-cp{python.replace('.', '')}").returncode == 1
