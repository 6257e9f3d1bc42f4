# SPDX-License-Identifier: Apache-2.0
"""Sizes follow from cores, memory and applications, and never contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import (
    EVENT,
    PREFORK,
    WORKER,
    SizingError,
    sizes,
)
from hypothesis import given
from hypothesis import strategies as st


def test_an_ordinary_host_answers_a_thousand_connections() -> None:
    assert sizes(cores=2, memory_mebibytes=2048)["max_request_workers"] >= 1000


def test_a_small_host_gets_fewer_workers() -> None:
    assert sizes(cores=1, memory_mebibytes=256)["max_request_workers"] < sizes(1, 1024)["max_request_workers"]


def test_prefork_has_a_process_for_each_connection() -> None:
    found = sizes(2, 2048, mpm=PREFORK)
    assert found["threads_per_child"] == 1
    assert 50 < found["max_request_workers"] < 150, "two fifths of the memory, at 8 MiB each"
    assert sizes(2, 64, mpm=PREFORK)["max_request_workers"] == 10
    assert sizes(64, 1_000_000, mpm=PREFORK)["max_request_workers"] == 256
    assert sizes(2, 2048, (), {"max_request_workers": 30}, PREFORK)["server_limit"] == 60
    assert sizes(2, 2048, mpm=WORKER) == sizes(2, 2048, mpm=EVENT)


@pytest.mark.parametrize("key", ["threads_per_child", "min_spare_threads", "max_spare_threads"])
def test_prefork_has_no_threads(key: str) -> None:
    with pytest.raises(SizingError, match=f"^httpd_{key} is for an MPM with threads, and httpd_modules has"):
        sizes(2, 2048, (), {key: 64}, PREFORK)


@given(
    cores=st.integers(1, 512),
    memory=st.integers(64, 4_000_000),
    applications=st.integers(0, 40),
    threads=st.none() | st.integers(1, 512),
)
def test_sizes_are_consistent(cores: int, memory: int, applications: int, threads: int | None) -> None:
    found = sizes(cores, memory, [{"name": f"app{i}"} for i in range(applications)], {"threads_per_child": threads})
    children, rest = divmod(found["max_request_workers"], found["threads_per_child"])
    assert rest == 0
    assert found["server_limit"] >= 2 * children, "a reload finds free slots while the old children finish"
    assert 1 <= found["start_servers"] <= found["server_limit"]
    assert found["min_spare_threads"] <= found["max_spare_threads"] <= found["max_request_workers"]
    assert len(found["applications"]) == applications
    for application in found["applications"].values():
        assert 2 <= application["processes"] <= 8
        assert applications > 1 or application["listen_backlog"] > found["max_request_workers"] or threads


@given(memory=st.integers(64, 4_000_000), threads=st.none() | st.integers(1, 512))
def test_no_child_is_started_or_ended_while_httpd_serves(memory: int, threads: int | None) -> None:
    found = sizes(2, memory, overrides={"threads_per_child": threads})
    assert found["start_servers"] * found["threads_per_child"] == found["max_request_workers"]
    assert found["max_spare_threads"] == found["max_request_workers"]


def test_processes_follow_the_cores_within_the_memory() -> None:
    def processes(cores: int, memory: int, count: int) -> int:
        return sizes(cores, memory, [{"name": str(i)} for i in range(count)])["applications"]["0"]["processes"]

    assert processes(4, 16384, 1) == 4
    assert processes(4, 1024, 1) == 4
    assert processes(4, 1024, 2) == 2
    assert processes(64, 262144, 1) == 8


def test_processes_whose_number_is_given_take_their_part_of_the_memory_first() -> None:
    def processes(**shop: Any) -> int:
        found = sizes(16, 2048, [{"name": "shop", **shop}, {"name": "blog"}])
        return int(found["applications"]["blog"]["processes"])

    assert processes() == 4
    assert processes(processes=2) == 6
    assert processes(processes=2, daemon_groups=[{"processes": 2}, {}]) == 3
    assert processes(processes=100) == 2


def held(application: dict[str, Any], groups: int = 1, threads_of_groups: int = 0) -> int:
    """The most workers that wait for an application or with its daemon processes."""
    return int(
        application["processes"] * application["threads"] + threads_of_groups + groups * application["listen_backlog"]
    )


@given(memory=st.integers(64, 16384), number=st.integers(2, 12), cores=st.integers(1, 4))
def test_one_of_several_applications_leaves_a_quarter_of_the_workers(memory: int, number: int, cores: int) -> None:
    found = sizes(cores, memory, [{"name": str(index)} for index in range(number)])
    for application in found["applications"].values():
        assert held(application) <= found["max_request_workers"] * 0.75
        assert application["connect_timeout"] == 2


def test_an_application_alone_may_use_all_workers() -> None:
    alone = sizes(2, 2048, [{"name": "shop"}])["applications"]["shop"]
    assert alone["listen_backlog"] > 1024
    assert alone["connect_timeout"] is None, "mod_wsgi's own"


def test_the_daemon_process_groups_of_an_application_share_its_part() -> None:
    groups = [{"processes": 2, "threads": 20}, {}]
    found = sizes(2, 2048, [{"name": "shop", "daemon_groups": groups}, {"name": "blog"}])["applications"]
    assert held(found["shop"], groups=3, threads_of_groups=2 * 20 + 15) in range(766, 769)
    assert found["blog"]["listen_backlog"] > found["shop"]["listen_backlog"]


def test_the_part_of_an_application_follows_the_workers_that_the_user_sets() -> None:
    both = [{"name": "shop", "threads": 5}, {"name": "blog"}]
    found = sizes(2, 2048, both, {"max_request_workers": 2048})["applications"]
    assert held(found["shop"]) == held(found["blog"]) == 1536


def test_an_application_with_more_threads_than_its_part_still_has_a_queue() -> None:
    found = sizes(2, 2048, [{"name": "shop", "processes": 8, "threads": 100}, {"name": "blog"}])["applications"]
    assert found["shop"]["listen_backlog"] == 32


def test_every_result_can_be_overridden() -> None:
    wanted = {
        "max_request_workers": 300,
        "threads_per_child": 30,
        "start_servers": 3,
        "min_spare_threads": 11,
        "max_spare_threads": 222,
        "listen_backlog": 77,
    }
    found = sizes(2, 2048, [{"name": "shop", "processes": 3, "threads": 1}, {"name": "blog"}], wanted)
    assert {key: found[key] for key in wanted} == wanted
    assert found["server_limit"] == 40
    assert found["applications"]["shop"]["processes"] == 3
    assert found["applications"]["shop"]["threads"] == 1
    assert found["applications"]["blog"]["threads"] == 15


@pytest.mark.parametrize("workers", [32, 100])
def test_workers_that_do_not_fit_the_threads_are_refused(workers: int) -> None:
    with pytest.raises(SizingError, match=r"^httpd_max_request_workers \(\d+\) must be a multiple of"):
        sizes(2, 2048, overrides={"max_request_workers": workers})


def test_a_host_without_cores_is_refused() -> None:
    with pytest.raises(SizingError):
        sizes(0, 2048)
