# SPDX-License-Identifier: Apache-2.0
"""Static files of the release before are there for a while, and nothing else of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate, previous
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import GoLiveError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import Wish, go_back
from support.releasing import Host

pytestmark = pytest.mark.root("gives files to root")

SHOP = {
    "name": "shop",
    "source": {"git": "https://git.example/all", "version": "main"},
    "server_name": "shop.example.com",
    "static": [{"url": "/static/", "directory": "assets"}, {"url": "/icons", "directory": "img/icons"}],
}


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture(name="zone")
def fixture_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose clock shows 2 to 3 o'clock twice on 2026-10-25, and never on 2026-03-29."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def deploy(host: Host, *releases: str, **keys: Any) -> None:
    """Releases, one after the other."""
    for release in releases:
        host.deploy(release, {**SHOP, **keys})


def linked(host: Host, name: str = "shop") -> list[str]:
    """Where the links lead to, below the releases."""
    releases = Path(host.paths(name)["releases"])
    found = (Path(os.path.dirname(link), os.readlink(link)) for link in previous.links(host.paths(name)))
    return sorted(os.path.relpath(os.path.normpath(path), releases) for path in found)


def end(host: Host) -> str:
    return Path(host.paths("shop")["previous"], previous.UNTIL).read_text()


def test_the_first_release_has_none_before_it(host: Host) -> None:
    host.deploy("r1", SHOP)
    assert not os.path.lexists(host.paths("shop")["previous"])


def test_the_folders_of_the_release_before_are_linked(host: Host) -> None:
    deploy(host, "r1", "r2")
    assert linked(host) == ["r1/assets", "r1/img/icons"]
    host.deploy("r3", SHOP)
    assert linked(host) == ["r2/assets", "r2/img/icons"]


def test_they_stay_when_the_release_does(host: Host) -> None:
    deploy(host, "r1", "r2")
    before = linked(host), end(host)
    host.deploy("r2", {**SHOP, "environment": {"KEY": "other"}})
    assert (linked(host), end(host)) == before


def test_code_of_the_release_before_is_not_served_as_files(host: Host) -> None:
    """What is static in the new release need not have been in the former one."""
    host.deploy("r1", {**SHOP, "static": [{"url": "/static", "directory": "public"}]})
    host.deploy("r2", SHOP)
    assert linked(host) == []
    host.deploy("r3", {**SHOP, "static": [SHOP["static"][1], {"url": "/static", "directory": "img"}]})  # type: ignore[index]
    assert linked(host) == ["r2/img/icons"]


def test_a_single_file_has_none_before_it(host: Host) -> None:
    deploy(host, "r1", "r2", static=[{"url": "/robots.txt", "file": "robots.txt"}])
    assert linked(host) == []


def test_none_are_kept_where_nobody_wants_them(host: Host) -> None:
    deploy(host, "r1", "r2", releases={"keep_static_seconds": 0})
    assert not os.path.lexists(host.paths("shop")["previous"])


def test_none_stay_when_nobody_wants_them_any_more(host: Host) -> None:
    deploy(host, "r1", "r2")
    host.deploy("r3", {**SHOP, "releases": {"keep_static_seconds": 0}})
    assert linked(host) == []
    assert previous.served(host.paths("shop")) == set()


def test_after_a_way_back_by_command_those_of_the_release_that_was_left_are_there(host: Host) -> None:
    deploy(host, "r1", "r2")
    go_back(host.described, "shop", Wish("ben@host"))
    assert host.serves()[0] == "r1"
    assert linked(host) == ["r2/assets", "r2/img/icons"]


@pytest.mark.parametrize("releases", [["r1", "r2"], ["r1"]], ids=["with links", "before the first links"])
def test_a_change_that_is_undone_leaves_no_trace(host: Host, releases: list[str]) -> None:
    deploy(host, *releases)
    before = linked(host), os.path.lexists(host.paths("shop")["previous"]) and end(host)
    host.problem = "The shop answered with status 500."
    with pytest.raises(GoLiveError):
        deploy(host, "r3")
    host.journal.undo_all()
    assert (linked(host), os.path.lexists(host.paths("shop")["previous"]) and end(host)) == before


def test_a_release_that_is_tried_has_its_files(host: Host) -> None:
    """The current release has others of the same names, and keeps them."""
    deploy(host, "r1", "r2")
    (application,) = host.complete(SHOP)
    paths = host.paths("shop")
    trial = list(previous.trial(application, f"{paths['releases']}/r3", 60))
    found = {os.path.normpath(os.path.join(paths["previous"], edit.target)) for edit in trial if edit.target}
    assert found == {f"{paths['releases']}/r3/assets", f"{paths['releases']}/r3/img/icons"}
    assert next(edit.content for edit in trial if edit.content).decode() > end(host)
    assert not list(previous.trial(application, f"{paths['releases']}/r2", 60)), "that is the current one"


def test_both_releases_answer_before_the_time_begins_to_count(host: Host) -> None:
    (application,) = host.complete({**SHOP, "graceful_timeout": 20, "shutdown_timeout": 4})
    assert previous.seconds_of(application) == 600 + 2 * (20 + 4)
    assert previous.seconds_of({}) == 0  # as earlier versions have recorded it


def test_a_release_stays_on_the_host_as_long_as_its_files_are_served(host: Host) -> None:
    deploy(host, "r1", "r2", "r3")
    paths = host.paths("shop")
    assert previous.served(paths) == {f"{paths['releases']}/r2"}
    gone = activate.remove_superfluous(host.complete(SHOP), 1, check_mode=False)
    assert [Path(path).name for path in gone if "/releases/" in path] == ["r1"]
    Path(paths["previous"], previous.UNTIL).write_text("20261130120000")
    assert previous.served(paths) == set()
    gone = activate.remove_superfluous(host.complete(SHOP), 1, check_mode=False)
    assert [Path(path).name for path in gone if "/releases/" in path] == ["r2"]


def test_links_without_a_time_serve_nothing(host: Host) -> None:
    deploy(host, "r1", "r2")
    Path(host.paths("shop")["previous"], previous.UNTIL).unlink()
    assert previous.served(host.paths("shop")) == set()


@pytest.mark.parametrize(
    ("now", "seconds", "then"),
    [
        ("2026-11-30 12:00:00", 600, "20261130121000"),
        ("2026-12-31 23:59:59", 1, "20270101000000"),
        ("2026-11-30 12:00:00", 7 * 86400, "20261207120000"),
        # The clock goes back at 03:00: what ends at 02:05 of then would have ended before.
        ("2026-10-25 02:55:00", 600, "20261025030500"),
        # It goes on at 02:00.
        ("2026-03-29 01:55:00", 600, "20260329030500"),
    ],
)
@pytest.mark.usefixtures("zone")
def test_the_end_is_never_too_early(now: str, seconds: int, then: str) -> None:
    moment = time.mktime((*time.strptime(now, "%Y-%m-%d %H:%M:%S")[:8], 1 if "10-25" in now else -1))
    assert previous.until(moment, seconds) == then
