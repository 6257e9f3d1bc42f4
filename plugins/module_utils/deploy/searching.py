# SPDX-License-Identifier: Apache-2.0
"""Search the Python files of a release for code that matters to mod_wsgi, by reading and not by running it.

Reading is done on the managed host, by an account without rights: a source can be written so that the parser crashes.
"""

from __future__ import annotations

import ast
import json
import os
import resource
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, NoReturn

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import Account, BuildError, reader
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import (
    ConfinementError,
    Ended,
    give_up_rights,
    run_confined,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import shown

LARGEST_FILE = 1 << 20
"""Bytes of a file that is read; larger ones hold data."""

MOST_FILES = 50_000
"""Python files of a release that is searched."""

MOST_BYTES = 1 << 28
"""Bytes that are read of a release."""

MOST_PLACES = 100
"""How many are told of, of each subject; the others are counted."""

LONGEST = 60
"""Seconds for a whole release."""

LIMITS = {resource.RLIMIT_AS: 2 << 30}
"""Bytes of memory."""


class SearchError(Exception):
    """A release could not be searched; the text is a part of a sentence."""


class Place(NamedTuple):
    """One place in the code; the line counts from 1."""

    file: str
    line: int
    subject: str


class Search(NamedTuple):
    """What is searched for."""

    words: tuple[bytes, ...]
    """A file without any of them is not parsed."""
    find: Callable[[ast.AST], Iterable[tuple[int, str]]]
    """The lines of a file, each with its subject."""


class Found(NamedTuple):
    """What a search has found in a release."""

    places: list[Place]
    counts: dict[str, int]
    """How many there are of each subject."""


def parsed(source: str) -> ast.AST | None:
    """The tree of a source; None for what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the application's own literals
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _contents(root: str, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The Python files among ``paths``, which are relative to ``root``. Unreadable and large ones are skipped."""
    size = 0
    for number, path in enumerate(sorted(path for path in paths if path.endswith(".py"))):
        if number >= MOST_FILES or size > MOST_BYTES:
            raise SearchError(f"it has more than {MOST_FILES} Python files, or more than {MOST_BYTES} bytes of them")
        try:
            descriptor = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as stream:
                content = stream.read(LARGEST_FILE + 1)
        except OSError:
            continue
        size += len(content)
        if len(content) <= LARGEST_FILE:
            yield path, content


def places(root: str, paths: Iterable[str], searches: Sequence[Search]) -> Iterator[tuple[int, Place]]:
    """All places, each with the number of its search. Raises SearchError."""
    for path, content in _contents(root, paths):
        due = [(number, each) for number, each in enumerate(searches) if any(word in content for word in each.words)]
        tree = parsed(content.decode("utf-8", "replace")) if due else None
        if tree is not None:
            for number, each in due:
                yield from ((number, Place(path, *found)) for found in each.find(tree))


def search(release: str, searches: Sequence[Search], group: int | None = None) -> list[Found]:
    """What each search finds in a release, which ``group`` can read; all of them read it once.

    Raises SearchError, and OSError.
    """
    try:
        with reader(group) as account:
            ended = _search(release, searches, account)
        if ended.status != 0 or ended.reason:
            raise SearchError(ended.reason or f"the parser ended with status {ended.status}")
        told = json.loads(ended.output)
        if isinstance(told, str):
            raise SearchError(told)
        return [
            Found(
                [Place(shown(str(file)), int(line), shown(str(subject))) for file, line, subject in kept],
                {str(subject): int(number) for subject, number in counts.items()},
            )
            for kept, counts in told
        ]
    except (BuildError, ConfinementError, ValueError, TypeError, AttributeError) as error:
        raise SearchError(str(error)) from error


def _search(release: str, searches: Sequence[Search], account: Account) -> Ended:
    def execute() -> NoReturn:
        give_up_rights(account.uid, account.gid, account.groups, limits=LIMITS)
        try:
            answer: object = _collected(release, searches)
        except SearchError as error:
            answer = str(error)
        os.write(1, json.dumps(answer).encode())
        os._exit(0)

    return run_confined(execute, seconds=LONGEST, own_uid=account.uid if account.own else None)


def _collected(release: str, searches: Sequence[Search]) -> list[Found]:
    found = [Found([], {}) for _ in searches]
    paths = (
        os.path.relpath(os.path.join(folder, name), release) for folder, _, names in os.walk(release) for name in names
    )
    for number, place in places(release, paths, searches):
        kept, counts = found[number]
        counts[place.subject] = counts.get(place.subject, 0) + 1
        if counts[place.subject] <= MOST_PLACES:
            kept.append(place)
    return found
