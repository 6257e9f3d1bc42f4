# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian that applications need: to run, and for the time in which pip builds. Runs on the managed host.

The names are the operator's, out of the inventory; nothing of a source decides about them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils import apt
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance


class PackagesError(Exception):
    """Packages cannot be installed or removed; the text is one sentence for the user."""


def _sentence(name: str, key: str, error: apt.AptError) -> str:
    return f"wsgi_apps: application {name!r}, key {key}: {error}"


def wanted(applications: Sequence[Mapping[str, Any]]) -> list[str]:
    """The packages that stay, of all applications."""
    return sorted({name for each in applications for name in each.get("packages") or []})


def record_of(described: Mapping[str, str]) -> Path:
    """The file with the packages that are there for a build."""
    return Path(described["venv_build_record"])


def due(applications: Sequence[Mapping[str, Any]], described: Mapping[str, str]) -> list[str]:
    """What is to be done about packages, in words: some are missing, or those of a build that was cut off are there."""
    missing = apt.missing(wanted(applications))
    found = [f"install {', '.join(sorted(missing))}"] if missing else []
    return found + (["remove what a build that was cut off has left"] if record_of(described).exists() else [])


def ensure(
    applications: Sequence[Mapping[str, Any]], described: Mapping[str, str], host: str, check_mode: bool
) -> dict[str, list[str]]:
    """Install what is missing, and remove what a build that was cut off has left: ``installed``, ``removed``.

    Raises PackagesError.
    """
    installed: list[str] = []
    for application in applications:
        names = apt.missing(application.get("packages") or [])
        if check_mode or not names:
            installed += names
            continue
        try:
            installed += apt.install(names, None, host, update=not installed)
        except apt.AptError as error:
            raise PackagesError(_sentence(application["name"], "packages", error)) from error
    record = record_of(described)
    try:
        removed = apt.remove(record, host, check_mode, wanted(applications)) if record.exists() else []
    except apt.AptError as error:
        raise PackagesError(f"wsgi_apps: packages of a build that was cut off are not removed: {error}") from error
    return {"installed": sorted(set(installed)), "removed": removed}


class BuildPackages:
    """Packages that are there while pip builds."""

    def __init__(self, applications: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> None:
        self.record = record_of(instance(parameters.get("instance") or "apache2"))
        self.host = parameters.get("host") or "localhost"
        self.keep = wanted(applications)
        self.ours = False

    def install(self, application: Mapping[str, Any]) -> None:
        """Install those of an application that is built now. Raises PackagesError."""
        names = application.get("build_packages") or []
        if not names:
            return
        update, self.ours = not self.ours, True
        try:
            apt.install(names, self.record, self.host, update)
        except apt.AptError as error:
            raise PackagesError(_sentence(application["name"], "build_packages", error)) from error

    def remove(self) -> None:
        """Remove those that were not there before. Raises PackagesError; the next run tries again."""
        if not self.ours:
            return
        try:
            apt.remove(self.record, self.host, check_mode=False, keep=self.keep)
        except apt.AptError as error:
            raise PackagesError(f"wsgi_apps: the build_packages of this run are not removed: {error}") from error


@contextlib.contextmanager
def for_builds(applications: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> Iterator[BuildPackages]:
    """Packages for the builds of a run; they go in the end, however it ends. Raises PackagesError."""
    packages = BuildPackages(applications, parameters)
    try:
        yield packages
    except BaseException:
        with contextlib.suppress(PackagesError):  # the first failure is the one to tell; the record stays
            packages.remove()
        raise
    packages.remove()
