# SPDX-License-Identifier: Apache-2.0
"""The releases of Debian and Ubuntu that a test host can be made of: the one place that lists them."""

from __future__ import annotations

from dataclasses import dataclass

#: What every test host has beyond a minimal Debian.
PACKAGES = (
    "ca-certificates", "iproute2", "openssh-server", "procps", "python3", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip

DEFAULT_SUITE = "bookworm"


@dataclass(frozen=True)
class Suite:
    """A release of Debian or Ubuntu, by code name."""

    name: str
    #: Release number; the next release after the newest one for testing.
    version: str
    #: Version of its Python.
    python: str
    #: Settings for apt, in its own syntax; they stay in the image.
    apt_options: tuple[str, ...] = ()
    #: Whose release it is. Only Debian's can be made here where no registry of images answers.
    family: str = "debian"

    @property
    def title(self) -> str:
        """Its name in sentences."""
        return f"{self.family.capitalize()} {self.version}"

    @property
    def pulled_image(self) -> str:
        """The public image of this suite."""
        return f"ubuntu:{self.version}" if self.family == "ubuntu" else f"debian:{self.name}-slim"


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bullseye", "11", "3.9"),
        Suite("bookworm", "12", "3.11"),
        Suite("trixie", "13", "3.13"),
        # The index of a suite in the making can be past its date.
        Suite("forky", "14", "3.14", apt_options=('Acquire::Check-Valid-Until "false";',)),
        Suite("jammy", "22.04", "3.10", family="ubuntu"),
        Suite("noble", "24.04", "3.12", family="ubuntu"),
        Suite("resolute", "26.04", "3.14", family="ubuntu"),
    )
}

#: Pythons that a test host can have beside its own, each with the suite whose source package it is built from.
INTERPRETERS = {suite.python: suite for suite in SUITES.values() if suite.family == "debian"}
