# SPDX-License-Identifier: Apache-2.0
"""What is known about the versions of mod_wsgi: data, and plain look-ups in it.

The one place for checksums, supported Pythons, known-bad versions and package names.
Checksums and the Python ranges of the versions that carry one were measured on Debian 12 (3.13 also on Debian 13,
3.14 on forky), Apache 2.4, 2026-11; the other versions have the range of their line and no checksum, so that they
install only with a checksum of the user's.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_VERSION = "6.1.1"

# The release whose notes bring WSGIDestroyInterpreter (express: --orphan-interpreter) and a debugger with a keyboard.
FIRST_WITH_TOGGLE = "4.9.1"
FIRST_WITH_DEBUGGER = "4.9.1"

_FORGED_ADDRESS = (
    "CVE-2022-2255: it passes X-Client-IP from an untrusted proxy to the application, so a client can forge its address"
)
_LARGE_BODIES = "request bodies over 1 GiB crash it with Apache 2.4.54 or later"
_DEAD_ON_32_BIT = "daemon mode does not work on 32-bit machines"
_LOST_BODIES = f"POST bodies are broken with WSGIScriptReloading Off and queue-timeout=0, and {_DEAD_ON_32_BIT}"
_RACE = "its threads race on memory pools of APR, which are not thread safe; 6.1.1 has the correction"

# Why a Python outside of the range does not fit; "it" is the version of the module.
_OPAQUE_FRAMES = "it does not compile with Python 3.11 or later, where PyFrameObject is opaque"
_UNDECLARED = (
    "it calls PySys_AddWarnOption, which Python 3.13 and later do not declare, and GCC compiles no such call from 14 on"
)
_ASKS_FOR_3_10 = "its source distribution asks for Python 3.10 or later"
_NAMES_3_15 = "it names Python 3.15 as supported, which was not tried, since no distribution here has it yet"


@dataclass(frozen=True)
class ModuleVersion:
    """One version of mod_wsgi."""

    first_python: str
    """Lowest supported Python, for example "3.8"."""
    last_python: str
    """Highest supported Python, inclusive."""
    sha256: str = ""
    """SHA-256 of the source distribution; "" when none has been verified."""
    known_bad: str = ""
    """Why it is refused unless the user insists by name; "" when nothing is known against it."""
    too_old: str = "no older Python has been tried with it"
    """Why a Python below the lowest does not fit."""
    too_new: str = "no newer Python has been tried with it"
    """Why a Python above the highest does not fit."""
    strict_last_python: str = ""
    """Highest supported Python where the compiler is strict (Distribution.strict_compiler); "" when it is no other."""

    def pythons(self, strict_compiler: bool) -> tuple[str, str]:
        """The lowest and the highest supported Python."""
        return self.first_python, (strict_compiler and self.strict_last_python) or self.last_python


MODULE_VERSIONS: dict[str, ModuleVersion] = {
    "4.9.0": ModuleVersion("3.8", "3.10", known_bad=f"{_FORGED_ADDRESS}, and {_LARGE_BODIES}", too_new=_OPAQUE_FRAMES),
    "4.9.1": ModuleVersion(
        "3.8",
        "3.13",
        sha256="44f91ef0c5859d0e121f70b2fff0807c7a0f528ec5b48ed72585d350e9b917e6",
        known_bad=f"{_FORGED_ADDRESS}, and {_LARGE_BODIES}",
        too_new=_UNDECLARED,
        strict_last_python="3.12",
    ),
    "4.9.2": ModuleVersion(
        "3.8",
        "3.13",
        known_bad=f"{_FORGED_ADDRESS}, and {_LARGE_BODIES}",
        too_new=_UNDECLARED,
        strict_last_python="3.12",
    ),
    "4.9.3": ModuleVersion("3.8", "3.13", known_bad=_LARGE_BODIES, too_new=_UNDECLARED, strict_last_python="3.12"),
    "4.9.4": ModuleVersion(
        "3.8",
        "3.13",
        sha256="8e762662ea5b01afc386bbcfbaa079748eb6203ab1d6d3a3dac9237f5666cfc9",
        too_new=_UNDECLARED,
        strict_last_python="3.12",
    ),
    "5.0.0": ModuleVersion("3.8", "3.14"),
    "5.0.1": ModuleVersion("3.8", "3.14"),
    "5.0.2": ModuleVersion("3.8", "3.14", sha256="6fe5557c3ef25c184c2c994905fe52be1c06ae5c46235ecafe558e84789e2159"),
    "6.0.0": ModuleVersion("3.10", "3.14", known_bad=f"{_LOST_BODIES}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.1": ModuleVersion("3.10", "3.14", known_bad=f"{_LOST_BODIES}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.2": ModuleVersion("3.10", "3.14", known_bad=f"{_LOST_BODIES}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.3": ModuleVersion("3.10", "3.14", known_bad=f"{_LOST_BODIES}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.4": ModuleVersion("3.10", "3.14", known_bad=f"{_LOST_BODIES}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.5": ModuleVersion("3.10", "3.14", known_bad=f"{_DEAD_ON_32_BIT}, and {_RACE}", too_old=_ASKS_FOR_3_10),
    "6.0.6": ModuleVersion("3.10", "3.14", known_bad=_RACE, too_old=_ASKS_FOR_3_10),
    "6.1.0": ModuleVersion("3.10", "3.14", known_bad=_RACE, too_old=_ASKS_FOR_3_10, too_new=_NAMES_3_15),
    "6.1.1": ModuleVersion(
        "3.10",
        "3.14",
        sha256="a42d11ba45d2050ab456a474d034e938605ca76386233ef404daa8b0388ca60e",
        too_old=_ASKS_FOR_3_10,
        too_new=_NAMES_3_15,
    ),
}

# The build environment: setuptools alone builds each version above (it makes wheels by itself since 70.1),
# and this is its last version that runs on Python 3.8. The checksum is the wheel's.
BUILD_REQUIREMENTS = (
    "setuptools==75.3.4 --hash=sha256:2dd50a7f42dddfa1d02a36f275dbe716f38ed250224f609d35fb60a09593d93e",
)


MODULE_PACKAGE = "libapache2-mod-wsgi-py3"
HTTPD_PACKAGE = "apache2-bin"


def runtime_packages(python: str) -> list[str]:
    """Packages that serving and virtual environments need with the distribution's Python ("3.11")."""
    return [f"python{python}", f"libpython{python}", f"python{python}-venv"]


def build_packages(python: str, from_distribution: bool) -> list[str]:
    """Packages that are needed only while the wheel is built; a Python of the user's brings its own headers."""
    packages = ["apache2-dev", "gcc", "libc6-dev"]
    return [*packages, f"python{python}-dev"] if from_distribution else packages


def packaged_module(python: str) -> str:
    """Path of the distribution's compiled module for a Python ("3.11")."""
    return f"/usr/lib/apache2/modules/mod_wsgi.so-{python}"


def version_key(version: str) -> tuple[int, ...]:
    """Sortable form of a dotted version: "3.10" is higher than "3.9"."""
    return tuple(int(part) for part in version.split("."))


def range_reason(version: str, python: str, strict_compiler: bool = False) -> str:
    """Why a module version does not support a Python ("3.11"); "" when it does, or when the table lacks it."""
    known = MODULE_VERSIONS.get(version)
    if known is None:
        return ""
    first, last = known.pythons(strict_compiler)
    if version_key(python) < version_key(first):
        return known.too_old
    return known.too_new if version_key(python) > version_key(last) else ""


def versions_for(python: str, strict_compiler: bool = False) -> list[str]:
    """Module versions that support a Python, carry a checksum and are not known to be bad; newest first."""
    good = [name for name, known in MODULE_VERSIONS.items() if known.sha256 and not known.known_bad]
    fitting = [name for name in good if not range_reason(name, python, strict_compiler)]
    return sorted(fitting, key=version_key, reverse=True)
