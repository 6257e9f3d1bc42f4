# SPDX-License-Identifier: Apache-2.0
"""The table of promises names tests that are there, under the command that runs them, and leaves nothing out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools import proof as tool

PAGE = """\
# The page

```console
# no heading
```
## What `make test` has, and why
## Twice
## [Twice](https://twice.example)
### A name_with a *word* ###
"""
SERVING = """\
import pytest
from support import breadth
HOSTS = breadth.hosts(".")
PAIRS = breadth.wider([1, 2], "more of the same")
def test_it_serves(): pass
@pytest.mark.parametrize("host", HOSTS)
def test_each_host_serves(host): pass
@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_serves(pair): pass
@pytest.mark.parametrize("defect", ["a wrong port", "no name"])
def test_a_defect_is_refused(defect): pass
@pytest.mark.breadth("it takes long")
def test_it_serves_for_long(): pass
@pytest.mark.skip(reason="one day")
def test_it_flies(): pass
class TestStop:
    def test_it_stops(self): pass
class Helper:
    def test_nothing(self): pass
"""
FORMS = """\
import pytest
OTHERS = pytest.mark.breadth("others")
EVERY = [pytest.param(name, marks=OTHERS) for name in ("a", "b")]
"""
IMAGES = """\
import pytest
from support.image_forms import EVERY
@pytest.fixture(name="name", params=EVERY)
def fixture_name(request): return request.param
@pytest.fixture(name="tree")
def fixture_tree(name): return {}
def test_an_image_is_small(tree): pass
"""
LATER = """\
import pytest
pytestmark = [pytest.mark.breadth("a second build")]
def test_two_builds_are_equal(): pass
"""
TAKEN = 'globals().update(vars(load_script("molecule/serving/tests/test_serving.py")))\n'
FILES = {
    "docs/page.md": PAGE,
    "README.md": "# Readme\n",
    "molecule/serving/molecule.yml": "---\n",
    "molecule/serving/inventory/hosts.yml": "wsgi: {hosts: {first: }}\n",
    "molecule/serving/breadth/hosts.yml": "wsgi: {hosts: {second: {}}}\n",
    "molecule/serving/tests/test_serving.py": SERVING,
    "molecule/image/molecule.yml": "verifier: {directory: ../../tests/images}\n",
    "molecule/machine/molecule.yml": "---\n",
    "molecule/machine/tests/test_kernel.py": "def test_the_kernel_holds_it(): pass\n",
    "tests/support/image_forms.py": FORMS,
    "tests/images/test_contents.py": IMAGES,
    "tests/images/test_later.py": LATER,
    "tests/images/test_taken.py": TAKEN,
    "tests/unit/test_tool.py": "def test_it_works(): pass\n",
    "tests/support/test_helper.py": "def test_it_helps(): pass\n",
    "examples/shop/tests/test_shop.py": "class ShopTests(TestCase):\n    def test_it_sells(self): pass\n",
}
SERVES = "molecule/serving/tests/test_serving.py"
LINK = "[page](page.md#the-page)"
RIGHT = {
    "It serves": (LINK, f"`{SERVES}::test_it_serves`, `{SERVES}::TestStop::test_it_stops`", "test"),
    "Each host serves": (LINK, f"`{SERVES}::test_each_host_serves`", "test"),
    "The second host serves, too": (LINK, f"`{SERVES}::test_each_host_serves[second]`", "test-all"),
    "A pair serves": (LINK, f"`{SERVES}::test_a_pair_serves`", "test"),
    "All pairs serve": (LINK, f"`{SERVES}::test_a_pair_serves`", "test-all"),
    "A wrong port is refused": (LINK, f"`{SERVES}::test_a_defect_is_refused[wrong port]`", "test"),
    "It serves for long": (LINK, f"`{SERVES}::test_it_serves_for_long`", "test-all"),
    "The kernel holds it": (LINK, "`molecule/machine/tests/test_kernel.py::test_the_kernel_holds_it`", "test-all"),
    "An image is small": (LINK, "`tests/images/test_contents.py::test_an_image_is_small`", "test"),
    "All images are small": (LINK, "`tests/images/test_contents.py::test_an_image_is_small`", "test-all"),
    "Builds are equal": (LINK, "`tests/images/test_later.py::test_two_builds_are_equal`", "test-all"),
    "An image serves as a host does": (LINK, "`tests/images/test_taken.py`", "test"),
    "It works": ("[Readme](../README.md#readme)", "`tests/unit/test_tool.py::test_it_works`", "test"),
    "It sells": (LINK, "`examples/shop/tests/test_shop.py::ShopTests::test_it_sells`", "test"),
}


class Repository:
    """A repository whose table is right."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows = dict(RIGHT)
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def table(self) -> None:
        lines = ["# Proof", "", "| promise | where it stands | proven by | in |", "|---|---|---|---|"]
        lines += [f"| {promise} | {' | '.join(cells)} |" for promise, cells in self.rows.items()]
        self.write("docs/proof.md", "\n".join([*lines, ""]))

    def problems(self) -> list[str]:
        self.table()
        looked = tool.Check(self.root)
        looked.run()
        return list(looked.problems)


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_it_is_one_of_the_fast_checks() -> None:
    """So that nothing need look at the table of this repository here."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert " proof " in makefile.partition("\nCHECKS := ")[2].partition("\nSLOW_CHECKS := ")[0]


def test_a_right_table_is_counted(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert repository.problems() == []
    assert tool.main([], repository.root) == 0
    assert capsys.readouterr().out == "14 promises, 6 of them in test-all; 13 tests prove them.\n"


@pytest.mark.parametrize(
    ("where", "tests", "command", "sentence"),
    [
        (LINK, "`tests/unit/test_tool.py::test_it_plays`", "test", "there is no test test_it_plays in tests/unit/"),
        (LINK, "`tests/unit/test_toll.py::test_it_works`", "test", "tests/unit/test_toll.py is not there"),
        (LINK, f"`{SERVES}::TestStart::test_it_stops`", "test", "there is no test TestStart::test_it_stops in"),
        (LINK, f"`{SERVES}::test_it_stops`", "test", "there is no test test_it_stops in"),
        (LINK, f"`{SERVES}::Helper::test_nothing`", "test", "there is no test Helper::test_nothing in"),
        (LINK, f"`{SERVES}::test_it_flies`", "test", "is always skipped, so it proves nothing"),
        (LINK, "`tests/support/test_helper.py::test_it_helps`", "test", "is no file of tests that a command runs"),
        (LINK, "`the tests`", "test", "the tests is no name of a test; write path::test_name"),
        (LINK, f"`{SERVES}`", "test", f"{SERVES} has tests of its own; name those that prove it"),
        (LINK, f"{SERVES}::test_it_serves", "test", "has to be names of tests like `path::test_name`"),
        (LINK, f"`{SERVES}::test_it_serves` and more", "test", "has to be names of tests like `path::test_name`"),
        (LINK, f"`{SERVES}::test_it_serves[first]`", "test", "has no parameters; remove what is in brackets"),
        (LINK, f"`{SERVES}::test_each_host_serves[third]`", "test", "'third' of molecule/serving/"),
        (LINK, f"`{SERVES}::test_it_serves_for_long`", "test", "so the row belongs to test-all"),
        (LINK, f"`{SERVES}::test_each_host_serves[second]`", "test", "so the row belongs to test-all"),
        (LINK, "`tests/images/test_later.py::test_two_builds_are_equal`", "test", "so the row belongs to test-all"),
        (LINK, RIGHT["The kernel holds it"][1], "test", "so the row belongs to test-all"),
        (LINK, f"`{SERVES}::test_it_serves`", "test-all", "so the row belongs to test; or name a host of breadth/"),
        (LINK, f"`{SERVES}::test_each_host_serves[first]`", "test-all", "so the row belongs to test;"),
        (LINK, f"`{SERVES}::test_a_defect_is_refused`", "test-all", "so the row belongs to test;"),
        (LINK, f"`{SERVES}::test_it_serves`", "make test", "'make test' is no command that proves it; write test or "),
        ("page.md", f"`{SERVES}::test_it_serves`", "test", "'page.md' has to be links to sections"),
        ("[a](b.md#the-page)", f"`{SERVES}::test_it_serves`", "test", "b.md#the-page leads to no file"),
        ("[a](page.md)", f"`{SERVES}::test_it_serves`", "test", "page.md leads to no heading of docs/page.md"),
        ("[a](page.md#pages)", f"`{SERVES}::test_it_serves`", "test", "page.md#pages leads to no heading"),
        ("[a](page.md#no-heading)", f"`{SERVES}::test_it_serves`", "test", "page.md#no-heading leads to no heading"),
        (LINK, "", "test", "a row has 4 cells with a text: promise, where it stands, proven by, in"),
        (LINK, f"`{SERVES}::test_it_serves`", "test | more", "a row has 4 cells with a text"),
    ],
)
def test_a_wrong_row_is_told_in_one_sentence(
    repository: Repository, where: str, tests: str, command: str, sentence: str
) -> None:
    repository.rows["It is wrong"] = (where, tests, command)
    (problem,) = repository.problems()
    assert problem.startswith(f"docs/proof.md:{4 + len(repository.rows)}: ")
    assert sentence in problem
    assert problem.endswith(".")


def test_a_promise_that_is_there_twice_is_found(repository: Repository) -> None:
    repository.rows["it  SERVES."] = repository.rows["It serves"]
    assert repository.problems() == [
        "docs/proof.md:19: this promise is already in line 5; join the two rows, or say how they differ."
    ]


def test_a_scenario_that_nobody_names_is_found(repository: Repository) -> None:
    repository.write("molecule/more/molecule.yml", "---\n")
    assert repository.problems() == ["no row of docs/proof.md names a test of the scenario more; add what it proves."]


def test_a_scenario_is_named_by_the_tests_that_it_verifies_with(repository: Repository) -> None:
    repository.rows = {promise: row for promise, row in RIGHT.items() if "tests/images/" not in row[1]}
    assert [problem.partition(" names a test of ")[2] for problem in repository.problems()] == [
        "the scenario image; add what it proves.",
        "tests/images/test_contents.py; add what it proves.",
        "tests/images/test_later.py; add what it proves.",
        "tests/images/test_taken.py; add what it proves.",
    ]


@pytest.mark.parametrize(
    "name",
    ["molecule/serving/tests/test_more.py", "molecule/serving/new/tests/test_more.py", "tests/images/test_m.py"],
)
def test_a_costly_file_that_nobody_names_is_found(repository: Repository, name: str) -> None:
    repository.write(name, "def test_more(): pass\n")
    assert repository.problems() == [f"no row of docs/proof.md names a test of {name}; add what it proves."]


def test_a_page_that_nobody_links_is_found(repository: Repository) -> None:
    repository.write("docs/more.md", "# More\n")
    assert repository.problems() == ["no row of docs/proof.md leads to docs/more.md; add what it promises."]


def test_a_file_without_tests_proves_nothing(repository: Repository) -> None:
    repository.write("tests/images/test_taken.py", "import os\n")
    (problem,) = repository.problems()
    assert problem.endswith(": tests/images/test_taken.py has no test, and takes none from another file.")


def test_a_missing_table_is_said(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([], repository.root) == 1
    assert "docs/proof.md is not there" in capsys.readouterr().err


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    assert tool.slugs(PAGE) == {"the-page", "what-make-test-has-and-why", "twice", "twice-1", "a-name_with-a-word"}


def test_a_cell_may_hold_a_bar() -> None:
    (row,), problems = tool.table("| a \\| b | c | d | e |\n")
    assert (row.promise, problems) == ("a | b", [])


def test_it_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/proof.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "docs/proof.md" in done.stdout
