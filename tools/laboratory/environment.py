# SPDX-License-Identifier: Apache-2.0
"""The Python environment of the pinned tools, and the collections that requirements.yml names."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.laboratory import machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.process import require, run
from tools.laboratory.state import Lab, content_hash

Command = list[str | Path]

_GALAXY_TIMEOUT = 60.0  # seconds for all of it; a server that is not there is given up after a tenth of that


def ensure(lab: Lab, console: Console) -> None:
    """Makes sure that the environment and the collections are those that the requirements files ask for.

    Raises:
        LabError: they cannot be installed.
    """
    _once(lab, "environment", _environment_hash(lab), lambda: _install_environment(lab, console))
    _once(lab, "collections", _collections_hash(lab), lambda: _install_collections(lab, console))


def _once(lab: Lab, name: str, stamp: str, action: Callable[[], None]) -> None:
    if lab.recall(name) != stamp:
        lab.remember(name, None)
        action()
        lab.remember(name, stamp)


def _environment_hash(lab: Lab) -> str:
    # An environment does not survive being moved, nor another Python.
    requirements = (lab.repository / "requirements-dev.txt").read_bytes()
    return content_hash([requirements, sys.version, sys.base_prefix, str(lab.environment)])


def _collections_hash(lab: Lab) -> str:
    return content_hash(
        (lab.repository / name).read_bytes() for name in ("requirements.yml", "requirements-collections.txt")
    )


def _install_environment(lab: Lab, console: Console) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        if not (machine.is_root() and machine.is_debian_family()):
            raise LabError(
                f"{sys.executable} cannot make virtual environments: "
                f"install the package `{package}` and run this again."
            )
        machine.install_packages(lab, console, [package])
    with console.step("Python environment in .lab/venv"):
        require(
            run([sys.executable, "-m", "venv", "--clear", lab.environment]), "The Python environment cannot be made"
        )
        pip: Command = [lab.environment / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        # What is never imported need not be compiled; the rest is at its first use.
        options: Command = [
            "--require-hashes",
            "--no-deps",
            "--no-compile",
            "--requirement",
            lab.repository / "requirements-dev.txt",
        ]
        require(run([*pip, "install", *options]), "The packages of requirements-dev.txt cannot be installed")


def _install_collections(lab: Lab, console: Console) -> None:
    with console.step("Ansible collections in .lab/collections"):
        shutil.rmtree(lab.collections, ignore_errors=True)
        galaxy: Command = [
            lab.environment / "bin/ansible-galaxy",
            "collection",
            "install",
            "--requirements-file",
            "requirements.yml",
        ]
        galaxy += ["--collections-path", lab.collections, "--timeout", str(_GALAXY_TIMEOUT / 10)]
        result = run(galaxy, timeout=_GALAXY_TIMEOUT, directory=lab.repository)
        if result.returncode != 0:
            console.report("Ansible collections: Galaxy does not answer; taking them out of the PyPI package `ansible`")
            _unpack_from_package(lab)


def _unpack_from_package(lab: Lab) -> None:
    wanted = collection_names((lab.repository / "requirements.yml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
        download: Command = [
            lab.environment / "bin/python",
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "download",
        ]
        options: Command = [
            "--require-hashes",
            "--no-deps",
            "--dest",
            folder,
            "--requirement",
            lab.repository / "requirements-collections.txt",
        ]
        require(
            run([*download, *options]),
            "The collections can be had neither from Galaxy nor out of the package `ansible`",
        )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = members_of_collections(archive.namelist(), wanted)
            archive.extractall(lab.collections, members)


def collection_names(requirements: str) -> list[str]:
    """The collections that a requirements.yml names, without a YAML parser: the lines `- name: namespace.name`."""
    return re.findall(r"^\s*-\s*name:\s*([a-z0-9_]+\.[a-z0-9_]+)\b", requirements, re.MULTILINE)


def members_of_collections(members: Iterable[str], collections: Iterable[str]) -> list[str]:
    """Those members of an archive that belong to some collections.

    Raises:
        LabError: a collection is not in the archive.
    """
    members = list(members)
    chosen: list[str] = []
    for collection in collections:
        prefix = f"ansible_collections/{collection.replace('.', '/')}/"
        found = [member for member in members if member.startswith(prefix)]
        if not found:
            raise LabError(
                f"The package in requirements-collections.txt does not carry the collection {collection} "
                "that requirements.yml names: choose another version of one of them."
            )
        chosen += found
    return chosen
