# SPDX-License-Identifier: Apache-2.0
"""Three hosts behind HAProxy, asked all the while: a change goes from host to host, and a bad one ends at the first."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.deployment import Deployment, deploy, play
from support.managed_host import ManagedHost
from support.site import Site
from support.visitor import Visitor, visiting
from support.waiting import wait_for

HOSTS = [ManagedHost(f"fleet-web{number}") for number in (1, 2, 3)]
NAMES = [host.container for host in HOSTS]
BALANCER = ManagedHost("fleet-balancer")
ASK_HAPROXY = """
import json, socket
connection = socket.socket(socket.AF_UNIX)
connection.connect("/run/haproxy/admin.sock")
connection.sendall(b"show stat\\n")
print(json.dumps(connection.makefile().read()))
"""
LEAST = 100
"""Requests, so that somebody has watched all of the run."""


def served() -> list[str]:
    """The version that each host serves, past the balancer."""
    return [Site(host.address(), "shop.example").get("/").text.split()[1] for host in HOSTS]


def in_balancer() -> dict[str, str]:
    """What HAProxy says of each host."""
    rows = csv.DictReader(BALANCER.python(ASK_HAPROXY).removeprefix("# ").splitlines())
    return {row["svname"]: row["status"] for row in rows if row["svname"] in NAMES}


def migrations(version: str) -> int:
    """How often all hosts together have run the command with `once` for a version."""
    path = "/var/lib/wsgi/shop/migrations"
    texts = [host.attempt("cat", path).stdout for host in HOSTS]
    return sum(text.split().count(version) for text in texts)


def turns(run: Deployment) -> list[str]:
    """The hosts of each turn, as the play says."""
    return re.findall(r": Turn \d of \d: ([^\]]+)\]", run.output)


def virtual_environment(host: ManagedHost) -> dict[str, float]:
    """When the files of a host's virtual environment were made: no two builds have the same times."""
    find = r"cd /srv/wsgi/shop/venvs && find . -type f ! -name .complete -printf '%T@ %P\n'"
    lines = (line.split(" ", 1) for line in host.run("sh", "-c", find).splitlines())
    return {path: float(seconds) for seconds, path in lines}


@contextmanager
def no_visitor_notices() -> Iterator[None]:
    """All requests through the balancer are answered well while the block runs."""
    visitor = Visitor(BALANCER.address(), {"shop.example": b"\n"})
    with visiting(visitor):
        yield
    assert visitor.lost == []
    assert len(visitor.answers) > LEAST


def test_what_the_first_host_has_built_is_on_all() -> None:
    first, *others = map(virtual_environment, HOSTS)
    assert any(path.endswith("pyvenv.cfg") for path in first)
    assert all(each == pytest.approx(first, abs=1e-3) for each in others)


def test_a_good_release_goes_from_host_to_host() -> None:
    with no_visitor_notices():
        run = deploy(variables={"shop_version": "second"})
    assert run.status == 0, run.output
    assert turns(run) == NAMES
    assert served() == ["second"] * 3
    assert set(in_balancer().values()) == {"UP"}
    assert migrations("second") == 1


def test_a_bad_release_ends_at_the_first_host_that_sees_it_and_all_go_back() -> None:
    with no_visitor_notices():
        run = deploy(variables={"shop_version": "half", "on_failure": "rollback_all"})
    assert run.status == 2, run.output
    assert turns(run) == NAMES[:2]
    assert served() == ["second"] * 3
    found = in_balancer()
    assert (found["fleet-web1"], found["fleet-web3"]) == ("UP", "UP")
    assert found["fleet-web2"] != "UP"
    first, second, third = (str(run.failures(name)[-1]["msg"]) for name in NAMES)
    assert first == (
        "Host fleet-web1 has gone back to the earlier release of shop, since fleet-web2 failed (wsgi_on_failure)."
    )
    assert "it stays out of its balancer until a run of site.yml is well on it" in second
    assert third.startswith("Host fleet-web3 was not changed, since fleet-web2 failed;")
    assert migrations("half") == 1


def test_a_host_that_is_out_comes_back_though_nothing_else_changes() -> None:
    with no_visitor_notices():
        run = deploy(variables={"shop_version": "second"})
    assert run.status == 0, run.output
    assert turns(run) == NAMES[1:2]
    assert set(in_balancer().values()) == {"UP"}


def test_a_host_that_is_down_is_left_out() -> None:
    """The command with `once` does not run again for the host that gets the release later."""
    # It keeps its address. No name leads to it, so nobody reaches it; the engine would call that a module that fails.
    lost = {"ansible_connection": "{{ 'ssh' if inventory_hostname == 'fleet-web3' else 'community.docker.docker' }}"}
    HOSTS[2].engine("pause")
    try:
        wait_for(lambda: in_balancer()["fleet-web3"] == "DOWN", "HAProxy sees that a host is down")
        with no_visitor_notices():
            run = deploy(variables={"shop_version": "third", **lost})
    finally:
        HOSTS[2].engine("unpause")
    assert run.status == 4, run.output
    assert turns(run) == NAMES[:2]
    wait_for(lambda: in_balancer()["fleet-web3"] == "UP", "HAProxy sees that the host is back")
    with no_visitor_notices():
        run = deploy(variables={"shop_version": "third"})
    assert run.status == 0, run.output
    assert turns(run) == NAMES[2:]
    assert served() == ["third"] * 3
    assert set(in_balancer().values()) == {"UP"}
    assert migrations("third") == 1


def test_a_way_back_goes_from_host_to_host() -> None:
    with no_visitor_notices():
        run = play("playbooks/rollback.yml", variables={"app": "shop"})
    assert run.status == 0, run.output
    assert turns(run) == NAMES
    assert served() == ["second"] * 3
    assert set(in_balancer().values()) == {"UP"}


def test_visitors_try_a_release_first_and_a_bad_one_ends_at_the_first_host() -> None:
    """Only they find it bad. So the host stays in its balancer, where they are."""
    two = {"wsgi_serial": 2, "wsgi_drain_at_most": 2}
    tried = {"strategy": "blue_green", "canary": {"percent": 50, "seconds": 30}}
    run = deploy(variables={**two, "shop_version": "second", "shop_releases": tried})
    assert run.status == 0, run.output
    with visiting(Visitor(BALANCER.address(), {"shop.example": b"\n"})):
        run = deploy(variables={"shop_version": "flaky", "shop_releases": tried})
    assert run.status == 2, run.output
    assert turns(run) == NAMES[:1]
    assert "The new release of shop answered" in run.output
    assert served() == ["second"] * 3
    assert set(in_balancer().values()) == {"UP"}


def test_a_balancer_that_only_asks_sees_that_a_host_is_away() -> None:
    host, site = HOSTS[0], Site(HOSTS[0].address(), "shop.example")
    host.run("touch", "/var/lib/modwsgi/apache2/away")
    try:
        assert site.get("/healthz").status_code == 503
        assert site.get("/healthz", headers={"User-Agent": "modwsgi.deploy"}).status_code == 200
        assert site.get("/").status_code == 200
    finally:
        host.run("rm", "/var/lib/modwsgi/apache2/away")
    assert site.get("/healthz").status_code == 200
