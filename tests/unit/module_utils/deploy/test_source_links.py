# SPDX-License-Identifier: Apache-2.0
"""Whatever a source holds: it is refused, or nothing in its release leads out, and nothing around it has changed."""

from __future__ import annotations

import io
import os
import pwd
import tarfile
import tempfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import (
    SourceError,
    list_entries,
    pack,
    unpack,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.static_root import StaticRoot, StaticRootError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

NOBODY = pwd.getpwnam("nobody")

names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
targets = st.one_of(
    st.lists(st.sampled_from(["..", "..", "a", "b", "c", "."]), min_size=1, max_size=5).map("/".join),
    st.sampled_from(
        ["/", "/etc", "{base}/other", "{base}/other/a/file", "{base}/releases/1/a", "../2", "../../other", "a/", "a//b"]
    ),
)
links = st.tuples(paths, targets)
entries = st.lists(
    st.one_of(
        st.tuples(st.just("link"), links),
        st.tuples(st.just("link"), links),
        st.tuples(st.just("file"), st.tuples(paths, st.just(""))),
        st.tuples(st.just("folder"), st.tuples(paths, st.just(""))),
    ),
    max_size=8,
)
hostile = st.lists(
    st.tuples(
        st.sampled_from(["link", "link", "link", "file", "folder", "folder", "hard link"]),
        st.tuples(
            st.one_of(paths, paths, paths, st.sampled_from(["../x", "/x", "a/../../x", "./a", "a//b", "a/./b", "."])),
            targets,
        ),
    ),
    max_size=5,
)
Entries = list[tuple[str, tuple[str, str]]]


class World:
    """A release to be made among what must not change."""

    def __init__(self, base: str) -> None:
        self.base = Path(base)
        self.release = self.base / "releases" / "1"
        self.venv = self.base / "other"
        for path in ("other/a", "releases/2/a", "a/b", "b", "c/c"):
            (self.base / path).mkdir(parents=True, exist_ok=True)
            (self.base / path / "file").write_text(path)
        (self.base / "source").mkdir()
        self.before = self.surroundings()

    def surroundings(self) -> dict[str, Any]:
        """All that is neither the release nor its source."""
        found = {}
        for folder, folders, files in os.walk(self.base):
            folders[:] = [each for each in folders if Path(folder, each) not in (self.release, self.base / "source")]
            for path in (Path(folder, each) for each in [*folders, *files]):
                described = path.lstat()
                time = 0 if path == self.release.parent else described.st_ctime_ns
                found[str(path)] = (described.st_mode, described.st_uid, time)
        return found

    def check(self) -> None:
        """Nothing leads out, and nothing has changed."""
        top = os.path.realpath(self.release)
        for folder, folders, files in os.walk(self.release):
            for name in [*folders, *files]:
                path = os.path.join(folder, name)
                if leads_through_a_file(path):
                    continue
                real = os.path.realpath(path)
                assert real == top or real.startswith(top + "/") or real == f"{self.venv}/a/file", path
        assert self.surroundings() == self.before


def leads_through_a_file(path: str) -> bool:
    """Whether a file is where a folder would be: the kernel goes no further then, and `realpath` goes on by name."""
    try:
        os.stat(path)
    except NotADirectoryError:
        return True
    except OSError:
        pass
    return False


def archive(world: World, members: Entries) -> io.BytesIO:
    """An archive that no tool of ours would make."""
    kinds = {"link": tarfile.SYMTYPE, "file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "hard link": tarfile.LNKTYPE}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for kind, (path, target) in members:
            info = tarfile.TarInfo(path)
            info.type, info.mode = kinds[kind], 0o6777
            if kind in ("link", "hard link"):
                info.linkname = target.format(base=world.base)
            tar.addfile(info)
    stream.seek(0)
    return stream


def source(world: World, members: Entries) -> io.BytesIO:
    """A folder on the control node, listed and packed as it is."""
    root = world.base / "source"
    for kind, (path, target) in members:
        at = root / path
        above = [root / each for each in PurePosixPath(path).parents]
        if at.is_symlink() or at.exists() or any(each.is_symlink() or each.is_file() for each in above):
            continue
        at.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            at.symlink_to(target.format(base=world.base))
        elif kind == "file":
            at.write_text("x")
        else:
            at.mkdir()
    packed = world.base / "source" / "packed.tar.gz"
    pack(str(root), list_entries(str(root)), str(packed))
    return io.BytesIO(packed.read_bytes())


def collect(world: World, static_root: str, made: list[tuple[str, str]]) -> None:
    """What release commands of an account do that wants out: links in the static root."""
    folder = StaticRoot(str(world.release), static_root, str(world.venv))
    folder.ensure()
    folder.give(NOBODY.pw_uid, NOBODY.pw_gid)
    try:
        for path, target in made:
            at = world.release / static_root / path
            if not at.parent.is_dir() or os.path.lexists(at):
                continue
            at.symlink_to(target.format(base=world.base))
            os.chown(at, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
        folder.take(NOBODY.pw_uid, NOBODY.pw_gid)
    except StaticRootError:
        folder.return_former()
        raise


def outcome(make: Any, members: Entries, static_root: str, made: list[tuple[str, str]]) -> str:
    """How far it came."""
    with tempfile.TemporaryDirectory() as base:
        world = World(base)
        try:
            unpack(make(world, members), str(world.release))
        except SourceError:
            assert world.surroundings() == world.before
            return "refused"
        world.check()
        if os.geteuid() != 0:
            return "unpacked"
        try:
            collect(world, static_root, made)
        except StaticRootError:
            world.check()
            return "static root refused"
        world.check()
        return "made"


@pytest.mark.slow
@pytest.mark.parametrize("make", [source, archive])
def test_nothing_leads_out_of_a_release(make: Any) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        members=entries if make is source else hostile,
        static_root=paths,
        made=st.lists(st.tuples(names, targets), max_size=2),
    )
    @example([("link", ("a", "b")), ("link", ("b", ".."))], "a/static", [])
    @example([("folder", ("c", "")), ("link", ("a/b", "../c")), ("link", ("b", "a/b/../.."))], "b/static", [])
    @example([("file", ("a/a/file", "")), ("link", ("b", "a/a")), ("link", ("c", "b/../.."))], "c/static", [])
    @example([("link", ("a", "a/.."))], "a/static", [])
    @example([("link", ("a/b/c", "../../c/a/../../.."))], "c", [("a", "{base}/other/a/file")])
    @example([("link", ("a/b", "../c/a"))], "c", [("a", "{base}/other/a/file")])
    @example([("link", ("a/b", "../c/a"))], "c", [("a", "../../..")])
    @example([], "a", [("a", "{base}/other/a/file"), ("b", "a/..")])
    def every(members: Entries, static_root: str, made: list[tuple[str, str]]) -> None:
        outcomes[outcome(make, members, static_root, made)] += 1

    every()
    assert {"refused", "made", "static root refused"} <= set(outcomes) or os.geteuid() != 0
