# SPDX-License-Identifier: Apache-2.0
"""Find where Python code registers handlers of `atexit`.

With ``WSGIDestroyInterpreter Off`` these handlers never run (FACTS.md, "Shutdown"), so the user is told. What
docs/shutdown.md recommends is left out: ``atexit`` where mod_wsgi cannot be imported, which is never under mod_wsgi.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.searching import Place, Search


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


def find(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines on which a handler is registered: by a call, or by a decorator."""
    modules, functions = _names(tree)
    harmless = set(_only_outside_httpd(tree))

    def is_register(node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in functions
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "register"
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        )

    return sorted(
        {
            (node.lineno, "atexit")
            for node in ast.walk(tree)
            if isinstance(node, ast.expr) and is_register(node) and node not in harmless
        }
    )


SEARCH = Search((b"atexit",), find)


def warning(application: Mapping[str, Any], found: Iterable[Place]) -> str:
    """One sentence for the user; "" when nothing was found."""
    places = [f"{os.path.normpath(place.file)}:{place.line}" for place in found]
    if not places:
        return ""
    return (
        f"The application {application['name']!r} registers handlers of atexit ({', '.join(places)}), which do not run "
        "with mod_wsgi_destroy_interpreter: false; use mod_wsgi.subscribe_shutdown for them (docs/shutdown.md)."
    )
