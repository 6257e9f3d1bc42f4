# SPDX-License-Identifier: Apache-2.0
"""The Python files of a release are searched within bounds, by an account without rights."""

from __future__ import annotations

import ast
import os
import signal
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import atexit, searching, upgrade
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import reader


@pytest.mark.parametrize(
    "source",
    [
        "import atexit\n" + "(" * 5000,
        "import atexit\nx = " + "-" * 100_000 + "1",
        "import atexit\nx = " + "[" * 90 + "]" * 90,
        "import atexit\n\0",
        "import atexit\nx = '\ud800'",
        "# -*- coding: nonsense -*-\nimport atexit\n",
    ],
)
def test_a_source_that_no_parser_likes_is_skipped(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.py").write_bytes(source.encode("utf-8", "surrogatepass"))
    assert list(searching.places(str(tmp_path), ["a.py"], [atexit.SEARCH])) == []


def test_only_files_of_a_reasonable_size_are_read(tmp_path: Path) -> None:
    text = "import atexit\natexit.register(print)\n"
    (tmp_path / "large.py").write_text(text + "#" * searching.LARGEST_FILE)
    (tmp_path / "link.py").symlink_to("other")
    (tmp_path / "other").write_text(text)
    os.mkfifo(tmp_path / "pipe.py")
    assert list(searching.places(str(tmp_path), os.listdir(tmp_path), [atexit.SEARCH])) == []


@pytest.fixture(name="release")
def fixture_release(tmp_path: Path) -> Path:
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)  # pytest's own folders are private
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "a.py").write_text("import atexit\natexit.register(print)\n")
    return tmp_path / "release"


def test_a_release_is_searched_by_another_account(release: Path, tmp_path: Path) -> None:
    (tmp_path / "who").mkdir()
    (tmp_path / "who").chmod(0o777)

    def tell(tree: ast.AST) -> list[tuple[int, str]]:
        (tmp_path / "who" / str(os.geteuid())).touch()
        return atexit.find(tree)

    found = searching.search(str(release), [searching.Search((b"atexit",), tell)])
    assert found == [([("a.py", 2, "atexit")], {"atexit": 1})]
    with reader() as account:
        assert os.geteuid() != 0 or account.uid != 0
        assert os.listdir(tmp_path / "who") == [str(account.uid)]


@pytest.mark.root("acts as another account")
def test_what_only_the_group_of_an_application_can_read_is_searched(release: Path) -> None:
    (release / "a.py").chmod(0o640)
    os.chown(release / "a.py", 0, 54321)
    assert searching.search(str(release), [atexit.SEARCH])[0].places == []
    assert searching.search(str(release), [atexit.SEARCH], 54321)[0].counts == {"atexit": 1}


def test_a_parser_that_crashes_is_told(release: Path) -> None:
    def crash(_tree: ast.AST) -> list[tuple[int, str]]:
        os.kill(os.getpid(), signal.SIGSEGV)
        return []

    with pytest.raises(searching.SearchError, match="the parser ended with status -11"):
        searching.search(str(release), [searching.Search((b"atexit",), crash)])


def test_places_are_counted_and_not_all_told(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_PLACES", 2)
    (release / "b.py").write_text("import atexit\n" + "atexit.register(print)\n" * 3)
    [found] = searching.search(str(release), [atexit.SEARCH])
    assert found == ([("a.py", 2, "atexit"), ("b.py", 2, "atexit")], {"atexit": 4})


def test_one_walk_serves_all_searches(release: Path) -> None:
    (release / "b.py").write_text("import mod_wsgi\nmod_wsgi.request_metrics()\n")
    first, second = searching.search(str(release), [atexit.SEARCH, upgrade.SEARCH])
    assert [place.file for place in first.places] == ["a.py"]
    assert [place.file for place in second.places] == ["b.py"]


@pytest.mark.parametrize(("bound", "value"), [("MOST_FILES", 1), ("MOST_BYTES", 10)])
def test_a_release_beyond_all_bounds_is_told(
    release: Path, bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (release / "b.py").touch()
    monkeypatch.setattr(searching, bound, value)
    with pytest.raises(searching.SearchError, match="it has more than"):
        searching.search(str(release), [atexit.SEARCH])


def test_no_link_is_followed(release: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c.py").write_text("import atexit\natexit.register(print)\n")
    (release / "folder").symlink_to(tmp_path / "other")
    (release / "file.py").symlink_to(tmp_path / "other" / "c.py")
    [found] = searching.search(str(release), [atexit.SEARCH])
    assert [place.file for place in found.places] == ["a.py"]
