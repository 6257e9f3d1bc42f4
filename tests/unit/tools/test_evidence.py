# SPDX-License-Identifier: Apache-2.0
"""The page has what the table of items says, and the tool tells when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.evidence import items
from support.scripts import ROOT

from tools import evidence


@pytest.fixture(name="copy")
def fixture_copy(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    text = (ROOT / evidence.PAGE).read_text(encoding="utf-8")
    (tmp_path / evidence.PAGE).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_page_has_all_items(copy: Path) -> None:
    assert evidence.main(["--check"], copy) == 0
    rows = [row for row in (copy / evidence.PAGE).read_text(encoding="utf-8").splitlines() if row.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[-len(items()) :]] == [f"| {', '.join(item.ids)}" for item in items()]


def test_a_page_that_says_something_else_is_told_and_made_anew(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy / evidence.PAGE
    good = page.read_text(encoding="utf-8")
    page.write_text(good.replace("| CIS 5.8, ", "| CIS 5.88, "), encoding="utf-8")
    assert evidence.main(["--check"], copy) == 1
    assert "run tools/evidence.py --write" in capsys.readouterr().err
    assert evidence.main(["--write"], copy) == 0
    assert page.read_text(encoding="utf-8") == good


def test_a_page_without_the_marks_is_told(copy: Path) -> None:
    (copy / evidence.PAGE).write_text("# Evidence\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        evidence.main(["--write"], copy)
