# SPDX-License-Identifier: Apache-2.0
"""Installations are whole or not at all, and hold the module of the right Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import installation as installations
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import InstallationError

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SUFFIX = ".cpython-fake.so"


def make_wheel(folder, python=VERSION):
    """A wheel with a console script and a file that looks like a compiled module for a Python."""
    wheel = folder / "mod_wsgi-6.1.1-py3-none-any.whl"
    entries = {
        f"mod_wsgi/server/mod_wsgi{SUFFIX}": f"\x7fELF...libpython{python}.so.1.0\0",
        "mod_wsgi/express.py": "def main():\n    print('express')\n",
        "mod_wsgi-6.1.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: mod_wsgi\nVersion: 6.1.1\n",
        "mod_wsgi-6.1.1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "mod_wsgi-6.1.1.dist-info/entry_points.txt": "[console_scripts]\nmod_wsgi-express = mod_wsgi.express:main\n",
        "mod_wsgi-6.1.1.dist-info/RECORD": "",
    }
    with ZipFile(wheel, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return str(wheel)


@pytest.fixture
def record(tmp_path):
    directory = tmp_path / "opt" / "6.1.1-cp311"
    return {
        "interpreter": {"executable": sys.executable, "version": VERSION, "extension_suffix": SUFFIX},
        "module": str(directory / f"lib/python{VERSION}/site-packages/mod_wsgi/server/mod_wsgi{SUFFIX}"),
    }


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "opt" / "6.1.1-cp311"


@pytest.fixture(name="unpacked")
def fixture_unpacked(monkeypatch):
    """Wheels are unpacked where pip would install them, since an environment with pip takes long to make."""

    def run(command):
        if "venv" in command:
            return
        site = Path(command[0]).parents[1] / f"lib/python{VERSION}/site-packages"
        with ZipFile(command[-1]) as archive:
            archive.extractall(site)

    monkeypatch.setattr(installations, "_run", run)


@pytest.mark.slow
def test_a_wheel_is_installed_and_its_script_runs_from_the_final_place(tmp_path, directory, record):
    installations.install_wheel(make_wheel(tmp_path), str(directory), record)

    assert installations.read_record(directory) == record
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    script = directory / "bin" / "mod_wsgi-express"
    assert script.read_text(encoding="utf-8").startswith(f"#!{directory}/bin/python")
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "express\n"


@pytest.mark.usefixtures("unpacked")
def test_a_wheel_for_another_python_is_refused_and_leaves_the_old_one(tmp_path, directory, record):
    directory.mkdir(parents=True)
    (directory / "old").touch()

    with pytest.raises(InstallationError, match=rf"names libpython 3\.7, the target is {VERSION}"):
        installations.install_wheel(make_wheel(tmp_path, python="3.7"), str(directory), record)

    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    assert (directory / "old").exists()


@pytest.mark.usefixtures("unpacked")
def test_an_interrupted_installation_is_made_anew(tmp_path, directory, record):
    partial = directory.with_name(f".{directory.name}.partial")
    partial.mkdir(parents=True)
    (partial / "rest").touch()
    directory.mkdir()
    (directory / "without-record").touch()
    assert installations.read_record(directory) == {}

    installations.install_wheel(make_wheel(tmp_path), str(directory), record)

    assert installations.read_record(directory) == record
    assert not (directory / "without-record").exists()
    assert not (directory / "rest").exists()
    assert not partial.exists()


def test_a_pip_that_fails_leaves_nothing(tmp_path, directory, record):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nmkdir -p "$4/bin" && ln -s /bin/false "$4/bin/python"\n')  # python -I -m venv FOLDER
    python.chmod(0o755)
    record["interpreter"]["executable"] = str(python)

    with pytest.raises(InstallationError, match=r"bin/python -I -m pip failed: exit status 1$"):
        installations.install_wheel(make_wheel(tmp_path), str(directory), record)

    assert list(directory.parent.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{", '{"module": "/nowhere/mod_wsgi.so"}'])
def test_a_record_that_does_not_hold(tmp_path, content):
    (tmp_path / installations.RECORD).write_text(content, encoding="utf-8")
    assert installations.read_record(tmp_path) == {}


def test_a_module_that_has_gone_makes_the_record_void(tmp_path):
    module = tmp_path / "mod_wsgi.so"
    module.touch()
    (tmp_path / installations.RECORD).write_text(json.dumps({"module": str(module)}), encoding="utf-8")
    assert installations.read_record(tmp_path) == {"module": str(module)}
    module.unlink()
    assert installations.read_record(tmp_path) == {}


def test_a_missing_module_is_told(tmp_path, record):
    with pytest.raises(InstallationError, match="is missing"):
        installations.verify_module(tmp_path / "nothing.so", record["interpreter"])


def test_the_file_name_has_to_fit_too(tmp_path, record):
    module = tmp_path / "mod_wsgi.cpython-other.so"
    module.write_bytes(f"libpython{VERSION}.so.1.0".encode())
    with pytest.raises(InstallationError, match="belongs to another Python"):
        installations.verify_module(module, record["interpreter"])


@pytest.mark.parametrize(
    ("content", "pythons"),
    [(b"\0libpython3.11.so.1.0\0", {"3.11"}), (b"libpython3.7m.so.1.0", {"3.7"}), (b"libc.so.6", set())],
)
def test_linked_pythons(content, pythons):
    assert installations.linked_pythons(content) == pythons


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        (b"\0reload_drain_module\0wsgi_buffering_module\0wsgi_admission_module\0", []),
        (b"\0reload_drain_module\0wsgi_buffering_module\0", ["wsgi_admission"]),
        (b"\0reload_drain_module\0", ["wsgi_buffering", "wsgi_admission"]),
        (b"\0not_reload_drain_module\0wsgi_buffering_module\0wsgi_admission_module\0", ["reload_drain"]),
        (b"\0reload_drain_modules\0wsgi_buffering_modules\0", list(installations.COMPANIONS)),
        (b"", ["reload_drain", "wsgi_buffering", "wsgi_admission"]),
    ],
)
def test_the_companions_of_a_module_are_told_by_their_symbols(module, missing):
    assert installations.missing_companions(module) == missing


def test_the_compiled_modules_of_a_wheel(tmp_path):
    assert installations.modules_of_wheel(make_wheel(tmp_path)) == [f"\x7fELF...libpython{VERSION}.so.1.0\0".encode()]


def test_what_is_no_wheel_holds_no_modules(tmp_path):
    (tmp_path / "no.whl").write_bytes(b"no archive")
    assert installations.modules_of_wheel(tmp_path / "no.whl") == []
