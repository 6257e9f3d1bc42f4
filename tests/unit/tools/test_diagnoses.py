# SPDX-License-Identifier: Apache-2.0
"""The page has what the table says, and the tool tells when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.diagnoses import TABLE
from support.scripts import ROOT

from tools import diagnoses


@pytest.fixture(name="copy")
def fixture_copy(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    text = (ROOT / diagnoses.PAGE).read_text(encoding="utf-8")
    (tmp_path / diagnoses.PAGE).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_page_is_what_the_table_says(copy: Path) -> None:
    assert diagnoses.main(["--check"], copy) == 0
    text = (copy / diagnoses.PAGE).read_text(encoding="utf-8")
    assert [row for row in text.splitlines() if row.startswith("| `")][-len(TABLE) :] == list(diagnoses.rows())[2:]


def test_a_page_that_says_something_else_is_told_and_made_anew(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy / diagnoses.PAGE
    good = page.read_text(encoding="utf-8")
    page.write_text(good.replace("| `oom`: ", "| `moo`: "), encoding="utf-8")
    assert diagnoses.main(["--check"], copy) == 1
    assert "run tools/diagnoses.py --write" in capsys.readouterr().err
    assert diagnoses.main(["--write"], copy) == 0
    assert page.read_text(encoding="utf-8") == good


def test_a_page_without_the_marks_is_told(copy: Path) -> None:
    (copy / diagnoses.PAGE).write_text("# Troubleshooting\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        diagnoses.main(["--write"], copy)
