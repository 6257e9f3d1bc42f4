# SPDX-License-Identifier: Apache-2.0
"""What was written to a log since a given moment, and the traceback in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

TRACEBACK = "Traceback (most recent call last):"
PREFIX = re.compile(r"\A(?:\[[^\]]*\] ?)+")
"""The fields before the text of a line in httpd's error log, each in brackets."""

THREAD = re.compile(r"\[pid \d+(?::tid \d+)?\]")
LARGEST_READ = 1 << 20
"""Bytes from the end of what is new; a log that grows faster is cut at its beginning."""

LONGEST_LINE = 1 << 14
"""Characters of a line; an application can write longer ones."""


class LoggedError(Exception):
    """Something has failed; the text is for the user, and ``lines`` are the essential ones of what it has said."""

    def __init__(self, text: str, lines: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.lines = list(lines)


class LogTail:
    """What is appended to a log from now on. Rotation in the meantime is noticed by the file's number."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.inode, self.size = self._state()

    def _state(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_size

    def read(self) -> list[str]:
        """The new lines."""
        inode, size = self._state()
        if not inode:
            return []
        begin = self.size if inode == self.inode and size >= self.size else 0
        with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            stream.seek(max(begin, size - LARGEST_READ))
            # No more than was there: an application can write as fast as this reads.
            text = stream.read(LARGEST_READ).decode("utf-8", "replace")
        return [plain(line)[:LONGEST_LINE] for line in text.splitlines()]


def plain(line: str) -> str:
    """A line of a log in JSON as that of a log in text; any other line as it is."""
    if not line.startswith("{"):
        return line
    try:
        found = json.loads(line)
        return f"[pid {found.get('pid', 0)}:tid {found.get('thread', 0)}] {found['message']}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return line


def printable(text: str) -> str:
    """A text of others for a message: nothing in it acts on the terminal in which it is read."""
    return "".join(character if character.isprintable() else " " for character in text)


def without_prefix(line: str) -> str:
    """The text of an error log's line."""
    return PREFIX.sub("", line)


def thread_of(line: str) -> str:
    """Process and thread that wrote a line; empty when the log's format does not say."""
    match = THREAD.search(line)
    return match.group() if match else ""


def traceback(lines: list[str], limit: int = 60) -> list[str]:
    """The first traceback in an error log, with the exception's own lines; empty when there is none.

    Lines of other threads in between are left out. `limit` is the greatest number of lines, the last ones being kept.
    """
    begin = next((index for index, line in enumerate(lines) if TRACEBACK in line), None)
    if begin is None:
        return []
    thread = thread_of(lines[begin])
    text = [without_prefix(line) for line in lines[begin:] if thread_of(line) == thread]
    end = _end_of_traceback(text)
    return text[:end][-limit:]


def _end_of_traceback(text: list[str]) -> int:
    """The index after the last exception: what follows it is neither indented, empty nor another traceback."""
    inside = True
    for index, line in enumerate(text):
        if TRACEBACK in line:
            inside = True
        elif inside and line[:1] not in ("", " "):
            inside = False  # the exception itself; its message may go on
        elif not inside and _begins_other_record(line):
            return index
    return len(text)


def _begins_other_record(line: str) -> bool:
    """Whether a line is mod_wsgi's or httpd's own, so not part of an exception."""
    return bool(re.match(r"mod_wsgi \(pid=|WSG[A-Z]\d+|AH\d{5}", line))
