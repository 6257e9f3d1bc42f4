# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/shutdown.md say what was measured, and stand where the page has its place for them."""

from __future__ import annotations

import datetime as dt

import pytest
from support.endings import EVERY_HOST, WAYS, Ending
from support.endings_table import ACTIONS, PAGE, Measured, replace, seconds, tables

HANDLERS = {"subscribe_shutdown": 2, "atexit": 1}


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (None, "-"),
        (Ending(None, False, False), "**never**"),
        (Ending(0.14, False, False), "0.1"),
        (Ending(3.12, False, False), "**3.1**"),
        (Ending(10.44, True, False), "**10.4K**"),
        (Ending(0.4, False, True), "**0.4 crash**"),
    ],
)
def test_what_held_a_process_up_stands_out(ending: Ending | None, text: str) -> None:
    assert seconds(ending) == text


def test_a_row_for_each_application_and_a_cell_for_each_pair() -> None:
    measured: Measured = {
        (("daemon", way), action): Ending(0.1, False, False, HANDLERS) for way in WAYS for action in ACTIONS
    }
    measured[("embedded", "plain"), "stop"] = Ending(None, False, False)
    text = tables(dict.fromkeys((True, False), dict.fromkeys(EVERY_HOST, measured)), dt.date(2026, 11, 24))
    lines = text.splitlines()
    assert lines.count("| daemon | plain | " + " | ".join(["0.1 / 0.1 / 0.1 / 0.1"] * len(EVERY_HOST)) + " |") == 2
    assert lines.count("| embedded | plain | " + " | ".join(["**never** / - / - / -"] * len(EVERY_HOST)) + " |") == 2
    assert (
        "| daemon | handlers | " + " | ".join(["subscribe_shutdown 2 times, atexit"] * len(EVERY_HOST)) + " |" in lines
    )
    assert "2026-11-24" in text


def test_the_page_has_a_place_for_them() -> None:
    assert "\nTABLE\n" in replace(PAGE.read_text(encoding="utf-8"), "TABLE")
    with pytest.raises(ValueError, match="lacks the lines"):
        replace("no place", "TABLE")
