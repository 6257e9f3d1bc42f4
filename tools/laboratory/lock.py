# SPDX-License-Identifier: Apache-2.0
"""Pinning the development tools: requirements-dev.in -> requirements-dev.txt, and the environments of tests."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tools.laboratory.console import Console, LabError
from tools.laboratory.process import require, run
from tools.laboratory.state import Lab

#: The oldest Python of the lab: what is pinned for it installs on newer ones.
LOCK_PYTHON = (3, 11)
_PIP_TOOLS = "pip-tools==7.6.2"
_NAMES = ("requirements-dev", "requirements-projects", "requirements-sslyze", "tests/images/wheels")
_HEADER = "# Made by `make lock` out of {name}.in, for Python 3.11 and newer; do not edit.\n"
#: Lines that would tie the file to the package index of one machine.
_ADDRESSES = ("-i ", "--index-url", "--extra-index-url", "--find-links", "-f ", "--trusted-host")


def lock(lab: Lab, console: Console) -> None:
    """Pins the newest versions that requirements-dev.in and the lists of the tests allow.

    Raises:
        LabError: this is another Python than the oldest supported one, or the packages cannot be resolved.
    """
    if sys.version_info[:2] != LOCK_PYTHON:
        raise LabError(
            "The tools are pinned with the oldest Python that they support: run `make lock PYTHON=python3.11`."
        )
    with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
        require(run([sys.executable, "-m", "venv", f"{folder}/venv"]), "An environment for pip-tools cannot be made")
        python = Path(folder) / "venv/bin/python"
        require(run([python, "-m", "pip", "install", "--quiet", _PIP_TOOLS]), "pip-tools cannot be installed")
        for name in _NAMES:
            with console.step(f"Pins in {name}.txt"):
                _lock_one(lab, python, name, Path(folder) / f"{Path(name).name}.txt")


def _lock_one(lab: Lab, python: Path, name: str, target: Path) -> None:
    options = ["--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--upgrade"]
    compile_: list[str | Path] = [python, "-m", "piptools", "compile", *options, "--output-file", target, f"{name}.in"]
    # Extra package folders of this machine stay out of it.
    environment = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    require(run(compile_, environment=environment, directory=lab.repository), f"{name}.in cannot be resolved")
    pinned = without_addresses(target.read_text(encoding="utf-8"))
    (lab.repository / f"{name}.txt").write_text(_HEADER.format(name=name) + pinned, encoding="utf-8")


def without_addresses(requirements: str) -> str:
    """Requirements without the lines that name a package index or a folder of packages."""
    kept = [line for line in requirements.splitlines() if not line.startswith(_ADDRESSES)]
    return "\n".join(kept).strip() + "\n"
