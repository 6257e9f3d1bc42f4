# SPDX-License-Identifier: Apache-2.0
"""This machine: what it is, and Debian packages on it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tools.laboratory.console import Console, LabError
from tools.laboratory.process import require, run
from tools.laboratory.state import Lab

_LOCK_TIMEOUT = "120"  # seconds to wait for another package manager
_one_installation = threading.Lock()  # apt-get does not wait for another one that fetches package lists
# The one that the tools' environment was made with, and Debian's.
_PYTHONS = (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3")
_CERTIFICATE_FOLDERS = (Path("/usr/local/share/ca-certificates"), Path("/etc/pki/ca-trust/source/anchors"))


def is_root() -> bool:
    """Whether packages can be installed and daemons started."""
    return os.geteuid() == 0


def is_debian_family() -> bool:
    """Debian, Ubuntu and their relatives, by their package manager."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-query") is not None


def has_systemd() -> bool:
    """Whether systemd manages services here (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def trusted_certificates(folders: Sequence[Path] = _CERTIFICATE_FOLDERS) -> dict[str, bytes]:
    """The certificates of authorities that this machine trusts beyond the usual ones, by file name.

    Test hosts trust them too, or they could not reach a package index behind a company's proxy.
    """
    files = (file for folder in folders if folder.is_dir() for file in sorted(folder.rglob("*")))
    return {f"{file.stem}.crt": file.read_bytes() for file in files if file.suffix in {".crt", ".pem"}}


def installed(package: str) -> bool:
    """Whether a Debian package is installed."""
    result = run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", package])
    return result.stdout.strip() == "installed"


def _everybody_runs(program: str) -> bool:
    """Whether every account can run a program."""
    real = Path(program).resolve()
    return real.exists() and all(folder.stat().st_mode & 0o001 for folder in (real, *real.parents))


def python_for_accounts(candidates: Sequence[str] = _PYTHONS) -> str | None:
    """A Python that makes virtual environments with pip, and that the accounts of tests can run; None without one.

    Who is not root has no other account, so any will do.
    """
    for program in candidates:
        runs = _everybody_runs(program) if is_root() else os.access(program, os.X_OK)
        if runs and run([program, "-I", "-c", "import ensurepip"]).returncode == 0:
            return program
    return None


def ensure_python_for_accounts(lab: Lab, console: Console) -> None:
    """Installs `python3-venv` where builds could not be tried without; elsewhere the tests say so and leave them out.

    Debian packs ensurepip by itself, and a Python in root's home is closed to other accounts.

    Raises:
        LabError: apt-get failed.
    """
    if is_root() and is_debian_family() and python_for_accounts() is None:
        install_packages(lab, console, ["python3-venv"])


def install_packages(lab: Lab, console: Console, packages: Sequence[str]) -> None:
    """Installs Debian packages without recommendations, and remembers those that were not there.

    Raises:
        LabError: apt-get failed.
    """
    with _one_installation:
        missing = [package for package in packages if not installed(package)]
        if missing:
            with console.step(f"Debian packages {' '.join(missing)}"):
                _install(missing)
            lab.add("packages", missing)


def _install(packages: Sequence[str]) -> None:
    # With RUNLEVEL=1 no package starts its service where there is no systemd: the lab starts what it can stop.
    environment = {"DEBIAN_FRONTEND": "noninteractive"} | ({} if has_systemd() else {"RUNLEVEL": "1"})
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
    install += ["-o", f"DPkg::Lock::Timeout={_LOCK_TIMEOUT}", *packages]
    if run(install, environment=environment).returncode != 0:
        require(run(["apt-get", "update", "--quiet"]), "The package lists cannot be fetched with `apt-get update`")
        require(run(install, environment=environment), f"`{' '.join(install)}` failed")


def require_program(lab: Lab, console: Console, program: str, package: str) -> None:
    """Makes sure that a program is there; as root on a Debian family machine by installing its package.

    Raises:
        LabError: it is missing and cannot be installed.
    """
    if shutil.which(program):
        return
    if not (is_root() and is_debian_family()):
        raise LabError(
            f"The program `{program}` is missing: install it (Debian's package is `{package}`) and run this again."
        )
    install_packages(lab, console, [package])
