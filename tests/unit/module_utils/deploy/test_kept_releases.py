# SPDX-License-Identifier: Apache-2.0
"""As many releases stay as the settings say, each with its virtual environment, and those in use in any case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate

HISTORY = (("r4", "v2"), ("r3", "v2"), ("r2", "v1"), ("r3", "v1"), ("r1", "v0"))
"""Releases and virtual environments, the newest first."""


@pytest.fixture(name="application")
def fixture_application(tmp_path: Path) -> dict[str, Any]:
    """One that was deployed five times; `r0` and `v9` were never in use, and `r1` is again."""
    names = ("releases", "venvs", "current", "venv", "deployment")
    application = {"name": "shop", "paths": {name: str(tmp_path / name) for name in names}}
    for folder, inside in (("releases", ("r0", "r1", "r2", "r3", "r4")), ("venvs", ("v0", "v1", "v2", "v9"))):
        for name in inside:
            (tmp_path / folder / name).mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/r1")
    (tmp_path / "venv").symlink_to("venvs/v0")
    history = [{"release": release, "venv": venv} for release, venv in HISTORY]
    (tmp_path / "deployment").write_text(json.dumps({"history": history}))
    return application


def removed(application: dict[str, Any], keep: int, **keys: bool) -> list[str]:
    """The names of what goes."""
    paths = activate.remove_superfluous([application], keep, **{"check_mode": False, **keys})
    return [Path(path).name for path in paths]


def left(application: dict[str, Any]) -> list[str]:
    folders = (application["paths"]["releases"], application["paths"]["venvs"])
    return sorted(path.name for folder in folders for path in Path(folder).iterdir())


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        (1, ["r0", "r2", "r3", "v1", "v9"]),
        (2, ["r0", "r2", "v9"]),
        (3, ["r0", "v9"]),
        (99, ["r0", "v9"]),
    ],
)
def test_the_newest_releases_stay_with_their_virtual_environments(
    application: dict[str, Any], keep: int, gone: list[str]
) -> None:
    before = left(application)
    assert removed(application, keep) == gone
    assert left(application) == [name for name in before if name not in gone]


@pytest.mark.parametrize(
    ("folder", "how"),
    [
        ("releases/r0", {"cwd": "releases/r0/package"}),
        ("releases/r0", {"cwd": "releases/r0"}),
        ("venvs/v9", {"env": "venvs/v9/bin"}),
        ("venvs/v9", {"argument": "venvs/v9"}),
        ("releases/r0", {"stdin": "releases/r0/package/data"}),
    ],
)
def test_what_a_process_uses_stays_until_it_ends(
    application: dict[str, Any], tmp_path: Path, folder: str, how: dict[str, str]
) -> None:
    package = tmp_path / "releases/r0/package"
    package.mkdir()
    (package / "data").touch()
    code = "import sys; print(flush=True); sys.stderr.close(); __import__('time').sleep(60)"
    places = {key: str(tmp_path / path) for key, path in how.items()}
    with open(places.get("stdin", os.devnull)) as given:
        worker = subprocess.Popen(
            [sys.executable, "-c", code, places.get("argument", "")],
            cwd=places.get("cwd", "/"),
            env={"PATH": f"{places.get('env', '/bin')}:/usr/bin"},
            stdin=given,
            stdout=subprocess.PIPE,
        )
    assert worker.stdout
    with worker:
        try:
            worker.stdout.readline()
            assert Path(folder).name not in removed(application, 1)
            assert (tmp_path / folder).is_dir()
        finally:
            worker.kill()
    assert Path(folder).name in removed(application, 1)


def test_check_mode_removes_nothing(application: dict[str, Any]) -> None:
    before = left(application)
    assert removed(application, 1, check_mode=True) != []
    assert left(application) == before


def test_without_a_history_nothing_is_superfluous(application: dict[str, Any]) -> None:
    Path(application["paths"]["deployment"]).unlink()
    assert removed(application, 1) == []
