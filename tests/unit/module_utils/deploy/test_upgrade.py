# SPDX-License-Identifier: Apache-2.0
"""Code that mod_wsgi 6 breaks is found by file and line, when it is new or the module is."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import upgrade
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.searching import Found, Place
from ansible_collections.modwsgi.deploy.plugins.modules import wsgi_release
from support.scripts import ROOT


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = environ['mod_wsgi.script_start']", [(1, "mod_wsgi.script_start")]),
        ("KEY = 'mod_wsgi.queue_start'\nx = e[KEY]", [(1, "mod_wsgi.queue_start")]),
        ("x = int(environ.get('mod_wsgi.request_start', 0)) / 1e6", [(1, "mod_wsgi.request_start")]),
        ("x = environ['mod_wsgi.application_start']", []),
        ("'about mod_wsgi.script_start'", []),
        ("\nx = environ['REMOTE_HOST']", [(2, "REMOTE_HOST")]),
        ("x = request.META.get('REMOTE_HOST', '')", [(1, "REMOTE_HOST")]),
        ("x = request.environ['GATEWAY_INTERFACE']", [(1, "GATEWAY_INTERFACE")]),
        ("if 'SERVER_SIGNATURE' not in self.environ: ...", [(1, "SERVER_SIGNATURE")]),
        ("x = environ.pop('PATH', None)", [(1, "PATH")]),
        ("x = environ['REMOTE_ADDR']", []),
        ("environ['REMOTE_HOST'] = 'x'", []),
        ("x = 'REMOTE_HOST'", []),
        ("import os\nx = os.environ['PATH']", []),
        ("import os as system\nx = system.environ.get('PATH')", []),
        ("from os import environ\nx = environ['PATH']", []),
        ("import os\nenviron = dict(os.environ)\nx = environ['PATH']", []),
        ("INSTALLED_APPS = ['shop', 'mod_wsgi.server']", [(1, "mod_wsgi.server")]),
        ("import mod_wsgi.server", [(1, "mod_wsgi.server")]),
        ("from mod_wsgi import server", [(1, "mod_wsgi.server")]),
        ("from mod_wsgi.server.management import x", [(1, "mod_wsgi.server")]),
        ("import mod_wsgi.server_of_mine, mod_wsgi.express", []),
        ("from .mod_wsgi import server", []),
        ("import mod_wsgi\nmod_wsgi.request_metrics()", [(2, "request_metrics")]),
        ("import mod_wsgi as m\nm.process_metrics()", [(2, "process_metrics")]),
        ("from mod_wsgi import request_metrics as r\nr()", [(2, "request_metrics")]),
        ("import mod_wsgi\nmod_wsgi.start_recording_metrics()", [(2, "start_recording_metrics")]),
        ("def request_metrics(): ...\nrequest_metrics()", []),
    ],
)
def test_what_mod_wsgi_6_changes_is_found_by_line(source: str, found: list[tuple[int, str]]) -> None:
    assert upgrade.find(ast.parse(source)) == found
    assert not found or any(word in source.encode() for word in upgrade.SEARCH.words)


@pytest.mark.parametrize("example", ["django", "flask"])
def test_the_examples_are_ready(example: str) -> None:
    for path in (ROOT / "examples" / example).rglob("*.py"):
        assert upgrade.find(ast.parse(path.read_text(encoding="utf-8"))) == [], path


def test_the_warning_names_application_file_and_line() -> None:
    found = Found([Place("./shop/views.py", 7, "REMOTE_HOST")], {"REMOTE_HOST": 1})
    [sentence], number = upgrade.warnings({"name": "shop"}, found)
    assert sentence.startswith("The application 'shop' reads REMOTE_HOST from environ")
    assert "(shop/views.py:7)" in sentence
    assert number == 1
    assert (ROOT / upgrade.PAGE).is_file()


def test_metrics_that_are_recorded_are_fine() -> None:
    places = [Place("a.py", 1, "request_metrics"), Place("wsgi.py", 1, "start_recording_metrics")]
    found = Found(places, {"request_metrics": 1, "start_recording_metrics": 1})
    assert upgrade.warnings({"name": "shop"}, found) == ([], 0)


def test_the_page_has_all_that_is_searched_for() -> None:
    page = (ROOT / upgrade.PAGE).read_text(encoding="utf-8")
    assert [subject for subject in (*upgrade.SENTENCES, upgrade.RECORDING) if subject not in page] == []


def test_ten_are_told_and_the_others_counted() -> None:
    sentences = upgrade.bounded([(["a."] * 8, 8), (["b."] * 8, 120)])
    assert sentences[:10] == ["a."] * 8 + ["b."] * 2
    assert "118 more places" in sentences[10]
    assert upgrade.bounded([(["a."] * 10, 10)]) == ["a."] * 10


@pytest.mark.parametrize(
    ("facts", "wanted", "expected"),
    [
        ({"version": "5.0.2"}, "6.1.1", True),
        ({"version": "4.9.4"}, "6.1.1", True),
        ({"version": "", "install_method": "package"}, "6.1.1", True),
        ({"version": "6.0.6"}, "6.1.1", False),
        ({"version": "6.1.1"}, "5.0.2", False),
        ({"version": "4.9.4"}, "5.0.2", False),
        ({"version": "4.9.4"}, "", False),
        ([], "6.1.1", False),
        (None, "6.1.1", False),
    ],
)
def test_the_facts_of_the_host_tell_an_upgrade(tmp_path: Path, facts: Any, wanted: str, expected: bool) -> None:
    file = tmp_path / "mod_wsgi.fact"
    if facts is not None:
        file.write_text(json.dumps(facts))
    assert upgrade.is_upgrade(str(file), wanted) is expected


@pytest.mark.parametrize(
    ("live", "wanted", "changed", "warned"),
    [
        ("5.0.2", "6.1.1", False, True),
        ("6.1.1", "6.1.1", True, True),
        ("6.1.1", "6.1.1", False, False),
        ("5.0.2", "5.0.2", True, False),
    ],
)
def test_only_a_new_release_or_an_upgrade_is_searched(
    tmp_path: Path, live: str, wanted: str, changed: bool, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "facts").write_text(json.dumps({"version": live}))
    searched = []

    def search(release: str, searches: list[Any], _: int | None) -> list[Found]:
        searched.append(release)
        return [Found([Place("wsgi.py", 3, "mod_wsgi.server")], {"mod_wsgi.server": 1}) for _ in searches]

    monkeypatch.setattr(wsgi_release, "search", search)
    parameters = {"atexit_warnings": False, "module_version": wanted}
    warnings = wsgi_release.Warnings(parameters, str(tmp_path / "facts"))
    warnings.search({"name": "shop", "group": "wsgi-shop"}, {"path": str(tmp_path), "changed": changed})
    warnings.search({"name": "later", "group": "wsgi-later"}, {"path": str(tmp_path / "later"), "changed": True})
    assert searched == ([str(tmp_path)] if warned else [])
    assert len(warnings.all()) == warned
