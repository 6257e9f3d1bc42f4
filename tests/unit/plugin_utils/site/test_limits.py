# SPDX-License-Identifier: Apache-2.0
"""Sizes of requests, and whether httpd takes them in first."""

from __future__ import annotations

import re

import pytest
from support.applications import App, refused, vhost

CASES: list[tuple[App, str]] = [
    ({"max_body_size": -1}, "max_body_size: is negative"),
    ({"body_limits": [{"path": "/x?", "max_body_size": 1}]}, "body_limits[0].path: is not usable"),
    ({"body_limits": [{"path": "/x", "max_body_size": -1}]}, "body_limits[0].max_body_size: is negative"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_what_holds_for_all_is_not_said_again(shop: App, blog: App) -> None:
    assert "Buffering" not in vhost(shop, blog)


def test_an_application_may_take_its_requests_and_answer_as_they_come(shop: App, blog: App) -> None:
    text = vhost({**shop, "request_buffering": False}, {**blog, "response_buffering": False})
    found = re.findall(r"<Location (\S+)>\s+BufferingRequests (\w+)\s+BufferingResponses (\w+)\s+</Location>", text)
    assert found == [("/", "Off", "On"), ("/blog", "On", "Off")], "httpd takes the last section that fits"
    assert text.count("<IfModule wsgi_buffering_module>") == 1, "the module of a package does not know them"


def admissions(text: str) -> list[tuple[str, str]]:
    return re.findall(r"<Location (\S+)>\s+AdmissionGroup (.*?)\s+</Location>", text)


def test_what_an_application_cannot_answer_is_refused_at_once(shop: App, blog: App) -> None:
    group = {"name": "slow", "paths": ["/export"], "processes": 1, "threads": 2, "queue_timeout": 5}
    text = vhost({**shop, "threads": 15, "daemon_groups": [group], "daemon_options": {"listen_backlog": 70}}, blog)
    found = admissions(text)
    assert [path for path, _ in found] == ["/", "/export", "/blog"], "httpd takes the last section that fits"
    assert found[0][1] == "shop processes=2 threads=15 waiting=70 queue-timeout=45"
    assert found[1][1] == "shop:slow processes=1 threads=2 waiting=70 queue-timeout=5"
    assert text.count("<IfModule wsgi_admission_module>") == 1, "the module of a package does not know it"


def test_an_application_may_let_all_requests_wait(shop: App, blog: App) -> None:
    assert [path for path, _ in admissions(vhost({**shop, "admission": False}, blog))] == ["/blog"]


def test_an_embedded_application_has_a_part_of_the_workers_alone(shop: App) -> None:
    ((path, words),) = admissions(vhost({**shop, "mode": "embedded"}))
    assert (path, words.split()[0]) == ("/", "shop")
    assert re.fullmatch(r"shop waiting=\d+", words)


def test_what_a_proxy_sends_is_not_taken_for_one_client(shop: App) -> None:
    text = vhost({**shop, "trusted_proxies": ["192.0.2.0/24", "2001:db8::1"]})
    assert "\n        AdmissionTrusted 192.0.2.0/24 2001:db8::1\n" in text
    assert "AdmissionTrusted" not in vhost(shop)


def test_two_colours_have_no_pace_in_common(shop: App, blog: App) -> None:
    group = {"name": "slow", "paths": ["/export"], "processes": 1, "threads": 2}
    text = vhost({**shop, "releases": {"strategy": "blue_green"}, "daemon_groups": [group]}, blog)
    section = text.partition("<IfModule wsgi_admission_module>")[2].partition("</IfModule>")[0]
    found = re.findall(r'<(Location|If) (\S+|".*")>|AdmissionGroup (\S+) .* queue-timeout=(\d+)', section)
    assert [next(filter(None, each[1:])) for each in found] == [
        "/",
        "\"reqenv('MODWSGI_GROUP_shop') == 'shop:blue'\"",
        "shop:blue",
        "\"reqenv('MODWSGI_GROUP_shop') == 'shop:green'\"",
        "shop:green",
        "/export",
        "\"reqenv('MODWSGI_GROUP_shop.slow') == 'shop:blue:slow'\"",
        "shop:blue:slow",
        "\"reqenv('MODWSGI_GROUP_shop.slow') == 'shop:green:slow'\"",
        "shop:green:slow",
        "/blog",
        '"true"',
        "blog",
    ], "a condition counts after all paths, so the blog needs one too"
    assert {each[3] for each in found if each[3]} == {"45"}
