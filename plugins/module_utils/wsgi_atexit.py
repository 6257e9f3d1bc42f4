# SPDX-License-Identifier: Apache-2.0
"""Find where Python code registers handlers of `atexit`, by reading and not by running it. Control node only.

With ``WSGIDestroyInterpreter Off`` these handlers never run (FACTS.md, "Shutdown"), so the user is told. What
docs/shutdown.md recommends is left out: ``atexit`` where mod_wsgi cannot be imported, which is never under mod_wsgi.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Registration(NamedTuple):
    """One place in the code; the line counts from 1."""

    file: str
    line: int


def _names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """What the code calls the module atexit, and what its function register."""
    modules, functions = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.asname or name.name for name in node.names if name.name == "atexit"}
        elif isinstance(node, ast.ImportFrom) and node.module == "atexit" and not node.level:
            functions |= {name.asname or name.name for name in node.names if name.name == "register"}
    return modules, functions


def _only_outside_httpd(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run only when an import of mod_wsgi has failed.

    A `try` that imports something else too is not trusted: that import may be what fails.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and _imports_of(node.body) == {"mod_wsgi"}:
            for handler in node.handlers:
                if _catches_import_error(handler):
                    yield from ast.walk(handler)


def _imports_of(statements: Iterable[ast.stmt]) -> set[str]:
    """The modules that statements import, with a dot before those of the application's own package."""
    modules = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
    return modules


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in {"ImportError", "ModuleNotFoundError"} for kind in kinds)


def lines_of(source: str) -> list[int]:
    """Lines on which a handler is registered: by a call, or by a decorator. Empty for what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the application's own literals
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    modules, functions = _names(tree)
    harmless = set(_only_outside_httpd(tree))

    def is_register(node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in functions
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "register"
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        )

    return sorted({node.lineno for node in ast.walk(tree) if is_register(node) and node not in harmless})


def registrations(root: str, paths: Iterable[str]) -> Iterator[Registration]:
    """All places in the Python files among ``paths``, which are relative to ``root``. Unreadable files are skipped."""
    for path in sorted(paths):
        if not path.endswith(".py"):
            continue
        try:
            source = Path(root, path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        yield from (Registration(path, line) for line in lines_of(source))


def warning(application: Mapping[str, Any], found: Iterable[Registration]) -> str:
    """One sentence for the user; "" when nothing was found."""
    places = [f"{os.path.normpath(place.file)}:{place.line}" for place in found]
    if not places:
        return ""
    return (
        f"The application {application['name']!r} registers handlers of atexit ({', '.join(places)}), which do not run "
        "with mod_wsgi_destroy_interpreter: false; use mod_wsgi.subscribe_shutdown for them (docs/shutdown.md)."
    )
