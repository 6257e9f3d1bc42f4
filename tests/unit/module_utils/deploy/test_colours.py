# SPDX-License-Identifier: Apache-2.0
"""Which of two daemon process groups serves, and what the other one holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout


@pytest.fixture(name="shop")
def fixture_shop(tmp_path: Path) -> dict[str, Any]:
    paths = {key: str(tmp_path) + path for key, path in layout("shop").items()}
    Path(paths["code"]).mkdir(parents=True)
    return {"name": "shop", "colours": ["blue", "green"], "paths": paths}


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("active shop:green\nresting shop:blue\n", "green"),
        ("active shop:blue\nresting shop:green\n", "blue"),
        (None, "blue"),
        ("", "blue"),
        ("active shop:red\n", "blue"),
        ("active\n", "blue"),
        ("resting shop:green\n", "blue"),
        ("\N{SNOWMAN}\n", "blue"),
    ],
)
def test_the_file_says_which_colour_serves(shop: dict[str, Any], text: str | None, colour: str) -> None:
    if text is not None:
        Path(colours.active_file(shop["paths"])).write_text(text, encoding="utf-8")
    assert colours.active(shop["paths"]) == colour


def test_what_is_written_is_what_is_read(shop: dict[str, Any]) -> None:
    for colour in ("green", "blue"):
        Path(colours.active_file(shop["paths"])).write_text(colours.active_text("shop", colour))
        assert colours.active(shop["paths"]) == colour
        Path(colours.held_file(shop["paths"])).write_text(colours.held_text("shop", colour, 60))
        assert colours.is_held(shop, colour)
        assert not colours.is_held(shop, colour, 61)
        assert not colours.is_held(shop, colours.other(colour))


@pytest.mark.parametrize("text", ["", "shop:green", "shop:green x", "shop:green 1", "blog:green 99999999999"])
def test_what_is_over_or_of_others_is_not_held(shop: dict[str, Any], text: str) -> None:
    Path(colours.held_file(shop["paths"])).write_text(text)
    assert not colours.is_held(shop, "green")


def test_there_is_a_file_for_httpd_and_what_is_there_stays(shop: dict[str, Any], tmp_path: Path) -> None:
    file = Path(colours.active_file(shop["paths"]))
    colours.ensure_active_file(shop)
    assert file.read_text() == "active shop:blue\nresting shop:green\n"
    assert file.stat().st_mode & 0o777 == 0o644
    file.write_text("active shop:green\nresting shop:blue\n")
    colours.ensure_active_file(shop)
    assert colours.active(shop["paths"]) == "green"
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    colours.ensure_active_file(shop)
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_folder_there_is_no_file(shop: dict[str, Any]) -> None:
    Path(shop["paths"]["code"]).rmdir()
    colours.ensure_active_file(shop)
    assert not Path(colours.active_file(shop["paths"])).exists()


def test_both_have_to_be_there(shop: dict[str, Any]) -> None:
    Path(shop["paths"]["configuration"]).mkdir(parents=True)
    for colour, complete in (("blue", False), ("green", True)):
        Path(colours.paths_of(shop["paths"], colour)["application"]).touch()
        assert colours.is_there(shop["paths"]) is complete
    assert len(list(colours.removals(shop["paths"]))) == 2


def test_an_application_of_an_earlier_version_has_none() -> None:
    assert not colours.has({"name": "shop"})
    assert colours.has({"colours": ["blue", "green"]})
    assert not colours.has({"colours": []})


def test_every_path_has_its_colour(shop: dict[str, Any]) -> None:
    found = colours.paths_of(shop["paths"], "green")
    assert {key: Path(path).name for key, path in found.items()} == {
        "current": "current-green",
        "venv": "venv-green",
        "application": "application-green.json",
        "environment": "environment-green.json",
    }
    assert {str(Path(path).parent) for path in found.values()} == {
        shop["paths"]["code"],
        shop["paths"]["configuration"],
    }


def test_a_host_tells_the_applications_that_have_two_colours(
    shop: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colours, "CODE_ROOT", str(tmp_path / "srv/wsgi"))
    monkeypatch.setattr(
        colours, "layout", lambda name: {key: str(tmp_path) + path for key, path in layout(name).items()}
    )
    (tmp_path / "srv/wsgi/blog").mkdir()
    assert colours.applications() == []
    Path(shop["paths"]["configuration"]).mkdir(parents=True)
    for colour in ("blue", "green"):
        Path(colours.paths_of(shop["paths"], colour)["application"]).touch()
    assert colours.applications() == ["shop"]
    monkeypatch.setattr(colours, "CODE_ROOT", str(tmp_path / "none"))
    assert colours.applications() == []


@pytest.mark.parametrize(
    ("group", "coloured"),
    [("shop", "shop:green"), ("shop:reports", "shop:green:reports"), ("shop:blue", "shop:green:blue")],
)
def test_each_group_has_a_colour_in_its_name(group: str, coloured: str) -> None:
    assert colours.group(group, "green") == coloured
    assert colours.colour_of(coloured) == "green"


@pytest.mark.parametrize(
    ("processes", "releases", "found"),
    [
        (1, {"strategy": "blue_green", "keep_warm": 0}, True),
        (2, {"strategy": "blue_green", "keep_warm": 0}, False),
        (1, {"strategy": "blue_green", "keep_warm": 600}, False),
        (1, {"strategy": "blue_green"}, False),
        (1, {"strategy": "blue_green", "keep_warm": 0, "canary": {"percent": 10}}, False),
        (1, {"strategy": "rolling", "keep_warm": 0}, False),
        (1, None, False),
    ],
)
def test_both_are_loaded_for_the_time_of_a_switch_alone(processes: int, releases: Any, found: bool) -> None:
    assert colours.overlap({"name": "shop", "processes": processes, "releases": releases}) is found
