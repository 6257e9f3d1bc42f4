# SPDX-License-Identifier: Apache-2.0
"""A pair of Python and mod_wsgi that the table allows is built, proven, served and stopped; others are refused."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import breadth
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.site import Site

HOSTS = breadth.hosts(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]))
ROUNDS = range(max(len(host["pairs"]) for host in HOSTS.values()))
REFUSALS = range(max(len(host["refused"]) for host in HOSTS.values()))
STOP_LIMIT = 2.0
"""Seconds; a stop of an idle server takes 0.2 to 0.4 (Debian 12, Apache 2.4, 2026-11)."""

ACCOUNTS = {"wsgi-hello": True, "www-data": True, "nobody": False}
"""Who reads the application's code."""

STOP = """
import json, subprocess, time
begun = time.monotonic()
subprocess.run(["systemctl", "stop", "apache2"], check=True)
seconds = time.monotonic() - begun
left = subprocess.run(["pgrep", "--list-full", "apache2|wsgi:"], stdout=subprocess.PIPE).stdout.decode().splitlines()
print(json.dumps({"seconds": seconds, "left": left}))
"""


def expected_library(machine: ManagedHost, name: str) -> str:
    """Where the one libpython of a host is."""
    if HOSTS[name]["mod_wsgi_python"].startswith("/"):
        return f"/usr/local/lib/libpython{HOSTS[name]['python']}.so.1.0"
    multiarch = machine.run("/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_config_var('MULTIARCH'))")
    return f"/usr/lib/{multiarch.strip()}/libpython{HOSTS[name]['python']}.so.1.0"


def prove(name: str, version: str) -> None:
    """The host serves with exactly this pair."""
    machine, python = ManagedHost(name), HOSTS[name]["python"]
    answer = machine.probe("hello")
    assert ".".join(str(part) for part in answer["version_info"][:2]) == python
    assert ".".join(str(part) for part in answer["mod_wsgi_version"]) == version
    site = Site(machine.address(), "hello.example")
    assert site.get("/").text.startswith(f"{python}."), name
    assert site.get("/libpython").text.splitlines() == [expected_library(machine, name)]
    # By the access list of whatever file system and kernel the host has.
    script = ("test", "-r", "/srv/wsgi/hello/current/wsgi.py")
    readers = {each: machine.attempt("runuser", "-u", each, "--", *script).returncode == 0 for each in ACCOUNTS}
    assert readers == ACCOUNTS, name


def stop(name: str) -> dict[str, Any]:
    """How long a stop took, and which processes it left; the server is started again."""
    machine = ManagedHost(name)
    stopped: dict[str, Any] = machine.python(STOP)
    machine.run("systemctl", "start", "apache2")
    return stopped


def installed_version(name: str) -> str:
    """The version of mod_wsgi that the host has published as its fact."""
    facts = json.loads(ManagedHost(name).run("cat", "/etc/ansible/facts.d/mod_wsgi.fact"))
    return str(facts["version"])


@pytest.mark.parametrize("pair", breadth.wider(ROUNDS, "further versions of mod_wsgi on the same hosts"))
def test_every_host_serves_and_stops_with_its_next_pair(pair: int) -> None:
    versions = {name: host["pairs"][pair] for name, host in HOSTS.items() if pair < len(host["pairs"])}
    # The first pair is there after `converge`, if the tests run for the first time.
    missing = [name for name, version in versions.items() if installed_version(name) != version]
    if missing:
        outcome = deploy("--limit", ",".join(missing), variables={"pair": pair})
        assert outcome.status == 0, outcome.output
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(prove, versions, versions.values()):
            pass  # raises what a proof has raised
    for name, version in versions.items():
        stopped = stop(name)
        assert stopped["left"] == [], (name, version)
        assert stopped["seconds"] < STOP_LIMIT, (name, version)


@pytest.mark.parametrize("place", breadth.wider(REFUSALS, "further versions that the same hosts refuse"))
def test_pairs_that_do_not_fit_are_refused_with_the_reason_before_a_build(place: int) -> None:
    hosts = {name: list(host["refused"]) for name, host in HOSTS.items() if host["refused"]}
    refused = {name: versions[min(place, len(versions) - 1)] for name, versions in hosts.items()}
    outcome = deploy(
        "--limit",
        ",".join(refused),
        variables={
            "mod_wsgi_version": "{{ (refused | list)[[%d, refused | length - 1] | min] }}" % place,
            "mod_wsgi_allow_known_bad": sorted(set(refused.values())),
        },
    )
    assert outcome.status != 0
    for name, version in refused.items():
        python, reason, recap = HOSTS[name]["python"], HOSTS[name]["refused"][version], outcome.recap(name)
        sentence = (
            rf"mod_wsgi {version} supports Python [^;]*, and host {name} is to use {python} \([^;]*{reason}.*?\); "
        )
        assert re.search(sentence, outcome.message), outcome.output
        assert (recap["failed"], recap["changed"]) == (1, 0)
        directory = f"/opt/mod_wsgi/{version}-cp{python.replace('.', '')}"
        assert ManagedHost(name).attempt("test", "-e", directory).returncode == 1


def test_a_host_is_what_its_os_release_says() -> None:
    """Also the stand-in for Ubuntu, which is Debian's in everything else."""
    name = next(name for name, host in HOSTS.items() if host.get("os_release"))
    outcome = deploy("--limit", name, variables={"mod_wsgi_python": "3.10"})
    assert outcome.status != 0
    assert f"Python 3.10 is not on host {name}: Ubuntu 26.04 offers 3.14, so set " in outcome.message
    assert outcome.recap(name)["changed"] == 0
