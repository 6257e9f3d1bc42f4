# SPDX-License-Identifier: Apache-2.0
"""A place where builds can be tried: an account of nobody's, and folders that it can reach."""

from __future__ import annotations

import grp
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder, failure_log, venv

from tools.laboratory.machine import is_debian_family, is_root, python_for_accounts

UNPACK_PIP = """
import ensurepip, glob, os, sys, sysconfig, zipfile
folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
[pip] = glob.glob(os.path.join(folder, "pip-*.whl"))
[site] = glob.glob(os.path.join(sys.argv[1], "lib", "python*", "site-packages"))
zipfile.ZipFile(pip).extractall(site)
"""
"""Let a virtual environment have the pip that comes with Python."""

ACCOUNT = 54400 + os.getpid() % 1000 if os.geteuid() == 0 else os.geteuid()
"""A user id that nothing on the machine has; who is not root builds as himself."""


@cache
def interpreter() -> str:
    """A Python that the account for builds can run, and that makes virtual environments with pip. Looked for once."""
    found = python_for_accounts()
    if found is None:
        missing = "no Python that every account can run makes virtual environments (python3-venv)"
        if is_root() and is_debian_family():
            pytest.fail(f"{missing}; `make check` installs it")
        # A machine of a user's on which nothing may be installed: what builds is tried by CI.
        pytest.skip(missing)
    return found


def hasten_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack pip into virtual environments: to install and compile it takes most of a test that is about others."""
    as_it_is = venv.run

    def run(room: builder.Room, command: Sequence[str], what: str, *more: Any) -> None:
        if list(command[1:4]) != ["-I", "-m", "venv"]:
            as_it_is(room, command, what, *more)
            return
        *options, path = command
        as_it_is(room, [*options, "--without-pip", path], what)
        as_it_is(room, [command[0], "-I", "-c", UNPACK_PIP, path], what)

    monkeypatch.setattr(venv, "run", run)


GROUP = grp.getgrgid(os.getegid()).gr_name
"""A group that an application can have on every machine."""


@contextmanager
def build_ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every account can enter, with the rooms of builds in it."""
    folder = Path(tempfile.mkdtemp(prefix="modwsgi-test-"))
    folder.chmod(0o755)
    account = builder.Account(ACCOUNT, ACCOUNT if os.geteuid() == 0 else os.getegid(), own=os.geteuid() == 0)
    monkeypatch.setattr(builder, "BUILD_ROOT", str(folder / "rooms" / "build"))
    monkeypatch.setattr(builder, "SHARED", ("/var/tmp",))  # the folder itself is in /tmp
    monkeypatch.setattr(builder, "build_account", lambda: account)
    monkeypatch.setattr(failure_log, "FOLDER", str(folder / "log"))
    monkeypatch.setattr(venv, "FORMER_CACHE", str(folder / "rooms" / "pip"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def application(folder: Path, **keys: Any) -> dict[str, Any]:
    """An application whose releases and virtual environments are below this folder."""
    places = {"releases": "releases", "venvs": "venvs", "repository": "repository.git", "current": "current"}
    return {
        "name": "shop",
        "group": GROUP,
        "script": "wsgi.py",
        "requirements": "",
        "static_root": "",
        "static": [],
        "paths": {name: str(folder / path) for name, path in places.items()},
        **keys,
    }


def parameters(release: Mapping[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """What the modules that build for it are told, with its release."""
    python = {"executable": interpreter(), "full_version": "3", "abi": "cp3"}
    return {"interpreter": python, "releases": {"shop": release}, **options}


class BuildHost:
    """A host with one release of one application, without what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venvs = folder / "venvs"
        self.release = folder / "release"
        self.release.mkdir()

    def described(self, *, options: Mapping[str, Any], **keys: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The application, and what a module is told of it."""
        release = {"id": "r1", "path": str(self.release)}
        return application(self.folder, **keys), parameters(release, **options)

    def left(self) -> list[str]:
        """Its virtual environments, and what is left of others."""
        return sorted(path.name for path in self.venvs.iterdir()) if self.venvs.exists() else []
