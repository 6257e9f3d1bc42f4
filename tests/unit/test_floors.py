# SPDX-License-Identifier: Apache-2.0
"""Each floor imports what is on it: hosts nothing of the control node's, tests what tests/support has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.scripts import ROOT

PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.modwsgi.deploy.plugins."
HOST = sorted(path for folder in ("modules", "module_utils") for path in (PLUGINS / folder).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """All modules that a file may import, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", HOST, ids=lambda file: str(file.relative_to(PLUGINS)))
def test_the_host_s_floor_stands_alone(file: Path) -> None:
    ours = {name for name in imported(file) if name.startswith((PACKAGE, "."))}
    assert all(name.startswith(f"{PACKAGE}module_utils.") for name in ours)
    # The control node has these for Ansible; a host need not.
    assert not {name for name in imported(file) if name.split(".")[0] in {"jinja2", "yaml"}}


def test_ansible_finds_every_folder_that_it_sends() -> None:
    folders = {file.parent for file in (PLUGINS / "module_utils").rglob("*.py")} - {PLUGINS / "module_utils"}
    assert folders
    assert all((folder / "__init__.py").read_bytes() == b"" for folder in folders)


def test_what_tests_share_is_where_they_can_import_it() -> None:
    """pytest's mode importlib does not look beside a file of tests."""
    files = [*ROOT.glob("molecule/*/**/tests/*.py"), *ROOT.glob("tests/images/*.py"), *ROOT.glob("tests/unit/**/*.py")]
    assert len(files) > 100
    assert [path for path in files if not path.name.startswith("test_") and path.name != "conftest.py"] == []
