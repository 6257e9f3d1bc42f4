# SPDX-License-Identifier: Apache-2.0
"""What an account has made is taken over by its content alone; what could lead root elsewhere is refused."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import (
    DEEPEST,
    Bounds,
    TreeError,
    copy_tree,
    resolve,
)
from hypothesis import given, settings
from hypothesis import strategies as st

BOUNDS = Bounds(files=1000, size=1_000_000)
OWNER = os.getuid()
STRANGER = OWNER + 1


def take(source: Path, target: Path, **options: object) -> None:
    copy_tree(str(source), str(target), **{"owner": OWNER, "bounds": BOUNDS, **options})  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def test_content_times_and_links_come_along_and_rights_do_not(source: Path, tmp_path: Path) -> None:
    (source / "lib").mkdir(mode=0o700)
    (source / "lib/module.py").write_text("content")
    (source / "run").write_text("#!")
    (source / "lib64").symlink_to("lib")
    (source / "python").symlink_to("/usr/bin/python3")
    (source / "again").symlink_to("/final/lib/module.py")
    (source / "lib/module.py").chmod(0o666)
    (source / "run").chmod(0o6777)
    os.utime(source / "lib/module.py", ns=(1, 1_500_000_000_123_456_789))
    os.utime(source / "lib", ns=(1, 1_600_000_000_000_000_000))
    target = tmp_path / "target"
    take(source, target, links_to=["/usr/bin/python3"], at="/final")
    assert (target / "lib/module.py").read_text() == "content"
    assert [stat.S_IMODE((target / name).stat().st_mode) for name in ("lib", "lib/module.py", "run")] == [
        0o755,
        0o644,
        0o755,
    ]
    assert (target / "lib/module.py").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert (target / "lib").stat().st_mtime_ns == 1_600_000_000_000_000_000
    assert (target / "lib/module.py").stat().st_ino != (source / "lib/module.py").stat().st_ino
    assert [os.readlink(target / name) for name in ("lib64", "python", "again")] == [
        "lib",
        "/usr/bin/python3",
        "/final/lib/module.py",
    ]


def hard_link(folder: Path) -> None:
    (folder.parent / "of a stranger").write_text("secret")
    os.chown(folder.parent / "of a stranger", STRANGER, -1)
    os.link(folder.parent / "of a stranger", folder / "mine")


def deep(folder: Path) -> None:
    for _ in range(DEEPEST + 2):
        folder /= "d"
        folder.mkdir()


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "an absolute link": (lambda folder: (folder / "a").symlink_to("/etc/passwd"), "a leads to /etc/passwd"),
    "a link upwards": (lambda folder: (folder / "a").symlink_to("../x"), "a leads out of the tree"),
    "a chain": (lambda folder: ((folder / "a").symlink_to("."), (folder / "b").symlink_to("a/..")), "b leads out"),
    "a circle": (lambda folder: ((folder / "a").symlink_to("b"), (folder / "b").symlink_to("a")), "in circles"),
    "a link to nothing": (lambda folder: (folder / "a").symlink_to("b"), "a leads to nothing"),
    "a pipe": (lambda folder: os.mkfifo(folder / "a"), "a is neither a file, a folder nor a link"),
    "a name with a newline": (lambda folder: (folder / "a\nb").touch(), "has control characters"),
    "a name that is no text": (lambda folder: open(os.fsencode(folder) + b"/\xff", "x").close(), "is no UTF-8"),
    "too many files": (lambda folder: [(folder / str(n)).touch() for n in range(1001)], "more than 1000 files"),
    "too many bytes": (lambda folder: (folder / "a").write_bytes(b"x" * 1_000_001), "larger than 1000000 bytes"),
    "too deep a folder": (deep, f"deeper than {DEEPEST} folders"),
}
if os.geteuid() == 0:
    REFUSED["a hard link to a file of others"] = (hard_link, "mine belongs to another account")


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_leads_elsewhere_is_refused(
    source: Path, tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(source)
    with pytest.raises(TreeError, match=sentence):
        take(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_folder_that_is_a_link_is_not_followed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(OSError, match="link"):
        take(tmp_path / "link", tmp_path / "target")


PATHS = st.lists(st.sampled_from(["a", "b", "c", ".", ".."]), min_size=1, max_size=4).map("/".join)
LINKS = st.dictionaries(st.sampled_from(["a", "b", "c", "d/a", "d/b"]), PATHS, max_size=5)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(LINKS, PATHS)
def test_a_path_leads_where_the_kernel_says(links: dict[str, str], path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder), "above", "root")
        (root / "d").mkdir(parents=True)
        for name, target in links.items():
            (root / name).symlink_to(target)
        try:
            arrived = (root / path).resolve(strict=True)
        except (OSError, RuntimeError):
            return  # to nothing, or in circles
        if arrived != root and root not in arrived.parents:
            with pytest.raises(TreeError):
                resolve(links, path)
            return
        # What goes out and comes back by the folder's own name is refused, too.
        with suppress(TreeError):
            assert root / resolve(links, path) == arrived


@pytest.mark.parametrize(
    ("path", "expected"), [("a", "d/x"), ("d/b/d", "d"), ("c", ""), ("d/../a", "d/x"), ("missing/..", "")]
)
def test_links_are_resolved(path: str, expected: str) -> None:
    assert resolve({"a": "d/x", "d/b": "..", "c": "d/b"}, path) == expected
