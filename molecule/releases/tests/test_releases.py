# SPDX-License-Identifier: Apache-2.0
"""Releases under 40 requests a second, half of which take a second: good ones, bad ones, and the way back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.colours import tried_text
from support.breadth import wider
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.site import Site
from support.visitor import Visitor, longest_gap, meanwhile
from support.waiting import wait_for

MACHINE = ManagedHost("releases-debian12")
OTHER = {"swift": "steady", "steady": "swift", "lone": "swift"}
GAP = {"swift": 0.3, "steady": 1.0, "lone": 0.3}
"""Seconds without an answer at the most: by blue and green, rolling, and rolling with one process."""
LONGEST_MIXTURE = 8.0
"""Seconds in which both releases answer, rolling: 3.4 on an idle machine."""
SWITCHES = [0, *wider(range(1, 10), "further switches of the same kind")]
"""One there, one back."""
VISITORS = 12
COOKIE = "modwsgi-canary-swift"
LEAST = 60
"""Requests, so that somebody has watched."""


@dataclass
class Load(Visitor):
    """40 requests a second to one application, and some to a neighbour, who has what the machine itself costs."""

    control: Visitor = field(kw_only=True)

    def gap(self, since: float) -> float:
        """The longest time without an answer, beyond what the neighbour has had."""
        return longest_gap(self.answers, since) - longest_gap(self.control.answers, since)


@contextmanager
def loaded(name: str) -> Iterator[Load]:
    """Requests come before, during and after what the block does; every other one takes a second."""
    address, right = MACHINE.address(), b"\n"
    control = Visitor(address, {f"{OTHER[name]}.example": right}, interval=0.05)
    load = Load(address, {f"{name}.example": right}, ("/", "/slow"), interval=0.025, control=control)
    with meanwhile(load.visit, control.visit):
        wait_for(lambda: len(load.answers) > LEAST, "there is load")
        yield load
        asked = len(load.answers)
        wait_for(lambda: len(load.answers) > asked + LEAST, "there is load afterwards")


def releases(name: str) -> dict[str, str]:
    """The releases that are on the host, by what they answer."""
    found = MACHINE.run("sh", "-c", f'grep -H \'"""The .* release\' /srv/wsgi/{name}/releases/*/wsgi.py')
    return {version: path for path, version in re.findall(r"/releases/([^/]+)/wsgi.py:\"+The (\w+) release", found)}


def serves(name: str) -> str:
    """What answers."""
    return Site(MACHINE.address(), f"{name}.example").get("/").text.strip()


def pids(name: str) -> set[int]:
    """The processes of an application, of both groups."""
    return {process.pid for process in MACHINE.daemon_processes(name)}


def alone(name: str) -> dict[str, object]:
    """Variables of a run for one application. What others have been taken back from may stand in the inventory."""
    return {"wsgi_only": name, "release_again": True}


@dataclass
class Visitors:
    """Each has cookies of its own, and notes what answers."""

    seen: list[list[str]] = field(default_factory=list)

    def come(self, over: threading.Event) -> None:
        """All of them, one after the other, until it is over."""
        sites = [Site(MACHINE.address(), "swift.example") for _ in range(VISITORS)]
        self.seen = [[] for _ in sites]
        while not over.wait(0.05):
            for site, seen in zip(sites, self.seen, strict=True):
                seen.append(site.get("/").text.strip())


def test_a_release_is_tried_by_visitors_who_stay_with_it() -> None:
    began, staying = time.monotonic(), Visitors()
    with loaded("swift") as load, meanwhile(staying.come):
        run = deploy(variables={"swift_version": "second", "steady_version": "second", "lone_version": "second"})
        assert run.status == 0, run.output
        assert {serves(name) for name in OTHER} == {"second"}
    assert load.lost == []
    assert load.gap(began) <= GAP["swift"]
    for seen in staying.seen:
        assert sorted(seen) == seen, "first, and then second: nobody has gone back and forth"
    counts = sorted(seen.count("second") for seen in staying.seen)
    assert counts[0] < counts[-1], "some had the new release earlier than others"
    orders = [each.text for each in sorted(load.answers)]
    assert sorted(orders) != orders, "without a cookie, one gets now this and now that"


@pytest.fixture(name="trial")
def fixture_trial() -> Iterator[dict[str, str]]:
    """Both releases answer, as while one is tried (number 17); what `new` and `old` answer."""
    path = "/srv/wsgi/swift/active"
    before, serving = MACHINE.run("cat", path), serves("swift")
    colour = "blue" if MACHINE.group("swift") == "swift:green" else "green"
    MACHINE.run("tee", path, text=tried_text("swift", colour, 50, 17))
    yield {"old": serving, "new": {"first": "second", "second": "first"}[serving]}
    MACHINE.run("tee", path, text=before)


def answers(cookie: str) -> list[requests.Response]:
    """Those to visitors with this in the header Cookie, who keep nothing."""
    ask = [Site(MACHINE.address(), "swift.example") for _ in range(VISITORS)]
    return [site.get("/", headers={"Cookie": cookie} if cookie else {}) for site in ask]


@pytest.mark.parametrize("word", ["old", "new"])
def test_a_cookie_leads_to_one_release(trial: dict[str, str], word: str) -> None:
    found = answers(f"a=b; {COOKIE}=17-{word}")
    assert {each.text.strip() for each in found} == {trial[word]}
    assert not any("Set-Cookie" in each.headers for each in found)


@pytest.mark.parametrize(
    "cookie",
    ["", f"{COOKIE}=16-new", f"{COOKIE}=17-steady", f"{COOKIE}=17-${{x:y}}%2", ";" * 4000],
    ids=["none", "of another trial", "another group", "an expression", "long"],
)
def test_another_cookie_chooses_nothing(trial: dict[str, str], cookie: str) -> None:
    found = answers(cookie)
    assert {each.status_code for each in found} == {200}
    assert {each.text.strip() for each in found} == set(trial.values()), "by chance, as ever"
    words = {version: word for word, version in trial.items()}
    for each in found:
        word = words[each.text.strip()]
        assert each.headers["Set-Cookie"] == (f"{COOKIE}=17-{word}; Path=/; Max-Age=65; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("number", SWITCHES)
def test_a_switch_is_at_once_by_blue_and_green(number: int) -> None:
    """Every other one goes back to a release that is no longer held."""
    cold = number % 2 == 1
    if cold:
        rest()
    switch_at_once("swift", "cold" if cold else "warm")


@pytest.mark.parametrize("number", SWITCHES)
def test_so_it_is_with_one_process_of_which_there_are_two_at_a_switch(number: int) -> None:
    """The one that does not serve holds no release."""
    assert "Releases change by rolling" in MACHINE.run("wsgi-release", "lone", "status")
    switch_at_once("lone", f"number {number}")


def switch_at_once(name: str, what: str) -> None:
    """Go to the other release."""
    there = releases(name)
    before = serves(name)
    after = {"first": "second", "second": "first"}[before]
    with loaded(name) as load:
        told = time.monotonic()
        MACHINE.run("wsgi-release", name, "rollback", there[after])
        done = time.monotonic()
    print(f"{name}, {what}: {done - told:.2f} s, longest gap {load.gap(told):.2f} s")
    assert load.lost == []
    assert load.texts == {before, after}
    assert load.gap(told) <= GAP[name]
    first = min(each.ended for each in load.answers if each.text == after)
    assert max(each.begun for each in load.answers if each.text == before) <= first, "accepted after the switch"


def rest() -> None:
    """Let the group that does not serve hold its release no longer."""
    before = pids("swift")
    colour = "blue" if MACHINE.group("swift") == "swift:green" else "green"
    MACHINE.run("tee", "/srv/wsgi/swift/held", text=f"swift:{colour} 1\n")
    wait_for(lambda: len(pids("swift")) == len(before) and pids("swift") != before, "the other group holds nothing")


@pytest.mark.parametrize("number", SWITCHES)
def test_a_switch_goes_from_process_to_process(number: int) -> None:
    there, earlier = releases("steady"), pids("steady")
    before = serves("steady")
    after = {"first": "second", "second": "first"}[before]
    with loaded("steady") as load:
        told = time.monotonic()
        MACHINE.run("wsgi-release", "steady", "rollback", there[after])
        done = time.monotonic()
    assert not earlier & pids("steady"), number
    assert load.lost == []
    assert load.texts == {before, after}
    assert load.gap(told) <= GAP["steady"]
    first = min(each.ended for each in load.answers if each.text == after)
    last = max(each.begun for each in load.answers if each.text == before)
    print(f"{done - told:.2f} s, longest gap {load.gap(told):.2f} s, both for {last - first:.2f} s")
    assert last - first <= LONGEST_MIXTURE
    assert last <= done


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("import", "RuntimeError: the release cannot be imported"),
        ("health", "The application swift answered http://swift.example/healthz with status 500 instead of 200"),
    ],
    ids=["import", "health"],
)
def test_nobody_sees_a_bad_release_by_blue_and_green(version: str, reason: str) -> None:
    served, group = serves("swift"), MACHINE.group("swift")
    began = time.monotonic()
    with loaded("swift") as load:
        run = deploy(variables={"swift_version": version, **alone("swift")})
    assert run.status == 2
    assert reason in run.message
    assert "No visitor was answered by it" in run.message
    assert (load.lost, load.texts) == ([], {served})
    assert MACHINE.group("swift") == group
    assert load.gap(began) <= GAP["swift"]


def test_one_that_fails_now_and_then_is_found_while_it_is_tried() -> None:
    served, group = serves("swift"), MACHINE.group("swift")
    with loaded("swift") as load:
        run = deploy(variables={"swift_version": "flaky", **alone("swift")})
    assert run.status == 2
    assert "that is more than releases.canary.max_error_percent (1) allows" in run.message
    assert (serves("swift"), MACHINE.group("swift")) == (served, group)
    assert load.texts == {served, "flaky"}
    assert {each.problem for each in load.lost} <= {"HTTP/1.1 500 Internal Server Error flaky"}, "nothing else was lost"
    tried = [each for each in load.answers if each.text == "flaky"]
    assert len(load.lost) <= len(tried) / 10


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("import", "RuntimeError: the release cannot be imported"),
        pytest.param(
            "health",
            "The application steady answered http://steady.example/healthz with status 500 instead of 200",
            marks=pytest.mark.breadth("the way is that of `import`, but for the first question"),
        ),
    ],
    ids=["import", "health"],
)
def test_a_bad_release_ends_at_the_first_process(version: str, reason: str) -> None:
    served, before = serves("steady"), sorted(pids("steady"))
    with loaded("steady") as load:
        run = deploy(variables={"steady_version": version, **alone("steady")})
    assert run.status == 2
    assert reason in run.message
    assert load.lost == []
    assert load.texts <= {served, version}
    assert version != "import" or load.texts == {served}
    assert len(pids("steady") & set(before)) == len(before) - 1, "the others have stayed"
    record = json.loads(MACHINE.run("cat", "/srv/wsgi/steady/deployment.json"))
    assert record["stale_processes"] == []
    assert MACHINE.attempt("test", "-e", "/srv/wsgi/steady/rolling").returncode == 1
