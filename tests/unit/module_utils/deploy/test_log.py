# SPDX-License-Identifier: Apache-2.0
"""The traceback of an application is found among what else is in an error log."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import (
    LARGEST_READ,
    LONGEST_LINE,
    LogTail,
    traceback,
    without_prefix,
)

OURS = "[2026-11-22 23:45:36.122143] [wsgi:error] [pid 6712:tid 13] [client 127.0.0.1:42290] [id aw_A-] "
OTHER = "[2026-11-22 23:45:36.122144] [wsgi:error] [pid 6712:tid 14] "
TRACE = [
    "Traceback (most recent call last):",
    '  File "/srv/wsgi/shop/releases/1/wsgi.py", line 4, in <module>',
    "    connect()",
    "ValueError: first line",
    "second line",
]


def test_the_traceback_without_the_log_s_own_fields() -> None:
    before = [OURS + "WSGI0109: Unable to execute Python script file '/x'."]
    after = [OURS + "mod_wsgi (pid=6712): Exception occurred processing WSGI script '/x'.", OURS + "more"]
    assert traceback(before + [OURS + line for line in TRACE] + after) == TRACE


def test_lines_of_other_threads_are_left_out() -> None:
    mixed = [line for text in TRACE for line in (OURS + text, OTHER + "busy")]
    assert traceback(mixed) == TRACE


def test_chained_exceptions_stay_together() -> None:
    chained = [*TRACE, "", "During handling of the above exception, another exception occurred:", "", *TRACE]
    assert traceback([OURS + line for line in chained]) == chained


def test_a_long_traceback_keeps_its_end() -> None:
    lines = ["Traceback (most recent call last):", *[f"  {number}" for number in range(100)], "ValueError: end"]
    found = traceback([OURS + line for line in lines], limit=10)
    assert len(found) == 10
    assert found[-1] == "ValueError: end"


def test_no_traceback() -> None:
    assert traceback([OURS + "nothing"]) == []
    assert traceback([]) == []


def test_the_text_of_a_line_may_itself_hold_brackets() -> None:
    assert without_prefix("[a] [b:c] text [d]") == "text [d]"
    assert without_prefix("plain") == "plain"


def test_a_line_that_no_parser_bears_is_told_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "shop-error.log"
    tail = LogTail(str(log))
    lines = ['{"message": ' + "[" * 100000, '{"pid": ' + "9" * 100000 + "}", '{"message": "told"}']
    log.write_text("\n".join(lines) + "\n")
    *others, last = tail.read()
    assert others == [line[:LONGEST_LINE] for line in lines[:2]]
    assert without_prefix(last) == "told"


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    path.write_text("old\n")
    tail = LogTail(str(path))
    assert tail.read() == []
    with path.open("a") as stream:
        stream.write("new\n")
    assert tail.read() == ["new"]


def test_a_log_that_appears_or_is_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    tail = LogTail(str(path))
    assert tail.read() == []
    path.write_text("first\n")
    assert tail.read() == ["first"]
    tail = LogTail(str(path))
    path.rename(tmp_path / "error.log.1")
    path.write_text("after the rotation\n")
    assert tail.read() == ["after the rotation"]


def test_what_an_application_writes_does_not_take_the_reader_with_it(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    tail = LogTail(str(path))
    nested = '{"message": ' + "[" * 100_000
    path.write_text(f"{nested}\n{'x' * (LARGEST_READ // 2)}\nlast\n")
    assert tail.read() == [nested[:LONGEST_LINE], "x" * LONGEST_LINE, "last"]
