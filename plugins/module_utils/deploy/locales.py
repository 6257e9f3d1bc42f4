# SPDX-License-Identifier: Apache-2.0
"""Whether this host has the locales and time zones that applications ask for.

Without one of them nothing fails: mod_wsgi goes on in the locale C, and the C library in UTC.
"""

from __future__ import annotations

import locale
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ALWAYS = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})
"""Locales of the C library itself; asking for these alone costs nothing."""

ZONES = "/usr/share/zoneinfo"
ZONE = re.compile(r":?([A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)+)")
"""The name of a zone below ZONES, like Europe/Berlin. Anything else describes a zone by itself, like CET-1CEST."""

LIST_SECONDS = 10
MOST_NAMES = 20


def exists(name: str) -> bool:
    """Whether the C library of this host has a locale."""
    if name in ALWAYS:
        return True
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return True


def installed() -> list[str]:
    """The locales of this host, for a message."""
    try:
        done = subprocess.run(
            ["locale", "-a"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LIST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return sorted(ALWAYS)
    return done.stdout.decode("utf-8", "replace").split()


def _there() -> str:
    names = installed()
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def problems(applications: Sequence[Mapping[str, Any]], environments: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """One sentence for each locale and time zone that is not there."""
    for application in applications:
        name = application["name"]
        if application["mode"] != "embedded":
            for key in ("lang", "locale"):
                if not exists(application[key]):
                    yield (
                        f"wsgi_apps: application {name!r}, key {key}: this host has no locale {application[key]} "
                        f"(there is {_there()}), and mod_wsgi would use C without a word; install it (package "
                        "locales-all), or name one that is there."
                    )
        zone = ZONE.fullmatch(environments.get(name, {}).get("TZ", ""))
        if zone and not os.path.isfile(os.path.join(ZONES, zone[1])):
            yield (
                f"wsgi_apps: application {name!r}, key environment.TZ: this host has no time zone of that name in "
                f"{ZONES}, and the application would run in UTC without a word; correct the name, or install the "
                "package tzdata."
            )
