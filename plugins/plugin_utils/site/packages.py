# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian: the keys `packages` and `build_packages`."""

from __future__ import annotations

import re

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries, repeated
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Problems, Subject

NAME = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9+.-]+(?<!-)")
"""A name as Debian's policy has it, with a letter, since a number of YAML's is none. One with '-' at its end would tell
apt-get to remove the package."""

KEYS = ("packages", "build_packages")


def check(application: App) -> Problems:
    """Names that apt-get takes for nothing else, and builds that there are."""
    for list_key in KEYS:
        for key, name in entries(application, list_key):
            if not NAME.fullmatch(name):
                text = f"{name!r} is not the name of a Debian package; write one like libpq5, without version and suite"
                yield key, text
        for name, times in repeated(application[list_key]):
            yield list_key, f"{name} is there {times} times; remove one"
    if application["build_packages"] and not application["requirements"]:
        yield "build_packages", "without requirements nothing is built; remove it, or name the requirements file"


SUBJECT = Subject(check)
