# SPDX-License-Identifier: Apache-2.0
"""A small model of a host with packages, in the place of apt-get and dpkg."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import apt

DEPENDENCIES = {"apache2-dev": ["libtool"], "libtool": ["gcc"], "gcc": ["libc6-dev"], "libc6-dev": [], "perl": []}


class AptHost:
    """What is installed, and what depends on what."""

    def __init__(self, *packages: str) -> None:
        self.packages = set(packages)
        self.dependencies = {**DEPENDENCIES}
        self.fails = False

    def with_dependencies(self, names: Iterable[str]) -> set[str]:
        found = set(names)
        for name in names:
            found |= self.with_dependencies(self.dependencies[name])
        return found

    def with_dependents(self, names: Iterable[str]) -> set[str]:
        found = {name for name in self.packages if self.with_dependencies([name]) & set(names)}
        return found & self.packages

    def apt(self, _host: str, verb: str, *arguments: str) -> str:
        simulated = "--simulate" in arguments
        names = [name for name in arguments if name != "--simulate"]
        if verb == "install":
            new = self.with_dependencies(names) - self.packages
            if not simulated:
                if self.fails:
                    raise apt.AptError("apt-get failed.")
                self.packages |= new
            return (
                "".join(f"Inst {name} (1.0 Debian:12 [amd64])\n" for name in new) + "Inst perl [5.1] (5.2 Debian:12)\n"
            )
        if verb == "purge":
            gone = self.with_dependents(names)
            if not simulated:
                self.packages -= gone
            return "".join(f"Purg {name} [1.0]\n" for name in gone)
        return ""


def apt_host(monkeypatch: pytest.MonkeyPatch, *packages: str) -> AptHost:
    """A host with these packages, which the code under test takes for the real one."""
    host = AptHost(*packages)
    monkeypatch.setattr(apt, "run_apt", host.apt)
    monkeypatch.setattr(apt, "installed", lambda names: [name for name in names if name in host.packages])
    monkeypatch.setattr(apt, "missing", lambda names: sorted(set(names) - host.packages))
    return host
