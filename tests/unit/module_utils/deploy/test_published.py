# SPDX-License-Identifier: Apache-2.0
"""What httpd is to serve itself and its unit hides from it is refused, by whatever link it is reached."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import published
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout
from support.preflight import base


def static_of(folder: Path) -> dict[str, Any]:
    return {
        "name": "shop",
        "paths": layout("shop"),
        "static": [{"directory": str(folder), "file": ""}],
    }


def test_a_link_into_a_home_is_refused_where_homes_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpd's account may read it, so nothing else would tell."""
    monkeypatch.setattr(published, "HOMES", ("/nowhere", str(tmp_path / "home")))
    monkeypatch.setattr(published, "open_to", lambda *_: True)
    inside, link, beside = tmp_path / "home" / "me" / "public", tmp_path / "link", tmp_path / "homes"
    inside.mkdir(parents=True)
    beside.mkdir()
    link.symlink_to(inside)
    user = pwd.getpwuid(os.geteuid()).pw_name
    (problem,) = published.problems([static_of(link)], user, without_homes=True)
    assert problem.startswith(
        f"wsgi_apps: application 'shop', key static[0].directory: {link} leads to {inside}, and httpd"
    )
    assert problem.endswith("would answer 403; name another one, or name ProtectHome in httpd_hardening_disabled.")
    assert list(published.problems([static_of(link)], user)) == []
    assert list(published.problems([static_of(beside)], user, without_homes=True)) == []


def test_httpd_comes_to_the_code_of_an_application_when_it_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package's own static files."""
    monkeypatch.setattr(published, "open_to", lambda *_: False)
    static, user = tmp_path / "venvs" / "1" / "static", pwd.getpwuid(os.geteuid()).pw_name
    static.mkdir(parents=True)
    (tmp_path / "venv").symlink_to("venvs/1")
    paths = {name: str(tmp_path / name) for name in layout("shop")}
    assert list(published.problems([{**static_of(tmp_path / "venv" / "static"), "paths": paths}], user)) == []
    assert len(list(published.problems([{**static_of(tmp_path / "venvs"), "paths": paths}], user))) == 1


def pages_of(folder: Path) -> dict[str, Any]:
    return {
        **static_of(folder / "media"),
        "error_documents": [{"status": 404, "file": f"{folder}/404.html"}],
        "maintenance": {"page": f"{folder}/soon.html"},
        "auth": [{"user_file": "modwsgi-users/shop-0"}, {"user_file": f"{folder}/users"}],
    }


def test_whatever_httpd_reads_itself_and_cannot_is_refused_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "open_to", lambda *_: False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    for name in ("404.html", "soon.html", "users"):
        (tmp_path / name).touch()
    page, soon, users = published.problems([pages_of(tmp_path)], user)
    for sentence, key, path in (
        (page, "error_documents[0].file", "404.html"),
        (soon, "maintenance.page", "soon.html"),
        (users, "auth[1].user_file", "users"),
    ):
        assert sentence.startswith(
            f"wsgi_apps: application 'shop', key {key}: httpd's account {user} has no access to {tmp_path}/{path} on"
        )
    assert "would answer 403;" in page
    assert "would answer 500 to each login;" in users


def test_what_is_not_there_is_told_and_a_file_of_users_refused(tmp_path: Path) -> None:
    """A folder may be made later; without users nobody gets in."""
    shop, user = pages_of(tmp_path), pwd.getpwuid(os.geteuid()).pw_name
    told = list(published.absent([shop]))
    assert [sentence.split(":")[1] for sentence in told] == [
        f" application 'shop', key {key}"
        for key in ("static[0].directory", "error_documents[0].file", "maintenance.page")
    ]
    assert told[0].endswith(
        f"{tmp_path}/media is not on the host, so visitors get 404, or httpd's own page; make it, or correct the path."
    )
    (problem,) = published.problems([shop], user)
    assert problem.endswith(
        f"key auth[1].user_file: {tmp_path}/users is not on the host, and nobody could log in; put the file there."
    )
    (tmp_path / "media").mkdir()
    for name in ("404.html", "soon.html", "users"):
        (tmp_path / name).touch()
    assert [*published.absent([shop]), *published.problems([shop], user)] == []


def test_files_of_a_release_are_not_looked_for_before_it_is_there() -> None:
    for kind in ("current", "venv"):
        assert list(published.absent([{**pages_of(Path(layout("shop")[kind])), "auth": []}])) == []


@pytest.mark.parametrize(
    ("variables", "hidden"),
    [({}, True), ({"httpd_hardening_disabled": ["ProtectHome"]}, False), ({"httpd_hardening": False}, False)],
)
def test_the_files_of_the_unit_say_whether_homes_are_hidden(variables: dict[str, Any], hidden: bool) -> None:
    assert published.hides_homes({"httpd": base(**variables).files(), "mod_wsgi": []}) is hidden
    assert not published.hides_homes({})
