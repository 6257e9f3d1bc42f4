# SPDX-License-Identifier: Apache-2.0
"""What derives from a source of this repository is what the source says; a tool tells when not, and makes it anew."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.scripts import ROOT, load_script

TOOLS = {
    name: load_script(f"tools/{name}.py").MADE
    for name in ("diagnoses", "evidence", "image_settings", "reference", "specification", "versions")
}
FILES = [(name, path, text) for name, made in TOOLS.items() for path, text in made.files(ROOT)]
ROLES = ("httpd", "mod_wsgi", "wsgi_app")
MARK = re.compile(r"--write\): (?:.*, )?begin\..*\n")


@pytest.fixture(name="copy")
def fixture_copy(tmp_path: Path) -> Path:
    """The parts of this repository that tools make something of, or from."""
    for folder in ("docs", *(f"roles/{name}/{part}" for name in ROLES for part in ("meta", "defaults"))):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "images").mkdir()
    shutil.copy(ROOT / "images/versions.json", tmp_path / "images")
    return tmp_path


@pytest.mark.parametrize("name", TOOLS)
def test_what_is_committed_is_what_the_source_says(name: str) -> None:
    assert TOOLS[name].stale(ROOT) == []


@pytest.mark.parametrize(("name", "path", "text"), FILES, ids=[f"{name}-{path}" for name, path, _ in FILES])
def test_a_stale_file_is_named_and_made_again(
    copy: Path, name: str, path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, made = copy / path, TOOLS[name]
    spoilt = MARK.sub(r"\g<0>spoilt\n", text, count=1)
    if path.suffix == ".json":
        spoilt = re.sub('"module": ".*?"', '"module": "0.1.2"', text, count=1)
    file.write_text(spoilt if spoilt != text else f"{text}spoilt\n", encoding="utf-8")
    assert made.main("", ["--check"], copy) == 1
    assert capsys.readouterr().err == f"{path}: is not what {made.source} says; run tools/{name}.py --write\n"
    assert made.main("", ["--write"], copy) == 0
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, path, text in FILES if MARK.search(text)])
def test_missing_marks_are_told(copy: Path, name: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / path).write_text("# A page\n", encoding="utf-8")
    assert TOOLS[name].main("", ["--check"], copy) == 1
    assert f"the marks of what tools/{name}.py makes are missing; put " in capsys.readouterr().err
