# SPDX-License-Identifier: Apache-2.0
"""The maintenance page is shown when somebody wants it, or while another release is put in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import maintenance as wsgi_pages


def application(folder: Path, **maintenance: Any) -> dict[str, Any]:
    (folder / "releases" / "old").mkdir(parents=True, exist_ok=True)
    if not (folder / "current").exists():
        (folder / "current").symlink_to("releases/old")
    return {
        "name": "shop",
        "maintenance": {"enabled": False, "during_deploy": False, **maintenance},
        "paths": {"code": str(folder), "current": str(folder / "current")},
    }


@pytest.mark.parametrize(
    ("maintenance", "release", "shown"),
    [
        ({"enabled": True}, None, True),
        ({}, "new", False),
        ({"during_deploy": True}, "new", True),
        ({"during_deploy": True}, "old", False),
        ({"during_deploy": True}, None, False),
    ],
)
def test_when_the_page_is_shown(tmp_path: Path, maintenance: dict[str, Any], release: str | None, shown: bool) -> None:
    releases = {"shop": {"path": str(tmp_path / "releases" / release)}} if release else {}
    assert wsgi_pages.wanted(application(tmp_path, **maintenance), releases) is shown


def test_a_first_deployment_has_nobody_to_tell(tmp_path: Path) -> None:
    shop = application(tmp_path, during_deploy=True)
    (tmp_path / "current").unlink()
    assert not wsgi_pages.wanted(shop, {"shop": {"path": str(tmp_path / "releases" / "new")}})


def test_an_application_without_the_key_has_no_page() -> None:
    assert not wsgi_pages.wanted({"name": "shop", "maintenance": None}, {})


def test_the_file_comes_and_goes(tmp_path: Path) -> None:
    shop, flag = application(tmp_path), tmp_path / "maintenance"
    assert wsgi_pages.switch(shop, True, check_mode=True)
    assert not flag.exists()
    assert wsgi_pages.switch(shop, True, check_mode=False)
    assert flag.stat().st_mode & 0o777 == 0o644
    assert not wsgi_pages.switch(shop, True, check_mode=False)
    assert wsgi_pages.switch(shop, False, check_mode=False)
    assert not flag.exists()
