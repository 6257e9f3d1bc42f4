# SPDX-License-Identifier: Apache-2.0
"""The lab's commands for images: what they refuse, before anything is done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools.laboratory.cli import main


def test_the_build_context_is_written_for_another_builder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a/context"
    assert main(["image-context", str(folder)]) == 0
    assert (folder / "Containerfile").read_bytes() == (ROOT / "images/mod-wsgi/Containerfile").read_bytes()
    assert (folder / "collection/playbooks/image.yml").is_file()
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--registry="], "lab: No registry is named: "),
        (["--registry=https://registry.example.com"], "is an address"),
        (["--registry=registry.example.com/team", "--python=3.8"], "images/versions.json has no image for PYTHON=3.8"),
    ],
)
def test_a_push_that_cannot_be_is_refused_without_the_engine(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["push", *words]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_make_push_hands_on_what_it_is_given() -> None:
    words = ["make", "--dry-run", "push", "REGISTRY=registry.example.com/team", "PYTHON=3.13", "MOD_WSGI=6.1.1"]
    shown = subprocess.run(words, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert 'push --registry "registry.example.com/team" --python "3.13" --mod-wsgi "6.1.1"' in shown.stdout
