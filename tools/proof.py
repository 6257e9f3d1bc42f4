#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Say what is wrong with docs/proof.md, the table of what the documentation promises and of the tests that prove it.

Each test that it names has to be there, and to be run by the command of its row; each link has to lead to a heading.
Each scenario, each file of tests on hosts or images, and each page of docs/ has to be in it. It reads the tests and
imports none. Exits with 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import ast
import gc
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import scenarios  # noqa: E402

DOCUMENT = Path("docs/proof.md")
COLUMNS = ("promise", "where it stands", "proven by", "in")
#: In the last column: what runs the tests of a row. `test-all` is for what `test` leaves out.
TEST, TEST_ALL = COMMANDS = ("test", "test-all")
#: Files of tests that cost hosts or images, so that each has to prove something.
COSTLY = ("molecule/*/**/tests/test_*.py", "tests/images/test_*.py")
#: All that `make test` runs.
PLACES = (*COSTLY, "tests/unit/**/test_*.py", "examples/*/tests/test_*.py")
#: tests/support/breadth.py: the marker, also the folder of further hosts, and the function that marks parameters.
BREADTH, WIDER = "breadth", "wider"

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
NAMED = re.compile(r"(?P<path>[\w./-]+[.]py)(?P<names>(?:::\w+)*)(?:\[(?P<part>.+)\])?")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Row:
    """A promise, with the cells of its row as they stand."""

    line: int
    promise: str
    places: str
    tests: str
    command: str


@dataclass(frozen=True)
class Test:
    """A test as it is written: the function, and the classes around it."""

    function: Function
    classes: tuple[ast.ClassDef, ...] = ()

    @property
    def decorators(self) -> list[ast.expr]:
        """Those of the function and of its classes."""
        return [decorator for node in (self.function, *self.classes) for decorator in node.decorator_list]


@dataclass(frozen=True)
class Source:
    """A file of tests, or a conftest.py."""

    path: Path
    tree: ast.Module

    @cached_property
    def tests(self) -> dict[str, Test]:
        """The tests by their names, `Class::test` for those of a class."""
        return dict(_tests_in(self.tree.body, ()))

    @cached_property
    def support(self) -> list[str]:
        """The modules of tests/support that it takes names from."""
        found = [node.module or "" for node in self.tree.body if isinstance(node, ast.ImportFrom)]
        return [module for module in found if module.startswith("support.")]

    @cached_property
    def texts(self) -> list[str]:
        """All strings that stand in the file."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return [node.value for node in nodes if isinstance(node.value, str)]

    @cached_property
    def fixtures(self) -> dict[str, tuple[Function, ast.expr]]:
        """The functions that are fixtures with their decorators, by the names under which tests ask for them."""
        functions = [node for node in self.tree.body if isinstance(node, Function)]
        made = [(node, decorator) for node in functions for decorator in node.decorator_list]
        return {_fixture(*each): each for each in made if _name(each[1]) in ("fixture", "pytest.fixture")}

    @cached_property
    def values(self) -> dict[str, ast.expr]:
        """What the names at the top of the file stand for."""
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                found[node.target.id] = node.value
        return found


def _tests_in(body: Sequence[ast.stmt], classes: tuple[ast.ClassDef, ...]) -> Iterator[tuple[str, Test]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and _is_of_tests(node):
            yield from _tests_in(node.body, (*classes, node))
        elif isinstance(node, Function) and node.name.startswith("test_"):
            yield "::".join((*(outer.name for outer in classes), node.name)), Test(node, classes)


def _is_of_tests(node: ast.ClassDef) -> bool:
    """Whether pytest or unittest looks for tests in a class."""
    return node.name.startswith("Test") or any(_name(base).endswith("TestCase") for base in node.bases)


def _fixture(function: Function, decorator: ast.expr) -> str:
    """The name by which tests ask for a fixture."""
    own = _keyword(decorator, "name")
    return str(own.value) if isinstance(own, ast.Constant) else function.name


def _name(node: ast.AST) -> str:
    """The dotted name of a decorator or of what is called, `pytest.mark.skip`; empty for whatever else."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _keyword(node: ast.expr, name: str) -> ast.expr | None:
    """An argument of a call, by its name."""
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return next((keyword.value for keyword in keywords if keyword.arg == name), None)


def slugs(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: dict[str, int] = {}
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (heading := re.fullmatch(r" {0,3}#{1,6}\s+(.*?)(\s+#+)?\s*", line)):
            shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{number}" if number else slug for slug, last in found.items() for number in range(last + 1)}


def table(text: str) -> tuple[list[Row], list[str]]:
    """The rows of all tables of a page, and what is wrong with their form."""
    rows, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            continue
        texts = re.split(r"(?<!\\)\|", line.strip()[1:].removesuffix("|"))
        cells = [text.strip().replace(r"\|", "|") for text in texts]
        if tuple(cells) == COLUMNS or set("".join(cells)) == {"-"}:
            continue
        if len(cells) != len(COLUMNS) or not all(cells):
            problems.append(f"{DOCUMENT}:{number}: a row has {len(COLUMNS)} cells with a text: {', '.join(COLUMNS)}.")
        else:
            rows.append(Row(number, *cells))
    return rows, problems


@dataclass
class Check:
    """Looks at the table of a repository."""

    root: Path
    problems: list[str] = field(default_factory=list)
    #: The files that rows name.
    named: set[Path] = field(default_factory=set)
    #: The pages that rows lead to.
    pages: set[Path] = field(default_factory=set)
    #: The names of the tests, as often as they are named.
    tests: list[str] = field(default_factory=list)
    #: The files of tests.
    files: set[Path] = field(default_factory=set)
    _sources: dict[Path, Source | None] = field(default_factory=dict)
    _anchors: dict[Path, set[str]] = field(default_factory=dict)
    _inventories: dict[Path, set[str]] = field(default_factory=dict)

    def run(self) -> list[Row]:
        """Look at everything, and keep what is wrong in `problems`; the rows."""
        document = self.root / DOCUMENT
        if not document.is_file():
            self.problems.append(f"{DOCUMENT} is not there; it says which tests prove what the documentation promises.")
            return []
        self.files = self._found(*PLACES)
        rows, self.problems = table(document.read_text(encoding="utf-8"))
        first: dict[str, int] = {}
        for row in rows:
            promise = " ".join(row.promise.casefold().rstrip(".").split())
            if (line := first.setdefault(promise, row.line)) != row.line:
                self._add(row, f"this promise is already in line {line}; join the two rows, or say how they differ.")
            self._look_at_places(row)
            self._look_at_tests(row)
        self._look_for_what_is_missing()
        return rows

    def _found(self, *places: str) -> set[Path]:
        return {path for place in places for path in self.root.glob(place)}

    def _add(self, row: Row, sentence: str) -> None:
        self.problems.append(f"{DOCUMENT}:{row.line}: {sentence}")

    # ---------------------------------------------------------------- where it stands

    def _look_at_places(self, row: Row) -> None:
        targets = LINK.findall(row.places)
        if not targets or LINK.sub("", row.places).strip(" ,"):
            self._add(row, f"'{row.places}' has to be links to sections, with a comma between two.")
        for target in targets:
            name, _, anchor = target.partition("#")
            page = (self.root / DOCUMENT.parent / name).resolve()
            if not page.is_file():
                self._add(row, f"{target} leads to no file.")
            elif anchor not in self._anchors_of(page):
                self._add(row, f"{target} leads to no heading of {page.relative_to(self.root)}; correct the anchor.")
            else:
                self.pages.add(page)

    def _anchors_of(self, page: Path) -> set[str]:
        if page not in self._anchors:
            self._anchors[page] = slugs(page.read_text(encoding="utf-8"))
        return self._anchors[page]

    # ---------------------------------------------------------------- proven by

    def _look_at_tests(self, row: Row) -> None:
        names = CODE.findall(row.tests)
        if not names or CODE.sub("", row.tests).strip(" ,"):
            self._add(row, f"'{row.tests}' has to be names of tests like `path::test_name`, with a comma between two.")
        if row.command not in COMMANDS:
            self._add(row, f"'{row.command}' is no command that proves it; write {' or '.join(COMMANDS)}.")
        for name in names:
            if problem := self._problem_of(name, row.command):
                self._add(row, problem)
        self.tests += names

    def _problem_of(self, name: str, command: str) -> str:
        """What is wrong with one name; empty when nothing is."""
        parts = NAMED.fullmatch(name)
        if not parts:
            return f"{name} is no name of a test; write path::test_name, with ::Class before it or [part] after it."
        path = self.root / parts["path"]
        source = self.source(path)
        if source is None:
            return f"{parts['path']} is not there; correct the path of {name}."
        if path not in self.files:
            return f"{parts['path']} is no file of tests that a command runs."
        self.named.add(path)
        qualified = parts["names"].removeprefix("::")
        if not qualified:
            return self._problem_of_file(source, parts["path"])
        test = source.tests.get(qualified)
        if test is None:
            return f"there is no test {qualified} in {parts['path']}; correct the name, or the row with it."
        if any(_name(decorator).endswith(".skip") for decorator in test.decorators):
            return f"{name} is always skipped, so it proves nothing."
        return self._problem_of_part(source, test, name, parts["part"]) or self._problem_of_command(
            source, test, name, parts["part"], command
        )

    def _problem_of_file(self, source: Source, path: str) -> str:
        """A file may stand for its tests where it takes them all from another one."""
        if source.tests:
            return f"{path} has tests of its own; name those that prove it."
        if not any(self.root / text in self.files for text in source.texts):
            return f"{path} has no test, and takes none from another file."
        return ""

    def _problem_of_part(self, source: Source, test: Test, name: str, part: str | None) -> str:
        if part is None:
            return ""
        if not list(self._parameters(source, test)):
            return f"{name} has no parameters; remove what is in brackets."
        if part in self._hosts(source.path) or any(part in text for text in source.texts):
            return ""
        return f"'{part}' of {name} is neither a text of that file nor a host of its scenario; correct it."

    def _problem_of_command(self, source: Source, test: Test, name: str, part: str | None, command: str) -> str:
        marked = self._is_marked(source, test) or (part is not None and part in self._hosts(source.path, BREADTH))
        if command == TEST and marked:
            return f"`make {TEST}` leaves {name} to `make {TEST_ALL}`, so the row belongs to {TEST_ALL}."
        if command == TEST_ALL and not marked and not self._is_wider(source, test):
            return f"`make {TEST}` runs {name} already, so the row belongs to {TEST}; or name a host of {BREADTH}/."
        return ""

    def _is_marked(self, source: Source, test: Test) -> bool:
        """Whether all of a test is left to `make test-all`."""
        if source.path.is_relative_to(self.root / "molecule"):
            scenario = source.path.relative_to(self.root / "molecule").parts[0]
            if scenario in scenarios.BREADTH:
                return True
        marks = [*test.decorators, *ast.walk(source.values.get("pytestmark", ast.Constant(None)))]
        return any(_name(mark) == f"pytest.mark.{BREADTH}" for mark in marks)

    def _is_wider(self, source: Source, test: Test) -> bool:
        """Whether some parameters of a test are left to `make test-all`."""
        names = {_name(node) for expression in self._parameters(source, test) for node in ast.walk(expression)}
        return any(name.endswith((f".{WIDER}", f".mark.{BREADTH}")) or name == WIDER for name in names)

    def _parameters(self, source: Source, test: Test) -> Iterator[ast.expr]:
        """The expressions that a test's parameters come from, its own and those of its fixtures."""
        around = self._around(source)
        for decorator in test.decorators:
            if _name(decorator).endswith(".parametrize") and isinstance(decorator, ast.Call):
                for argument in decorator.args[1:]:
                    yield from self._resolved(source, argument)
        wanted = [argument.arg for argument in test.function.args.args]
        wanted += [name for near in around for name, (_, made) in near.fixtures.items() if _keyword(made, "autouse")]
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            near = next((near for near in around if name in near.fixtures), None)
            if near is None or name in seen:
                continue
            seen.add(name)
            function, decorator = near.fixtures[name]
            wanted += [argument.arg for argument in function.args.args]
            if parameters := _keyword(decorator, "params"):
                yield from self._resolved(near, parameters)

    def _resolved(self, source: Source, expression: ast.expr) -> Iterator[ast.expr]:
        """An expression, and what the names in it stand for, here or in a file around."""
        waiting = [expression]
        seen: set[str] = set()
        while waiting:
            found = waiting.pop()
            yield found
            for name in {node.id for node in ast.walk(found) if isinstance(node, ast.Name)} - seen:
                seen.add(name)
                waiting += [near.values[name] for near in self._around(source) if name in near.values][:1]

    def _around(self, source: Source) -> list[Source]:
        """The file, the conftest.py beside it and above it, and what of the support they import."""
        folders = (source.path.parent, source.path.parent.parent)
        near = [source, *(found for folder in folders if (found := self.source(folder / "conftest.py")))]
        support = (self.root / f"tests/{name.replace('.', '/')}.py" for each in near for name in each.support)
        return [*near, *(found for path in support if (found := self.source(path)))]

    def source(self, path: Path) -> Source | None:
        """A file of Python; None when it is not there."""
        if path not in self._sources:
            found = ast.parse(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else None
            self._sources[path] = Source(path, found) if found else None
        return self._sources[path]

    def _hosts(self, path: Path, *folders: str) -> set[str]:
        """The hosts of the scenario that a file belongs to, or those of some of its inventories."""
        scenario = next((folder for folder in path.parents if (folder / "molecule.yml").is_file()), None)
        if scenario is None:
            return set()
        inventories = [scenario / folder / "hosts.yml" for folder in folders or ("inventory", BREADTH)]
        for inventory in inventories:
            if inventory not in self._inventories:
                groups = yaml.safe_load(inventory.read_text(encoding="utf-8")) if inventory.is_file() else {}
                self._inventories[inventory] = {name for group in groups.values() for name in group.get("hosts", {})}
        return {name for inventory in inventories for name in self._inventories[inventory]}

    # ---------------------------------------------------------------- what is missing

    def _look_for_what_is_missing(self) -> None:
        for file in sorted(self.root.glob("molecule/*/molecule.yml")):
            verifier = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("verifier", {})
            folders = (file.parent, (file.parent / verifier.get("directory", "tests")).resolve())
            if not any(path.is_relative_to(folder) for path in self.named for folder in folders):
                self.problems.append(
                    f"no row of {DOCUMENT} names a test of the scenario {file.parent.name}; add what it proves."
                )
        for path in sorted(self._found(*COSTLY) - self.named):
            self.problems.append(
                f"no row of {DOCUMENT} names a test of {path.relative_to(self.root)}; add what it proves."
            )
        for page in sorted(self._found("docs/*.md") - self.pages - {self.root / DOCUMENT}):
            self.problems.append(f"no row of {DOCUMENT} leads to {page.relative_to(self.root)}; add what it promises.")


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Tell what is wrong, or how much the table holds; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    check = Check(root.resolve())
    rows = check.run()
    if check.problems:
        print(*check.problems, sep="\n", file=sys.stderr)
        return 1
    wider = sum(row.command == TEST_ALL for row in rows)
    print(f"{len(rows)} promises, {wider} of them in {TEST_ALL}; {len(set(check.tests))} tests prove them.")
    return 0


if __name__ == "__main__":
    gc.disable()  # the trees of all tests stay to the end, and looking for garbage among them takes half of the time
    sys.exit(main())
