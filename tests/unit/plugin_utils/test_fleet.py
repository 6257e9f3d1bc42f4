# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is, who runs what a fleet runs once, and what is refused."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import fleet, settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.fleet import Fleet

TEN = [f"web{number}" for number in range(1, 11)]
PLAN = [["web1"], ["web2", "web3"], ["web4"]]
FOUR = TEN[:4]


@pytest.mark.parametrize(
    ("serial", "hosts", "new", "counts"),
    [
        ([1, "25%", "100%"], TEN, (), [1, 2, 7]),
        ([1, "25%", "100%"], FOUR, (), [1, 1, 2]),
        ([1, "25%", "100%"], TEN[:1], (), [1]),
        (["1", "50%"], TEN, (), [1, 5, 4]),
        (3, TEN, (), [3, 3, 3, 1]),
        ("100%", TEN, (), [10]),
        ([1, "100%"], TEN, ("web9", "web10"), [2, 1, 7]),
        (1, ["web9"], ("web9",), [1]),
        (1, [], (), []),
    ],
)
def test_turns_are_those_of_serial_and_new_hosts_come_first(
    serial: Any, hosts: list[str], new: tuple[str, ...], counts: list[int]
) -> None:
    found = fleet.turns(serial, hosts, new)
    assert [len(turn) for turn in found] == counts
    assert sorted(functools.reduce(operator.iadd, found, [])) == sorted(hosts)
    if new:
        assert found[0] == list(new)


@pytest.mark.parametrize(
    ("serial", "hosts", "unreached", "at_most", "counts"),
    [
        ([1, "25%", "100%"], FOUR, 0, "50%", [1, 1, 2]),
        ([1, "25%", "100%"], FOUR, 0, "25%", [1, 1, 1, 1]),
        ([1, "25%", "100%"], TEN, 0, "50%", [1, 2, 5, 2]),
        ([1, "25%", "100%"], FOUR, 0, "100%", [1, 1, 2]),
        ("100%", FOUR, 0, "50%", [2, 2]),
        ("100%", FOUR, 0, "100%", [4]),
        ("100%", TEN, 0, 3, [3, 3, 3, 1]),
        ("100%", TEN, 0, "3", [3, 3, 3, 1]),
        ("100%", FOUR[:1], 0, "50%", [1]),  # others may be behind its balancer that are in no play
        ("100%", FOUR, 1, "50%", [1, 1, 1]),  # who is down answers nobody either
        ("100%", FOUR, 2, 3, [2]),
    ],
)
def test_a_turn_takes_no_more_hosts_out_of_their_balancer_than_may_be_away(
    serial: Any, hosts: list[str], unreached: int, at_most: Any, counts: list[int]
) -> None:
    reached = hosts[: len(hosts) - unreached]
    found = Fleet(serial, hosts, reached, hosts[len(reached) :], at_most).plan(reached, ())
    assert [len(turn) for turn in found] == counts


def test_hosts_that_serve_nobody_take_nothing_away() -> None:
    assert Fleet("100%", FOUR, FOUR, [], 1).plan(FOUR, FOUR[2:]) == [FOUR[2:], ["web1"], ["web2"]]


@pytest.mark.parametrize(("at_most", "stopped"), [("50%", ["web1"]), ("100%", [])])
def test_where_not_all_leave_at_once_a_failure_stops_those_after_it(at_most: str, stopped: list[str]) -> None:
    found = Fleet("100%", FOUR, FOUR[1:], [], at_most).next([FOUR[:2], FOUR[2:]], 1)
    assert found["stopped"] == stopped


@pytest.mark.parametrize(
    ("alive", "unreached", "done", "now", "later", "stopped"),
    [
        (FOUR, [], 0, ["web1"], ["web2", "web3", "web4"], []),
        (FOUR, [], 1, ["web2", "web3"], ["web4"], []),
        (FOUR, [], 2, ["web4"], [], []),
        # One of the turn before; one whose turn would be later; one that was never to be reached.
        (["web1", "web3", "web4"], [], 2, [], ["web4"], ["web2"]),
        (["web1", "web2", "web3"], [], 0, [], ["web1", "web2", "web3"], ["web4"]),
        (["web1", "web2", "web4"], ["web3"], 1, ["web2"], ["web4"], []),
    ],
)
def test_nobody_changes_after_a_host_that_has_failed(
    alive: list[str], unreached: list[str], done: int, now: list[str], later: list[str], stopped: list[str]
) -> None:
    found = Fleet(1, FOUR, alive, unreached).next(PLAN, done)
    assert (found["now"], found["later"], found["stopped"]) == (now, later, stopped)
    assert found["done"] == done + 1


def test_a_turn_is_told_in_words() -> None:
    assert Fleet(1, FOUR, FOUR, []).next(PLAN, 1)["told"] == "Turn 2 of 3: web2, web3"
    told = Fleet(1, FOUR, ["web1", "web4"], []).next(PLAN, 2)["told"]
    assert told == "web4 stays as before, since web2, web3 failed"
    assert fleet.named([*TEN, "a", "b"]).endswith("web10 and 2 more")


def test_all_at_once_each_is_for_itself() -> None:
    found = Fleet("100%", FOUR, FOUR[1:], []).next([FOUR], 0)
    assert (found["now"], found["stopped"]) == (FOUR[1:], [])


def test_the_first_host_that_prepares_a_release_leads_and_nobody_what_is_done() -> None:
    asked = {"web1": {"blog": "b"}, "web2": {"shop": "s", "blog": "b"}, "web3": {"shop": "s"}}
    assert fleet.leaders(asked, []) == {"blog": "web1", "shop": "web2"}
    assert fleet.leaders(asked, [("shop", "s"), ("blog", "an earlier one"), ("shop", "")]) == {"blog": "web1"}


def values(**more: Any) -> dict[str, Any]:
    """The variables of a host, as the preflight has them."""
    return settings.checked("wsgi_app", more)


HAPROXY = {"wsgi_drain_tasks": "haproxy", "wsgi_join_tasks": "haproxy"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"wsgi_serial": 0}, "wsgi_serial is 0; write numbers of hosts"),
        ({"wsgi_serial": []}, "wsgi_serial is []; write numbers"),
        ({"wsgi_serial": [1, "101%"]}, "wsgi_serial is [1, '101%']; write numbers"),
        ({"wsgi_serial": "a half"}, "wsgi_serial is 'a half'; write numbers"),
        ({"wsgi_drain_at_most": "0%"}, "wsgi_drain_at_most is '0%'; write a number of hosts or a share of them"),
        (
            {"wsgi_build_on": "host:web9"},
            "wsgi_build_on names web9, and the inventory has no such host; correct the name.",
        ),
        ({"wsgi_drain_at_most": [1]}, "wsgi_drain_at_most is [1]; write a number"),
        (
            {"wsgi_drain_tasks": "haproxy"},
            "without wsgi_join_tasks, so a host would stay out of its balancer; give both",
        ),
        ({"wsgi_join_tasks": "haproxy"}, "without wsgi_drain_tasks, so a host would join a balancer that it has never"),
        (
            {**HAPROXY, "wsgi_drain_tasks": "drain.yml"},
            "wsgi_drain_tasks is 'drain.yml'; write haproxy, or the absolute",
        ),
        (
            {**HAPROXY, "wsgi_join_tasks": "/no/such.yml"},
            "wsgi_join_tasks names /no/such.yml, and there is no such file",
        ),
        (HAPROXY, "wsgi_haproxy_hosts is empty; name the hosts on which HAProxy runs"),
        ({**HAPROXY, "wsgi_haproxy_hosts": ["lb"]}, "wsgi_haproxy_backends is empty; name the backends"),
        (
            {**HAPROXY, "wsgi_haproxy_hosts": ["lb2"]},
            "wsgi_haproxy_hosts names lb2, and the inventory has no such host",
        ),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], said: str) -> None:
    assert said in " ".join(fleet.problems(values(**given), ["web1", "lb"]))


def test_what_can_work_is_not(tmp_path: Path) -> None:
    tasks = tmp_path / "balancer.yml"
    tasks.write_text("[]")
    own = {"wsgi_drain_tasks": str(tasks), "wsgi_join_tasks": str(tasks)}
    ready = {**HAPROXY, "wsgi_haproxy_hosts": ["lb"], "wsgi_haproxy_backends": ["shop"]}
    for given in ({}, own, ready, {"wsgi_serial": "2"}, {"wsgi_build_on": "host:web1"}):
        assert fleet.problems(values(**given), ["web1", "lb"], "rollback_all") == []
    assert fleet.problems(values(), [], "go_back") == ["on_failure is 'go_back'; write stop or rollback_all."]
