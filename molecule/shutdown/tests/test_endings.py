# SPDX-License-Identifier: Apache-2.0
"""With interpreter destruction some applications hang until a limit; without it every process ends at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from support.deployment import ROOT, Deployment
from support.endings import (
    GLOBAL,
    HAND_WRITTEN,
    HAND_WRITTEN_EMBEDDED,
    HOSTS,
    LEAST_LIMIT,
    NAMED,
    NEW,
    NEWEST,
    OLD,
    QUICK,
    WAYS,
    Round,
    Subject,
    as_converged,
    embedded,
    measure,
    on_all_hosts,
    set_up,
)

SPECIMEN = ROOT / "molecule" / "shutdown" / "applications" / "specimen" / "wsgi.py"
ACTIONS = ("stop", "graceful stop", "reload", "told to go")
DAEMON_HANGS = {
    OLD: {"other-thread", "named-thread"},
    NEW: {"other-thread"},
    NEWEST: {"other-thread", "named-thread"},
}
"""Where Python waits for a thread that never ends: always in %{GLOBAL}, in a named group not with every pair."""
EMBEDDED_NAMED_HANGS = {OLD, NEWEST}

LIMITS = {
    "stop": (LEAST_LIMIT, 4.5),
    "graceful stop": (3.6, 5.5),
    "reload": (LEAST_LIMIT, 4.5),
    "told to go": (4.7, 6.5),
}
"""Seconds after which a daemon process that hangs is ended: httpd's 3 s (a graceful stop looks once a second), or
shutdown-timeout, 5 s."""
CHILD_LIMIT = (9.0, 12.5)
"""Seconds after which httpd kills a child that hangs: 10."""
STOP_TIMEOUT = 30
"""Default of httpd_stop_timeout."""
SLACK = 1.0
"""Seconds for a busy machine."""

Rounds = Mapping[str, Mapping[str, Round]]
"""By host, then by a name for the round."""


def measure_daemon_processes(host: str) -> dict[str, Round]:
    return {action: measure(host, action, WAYS.values()) for action in ACTIONS}


@pytest.fixture(name="daemon_on", scope="module")
def fixture_daemon_on() -> Rounds:
    as_converged()
    return on_all_hosts(measure_daemon_processes)


@pytest.fixture(name="global_on", scope="module")
def fixture_global_on(daemon_on: Rounds) -> Rounds:
    assert daemon_on, "the deployment is the same"

    def work(host: str) -> dict[str, Round]:
        rounds = {way: measure(host, "stop", [embedded(way)]) for way in ("plain", "daemon thread", "other thread")}
        rounds["reload"] = measure(host, "reload", [embedded("other thread")], limit=8)
        rounds["busy"] = measure(host, "stop", [Subject("embedded", sleep=60), Subject("plain", sleep=60)])
        return rounds

    return on_all_hosts(work)


def measure_hand_written(host: str) -> dict[str, Round]:
    by_hand = {"hand-written": HAND_WRITTEN, "hand-written embedded": HAND_WRITTEN_EMBEDDED}
    return {name: measure(host, "stop", [subject]) for name, subject in by_hand.items()}


@pytest.fixture(name="further_on", scope="module")
def fixture_further_on(global_on: Rounds) -> Rounds:
    assert global_on, "the deployment is the same"
    return on_all_hosts(
        lambda host: {
            "graceful stop": measure(host, "graceful stop", [embedded("other thread")]),
            **measure_hand_written(host),
        }
    )


@pytest.fixture(name="named_on", scope="module")
def fixture_named_on(further_on: Rounds) -> Rounds:
    assert further_on, "measured before"
    set_up(True, NAMED)
    return on_all_hosts(
        lambda host: {way: measure(host, "stop", [embedded(way)]) for way in ("handlers", "other thread")}
    )


@pytest.fixture(name="off", scope="module")
def fixture_off(global_on: Rounds) -> Deployment:
    assert global_on, "measured before"
    return set_up(False, GLOBAL)


@pytest.fixture(name="daemon_off", scope="module")
def fixture_daemon_off(off: Deployment) -> Rounds:
    assert off.status == 0
    return on_all_hosts(measure_daemon_processes)


@pytest.fixture(name="embedded_off", scope="module")
def fixture_embedded_off(daemon_off: Rounds) -> Rounds:
    assert daemon_off, "the deployment is the same"
    return on_all_hosts(measure_embedded)


@pytest.fixture(name="further_off", scope="module")
def fixture_further_off(embedded_off: Rounds) -> Rounds:
    assert embedded_off, "measured before"
    set_up(False, NAMED)
    return on_all_hosts(lambda host: {**measure_embedded(host), **measure_hand_written(host)})


def measure_embedded(host: str) -> dict[str, Round]:
    actions = [action for action in ACTIONS if action != "told to go"]
    return {action: measure(host, action, [embedded("other thread")]) for action in actions}


def endings(rounds: Rounds) -> Iterator[tuple[str, Round]]:
    """Every round, with words that find it again."""
    for host, by_name in rounds.items():
        for name, found in by_name.items():
            yield f"{host}, {name}", found


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("action", ACTIONS)
def test_on_a_daemon_process_hangs_where_python_waits_for_a_thread(daemon_on: Rounds, host: str, action: str) -> None:
    least, most = LIMITS[action]
    for name, ending in daemon_on[host][action].endings.items():
        if name in DAEMON_HANGS[host]:
            assert ending.seconds is not None, name
            assert least < ending.seconds < most, name
            assert "atexit" not in ending.handlers, name
        else:
            assert not ending.hung, (name, ending)
            assert ("atexit" in ending.handlers) == (name != "plain"), name
        assert ("subscribe_shutdown" in ending.handlers) == (name != "plain"), name


@pytest.mark.parametrize("host", HOSTS)
def test_on_a_hung_child_is_killed_by_a_stop_and_stays_after_a_reload(global_on: Rounds, host: str) -> None:
    rounds = global_on[host]
    assert not rounds["plain"].ending.hung
    assert not rounds["daemon thread"].ending.hung
    hung = rounds["other thread"].ending
    assert hung.killed
    assert hung.seconds is not None
    assert CHILD_LIMIT[0] < hung.seconds < CHILD_LIMIT[1]
    assert hung.handlers == {"subscribe_shutdown": 1}
    assert rounds["reload"].ending.seconds is None, "nobody ends it"


@pytest.mark.breadth("a further way to stop httpd; what the busy server proves is the same limits")
@pytest.mark.parametrize("host", HOSTS)
def test_on_a_hung_child_is_killed_after_a_graceful_stop(further_on: Rounds, host: str) -> None:
    graceful = further_on[host]["graceful stop"].ending
    assert graceful.killed
    assert graceful.seconds is not None
    assert 14 + CHILD_LIMIT[0] < graceful.seconds < 14 + CHILD_LIMIT[1], "GracefulShutdownTimeout, then httpd's limit"


@pytest.mark.breadth("an older module")
def test_on_an_application_that_the_first_request_loads_hangs_with_4_9_1_alone(further_on: Rounds) -> None:
    """The second deterministic hang. Our launcher avoids it: it loads the application when the process starts."""
    daemon = {host: rounds["hand-written"].ending for host, rounds in further_on.items()}
    child = {host: rounds["hand-written embedded"].ending for host, rounds in further_on.items()}
    assert {host for host, ending in daemon.items() if ending.hung} == {OLD}
    assert {host for host, ending in child.items() if ending.hung} == {OLD}
    assert child[OLD].killed


@pytest.mark.breadth("named groups of daemon processes are in every round")
@pytest.mark.parametrize("host", HOSTS)
def test_on_a_named_group_behaves_as_the_table_says(named_on: Rounds, host: str) -> None:
    assert not named_on[host]["handlers"].ending.hung
    thread = named_on[host]["other thread"].ending
    assert thread.hung == (host in EMBEDDED_NAMED_HANGS)
    assert "subscribe_shutdown" in thread.handlers


@pytest.mark.parametrize("host", HOSTS)
def test_the_stop_keeps_its_bound_with_requests_in_flight(global_on: Rounds, host: str) -> None:
    busy = global_on[host]["busy"]
    assert busy.action_seconds is not None
    assert 14 < busy.action_seconds < STOP_TIMEOUT + SLACK, "it waited for the requests, then it ended them"
    assert all(ending.seconds is not None for ending in busy.endings.values())


def test_off_the_play_warns_of_handlers_that_will_not_run(off: Deployment) -> None:
    lines = SPECIMEN.read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if "atexit.register(" in text]
    told = " ".join(off.output.split())
    assert f"The application 'plain' registers handlers of atexit (wsgi.py:{line}), which do not run" in told


def check_all_end_quickly(*measured: Rounds) -> None:
    for where, found in (each for rounds in measured for each in endings(rounds)):
        for name, ending in found.endings.items():
            assert ending.seconds is not None, (where, name)
            assert ending.seconds < QUICK, (where, name)
            assert not ending.killed, (where, name)
            assert not ending.crashed, (where, name)


def check_only_subscribed_handlers_ran(*measured: Rounds) -> None:
    for where, found in (each for rounds in measured for each in endings(rounds)):
        for name, ending in found.endings.items():
            ran = set() if "plain" in name or "hand-written" in name else {"subscribe_shutdown"}
            assert set(ending.handlers) == ran, (where, name)


def test_off_every_process_ends_quickly_by_itself(daemon_off: Rounds, embedded_off: Rounds) -> None:
    check_all_end_quickly(daemon_off, embedded_off)


def test_off_subscribed_handlers_run_and_those_of_atexit_do_not(daemon_off: Rounds, embedded_off: Rounds) -> None:
    check_only_subscribed_handlers_ran(daemon_off, embedded_off)


@pytest.mark.breadth("named groups of daemon processes are in every round")
def test_off_the_same_holds_for_embedded_named_groups_and_vhosts_by_hand(further_off: Rounds) -> None:
    check_all_end_quickly(further_off)
    check_only_subscribed_handlers_ran(further_off)
