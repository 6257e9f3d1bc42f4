# SPDX-License-Identifier: Apache-2.0
"""Handlers that will not run are found by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import wsgi_atexit


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import atexit\n\natexit.register(print)\n", [3]),
        ("import atexit as bye\nbye.register(print)\n", [2]),
        ("from atexit import register\n@register\ndef f(): ...\n", [2]),
        ("from atexit import register as at_end\nat_end(print)\nat_end(print)\n", [2, 3]),
        ("import atexit\ndef f():\n    atexit.register(print, 1)\n", [3]),
        ("import atexit\natexit.unregister(print)\n", []),
        ("import signal as atexit\natexit.register(print)\n", []),
        ("from .atexit import register\nregister(print)\n", []),
        ("# atexit.register(print)\nx = 'atexit.register'\n", []),
        ("this is no Python", []),
        ("x = '\\d'\nimport atexit\natexit.register(print)\n", [3]),
    ],
)
def test_registrations_are_found_by_line(source: str, lines: list[int]) -> None:
    assert wsgi_atexit.lines_of(source) == lines


def test_all_python_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("import atexit\natexit.register(print)\n")
    (tmp_path / "notes.txt").write_text("import atexit\natexit.register(print)\n")
    found = list(wsgi_atexit.registrations(str(tmp_path), ["notes.txt", "a/b.py", "gone.py"]))
    assert found == [("a/b.py", 2)]
    sentence = wsgi_atexit.warning({"name": "shop"}, found)
    assert "'shop' registers handlers of atexit (a/b.py:2)" in sentence
    assert sentence.endswith(".")


def test_without_a_handler_there_is_no_warning() -> None:
    assert wsgi_atexit.warning({"name": "shop"}, []) == ""
