# SPDX-License-Identifier: Apache-2.0
"""What runs on a managed host imports nothing of the control node's, and Ansible finds all that it sends there."""

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
