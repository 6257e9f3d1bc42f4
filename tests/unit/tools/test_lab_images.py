# SPDX-License-Identifier: Apache-2.0
"""The lab's commands for images: what they refuse, before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.scripts import ROOT

from tools.laboratory.cli import main


def test_the_build_context_is_written_for_another_builder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a/context"
    assert main(["image-context", str(folder)]) == 0
    assert (folder / "Containerfile").read_bytes() == (ROOT / "images/mod-wsgi/Containerfile").read_bytes()
    assert (folder / "server/play.yml").is_file()
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["SOURCE_DATE_EPOCH"].isdecimal()
    # What the bake file takes from the environment.
    bake = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    assert all(f'variable "{name}"' in bake for name in printed)


def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image-context", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"lab: {tmp_path} exists already: remove it, or name a new folder for the build context.\n"
    )
    assert list(tmp_path.iterdir()) == []
