# SPDX-License-Identifier: Apache-2.0
"""A release is compiled without a line of it, or of its virtual environment, being run."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder, bytecode
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import reader
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.bytecode import Bytecode

pytestmark = pytest.mark.root("acts as another account")
PYTHON = "/usr/bin/python3"
"""Not ours: that may be in root's home, which the account must not enter."""

TAG = subprocess.run(
    [PYTHON, "-I", "-c", "import sys; print(sys.implementation.cache_tag)"], capture_output=True, text=True, check=True
).stdout.strip()
INTERPRETER = {"executable": PYTHON, "abi": TAG.replace("cpython-", "cp")}


@pytest.fixture(name="release")
def fixture_release(tmp_path: Path) -> Path:
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)  # pytest's own folders are private
    release = tmp_path / "release"
    (release / "package").mkdir(parents=True)
    (release / "package" / "module.py").write_text("x = 1\n")
    (release / "package" / "template.py").write_text("{% not python %}\n")
    (release / "wsgi.py").write_text("def application(): ...\n")
    return release


def compiled(release: Path) -> list[str]:
    return sorted(str(path.relative_to(release)) for path in release.rglob("*.pyc"))


@pytest.mark.slow
def test_root_gets_the_byte_code_that_python_uses(release: Path) -> None:
    assert Bytecode(str(release), INTERPRETER).compile() == ""
    assert compiled(release) == [f"__pycache__/wsgi.{TAG}.pyc", f"package/__pycache__/module.{TAG}.pyc"]
    for path in release.rglob("*"):
        found = path.stat()
        assert (found.st_uid, found.st_mode & 0o7022) == (0, 0)
    assert os.listdir(release.parent) == ["release"]
    shown = subprocess.run(
        [PYTHON, "-v", "-c", "import package.module"],
        cwd=release,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"code object from '{release}/package/__pycache__/module.{TAG}.pyc'" in shown.stderr


@pytest.mark.slow
def test_only_what_is_new_is_compiled(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (release / "package" / "template.py").unlink()
    Bytecode(str(release), INTERPRETER).compile()
    with monkeypatch.context() as patched:
        patched.setattr(bytecode, "run_confined", None)
        assert Bytecode(str(release), INTERPRETER).compile() == ""
    (release / "wsgi.py").write_text("def application(): return 1\n")
    before = (release / "package" / "__pycache__" / f"module.{TAG}.pyc").stat().st_ino
    assert Bytecode(str(release), INTERPRETER).compile() == ""
    assert (release / "package" / "__pycache__" / f"module.{TAG}.pyc").stat().st_ino == before
    assert b"application" in (release / "__pycache__" / f"wsgi.{TAG}.pyc").read_bytes()


HOSTILE = [
    "compileall.py", "encodings/__init__.py", "importlib/__init__.py", "py_compile.py", "site.py", "sitecustomize.py",
    "struct.py", "usercustomize.py", "__main__.py", "wsgi.py",
]  # fmt: skip


@pytest.mark.slow
def test_nothing_of_the_release_or_the_virtual_environment_runs(release: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.mkdir()
    marker.chmod(0o777)
    run = f"import os; open('{marker}/' + str(os.geteuid()) + '-{{}}', 'w').close()\n"
    for name in HOSTILE:
        (release / name).parent.mkdir(exist_ok=True)
        (release / name).write_text(run.format(name.replace("/", "-")))
    venv = tmp_path / "venv"
    subprocess.run([PYTHON, "-I", "-m", "venv", "--without-pip", venv], check=True)
    packages = next(venv.glob("lib/python*/site-packages"))
    for name in ("a.pth", "sitecustomize.py", "usercustomize.py", "compileall.py"):
        (packages / name).write_text(run.format(f"venv-{name}"))
    (release / ".pth").write_text(run.format("pth"))
    # The trap works: this is how it was compiled once.
    subprocess.run([venv / "bin" / "python", "-m", "compileall", "-q", release], check=False, cwd=release)
    assert f"{os.geteuid()}-venv-a.pth" in os.listdir(marker)
    for found in [*marker.iterdir(), *release.rglob("*.pyc")]:
        found.unlink()
    problem = Bytecode(str(release), INTERPRETER).compile()
    assert problem == ""
    assert os.listdir(marker) == []
    assert f"__pycache__/compileall.{TAG}.pyc" in compiled(release)


def test_what_the_compiler_must_not_make_is_not_taken_over(release: Path, tmp_path: Path) -> None:
    """As if a fault of the compiler let a source run: the account can write, and root takes nothing strange."""
    written = release.parent / "release.bytecode" / "written"
    folder = f"{written}{release}"
    for index, command in enumerate([f"ln -s /etc/shadow {folder}/wsgi.{TAG}.pyc", f"mkfifo {folder}/x"]):
        program = tmp_path / f"python{index}"
        program.write_text(f"#!/bin/sh\nmkdir -p {folder}; {command}\n")
        program.chmod(0o755)
        problem = Bytecode(str(release), {**INTERPRETER, "executable": str(program)}).compile()
        assert problem, command
        assert compiled(release) == []


def test_a_compiler_that_fails_is_told(release: Path, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho cannot; id -u; exit 3\n")
    program.chmod(0o755)
    problem = Bytecode(str(release), {**INTERPRETER, "executable": str(program)}).compile()
    with reader() as account:
        assert problem == f"the compiler ended with status 3 (cannot {account.uid})"
        assert account.uid != 0


@pytest.mark.slow
def test_nobody_builds_while_the_account_of_builds_compiles(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that runs under that account is ended with the compiler, so a build at the same time would be."""
    monkeypatch.setattr(builder, "BUILD_ROOT", str(tmp_path / "build"))
    monkeypatch.setattr(builder, "build_account", lambda: builder.Account(54322, 54322, own=True))
    lock = tmp_path / "build" / ".lock"
    run_confined = bytecode.run_confined
    seen = []

    def run(*arguments: Any, **options: Any) -> Any:
        with lock.open("w") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(options["own_uid"])
        return run_confined(*arguments, **options)

    monkeypatch.setattr(bytecode, "run_confined", run)
    assert Bytecode(str(release), INTERPRETER).compile() == ""
    assert seen == [54322]
    assert compiled(release)


@pytest.mark.slow
def test_what_is_closed_to_others_is_compiled_and_stays_closed(release: Path) -> None:
    """By an account that is in the group of the application for that."""
    group = 54321
    (release / "secrets_of_all.py").write_text("KEY = 'secret'\n")
    (release / "secrets_of_all.py").chmod(0o640)
    (release / "package").chmod(0o750)
    for path in (release, *release.rglob("*")):
        os.chown(path, 0, group)
    assert Bytecode(str(release), INTERPRETER, group=group).compile() == ""
    found = {path.name.partition(".")[0]: path for path in release.rglob("*.pyc")}
    assert sorted(found) == ["module", "secrets_of_all", "wsgi"]
    modes = {name: (path.stat().st_gid, path.stat().st_mode & 0o777) for name, path in found.items()}
    assert modes == {"module": (group, 0o644), "secrets_of_all": (group, 0o640), "wsgi": (group, 0o644)}
