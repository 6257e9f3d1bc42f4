# SPDX-License-Identifier: Apache-2.0
"""The distributions that the roles support: the one table of them, and how a host is found in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


class UnsupportedDistributionError(Exception):
    """The host's distribution is not in the table; the text says what it is and what is supported."""


FAMILIES: Mapping[str, str] = {"debian": "debian:{codename}-slim", "ubuntu": "ubuntu:{release}"}
"""The families of distributions, each with the public image of a release. All have Debian's packages, tools and layout:
apt, dpkg, a2enmod, /etc/apache2, the unit and the accounts have the same names."""


@dataclass(frozen=True)
class Distribution:
    """One release of a distribution, and what it brings."""

    family: str
    """ID of /etc/os-release, a key of FAMILIES: "debian"."""
    codename: str
    """VERSION_CODENAME of /etc/os-release: "bookworm"."""
    release: str
    """Its number: "12", "24.04"; for the one in the making the number that it will have."""
    python: str
    """Version of its python3: "3.11"."""
    module_version: str
    """Version of its package libapache2-mod-wsgi-py3; "" when not verified."""
    httpd_api: int = 20120211
    """Major part of httpd's Module Magic Number: what a compiled module depends on."""
    strict_compiler: bool = False
    """Whether its compiler refuses calls of functions that are not declared, as GCC does from 14 on."""

    @property
    def key(self) -> str:
        """Its name where it is part of another name: "debian12", "ubuntu24.04"."""
        return self.family + self.release

    @property
    def title(self) -> str:
        """Its name in sentences: "Debian 12"."""
        return f"{self.family.capitalize()} {self.release}"

    @property
    def image(self) -> str:
        """The public image of it, in which a wheel is built on the control node: "debian:bookworm-slim"."""
        return FAMILIES[self.family].format(codename=self.codename, release=self.release)


_TABLE = (
    Distribution("debian", "bullseye", "11", "3.9", ""),
    Distribution("debian", "bookworm", "12", "3.11", "4.9.4"),
    Distribution("debian", "trixie", "13", "3.13", "5.0.2", strict_compiler=True),
    Distribution("debian", "forky", "14", "3.14", "", strict_compiler=True),
    Distribution("ubuntu", "jammy", "22.04", "3.10", "4.9.0"),
    Distribution("ubuntu", "noble", "24.04", "3.12", "5.0.0"),
    Distribution("ubuntu", "resolute", "26.04", "3.14", "5.0.2", strict_compiler=True),
)
DISTRIBUTIONS: Mapping[str, Distribution] = {entry.key: entry for entry in _TABLE}
"""By key; of each family the oldest first."""


def identify(os_release: str) -> Distribution:
    """The distribution that the text of /etc/os-release names.

    By code name, since a release in the making has no number there. Raises UnsupportedDistributionError.
    """
    values = dict(re.findall(r"""^([A-Z_]+)=["']?(.*?)["']?$""", os_release, re.MULTILINE))
    for entry in _TABLE:
        if (entry.family, entry.codename) == (values.get("ID"), values.get("VERSION_CODENAME")):
            return entry
    shown = values.get("PRETTY_NAME") or values.get("ID") or "an unknown system"
    supported = ", ".join(f"{entry.title} ({entry.codename})" for entry in _TABLE)
    raise UnsupportedDistributionError(f"runs {shown}, which is not supported; use one of {supported}.")
