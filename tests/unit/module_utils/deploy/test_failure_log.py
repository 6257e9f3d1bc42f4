# SPDX-License-Identifier: Apache-2.0
"""The output of a program that has failed is kept, within bounds, and for nobody else to read or to lead astray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import failure_log


@pytest.fixture(name="folder", autouse=True)
def fixture_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(failure_log, "FOLDER", str(tmp_path / "modwsgi"))
    return tmp_path / "modwsgi"


def test_the_end_of_the_last_failure_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_log, "LARGEST", 10)
    for text in ("first", "x" * 100 + "\nthe end\n"):
        told = failure_log.keep("shop", "pip", text)
    assert told == f"; its whole output is in {folder}/shop-pip.log on the host"
    assert (folder / "shop-pip.log").read_text() == "x\nthe end\n"
    assert [path.name for path in folder.iterdir()] == ["shop-pip.log"]


def test_nothing_in_it_acts_on_a_terminal() -> None:
    assert (
        failure_log.plain("\x1b[1;31mred\x1b[0m\x07\x9b2J\n 1 %\r 50 %\rdone\r\nnext\tline")
        == "red2J\ndone\nnext\tline"
    )


def test_a_link_of_others_is_not_followed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("as it was")
    folder.mkdir()
    (folder / "shop-pip.log").symlink_to(target)
    (folder / "shop-pip.log.new").symlink_to(target)
    failure_log.keep("shop", "pip", "output")
    assert target.read_text() == "as it was"
    assert (folder / "shop-pip.log").read_text() == "output\n"


def test_a_folder_of_others_gets_nothing_and_loses_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    assert failure_log.keep("shop", "pip", "output") == ""
    (tmp_path / "elsewhere" / "shop-pip.log").touch()
    failure_log.forget("shop", "pip")
    assert os.listdir(tmp_path / "elsewhere") == ["shop-pip.log"]
    failure_log.forget("shop", "pip")


def test_where_nothing_can_be_kept_the_message_names_no_file(folder: Path) -> None:
    folder.write_text("a file")
    assert failure_log.keep("shop", "pip", "output") == ""
