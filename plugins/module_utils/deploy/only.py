# SPDX-License-Identifier: Apache-2.0
"""A run for some applications alone (``wsgi_only``): what of the host it leaves as it is. Runs on the managed host.

All files are rendered as ever, from the whole inventory. Those of other applications that are not as rendered stay, and
so does what others share, unless only the chosen applications have changed it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.config import SITE
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import EMBEDDED

SHARED = (
    *("site", "server_name", "server_aliases", "redirect_names", "address", "port", "path"),
    *("mode", "tls", "probed_groups", "application_group"),
)
"""Keys of complete applications from which files that all share are made."""


def facts(application: Mapping[str, Any]) -> dict[str, Any]:
    """What files that all applications share have of one."""
    health, options = application.get("health") or {}, application.get("daemon_options") or {}
    return {
        **{key: application.get(key) for key in SHARED},
        "health": health.get("path"),
        "chroot": options.get("chroot"),
    }


def site_of(path: str, log_directory: str) -> str:
    """The application whose file outside of its own folders it is, or the site; empty where all share it."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) in ("sites-available", "sites-enabled"):
        found = SITE.fullmatch(name)
    elif os.path.basename(folder) == "modwsgi-users":
        found = re.fullmatch(r"(.+)-\d+", name)
    elif folder == EMBEDDED:
        found = re.fullmatch(r"(.+)\.py", name)
    elif folder == log_directory:
        found = re.fullmatch(r"(.+)-(?:access|error|canary)\.log", name)
    else:
        found = None
    return found[1] if found else ""


class Only:
    """The applications of a run, and what it leaves as it is."""

    def __init__(
        self,
        applications: Sequence[Mapping[str, Any]],
        others: Sequence[Mapping[str, Any]],
        proven: Mapping[str, Any],
        described: Mapping[str, str],
    ) -> None:
        """``applications`` are those of the run, ``others`` the rest of the inventory, all in their complete form.

        ``proven`` is by what the host was proven last, with the applications that it serves.
        """
        self.names = {str(each["name"]) for each in applications}
        self.log_directory = described["log_directory"]
        self.members: dict[str, set[str]] = {}
        """The applications of each vhost, by its site."""
        for each in (*applications, *others):
            self.members.setdefault(str(each.get("site", each["name"])), set()).add(str(each["name"]))
        self.proven = list(proven.get("applications", []))
        served = [each for each in self.proven if each["name"] in self.names]
        self.shares = bool(self._differing(applications, served))
        """Whether the applications of the run change what all share."""
        self.differing = self._differing(others, [each for each in self.proven if each["name"] not in self.names])
        """The others that would change it."""

    @staticmethod
    def _differing(wanted: Iterable[Mapping[str, Any]], served: Iterable[Mapping[str, Any]]) -> list[str]:
        """The names of applications that are not the same in what all share, or that one side alone has."""
        sides = [{str(each["name"]): facts(each) for each in side} for side in (wanted, served)]
        return sorted(name for name in {*sides[0], *sides[1]} if sides[0].get(name) != sides[1].get(name))

    def site_of(self, path: str) -> str:
        """As the function says it."""
        return site_of(path, self.log_directory)

    def stays(self, path: str) -> bool:
        """Whether a file stays as it is, whatever the inventory says."""
        site = self.site_of(path)
        if not site:
            return bool(self.differing)
        return not self.members.get(site, {site}) <= self.names

    def problem(self, paths: Iterable[str]) -> str:
        """Why the run cannot leave these files as they are, in a sentence; empty when it can."""
        paths = sorted(paths)
        for path in paths:
            members = self.members.get(self.site_of(path), set())
            if members & self.names:
                return (
                    f"{path} is not as the inventory says, and it is for {_listed(members)} together, of which "
                    f"wsgi_only has only {_listed(members & self.names)}; name all of them."
                )
        shared = [path for path in paths if not self.site_of(path)]
        if shared and self.shares:
            return (
                f"{_listed(shared)} would change for {_listed(self.names)}, and for {_listed(self.differing)} as well, "
                "which wsgi_only leaves out; name all of them in wsgi_only, or run without it."
            )
        return ""

    def waiting(self, paths: Iterable[str]) -> list[str]:
        """What is left as it is although the inventory says otherwise, in a sentence."""
        paths = list(paths)
        names = {self.site_of(path) for path in paths if self.site_of(path)} or set(self.differing)
        if not paths:
            return []
        return [
            f"The configuration of {_listed(names)} is not as the inventory says; it waits for a run that is for them, "
            "too (wsgi_only)."
        ]

    def proving(self, site: Mapping[str, Any]) -> dict[str, Any]:
        """By what the whole host is proven after this run, from what proves its applications."""
        others = [each for each in self.proven if each["name"] not in self.names]
        applications = sorted([*others, *site["applications"]], key=lambda each: str(each["name"]))
        return {**site, "applications": applications}


def _listed(words: Iterable[str]) -> str:
    *before, last = sorted(words)
    return f"{', '.join(before)} and {last}" if before else last
