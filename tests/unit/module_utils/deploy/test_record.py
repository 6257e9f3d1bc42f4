# SPDX-License-Identifier: Apache-2.0
"""The record of a deployment tells what has to be done again, and nothing is ever half written."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import record as deployment
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import inside
from support.applications import complete

SHOP = {"name": "shop", "source": {"git": "https://git.example/shop", "version": "main"}, "server_name": "shop.example"}
(APPLICATION,) = complete({**SHOP, "release_commands": [["true"]]})


def wanted(**change: Any) -> dict[str, str]:
    values = {"variables": {"A": "1"}, "release": "r1", "venv": "v1", "launcher": "l1", **change}
    application = values.pop("application", APPLICATION)
    return deployment.wanted(application, **values)


def test_the_same_deployment_does_not_differ() -> None:
    assert deployment.differing(wanted(), deployment.new_record(wanted(), {}, [])) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"variables": {"A": "2"}}, "environment"),
        ({"release": "r2"}, "release"),
        ({"venv": "v2"}, "venv"),
        ({"launcher": "l2"}, "launcher"),
        ({"application": {**APPLICATION, "script": "app.py"}}, "application"),
        ({"application": {**APPLICATION, "release_commands": []}}, "commands"),
    ],
)
def test_each_part_that_changes_is_named(change: dict[str, Any], part: str) -> None:
    record = deployment.new_record(wanted(), {}, [])
    assert deployment.differing(wanted(**change), record) == [part]


def test_what_is_prepared_once_is_what_commands_depend_on(tmp_path: Path) -> None:
    digest = deployment.once_digest(wanted())
    assert digest == deployment.once_digest(wanted(launcher="l2", application={**APPLICATION, "script": "app.py"}))
    for change in ({"release": "r2"}, {"venv": "v2"}, {"variables": {}}):
        assert deployment.once_digest(wanted(**change)) != digest
    paths = {"once": str(tmp_path / "once.json")}
    assert deployment.prepared_once(paths) == ""
    deployment.write_record(paths["once"], {"digest": digest})
    assert deployment.prepared_once(paths) == digest
    deployment.write_record(paths["once"], {"digest": 7})
    assert deployment.prepared_once(paths) == ""


def test_without_a_record_everything_differs() -> None:
    assert deployment.differing(wanted(), {}) == list(deployment.PARTS)


def test_the_history_has_each_pair_once_and_the_newest_first() -> None:
    record: dict[str, Any] = {}
    for release in ("r1", "r2", "r1"):
        record = deployment.new_record(wanted(release=release), record, [[1, 2]])
    assert [entry["release"] for entry in record["history"]] == ["r1", "r2"]
    assert record["stale_processes"] == [[1, 2]]


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(content)
    assert deployment.read_record(str(path)) == {}
    assert deployment.read_record(str(tmp_path / "missing")) == {}


def test_a_folder_in_place_of_the_link_is_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    assert not deployment.leads_to(str(tmp_path / "current"), str(tmp_path / "current"))


def test_environments_travel_as_one_opaque_string() -> None:
    environments = {"shop": {"KEY": "ä\n1"}}
    encoded = base64.b64encode(json.dumps(environments).encode()).decode()
    assert deployment.decode_environments(encoded) == environments
    for broken in ("{}", "####", base64.b64encode(b"[]").decode()):
        with pytest.raises(ValueError, match="must be base64-encoded JSON"):
            deployment.decode_environments(broken)


@pytest.mark.root("gives files to root")
def test_a_file_is_replaced_at_once_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "environment.json"
    deployment.write_file(str(path), "old", 0o640)
    assert path.stat().st_mode & 0o777 == 0o640

    def no_space(*_arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="no space left"):
        deployment.write_file(str(path), "new", 0o640)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["environment.json"]


def test_nothing_is_inside_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "link").symlink_to("../release-of-another")
    root = str(tmp_path / "release")
    assert inside(root, "a/b") == f"{root}/a/b"
    assert inside(root, ".") == root
    for path in ("../x", "link", "/etc/passwd", "a/../../release-of-another"):
        assert inside(root, path) is None
