# SPDX-License-Identifier: Apache-2.0
"""The command on the host has the code of the modules, and nothing else of the host."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import layout
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import host_code, release_tool
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import COLLECTION, host_code_digest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import helper_files

MODULE = "ansible_collections.modwsgi.deploy.plugins.modules.wsgi_go_live"


NAMES = ("wsgi-release", "wsgi-restart")


def archive_of_the_module(path: Path) -> Path:
    """What a process keeps that has imported no more than the module, as on a host."""
    script = f"import sys, {MODULE}, {host_code.__name__} as code; open(sys.argv[1], 'wb').write(code.archive())"
    places = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", script, path], env={**os.environ, "PYTHONPATH": places}, check=True)
    return path


@pytest.fixture(name="command", scope="module")
def fixture_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, beside its code."""
    folder = tmp_path_factory.mktemp("command")
    archive = archive_of_the_module(folder / "code.zip")
    (text,) = [file["content"] for file in helper_files() if file["path"] == layout.COMMAND_TOOL]
    assert f'CODE = "{layout.COMMAND_CODE}"' in text
    command = folder / "wsgi_command.py"
    command.write_text(text.replace(layout.COMMAND_CODE, str(archive)))
    for name in NAMES:
        (folder / name).symlink_to(command)
    return command


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_command_needs_no_ansible(command: Path, tmp_path: Path, name: str) -> None:
    """Isolated, and where another collection of that name is broken."""
    broken = tmp_path / "ansible_collections"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit('another one')")
    done = subprocess.run(
        [sys.executable, "-IBS", command.parent / name, "--help"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: {name}" in done.stdout


def test_without_its_code_the_command_says_what_to_do(command: Path, tmp_path: Path) -> None:
    alone = tmp_path / "wsgi-release"
    alone.write_text(command.read_text().replace("code.zip", "none.zip"))
    done = subprocess.run([sys.executable, "-IBS", alone, "shop", "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "none.zip cannot be used" in done.stderr
    assert done.stderr.endswith("; deploy an application to this host.\n")


def test_under_another_name_it_does_nothing(command: Path) -> None:
    done = subprocess.run([sys.executable, "-IBS", command, "shop"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "wsgi_command.py: call it as wsgi-release or wsgi-restart.\n")


def test_the_same_code_is_the_same_archive(command: Path, tmp_path: Path) -> None:
    kept = command.parent / "code.zip"
    assert archive_of_the_module(tmp_path / "again.zip").read_bytes() == kept.read_bytes()
    with zipfile.ZipFile(kept) as archive:
        names = [name for name in archive.namelist() if not name.endswith("__init__.py")]
        assert release_tool.__name__.replace(".", "/") + ".py" in names
        assert all("/plugins/module_utils/" in name for name in names)


def test_whatever_a_run_imports_the_archive_has_it(command: Path) -> None:
    """Else a run that needs more than others would find another archive, and change it."""
    missing = set()
    with zipfile.ZipFile(command.parent / "code.zip") as archive:
        there = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in archive.namelist()}
        for name in archive.namelist():
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith(host_code.PACKAGE):
                    parts = [f"{node.module}.{each.name}" for each in node.names]
                    missing |= {each for each in (str(node.module), *parts) if is_module(each) and each not in there}
    assert missing == set()


def is_module(name: str) -> bool:
    path = COLLECTION / "plugins/module_utils" / "/".join(name.removeprefix(f"{host_code.PACKAGE}.").split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_the_code_is_written_where_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "code.zip"
    monkeypatch.setattr(host_code, "COMMAND_CODE", str(path))
    (edit,) = host_code.edits()
    path.write_bytes(edit.content)
    assert list(host_code.edits()) == []
    path.write_bytes(b"older")
    assert [found.path for found in host_code.edits()] == [str(path)]


def test_other_code_makes_another_file_of_the_command() -> None:
    """So a run with another version of the collection is a change, which keeps its code."""
    (text,) = [file["content"] for file in helper_files() if file["path"] == layout.COMMAND_TOOL]
    assert text.endswith(f"# Digest of its code: {host_code_digest()}\n")
    assert len(list((COLLECTION / "plugins/module_utils").rglob("*.py"))) > 30


def test_a_run_that_changes_nothing_reads_none_of_it() -> None:
    """Each module that is read costs it milliseconds."""
    wanted = ["release_tool", "restart", "rollback", "released", "host_code"]
    script = (
        f"import sys, {MODULE}; print([name for name in {wanted} if any(m.endswith('.' + name) for m in sys.modules)])"
    )
    places = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": places}, capture_output=True, check=True
    )
    assert done.stdout.decode() == "[]\n"
