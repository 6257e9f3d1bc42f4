# SPDX-License-Identifier: Apache-2.0
"""By blue and green a release is loaded and asked beside the one that serves, and then serves at once."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (
    colours,
    daemon,
    partial,
    previous,
    rollback,
    standby,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_back import GoBack
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import GoLive, GoLiveError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.switch import Switching
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import transaction
from support.releasing import Host

pytestmark = pytest.mark.root("gives files to root")

ROLLING = {
    "name": "shop",
    "server_name": "shop.example.com",
    "source": {"git": "https://git.example/shop", "version": "main"},
}
SHOP = {**ROLLING, "releases": {"strategy": "blue_green", "keep_warm": 90}}


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path, monkeypatch)
    host.deploy("r1-aaaa", SHOP)
    return host


def has(host: Host, colour: str) -> str:
    """The release that a colour has."""
    return Path(colours.paths_of(host.paths("shop"), colour)["current"]).resolve().name


def state(host: Host) -> tuple[str, str, str]:
    """The colour that serves, and what blue and green have."""
    return colours.active(host.paths("shop")), has(host, "blue"), has(host, "green")


def go_back(host: Host) -> str:
    parameters = {"reason": "It failed.", "rollback": True, "unproven": True, "applications": [], "only": False}
    return GoBack(host.described, parameters, False).run()


def test_at_first_both_colours_have_the_release(host: Host) -> None:
    assert state(host) == ("blue", "r1-aaaa", "r1-aaaa")
    assert host.before_turn == [], "there was nothing beside which it could be asked"


def test_a_release_is_asked_before_it_serves(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    assert host.before_turn == [("r1-aaaa", "venv-r1-aaaa")]
    assert state(host) == ("green", "r1-aaaa", "r2-bbbb")
    assert host.serves() == ("r2-bbbb", "venv-r2-bbbb")
    assert Path(colours.active_file(host.paths("shop"))).read_text() == "active shop:green\nresting shop:blue\n"


def test_the_previous_release_is_held_for_a_while(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    group, until = Path(colours.held_file(host.paths("shop"))).read_text().split()
    assert group == "shop:blue"
    assert 80 < int(until) - time.time() < 100


def test_the_colours_take_turns(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    host.deploy("r3-cccc", SHOP)
    assert state(host) == ("blue", "r3-cccc", "r2-bbbb")


def test_a_change_of_variables_takes_its_turn_too(host: Host) -> None:
    host.deploy("r1-aaaa", {**SHOP, "environment": {"KEY": "1"}})
    assert state(host)[0] == "green"
    paths = colours.paths_of(host.paths("shop"), "blue")
    assert "KEY" not in Path(paths["environment"]).read_text()
    assert host.variables() == {"KEY": "1"}


def test_without_a_change_nothing_takes_its_turn(host: Host) -> None:
    before = host.tree()
    host.deploy("r1-aaaa", SHOP)
    assert host.tree() == before
    assert host.before_turn == []


def test_a_release_that_is_not_well_is_seen_by_nobody(host: Host) -> None:
    before = host.tree()
    host.unseen = "The shop answered with status 500."
    with pytest.raises(GoLiveError, match=r"status 500\.\nNo visitor was answered by it"):
        host.deploy("r2-bbbb", SHOP)
    assert (state(host)[0], host.serves()) == ("blue", ("r1-aaaa", "venv-r1-aaaa"))
    assert has(host, "green") == "r2-bbbb"
    assert "The previous configuration is back on the disk" in go_back(host)
    after = {path: text for path, text in host.tree().items() if "r2-bbbb" not in path}
    assert after == before


def test_what_fails_before_visitors_goes_back_at_once(host: Host) -> None:
    before = host.tree()
    host.problem = "The shop answered with status 500."
    with pytest.raises(GoLiveError):
        host.deploy("r2-bbbb", SHOP)
    assert state(host)[0] == "green"
    go_back(host)
    assert {path: text for path, text in host.tree().items() if "r2-bbbb" not in path} == before


@pytest.mark.parametrize("needed", ["reload", "restart"])
def test_what_replaces_all_processes_comes_first_and_the_release_that_serves_bears_it(host: Host, needed: str) -> None:
    host.needed = [needed]
    host.deploy("r2-bbbb", {**SHOP, "headers": [{"name": "X-Shop", "value": "2"}]})
    assert host.performed == [(needed, "r1-aaaa", "venv-r1-aaaa")]
    assert host.before_turn == [("r1-aaaa", "venv-r1-aaaa")]
    assert state(host) == ("green", "r1-aaaa", "r2-bbbb")
    assert "X-Shop" in host.vhost()


def test_what_httpd_did_first_is_told_at_the_end(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    host.needed = ["reload"]
    way = GoLive(host.described, host.parameters("r1-aaaa", SHOP), check_mode=False)
    way.run()
    assert way.result["actions"] == ["reload"]


def test_one_that_is_not_well_is_seen_by_nobody_then_either(host: Host) -> None:
    before = host.tree()
    host.needed, host.unseen = ["reload"], "The shop answered with status 500."
    with pytest.raises(GoLiveError, match="No visitor was answered by it"):
        host.deploy("r2-bbbb", {**SHOP, "headers": [{"name": "X-Shop", "value": "2"}]})
    assert (state(host)[0], host.serves()) == ("blue", ("r1-aaaa", "venv-r1-aaaa"))
    go_back(host)
    assert {path: text for path, text in host.tree().items() if "r2-bbbb" not in path} == before


SCRIPT = {"handler_scripts": [{"name": "report", "script": "report.py"}]}


@pytest.mark.parametrize(
    "keys",
    [
        {"server_name": "new.example.com"},
        {"path": "/shop"},
        {"user": "daemon"},
        {"static": []},
        {"static": [{"url": "/static", "directory": "other"}]},
        {"wsgi_directives": SCRIPT},
    ],
)
def test_where_the_release_that_serves_does_not_know_the_configuration_it_is_not_asked_to(
    host: Host, keys: dict[str, Any]
) -> None:
    shop = {**SHOP, "static": [{"url": "/static", "directory": "assets"}]}
    host.deploy("r1-aaaa", shop)
    serving = state(host)[0]
    host.before_turn, host.needed = [], ["reload"]
    host.deploy("r2-bbbb", {**shop, **keys})
    assert (host.before_turn, state(host)[0]) == ([], serving)
    assert host.performed == [("reload", "r2-bbbb", "venv-r2-bbbb")]


def test_further_static_files_hinder_nothing(host: Host) -> None:
    host.needed = ["reload"]
    host.deploy("r2-bbbb", {**SHOP, "static": [{"url": "/static", "directory": "assets"}]})
    assert state(host)[0] == "green"


@pytest.mark.parametrize("key", ["python_version", "python_prefix", "mod_wsgi_version"])
def test_no_release_runs_on_another_interpreter_than_it_was_proven_with(host: Host, key: str) -> None:
    host.needed, host.site[key] = ["restart"], "other"
    host.deploy("r2-bbbb", SHOP)
    assert (host.before_turn, state(host)) == ([], ("blue", "r2-bbbb", "r1-aaaa"))


def test_what_cannot_be_asked_beside_is_switched_before_the_reload(host: Host) -> None:
    """So its processes are replaced once."""
    blog = {**ROLLING, "name": "blog", "server_name": "blog.example.com"}
    host.deploy("r1-aaaa", SHOP, blog)
    seen, host.needed = [], ["reload"]

    def perform(_: Any, step: str) -> None:
        seen.append((host.serves("shop")[0], host.serves("blog")[0]))
        host.needed.remove(step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{GoLive.__module__}.httpd_service.perform", perform)
        host.deploy("r2-bbbb", SHOP, blog)
    assert seen == [("r1-aaaa", "r2-bbbb")]
    assert (state(host)[0], host.serves("shop")[0]) == ("green", "r2-bbbb")


@pytest.mark.parametrize(("needed", "manage_service"), [(["start"], True), ([], False)])
def test_where_nobody_is_served_the_colour_that_serves_gets_it(
    host: Host, needed: list[str], manage_service: bool
) -> None:
    """Else a colour would serve whose processes nobody has asked."""
    host.needed = needed
    host.deploy("r2-bbbb", SHOP, manage_service=manage_service)
    assert host.before_turn == []
    assert state(host) == ("blue", "r2-bbbb", "r1-aaaa")


def test_what_httpd_has_to_do_beside_does_not_hinder(host: Host) -> None:
    host.needed = ["enable"]
    host.deploy("r2-bbbb", SHOP)
    assert state(host)[0] == "green"


def test_check_mode_changes_nothing(host: Host) -> None:
    before = host.tree()
    way = GoLive(host.described, host.parameters("r2-bbbb", SHOP), check_mode=True)
    way.run()
    assert way.result["switched"] == {"shop": ["release", "venv"]}
    assert host.tree() == before


def test_a_way_back_by_command_takes_its_turn(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    way = rollback.go_back(host.described, "shop", rollback.Wish("ben@host"))
    assert way.target.release == "r1-aaaa"
    assert state(host) == ("blue", "r1-aaaa", "r2-bbbb")
    assert len(host.before_turn) == 2


def test_what_a_colour_has_stays_on_the_host(host: Host) -> None:
    for release in ("r2-bbbb", "r3-cccc", "r4-dddd"):
        host.deploy(release, SHOP, keep_releases=1)
    there = sorted(os.listdir(host.paths("shop")["releases"]))
    assert there == ["r3-cccc", "r4-dddd"]


def test_rolling_again_takes_the_colours_away(host: Host) -> None:
    host.deploy("r2-bbbb", SHOP)
    host.deploy("r2-bbbb", ROLLING)
    assert host.serves() == ("r2-bbbb", "venv-r2-bbbb")
    left = {path.name for folder in ("code", "configuration") for path in Path(host.paths("shop")[folder]).iterdir()}
    assert not {name for name in left if "blue" in name or "green" in name}


def test_from_rolling_to_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path, monkeypatch)
    host.deploy("r1-aaaa", ROLLING)
    host.needed = ["reload"]
    host.deploy("r2-bbbb", SHOP)
    assert state(host) == ("blue", "r2-bbbb", "r2-bbbb")


class TestCanary:
    """A share of the requests goes to a new release first."""

    SHOP = {**SHOP, "releases": {"strategy": "blue_green", "canary": {"percent": 10}}}

    @pytest.fixture(autouse=True)
    def _watching(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        self.problems: dict[str, str] = {}
        self.seen: list[str] = []
        host.described["log_directory"] = str(host.directory)

        def watch(canaries: list[Any]) -> dict[str, str]:
            self.seen += [Path(colours.active_file(host.paths("shop"))).read_text().partition(" ")[2]]
            assert [canary.tried for canary in canaries] == ["green"]
            return self.problems

        monkeypatch.setattr(f"{standby.__name__}.watch", watch)

    def test_it_is_tried_between_the_proof_and_the_switch(self, host: Host) -> None:
        host.deploy("r2-bbbb", self.SHOP)
        assert host.before_turn == [("r1-aaaa", "venv-r1-aaaa")]
        (text,) = self.seen
        assert text.startswith("shop:blue|shop:blue|")
        assert "|shop:green\n" in text
        assert state(host) == ("green", "r1-aaaa", "r2-bbbb")
        assert "canary" not in Path(colours.active_file(host.paths("shop"))).read_text()

    def test_its_static_files_are_there_meanwhile(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = {**self.SHOP, "static": [{"url": "/static", "directory": "assets"}]}
        host.deploy("r1-aaaa", shop)
        paths, seen = host.paths("shop"), []

        def watch(_: list[Any]) -> dict[str, str]:
            seen.extend(os.readlink(link) for link in previous.links(paths))
            return {}

        monkeypatch.setattr(f"{standby.__name__}.watch", watch)
        host.deploy("r2-bbbb", shop)
        assert seen == ["../releases/r2-bbbb/assets"]
        assert [os.readlink(link) for link in previous.links(paths)] == ["../releases/r1-aaaa/assets"]

    def test_one_that_is_bad_goes_back(self, host: Host) -> None:
        host.deploy("r1-aaaa", self.SHOP)  # the vhost is another one
        before = host.tree()
        self.problems = {"shop": "It answered 9 of 9 requests with 5xx."}
        with pytest.raises(GoLiveError, match="9 of 9"):
            host.deploy("r2-bbbb", self.SHOP)
        assert state(host)[0] == "blue"
        go_back(host)
        assert {path: text for path, text in host.tree().items() if "r2-bbbb" not in path} == before

    def test_nobody_waits_where_no_visitor_comes(self, host: Host) -> None:
        host.deploy("r1-aaaa", self.SHOP)
        Path(host.described["away_file"]).touch()
        way = GoLive(host.described, host.brought("r2-bbbb", self.SHOP), check_mode=False)
        way.run()
        assert (self.seen, state(host)[0]) == ([], "green")
        assert way.warnings == [
            "No visitor has tried the new release of shop first (releases.canary), since the host is away from its "
            "balancer."
        ]
        back = host.brought("r1-aaaa", self.SHOP, refused={"shop": []})
        way = GoLive(host.described, back, check_mode=False)
        way.stand_by(Switching(back["applications"], {"shop": {}}, back, host.described))
        assert way.warnings == [], "a way back is tried by nobody"

    @pytest.mark.parametrize(
        ("before", "after", "more", "stays"),
        [
            ({}, {}, {}, True),
            ({"releases": {"strategy": "blue_green"}}, {}, {}, False),
            ({}, {"server_name": "other.example.com"}, {}, False),
            ({}, {}, {"manage_service": False}, False),
        ],
        ids=["only the release", "nobody tries it", "the vhost, too", "no service"],
    )
    def test_a_host_stays_in_its_balancer_where_visitors_try_all_that_changes(
        self, host: Host, before: dict[str, Any], after: dict[str, Any], more: dict[str, Any], stays: bool
    ) -> None:
        shop = {**self.SHOP, **before}
        host.deploy("r1-aaaa", shop)
        assert self.held(host, "r2-bbbb", {**shop, **after}, **more)["stays"] is stays
        assert state(host) == ("blue", "r1-aaaa", "r1-aaaa")

    def held(self, host: Host, release: str, *written: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What a run says that holds its change."""
        way = GoLive(host.described, {**host.brought(release, *written, **more), "hold": True}, check_mode=False)
        way.run()
        return way.result

    def test_it_leaves_where_something_else_changes_too_or_httpd_has_something_to_do(self, host: Host) -> None:
        blog = {**ROLLING, "name": "blog", "server_name": "blog.example.com"}
        host.deploy("r1-aaaa", self.SHOP, blog)
        assert not self.held(host, "r2-bbbb", self.SHOP, blog)["stays"]
        host.deploy("r1-aaaa", self.SHOP)
        host.needed = ["restart"]
        assert not self.held(host, "r2-bbbb", self.SHOP)["stays"]

    def test_one_that_is_away_comes_back_however_it_changes(self, host: Host) -> None:
        host.deploy("r1-aaaa", self.SHOP)
        Path(host.described["away_file"]).touch()
        found = self.held(host, "r2-bbbb", self.SHOP)
        assert (found["held"], found["serving"], found["stays"]) == (True, False, False)

    def test_nobody_waits_with_a_way_back(self, host: Host) -> None:
        host.deploy("r1-aaaa", self.SHOP)
        host.deploy("r2-bbbb", self.SHOP)
        self.seen.clear()
        rollback.go_back(host.described, "shop", rollback.Wish("ben@host"))
        assert self.seen == []
        assert state(host)[0] == "blue"


class TestProcesses:
    """Which processes have to go."""

    @pytest.fixture(name="asked")
    def fixture_asked(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """The kinds of processes that somebody has looked for; one of each runs."""
        asked: list[list[str]] = []
        Path(host.described["pid_file"]).write_text(f"{os.getpid()}\n")

        def processes(_parent: int, _name: str, _uid: int, kinds: Any = daemon.KINDS) -> list[daemon.Process]:
            asked.append(list(kinds))
            return [daemon.Process(1 << 22, daemon.KINDS.index(kind)) for kind in kinds]

        for module in ("deploy.standby", "deploy.switch", "deploy.activate"):
            monkeypatch.setattr(
                f"ansible_collections.modwsgi.deploy.plugins.module_utils.{module}.processes", processes
            )
        monkeypatch.setattr(daemon, "processes", processes)
        monkeypatch.setattr(
            "ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate.replace", lambda _: []
        )
        return asked

    def test_those_of_the_other_colour_go_and_the_turn_lets_none_go(self, host: Host, asked: list[list[str]]) -> None:
        host.deploy("r2-bbbb", SHOP)
        assert asked[0] == ["green"]
        assert read_record(host.paths("shop")["deployment"])["stale_processes"] == []

    def test_all_have_successors_before_a_release_is_given_to_some(
        self, host: Host, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that httpd has just started would not be found, and so would keep what it has loaded."""
        host.needed, record = ["reload"], host.paths("shop")["deployment"]
        noted: list[int] = []

        def perform(*_: Any) -> None:
            noted.append(len(read_record(record)["stale_processes"]))
            host.needed.clear()

        monkeypatch.setattr(f"{GoLive.__module__}.httpd_service.perform", perform)
        host.deploy("r2-bbbb", SHOP)
        assert asked == [list(daemon.KINDS), ["green"]]
        assert noted == [len(daemon.KINDS)]
        assert read_record(record)["stale_processes"] == []

    def test_what_is_held_and_the_same_needs_no_new_process(self, host: Host, asked: list[list[str]]) -> None:
        host.deploy("r2-bbbb", SHOP)
        asked.clear()
        host.deploy("r1-aaaa", SHOP)
        assert state(host) == ("blue", "r1-aaaa", "r2-bbbb")
        assert asked == []

    def test_what_is_no_longer_held_is_loaded_again(self, host: Host, asked: list[list[str]]) -> None:
        host.deploy("r2-bbbb", SHOP)
        Path(colours.held_file(host.paths("shop"))).write_text(f"shop:blue {time.time() - 1:.0f}\n")
        asked.clear()
        host.deploy("r1-aaaa", SHOP)
        assert asked[0] == ["blue"]

    @pytest.mark.parametrize(("application", "kinds"), [({"kinds": ["green"]}, ["green"]), ({}, list(daemon.KINDS))])
    def test_a_way_back_replaces_those_that_have_what_has_failed(
        self, host: Host, asked: list[list[str]], application: dict[str, Any], kinds: list[str]
    ) -> None:
        record = host.paths("shop")["deployment"]
        transaction._note_daemon_processes(
            os.getpid(), [{"applications": [{"name": "shop", "user": "nobody", "record": record, **application}]}]
        )
        assert asked[-1] == kinds
        assert len(read_record(record)["stale_processes"]) == len(kinds)


BLOG = {**ROLLING, "name": "blog", "server_name": "blog.example.com"}
BLUE_BLOG = {**BLOG, "releases": {"strategy": "blue_green"}}


class TestOneThatIsNotWellBesideOthers:
    """Only its own change goes back."""

    @pytest.mark.parametrize("needed", [[], ["reload"]])
    @pytest.mark.parametrize("blog", [BLOG, BLUE_BLOG])
    def test_the_others_go_live(self, host: Host, blog: dict[str, Any], needed: list[str]) -> None:
        host.deploy("r1-aaaa", SHOP, blog)
        host.unseen, host.needed = "The shop answered with status 500.", needed
        with pytest.raises(GoLiveError) as failure:
            host.deploy("r2-bbbb", SHOP, blog, all_or_nothing=False, rollback=True)
        assert str(failure.value).splitlines() == [
            "The shop answered with status 500.",
            "Of shop the previous release goes on to serve; no visitor was answered by the new one. What else has "
            "changed is well, and stays (wsgi_all_or_nothing).",
        ]
        assert (host.serves("shop")[0], host.serves("blog")[0]) == ("r1-aaaa", "r2-bbbb")
        assert state(host) == ("blue", "r1-aaaa", "r1-aaaa")
        assert colours.active(host.paths("blog")) == ("green" if blog is BLUE_BLOG else "blue")
        assert not host.journal.open
        assert {each["name"]: each["releases"] for each in host.journal.proven()["applications"]}.keys() == {
            "shop",
            "blog",
        }

    def test_its_vhost_is_as_it_was_too(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        host.deploy("r1-aaaa", SHOP, BLOG)
        before = host.vhost("shop")
        pending: list[str] = []
        monkeypatch.setattr(f"{partial.__name__}.pending.add", lambda _, action: pending.append(action))
        host.unseen, host.needed = "The shop answered with status 500.", ["reload"]
        header = {"headers": [{"name": "X-Shop", "value": "2"}]}
        with pytest.raises(GoLiveError):
            host.deploy("r2-bbbb", {**SHOP, **header}, {**BLOG, **header}, all_or_nothing=False, rollback=True)
        assert (host.vhost("shop"), pending[-1]) == (before, "reload")
        assert "X-Shop" in host.vhost("blog")

    @pytest.mark.parametrize("more", [{"all_or_nothing": True, "rollback": True}, {"rollback": False}])
    def test_all_goes_back_where_that_is_wanted(self, host: Host, more: dict[str, bool]) -> None:
        host.deploy("r1-aaaa", SHOP, BLOG)
        host.unseen = "The shop answered with status 500."
        with pytest.raises(GoLiveError, match="No visitor was answered by it"):
            host.deploy("r2-bbbb", SHOP, BLOG, **{"all_or_nothing": False, **more})
        assert host.journal.open
        assert host.serves("blog")[0] == "r1-aaaa"

    def test_so_does_it_where_nothing_else_has_changed(self, host: Host) -> None:
        host.deploy("r1-aaaa", SHOP, BLOG)
        host.unseen = "The shop answered with status 500."
        parameters = host.parameters("r2-bbbb", SHOP, BLOG, all_or_nothing=False, rollback=True)
        for kind in ("releases", "venvs"):
            parameters[kind]["blog"] = host.parameters("r1-aaaa", BLOG)[kind]["blog"]
        with pytest.raises(GoLiveError, match="No visitor was answered by it"):
            GoLive(host.described, parameters, check_mode=False).run()
        assert host.journal.open

    def test_what_fails_after_it_takes_all_back_and_both_are_told(self, host: Host) -> None:
        host.deploy("r1-aaaa", SHOP, BLOG)
        host.unseen = "The shop answered with status 500."
        host.problem, host.unwell = "The blog answered with status 500.", "blog"
        with pytest.raises(GoLiveError) as failure:
            host.deploy("r2-bbbb", SHOP, BLOG, all_or_nothing=False, rollback=True)
        assert str(failure.value) == "The shop answered with status 500.\nThe blog answered with status 500."
        assert host.journal.open
        go_back(host)
        assert (host.serves("shop")[0], host.serves("blog")[0]) == ("r1-aaaa", "r1-aaaa")

    def test_a_share_that_is_answered_badly_leaves_the_others_theirs(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        canary = {"releases": {"strategy": "blue_green", "canary": {"percent": 10}}}
        host.described["log_directory"] = str(host.directory)
        host.deploy("r1-aaaa", {**SHOP, **canary}, {**BLOG, **canary})
        looked: list[tuple[list[str], list[str]]] = []

        def watch(canaries: list[Any]) -> dict[str, str]:
            texts = {name: Path(colours.active_file(host.paths(name))).read_text() for name in ("blog", "shop")}
            looked.append(
                ([each.name for each in canaries], [name for name, text in texts.items() if "canary on" in text])
            )
            return {"shop": "Too many errors."} if len(looked) == 1 else {}

        monkeypatch.setattr(f"{standby.__name__}.watch", watch)
        with pytest.raises(GoLiveError, match=r"Too many errors\.\nOf shop the previous release is back"):
            host.deploy("r2-bbbb", {**SHOP, **canary}, {**BLOG, **canary}, all_or_nothing=False, rollback=True)
        assert looked == [(["blog", "shop"], ["blog", "shop"]), (["blog"], ["blog"])]
        assert (host.serves("shop")[0], host.serves("blog")[0]) == ("r1-aaaa", "r2-bbbb")

    def test_one_fails_before_it_serves_and_another_one_afterwards(self, host: Host) -> None:
        """Both go back alone, and the third stays."""
        third = {**BLOG, "name": "news", "server_name": "news.example.com"}
        host.deploy("r1-aaaa", SHOP, BLOG, third)
        host.unseen = "The shop answered with status 500."
        host.problem, host.unwell = "The blog answered with status 500.", "blog"
        with pytest.raises(GoLiveError) as failure:
            host.deploy("r2-bbbb", SHOP, BLOG, third, all_or_nothing=False, rollback=True)
        assert [host.serves(name)[0] for name in ("shop", "blog", "news")] == ["r1-aaaa", "r1-aaaa", "r2-bbbb"]
        assert str(failure.value).count("answered with status 500") == 2
        assert sorted(each["name"] for each in host.journal.proven()["applications"]) == ["blog", "news", "shop"]
