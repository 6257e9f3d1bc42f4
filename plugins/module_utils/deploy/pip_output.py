# SPDX-License-Identifier: Apache-2.0
"""Why pip has failed, out of all that it said. Runs on the managed host.

pip reports the failure of a build in a frame of its own words, and the reason is somewhere in the frame: the last lines
of a compiler, or the sentence of a `setup.py`. The versions of pip that Debian 11 and later have write two kinds of
frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_LINES = 15
LONGEST_LINE = 500
"""Characters; the whole line is in the file with the output."""

FRAME = re.compile(r"\s*(?:╰─> \[\d+ lines? of output\]|Complete output\b.*:)$")
END_OF_FRAME = re.compile(r"\s*(?:\[end of output\]|-{40})$")
GIT = re.compile(r"\s*Running command git ")
END_OF_GIT = re.compile(r"\s*(?:error: subprocess-exited-with-error|WARNING: |ERROR: )")
WENT_ON = re.compile(
    r"\s*(?:Resolved|Preparing|Getting|Installing|Building|Collecting|Processing|Obtaining|Requirement|Downloading"
    r"|Using) "
)
TAKEN_UP = re.compile(r"\s*(?:Collecting|Processing|Obtaining) (?P<requirement>.+)")
NOT_BUILT = re.compile(r"\s*(?:ERROR: )?Failed (?:to build '(?P<quoted>.+?)' when|building wheel for (?P<name>\S+))")
REPORT = re.compile(r"(?:[^\s:][^:]*: *)*(?:[\w.]*(?:Error|Exception)|fatal error|error|fatal): ", re.IGNORECASE)
"""A line that says what is wrong: of git, a compiler, or Python."""
OF_COMMAND = re.compile(r"error: [Cc]ommand ")
ERROR = re.compile(r"(?:ERROR|error): (?!ResolutionImpossible|Exception)(?P<text>.+)")
TRACEBACK = "Traceback (most recent call last):"


class PipFailure(NamedTuple):
    """What of pip's output an operator needs."""

    what: str
    """What failed: "built", "fetched", or nothing when pip itself refused."""
    requirement: str
    """As pip names it, with its file and line; empty where that is not known."""
    reason: str
    lines: Sequence[str]
    """The essential lines, the reason among them."""


def failure(output: str) -> PipFailure:
    """The reason of a failure. ``output`` holds nothing that acts on a terminal."""
    lines = output.splitlines()
    begin, built = _last_frame(lines)
    if built:
        return PipFailure("built", _requirement(lines, begin), *_essential(built, _reason_of_build(built)))
    begin, git = _git(lines)
    if git:
        return PipFailure("fetched", _requirement(lines, begin), *_essential(git, _reason_of_git(git)))
    return PipFailure("", "", *_refusal(lines))


def _last_frame(lines: Sequence[str]) -> tuple[int, list[str]]:
    """The output of the last build that failed, and where it begins; of frames in each other the inner one."""
    found: tuple[int, list[str]] = (0, [])
    begin = -1
    for index, line in enumerate(lines):
        if FRAME.match(line):
            begin = index
        elif begin >= 0 and END_OF_FRAME.match(line):
            inside = [each.strip() for each in lines[begin + 1 : index] if each.strip()]
            found, begin = ((begin, inside) if inside else found), -1
    return found


def _git(lines: Sequence[str]) -> tuple[int, list[str]]:
    """What the last command of git said, and where it was begun; nothing when it did not fail."""
    begin = next((index for index in reversed(range(len(lines))) if GIT.match(lines[index])), -1)
    said: list[str] = []
    for line in lines[begin + 1 :] if begin >= 0 else ():
        if WENT_ON.match(line):
            break
        if END_OF_GIT.match(line):
            return begin, said
        if line.strip():
            said.append(line.strip())
    return -1, []


def _reason_of_build(lines: Sequence[str]) -> str:
    reports = [line for line in lines if REPORT.match(line)]
    direct = [line for line in reports if not OF_COMMAND.match(line)]
    if not direct:
        return (reports or lines)[-1]
    # The first error of a compiler leads to the others; the last exception of Python is the one that nobody caught.
    return direct[-1 if TRACEBACK in lines else 0]


def _reason_of_git(lines: Sequence[str]) -> str:
    return next((line for line in lines if not line.startswith(("warning:", "Cloning", "remote: "))), lines[-1])


def _refusal(lines: Sequence[str]) -> tuple[str, Sequence[str]]:
    told = [line.strip() for line in lines if line.strip()]
    errors = [found["text"] for found in map(ERROR.match, told) if found]
    if not errors:
        return _essential(told, told[-1] if told else "it said nothing")
    first = next(index for index, line in enumerate(told) if ERROR.match(line))
    return _essential(told[first:], errors[-1])


def _essential(lines: Sequence[str], reason: str) -> tuple[str, Sequence[str]]:
    """The reason, and the last lines with it."""
    last = [line[:LONGEST_LINE] for line in lines[-MOST_LINES:]]
    short = reason[:LONGEST_LINE]
    return short, last if any(short in line for line in last) or not last else [short, "...", *last[1:]]


def _requirement(lines: Sequence[str], begin: int) -> str:
    """The requirement that pip was at, as it was asked for."""
    taken = [found["requirement"].strip() for found in map(TAKEN_UP.match, lines[:begin]) if found]
    named = next((found for found in map(NOT_BUILT.match, lines[begin:]) if found), None)
    name = (named["quoted"] or named["name"]) if named else ""
    same = [each for each in taken if name and _normal(each).startswith(_normal(name))]
    return next(iter([*same, name, *taken[::-1]] if name else taken[::-1]), "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
