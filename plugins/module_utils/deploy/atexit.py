# SPDX-License-Identifier: Apache-2.0
"""Find where Python code registers handlers of `atexit`, by reading and not by running it.

Reading is done on the managed host, by an account without rights: a source can be written so that the parser crashes.

With ``WSGIDestroyInterpreter Off`` these handlers never run (FACTS.md, "Shutdown"), so the user is told. What
docs/shutdown.md recommends is left out: ``atexit`` where mod_wsgi cannot be imported, which is never under mod_wsgi.
"""

from __future__ import annotations

import ast
import json
import os
import resource
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import Account, BuildError, reader
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import (
    ConfinementError,
    Ended,
    give_up_rights,
    run_confined,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import shown

LARGEST_FILE = 1 << 20
"""Bytes of a file that is read; larger ones hold data."""

MOST_PLACES = 100
"""How many are told of."""

LONGEST = 60
"""Seconds for a whole release."""

LIMITS = {resource.RLIMIT_AS: 2 << 30}
"""Bytes of memory."""


class SearchError(Exception):
    """A release could not be searched; the text is a part of a sentence."""


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
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
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
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.expr) and is_register(node) and node not in harmless
        }
    )


def registrations(root: str, paths: Iterable[str]) -> Iterator[Registration]:
    """All places in the Python files among ``paths``, which are relative to ``root``. Unreadable files are skipped."""
    for path in sorted(paths):
        if not path.endswith(".py"):
            continue
        try:
            descriptor = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as stream:
                content = stream.read(LARGEST_FILE + 1)
        except OSError:
            continue
        if b"atexit" in content and len(content) <= LARGEST_FILE:
            source = content.decode("utf-8", "replace")
            yield from (Registration(path, line) for line in lines_of(source))


def search(release: str) -> list[Registration]:
    """The first places in a release. Raises SearchError, and OSError."""
    try:
        with reader() as account:
            ended = _search(release, account)
        if ended.status != 0 or ended.reason:
            raise SearchError(ended.reason or f"the parser ended with status {ended.status}")
        return [Registration(shown(str(file)), int(line)) for file, line in json.loads(ended.output)]
    except (BuildError, ConfinementError, ValueError, TypeError) as error:
        raise SearchError(str(error)) from error


def _search(release: str, account: Account) -> Ended:
    def execute() -> NoReturn:
        give_up_rights(account.uid, account.gid, limits=LIMITS)
        paths = (
            os.path.relpath(os.path.join(folder, name), release)
            for folder, _, names in os.walk(release)
            for name in names
        )
        found = [list(place) for _, place in zip(range(MOST_PLACES), registrations(release, paths))]
        os.write(1, json.dumps(found).encode())
        os._exit(0)

    return run_confined(execute, seconds=LONGEST, own_uid=account.uid if account.own else None)


def warning(application: Mapping[str, Any], found: Iterable[Registration]) -> str:
    """One sentence for the user; "" when nothing was found."""
    places = [f"{os.path.normpath(place.file)}:{place.line}" for place in found]
    if not places:
        return ""
    return (
        f"The application {application['name']!r} registers handlers of atexit ({', '.join(places)}), which do not run "
        "with mod_wsgi_destroy_interpreter: false; use mod_wsgi.subscribe_shutdown for them (docs/shutdown.md)."
    )
