# SPDX-License-Identifier: Apache-2.0
"""Find code that mod_wsgi 6 breaks and that ran with 4 or 5: what docs/upgrading-to-6.md says, as far as code shows it.

What is found may be harmless, so it is told and never refused.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.searching import Found, Search

FIRST = 6
"""The major version that this is about."""

MOST_WARNINGS = 10

LONGEST_FACTS = 1 << 16

PAGE = "docs/upgrading-to-6.md"

START = "mod_wsgi.script_start"
TIMES = ("mod_wsgi.request_start", "mod_wsgi.queue_start", "mod_wsgi.daemon_start")
LEFT_OUT = (
    "GATEWAY_INTERFACE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PATH_TRANSLATED",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "SERVER_SIGNATURE",
)
"""Variables of CGI that environ had."""

EXPRESS = "mod_wsgi.server"
METRICS = ("request_metrics", "process_metrics")
RECORDING = "start_recording_metrics"

SENTENCES = {
    START: "reads mod_wsgi.script_start, which mod_wsgi 6 calls mod_wsgi.application_start, a float of seconds",
    EXPRESS: "names mod_wsgi.server, which mod_wsgi 6 calls mod_wsgi.express",
    **{
        key: f"reads {key}, which is a float of seconds with mod_wsgi 6, and no text of microseconds any more"
        for key in TIMES
    },
    **{key: f"reads {key} from environ, which does not have it with mod_wsgi 6" for key in LEFT_OUT},
    **{
        name: f"calls mod_wsgi.{name}, which returns None with mod_wsgi 6 until {RECORDING} was called"
        for name in METRICS
    },
}


def _is_os_environ(node: ast.AST, modules: set[str]) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "environ"
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    )


class _File:
    """What the names of one file mean."""

    def __init__(self, tree: ast.AST) -> None:
        self.nodes = list(ast.walk(tree))
        self.modules = self._imported("mod_wsgi")
        self.os = self._imported("os")
        self.functions = {
            name.asname or name.name: name.name
            for node in self.nodes
            if isinstance(node, ast.ImportFrom) and node.module == "mod_wsgi" and not node.level
            for name in node.names
        }
        self.process_environ = self._is_process_environ()

    def _imported(self, module: str) -> set[str]:
        return {
            name.asname or name.name
            for node in self.nodes
            if isinstance(node, ast.Import)
            for name in node.names
            if name.name == module
        }

    def _is_process_environ(self) -> bool:
        """Whether the name environ stands for the process's environment variables somewhere in the file."""
        return any(
            (
                isinstance(node, ast.ImportFrom)
                and node.module == "os"
                and any((name.asname or name.name) == "environ" for name in node.names)
            )
            or (
                isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == "environ" for target in node.targets)
                and any(_is_os_environ(part, self.os) for part in ast.walk(node.value))
            )
            for node in self.nodes
        )

    def is_environ(self, node: ast.AST) -> bool:
        """Whether an expression is a request's environ: by that name, as an attribute, or Django's request.META."""
        if isinstance(node, ast.Name):
            return node.id == "environ" and not self.process_environ
        return (
            isinstance(node, ast.Attribute) and node.attr in {"environ", "META"} and not _is_os_environ(node, self.os)
        )

    def read_key(self, node: ast.AST) -> ast.AST | None:
        """The key, where a node reads a key of environ."""
        if isinstance(node, ast.Subscript):
            return node.slice if isinstance(node.ctx, ast.Load) and self.is_environ(node.value) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            return node.args[0] if node.func.attr in {"get", "pop"} and self.is_environ(node.func.value) else None
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return node.left if self.is_environ(node.comparators[0]) else None
        return None

    def called(self, node: ast.AST) -> str:
        """The function of mod_wsgi that a node calls."""
        if not isinstance(node, ast.Call):
            return ""
        if isinstance(node.func, ast.Name):
            return self.functions.get(node.func.id, "")
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            return node.func.attr if node.func.value.id in self.modules else ""
        return ""


def _named(node: ast.AST) -> Iterator[str]:
    """The modules that an import names."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or ""
        yield from (f"{node.module}.{name.name}" for name in node.names)


def _subject(file: _File, node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in (START, EXPRESS, *TIMES):
        return node.value
    if any(f"{name}.".startswith(f"{EXPRESS}.") for name in _named(node)):
        return EXPRESS
    key = file.read_key(node)
    if isinstance(key, ast.Constant) and key.value in LEFT_OUT:
        return str(key.value)
    called = file.called(node)
    return called if called in (*METRICS, RECORDING) else ""


def find(tree: ast.AST) -> list[tuple[int, str]]:
    """The lines of a file that mod_wsgi 6 concerns, each with its subject."""
    file = _File(tree)
    found = ((getattr(node, "lineno", 0), _subject(file, node)) for node in file.nodes)
    return sorted({(line, subject) for line, subject in found if subject})


SEARCH = Search((b"mod_wsgi", *(key.encode() for key in LEFT_OUT if key != "PATH"), b'"PATH"', b"'PATH'"), find)


def warnings(application: Mapping[str, Any], found: Found) -> tuple[list[str], int]:
    """A sentence for each place that is told of, and how many places there are."""
    # Who calls it in one file may ask in another.
    silent = {RECORDING, *(METRICS if RECORDING in found.counts else ())}
    sentences = [
        f"The application {application['name']!r} {SENTENCES[place.subject]} "
        f"({os.path.normpath(place.file)}:{place.line}); correct it if it matters there ({PAGE})."
        for place in found.places
        if place.subject in SENTENCES and place.subject not in silent
    ]
    return sentences, sum(number for subject, number in found.counts.items() if subject not in silent)


def bounded(told: Iterable[tuple[list[str], int]]) -> list[str]:
    """The first warnings about all applications, and the number of the others."""
    pairs = list(told)
    kept = [sentence for sentences, _ in pairs for sentence in sentences][:MOST_WARNINGS]
    rest = sum(number for _, number in pairs) - len(kept)
    if rest:
        kept.append(f"mod_wsgi 6 concerns {rest} more places in the sources of the applications ({PAGE}).")
    return kept


def major(version: str) -> int:
    """The major version; 0 where none is known."""
    first = version.partition(".")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def live_version(facts_file: str) -> str | None:
    """The module that httpd loads now, by the facts of the host; None where none was installed here."""
    try:
        with open(facts_file, encoding="utf-8") as stream:
            facts = json.loads(stream.read(LONGEST_FACTS))
    except (OSError, ValueError):
        return None
    return str(facts.get("version", "")) if isinstance(facts, dict) else None


def is_upgrade(facts_file: str, wanted: str) -> bool:
    """Whether the module goes from another major version to 6. A package of the distribution may tell no version."""
    live = live_version(facts_file) if major(wanted) >= FIRST else None
    return live is not None and major(live) != major(wanted)
