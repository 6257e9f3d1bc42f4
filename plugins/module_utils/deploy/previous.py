# SPDX-License-Identifier: Apache-2.0
"""The static files of the release that was current before, for a while after a switch. Runs on the managed host.

Pages of that release are still open in browsers, and name style sheets that the new one may not have. So each folder of
static files that both releases serve at one URL has a link to that of the former release, and httpd looks there for
what the current release lacks (`plugin_utils/site/static.py`). A link leads to nothing but such a folder: code of the
former release is never served, whatever the new one says is static.

A file beside the links says until when. httpd compares it with its clock, so nobody has to come and end it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit

UNTIL = "until"
"""The name of the file beside the links."""

TIME = "%Y%m%d%H%M%S"
"""What httpd calls ``%{TIME}``: the local time, as one number."""

SAME = ("url", "directory", "file")
"""What has to be alike in two releases, for files of one to be served with those of the other."""


def until(now: float, seconds: float) -> str:
    """The end of a while in httpd's clock, which shows one hour twice a year again: never too early.

    ``now`` is the time in seconds since the epoch.
    """
    shown = datetime.fromtimestamp(now)
    return max(f"{end:{TIME}}" for end in (shown + timedelta(seconds=seconds), datetime.fromtimestamp(now + seconds)))


def seconds_of(application: Mapping[str, Any]) -> int:
    """How long after a switch the files are there; 0 also for an application that an earlier version has recorded.

    Both releases answer until the last process of the former one has gone, which takes two turns at the most.
    """
    kept = int(application.get("releases", {}).get("keep_static_seconds", 0))
    return kept and kept + 2 * int(application["replacement_seconds"] + application["shutdown_timeout"])


def targets(application: Mapping[str, Any], release: str) -> dict[str, str]:
    """Where links lead to that are for the files of a ``release`` (a path), by their paths.

    ``application`` is the new one; what it and the current one serve alike has a link.
    """
    paths = application["paths"]
    served = [_place(static) for static in read_record(paths["application"]).get("static", [])]
    return {
        os.path.join(paths["previous"], static["previous"]): os.path.join(
            release, os.path.relpath(static["directory"], paths["current"])
        )
        for static in application["static"]
        if static.get("previous") and _place(static) in served
    }


def _place(static: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(static.get(key) for key in SAME)


def edits(application: Mapping[str, Any], release: str) -> Iterator[Edit]:
    """What makes the links for the files of the current release, when ``release`` (a path) takes its place.

    Nothing when it is the current one already: other things have changed.
    """
    paths = application["paths"]
    current = os.path.realpath(paths["current"])
    if current == os.path.realpath(release):
        return
    is_there = os.path.dirname(current) == os.path.realpath(paths["releases"])
    seconds = seconds_of(application)
    wanted = targets(application, current) if seconds and is_there else {}
    yield from _edits(paths, wanted, seconds)
    for link in links(paths):
        if link not in wanted:
            yield Edit(link, journal.REMOVE)


def trial(application: Mapping[str, Any], release: str, seconds: int) -> Iterator[Edit]:
    """What lets httpd serve the files of a ``release`` (a path) that a share of the requests tries for some seconds.

    The current one has others of the same names, and the one before it none meanwhile.
    """
    kept = seconds_of(application)
    if kept and os.path.realpath(application["paths"]["current"]) != os.path.realpath(release):
        yield from _edits(application["paths"], targets(application, release), seconds + kept)


def _edits(paths: Mapping[str, str], wanted: Mapping[str, str], seconds: int) -> Iterator[Edit]:
    folder = paths["previous"]
    if wanted:
        yield Edit(folder, journal.DIRECTORY, mode=0o755, uid=0, gid=0)
        yield Edit(os.path.join(folder, UNTIL), journal.WRITE, until(time.time(), seconds).encode(), "", 0o644, 0, 0)
    for link, target in wanted.items():
        yield Edit(link, journal.LINK, target=os.path.relpath(target, folder))


def links(paths: Mapping[str, str]) -> list[str]:
    """The links that are there."""
    folder = paths["previous"]
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    # What the journal keeps for a way back has hidden names.
    found = (os.path.join(folder, name) for name in names if not name.startswith("."))
    return [path for path in found if os.path.islink(path)]


def served(paths: Mapping[str, str]) -> set[str]:
    """The releases of which files are served now beside those of the current one, as paths."""
    found = links(paths) if "previous" in paths else []
    if not found:
        return set()
    try:
        with open(os.path.join(paths["previous"], UNTIL), encoding="ascii") as file:
            end = file.read(len("20261130120000"))
    except OSError:
        return set()
    if end <= time.strftime(TIME):
        return set()
    releases = os.path.realpath(paths["releases"])
    inside = (os.path.relpath(os.path.realpath(link), releases) for link in found)
    return {os.path.join(paths["releases"], path.split(os.sep)[0]) for path in inside if not path.startswith("..")}
