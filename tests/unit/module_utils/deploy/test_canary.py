# SPDX-License-Identifier: Apache-2.0
"""A release that is tried is compared with the one that serves, by what httpd has written."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import canary, colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.canary import Canary, watch


class Site:
    """An application that tries a release, a log, and a clock that moves when somebody waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "active").write_text("active shop:green\nresting shop:blue\n")
        self.log = folder / "shop-canary.log"
        self.log.write_text("shop:blue 500\n" * 50)  # of an earlier time
        self.clock = 0.0
        self.traffic: list[str] = []
        """What is written at each look."""

    def canary(self, **settings: int) -> Canary:
        given = {"percent": 10, "seconds": 5, "max_error_percent": 1, **settings}
        application: dict[str, Any] = {
            "name": "shop",
            "paths": {"code": str(self.folder)},
            "releases": {"canary": given},
        }
        return Canary(application, str(self.folder))

    def write(self, text: str) -> None:
        with self.log.open("a") as stream:
            stream.write(text)

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        if self.traffic:
            self.write(self.traffic.pop(0))

    def watch(self, *canaries: Canary) -> list[str]:
        return list(watch(list(canaries), self.sleep, lambda: self.clock).values())


@pytest.fixture(name="site")
def fixture_site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(("percent", "tried", "among"), [(10, 1, 10), (5, 1, 20), (50, 1, 2), (15, 3, 20), (40, 2, 5)])
def test_httpd_chooses_by_the_share(site: Site, percent: int, tried: int, among: int) -> None:
    line, *others = site.canary(percent=percent).text.splitlines()
    assert others == ["resting shop:blue", "canary on"]
    chosen = Counter(line.partition(" ")[2].split("|"))
    assert chosen == {"shop:blue": tried, "shop:green": among - tried}


def test_a_visitor_stays_by_the_number_of_the_trial(site: Site) -> None:
    assert "trial" not in site.canary().text
    text = site.canary(sticky=True).text
    found = dict(line.split() for line in text.splitlines())
    assert abs(int(found["trial"]) - time.time()) < 60
    assert (found["new"], found["old"]) == ("shop:blue", "shop:green")
    assert (found["shop:blue"], found["shop:green"]) == ("new", "old")
    (site.folder / "active").write_text(text)
    assert colours.active({"code": str(site.folder)}) == "green"


def test_a_line_is_never_too_long_for_mod_rewrite() -> None:
    for percent in range(5, 51, 5):
        text = colours.tried_text("s" * 25, "green", percent, 1_800_000_000)
        assert all(len(line) < 1000 for line in text.splitlines())


def test_while_one_is_tried_the_other_one_serves(site: Site) -> None:
    text = site.canary().text
    (site.folder / "active").write_text(text)
    assert colours.active({"code": str(site.folder)}) == "green"


def test_all_of_its_time_without_an_error(site: Site) -> None:
    tried = site.canary()
    site.traffic = ["shop:green 200\n" * 9 + "shop:blue 200\n"] * 20
    assert site.watch(tried) == []
    assert site.clock == 5
    assert tried.told() == (
        "The new release of shop answered 0 of 10 requests with 5xx, and the one that serves 0 of 90"
    )


def test_nobody_has_asked(site: Site) -> None:
    assert site.watch(site.canary()) == []


def test_one_in_twenty_is_too_many(site: Site) -> None:
    site.traffic = ["shop:green 200\n" * 180 + "shop:blue 200\n" * 19 + "shop:blue 500\n"]
    (problem,) = site.watch(site.canary())
    assert site.clock < 5, "that was sure before its time was over"
    assert problem == (
        "The new release of shop answered 1 of 20 requests with 5xx, and the one that serves 0 of 180; that is more "
        "than releases.canary.max_error_percent (1) allows."
    )


def test_a_few_answers_are_not_sure_before_the_end(site: Site) -> None:
    site.traffic = ["shop:blue 503\n"]
    assert len(site.watch(site.canary())) == 1
    assert site.clock == 5


def test_errors_that_the_other_release_has_as_well_do_not_count(site: Site) -> None:
    site.traffic = ["shop:green 200\nshop:green 502\nshop:blue 200\nshop:blue 502\n" * 20]
    assert site.watch(site.canary()) == []


@pytest.mark.parametrize("status", ["404", "50", "5000", "-", ""])
def test_what_is_no_5xx_is_no_error(site: Site, status: str) -> None:
    site.traffic = [f"shop:blue {status}\n" * 30]
    assert site.watch(site.canary()) == []


def test_a_line_that_is_not_complete_is_read_later(site: Site) -> None:
    tried = site.canary()
    site.write("shop:blue 50")
    tried.read()
    assert not tried.answers
    site.write("0\n")
    tried.read()
    assert (tried.answers, tried.errors) == ({"blue": 1}, {"blue": 1})


def test_a_log_that_was_rotated_is_read_from_its_beginning(site: Site) -> None:
    tried = site.canary()
    site.log.write_text("shop:blue 200\n")
    tried.read()
    assert tried.answers == {"blue": 1}


def test_what_is_read_at_once_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "LARGEST_PART", 30)
    tried = site.canary()
    site.write("shop:blue 200\n" * 5)
    for _ in range(3):
        tried.read()
    assert tried.answers == {"blue": 5}


def test_one_of_two_that_is_bad_is_named(site: Site) -> None:
    good = site.canary()
    good.name, good.file = "blog", str(site.folder / "blog-canary.log")
    Path(good.file).touch()
    good.position = 0
    site.traffic = ["shop:blue 500\n" * 20]
    (problem,) = site.watch(good, site.canary())
    assert problem.startswith("The new release of shop answered 20 of 20")


def test_a_second_look_goes_on_with_the_time_of_the_first(site: Site) -> None:
    good, bad = site.canary(), site.canary()
    good.name, good.file = "blog", str(site.folder / "blog-canary.log")
    Path(good.file).touch()
    good.position = 0
    site.traffic = ["", "shop:blue 500\n" * 20]
    (problem,) = site.watch(good, bad)
    assert problem.startswith("The new release of shop")
    assert 0 < site.clock < 5
    assert site.watch(good) == []
    assert site.clock == 5
