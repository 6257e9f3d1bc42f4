# SPDX-License-Identifier: Apache-2.0
"""The bound of a stop is one variable, and what a reload leaves behind is ended where that is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.endings import GLOBAL, HOSTS, embedded, measure, on_all_hosts, set_up
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

STOP_TIMEOUT = 6
REAP_AFTER = 5
INTERVAL = 5
"""Seconds between two looks of the service."""
SLACK = 3


@pytest.fixture(name="limited", scope="module", autouse=True)
def fixture_limited() -> None:
    set_up(
        True,
        GLOBAL,
        httpd_stop_timeout=STOP_TIMEOUT,
        httpd_reap_stuck_children=True,
        httpd_reap_after=REAP_AFTER,
    )


def test_a_shorter_bound_holds_for_a_hung_child() -> None:
    rounds = on_all_hosts(lambda host: measure(host, "stop", [embedded("other thread")]))
    for host, found in rounds.items():
        assert found.action_seconds is not None, host
        assert 2 < found.action_seconds < STOP_TIMEOUT + 1, host
        assert found.ending.seconds is not None, host


def journal(machine: ManagedHost) -> str:
    return machine.run("journalctl", "--unit=modwsgi-reap", "--no-pager", "--output=cat")


def test_a_child_that_a_reload_leaves_behind_is_ended_and_told_of() -> None:
    rounds = on_all_hosts(
        lambda host: measure(host, "reload", [embedded("other thread")], limit=REAP_AFTER + 2 * INTERVAL + SLACK)
    )
    for host, found in rounds.items():
        machine = ManagedHost(host)
        assert found.ending.seconds is not None, host
        assert found.ending.seconds > REAP_AFTER - 1, host
        assert "a reload has left it behind" in journal(machine), host
        Site(machine.address(), "plain.example").wait_until_it_answers()


def test_a_child_with_a_request_is_left_alone() -> None:
    """It has more time than a stuck one, and its request is answered."""
    machine = ManagedHost(HOSTS[0])
    machine.run("systemctl", "restart", "apache2")
    before = journal(machine)
    site = Site(machine.address(), "embedded.example")
    site.wait_until_it_answers()
    marker = "/var/lib/wsgi/embedded/in-flight"
    machine.run("rm", "-f", marker)
    seconds = REAP_AFTER + 2 * INTERVAL
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(site.get, f"/sleep?seconds={seconds}")
        wait_for(lambda: machine.attempt("test", "-e", marker).returncode == 0, "the request is in flight")
        machine.run("systemctl", "reload", "apache2")
        assert answer.result().status_code == 200
    assert journal(machine) == before
