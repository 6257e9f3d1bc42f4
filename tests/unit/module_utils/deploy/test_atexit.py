# SPDX-License-Identifier: Apache-2.0
"""Handlers that will not run are found by file and line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import atexit, searching
from support.scripts import ROOT


def lines_of(source: str) -> list[int]:
    tree = searching.parsed(source)
    return [] if tree is None else [line for line, _ in atexit.find(tree)]


def places(root: Path, files: Iterable[str]) -> list[searching.Place]:
    return [place for _, place in searching.places(str(root), files, [atexit.SEARCH])]


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
    assert lines_of(source) == lines


IDIOM = """\
import atexit
def on_shutdown(handler):
    try:
        {body}
    except {kinds}:
        atexit.register(handler)
    else:
        atexit.register(print)
"""


@pytest.mark.parametrize("kinds", ["ImportError", "ModuleNotFoundError as error", "(AttributeError, ImportError)"])
@pytest.mark.parametrize(
    "body",
    [
        "import mod_wsgi",
        "import mod_wsgi as server; server.subscribe_shutdown(handler)",
        "from mod_wsgi import subscribe_shutdown",
    ],
)
def test_a_handler_where_mod_wsgi_cannot_be_imported_is_left_out(body: str, kinds: str) -> None:
    assert lines_of(IDIOM.format(body=body, kinds=kinds)) == [8]


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("import uwsgi", "ImportError"),
        ("import mod_wsgi, uwsgi", "ImportError"),
        ("import mod_wsgi; import uwsgi", "ImportError"),
        ("import mod_wsgi_metrics", "ImportError"),
        ("from .mod_wsgi import subscribe_shutdown", "ImportError"),
        ("from . import mod_wsgi", "ImportError"),
        ("mod_wsgi = handler()", "ImportError"),
        ("import mod_wsgi", "OSError"),
        ("import mod_wsgi", "(OSError, ValueError)"),
        ("import mod_wsgi", "handler.ImportError"),
    ],
)
def test_a_handler_that_may_run_under_mod_wsgi_is_found(body: str, kinds: str) -> None:
    assert lines_of(IDIOM.format(body=body, kinds=kinds)) == [6, 8]


def test_only_the_handler_of_the_import_is_left_out() -> None:
    source = """\
from atexit import register
register(print)
try:
    import mod_wsgi
    register(print)
except ImportError:
    @register
    def stop(): ...
except ValueError:
    register(print)
finally:
    register(print)
try:
    try:
        import mod_wsgi
    except ImportError:
        register(print)
    import uwsgi
except ImportError:
    register(print)
"""
    assert lines_of(source) == [2, 5, 10, 12, 20]


def test_a_bare_except_is_no_proof() -> None:
    source = "import atexit\ntry:\n    import mod_wsgi\nexcept:\n    atexit.register(print)\n"
    assert lines_of(source) == [5]


@pytest.mark.parametrize("example", ["django", "flask"])
def test_the_examples_do_it_right(example: str) -> None:
    root = ROOT / "examples" / example
    files = [str(path.relative_to(root)) for path in root.rglob("*.py")]
    assert any("atexit.register(" in (root / file).read_text(encoding="utf-8") for file in files)
    assert places(root, files) == []


def test_all_python_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("import atexit\natexit.register(print)\n")
    (tmp_path / "notes.txt").write_text("import atexit\natexit.register(print)\n")
    found = places(tmp_path, ["notes.txt", "a/b.py", "gone.py"])
    assert found == [("a/b.py", 2, "atexit")]
    sentence = atexit.warning({"name": "shop"}, found)
    assert "'shop' registers handlers of atexit (a/b.py:2)" in sentence
    assert sentence.endswith(".")


def test_without_a_handler_there_is_no_warning() -> None:
    assert atexit.warning({"name": "shop"}, []) == ""
