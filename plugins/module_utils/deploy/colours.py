# SPDX-License-Identifier: Apache-2.0
"""The two daemon process groups of an application whose releases change by blue and green. Runs on the managed host.

Each has links to a release and a virtual environment, and files with what the launcher needs. One serves, which a file
says that httpd reads with each request (RewriteMap): a new file in its place is the switch, without a reload. The other
one keeps the previous release for a while, is given the next one, and otherwise holds nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from math import gcd
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import COLOURS
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import REMOVE, Edit
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import CODE_ROOT, layout

LARGEST_FILE = 4096
"""Bytes of a file of ours that is one or two lines."""
GOING_LIVE_SECONDS = 3600
"""How long a release is held that is not the active one yet: as long as a deployment may take from there."""

Application = Mapping[str, Any]
Paths = Mapping[str, str]


def has(application: Application) -> bool:
    """Whether its releases change by blue and green. A record that an earlier version has kept does not say."""
    return bool(application.get("colours"))


def overlap(application: Application) -> bool:
    """Whether both groups are loaded for the time of a switch alone: one process each, and nothing is kept warm.

    So it is where releases change by rolling, since mod_wsgi starts no second process of a group for that time. By blue
    and green with such settings it is the same.
    """
    releases = application.get("releases") or {}
    has_two = releases.get("strategy") == "blue_green" and application.get("processes") == 1
    return has_two and not releases.get("keep_warm", 1) and not (releases.get("canary") or {}).get("percent")


def group(name: str, colour: str) -> str:
    """The group of one colour, as mod_wsgi knows it: of "shop" "shop:blue", of "shop:reports" "shop:blue:reports"."""
    application, *part = name.split(":")
    return ":".join([application, colour, *part])


def colour_of(group_name: str) -> str:
    """The colour of a daemon process group that has one."""
    return group_name.split(":")[1]


def paths_of(paths: Paths, colour: str) -> dict[str, str]:
    """Where the links and files of one colour are, by the names of those of the application."""
    found = {key: f"{paths[key]}-{colour}" for key in ("current", "venv")}
    for key in ("application", "environment"):
        root, ending = os.path.splitext(paths[key])
        found[key] = f"{root}-{colour}{ending}"
    return found


def active_file(paths: Paths) -> str:
    """Which colour serves. In a folder that httpd may read."""
    return os.path.join(paths["code"], "active")


def held_file(paths: Paths) -> str:
    """What the other colour holds, and until when."""
    return os.path.join(paths["code"], "held")


def canary_log(log_directory: str, name: str) -> str:
    """Where httpd writes which group has answered with which status, while a release is tried."""
    return os.path.join(log_directory, f"{name}-canary.log")


def _words(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="ascii") as stream:
            return [line.split() for line in stream.read(LARGEST_FILE).splitlines()]
    except (OSError, UnicodeDecodeError):
        return []


def active(paths: Paths) -> str:
    """The colour that serves; the first one where nothing says so."""
    for words in _words(active_file(paths)):
        # Of several, the first one serves and another one is tried.
        colour = words[1].partition("|")[0].rpartition(":")[2] if len(words) == 2 and words[0] == "active" else ""
        if colour in COLOURS:
            return colour
    return COLOURS[0]


def other(colour: str) -> str:
    """The other one of the two."""
    return COLOURS[1 - COLOURS.index(colour)]


def active_text(name: str, colour: str) -> str:
    """What the file says that httpd reads: pairs of a key and a daemon process group, as a RewriteMap has them."""
    return f"active {group(name, colour)}\nresting {group(name, other(colour))}\n"


def tried_text(name: str, colour: str, percent: int, trial: int = 0) -> str:
    """The same while a share of the requests goes to a colour that does not serve yet: httpd chooses among several.

    ``percent`` is a multiple of 5, since a line of the file has 1,024 bytes at the most (mod_rewrite). ``trial`` is the
    number of this time where a visitor stays with one of the two: a cookie has it, and says new or old.
    """
    serving = other(colour)
    share, among = percent // gcd(percent, 100), 100 // gcd(percent, 100)
    several = "|".join([group(name, serving)] * (among - share) + [group(name, colour)] * share)
    text = f"active {several}\nresting {group(name, colour)}\ncanary on\n"
    if not trial:
        return text
    both = {"new": group(name, colour), "old": group(name, serving)}
    pairs = [("trial", str(trial)), *both.items(), *((each, word) for word, each in both.items())]
    return text + "".join(f"{key} {value}\n" for key, value in pairs)


def held_text(name: str, colour: str, seconds: float) -> str:
    """That a colour which does not serve holds its release for some seconds from now."""
    return f"{group(name, colour)} {time.time() + seconds:.0f}\n"


def is_held(application: Application, colour: str, seconds: float = 0) -> bool:
    """Whether a colour that does not serve holds its release, and goes on to for some seconds."""
    for words in _words(held_file(application["paths"])):
        if len(words) == 2 and words[0] == group(application["name"], colour) and words[1].isdigit():
            return int(words[1]) > time.time() + seconds
    return False


def is_there(paths: Paths) -> bool:
    """Whether the files of both colours are on the host, so that the application is served by one of them."""
    return all(os.path.lexists(paths_of(paths, colour)["application"]) for colour in COLOURS)


def applications() -> list[str]:
    """The applications of this host whose releases change by blue and green."""
    names = sorted(os.listdir(CODE_ROOT)) if os.path.isdir(CODE_ROOT) else []
    return [name for name in names if is_there(layout(name))]


def ensure_active_file(application: Application) -> None:
    """Let there be a file for httpd to read, since it refuses a configuration without. Nothing else comes of it."""
    path = active_file(application["paths"])
    if os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(active_text(application["name"], COLOURS[0]))


def removals(paths: Paths) -> Iterator[Edit]:
    """What takes the files of both colours away, when releases change otherwise from now on."""
    for colour in COLOURS:
        for path in paths_of(paths, colour).values():
            if os.path.lexists(path):
                yield Edit(path, REMOVE)


def links(paths: Paths) -> Iterator[str]:
    """The links of both colours to releases and virtual environments."""
    for colour in COLOURS:
        of_colour = paths_of(paths, colour)
        yield from (of_colour["current"], of_colour["venv"])
