# SPDX-License-Identifier: Apache-2.0
"""A release is what is in the source, named by it, and nothing leads out of it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_source import (
    SourceError,
    digest,
    is_excluded,
    list_entries,
    pack,
    unpack,
)


@pytest.fixture(name="source")
def fixture_source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "package").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("")
    (source / "package" / "module.py").write_text("x = 1\n")
    (source / "manage.py").write_text("#!/usr/bin/python3\n")
    (source / "manage.py").chmod(0o700)
    (source / "größe.txt").write_text("ü")
    (source / "link").symlink_to("package/module.py")
    return source


def name(source: Path, exclude: tuple[str, ...] = ()) -> str:
    return digest(str(source), list_entries(str(source), exclude))


def test_what_belongs_to_a_release(source: Path) -> None:
    paths = [entry.path for entry in list_entries(str(source), ["package"])]
    assert paths == ["größe.txt", "link", "manage.py"]


@pytest.mark.parametrize(
    ("path", "patterns", "excluded"),
    [
        ("a/__pycache__/b.pyc", [], True),
        ("a/.env", [], True),
        ("a/tests/b.py", ["tests"], True),
        ("a/tests/b.py", ["a/tests/"], True),
        ("a/tests/b.py", ["b/tests"], False),
        ("latest/b.py", ["test"], False),
        ("a/b.md", ["*.md"], True),
    ],
)
def test_exclude_patterns(path: str, patterns: list[str], excluded: bool) -> None:
    assert is_excluded(path, patterns) is excluded


def test_the_name_does_not_depend_on_times_and_irrelevant_permissions(source: Path) -> None:
    before = name(source)
    os.utime(source / "manage.py", (1, 1))
    (source / "package" / "module.py").chmod(0o600)
    (source / ".git" / "config").write_text("other")
    assert name(source) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "package" / "module.py").write_text("x = 2\n"),
        lambda source: (source / "package" / "module.py").chmod(0o755),
        lambda source: (source / "manage.py").rename(source / "manage2.py"),
        lambda source: ((source / "link").unlink(), (source / "link").symlink_to("manage.py")),
        lambda source: (source / "new.py").write_text(""),
    ],
)
def test_the_name_depends_on_content_path_link_and_executable_bit(source: Path, change) -> None:
    before = name(source)
    change(source)
    assert name(source) != before


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "package/../../outside"])
def test_a_link_that_leads_out_is_refused(source: Path, target: str) -> None:
    (source / "bad").symlink_to(target)
    with pytest.raises(SourceError, match="the link bad leads out of the source"):
        list_entries(str(source))


def test_a_special_file_is_refused(source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(SourceError, match="pipe is neither a file, a folder nor a link"):
        list_entries(str(source))


def test_packed_and_unpacked_it_is_the_same(source: Path, tmp_path: Path) -> None:
    archive, target = tmp_path / "a.tar.gz", tmp_path / "release"
    os.utime(source / "manage.py", (1000, 1000))
    pack(str(source), list_entries(str(source)), str(archive))
    with archive.open("rb") as stream:
        unpack(stream, str(target))
    assert name(target) == name(source)
    assert not (target / ".git").exists()
    assert (target / "manage.py").stat().st_mode & 0o777 == 0o755
    assert (target / "package" / "module.py").stat().st_mode & 0o777 == 0o644
    assert (target / "manage.py").stat().st_mtime == 1000


def archive_of(*members: tarfile.TarInfo) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size) if member.isfile() else None)
    stream.seek(0)
    return stream


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("../evil")], "leads out of the release"),
        ([member("/etc/evil")], "leads out of the release"),
        ([member("a/../../evil")], "leads out of the release"),
        ([member("l", tarfile.SYMTYPE, "/etc")], "the link l leads out"),
        ([member("a/l", tarfile.SYMTYPE, "../..")], "the link a/l leads out"),
        (
            [member("d", tarfile.DIRTYPE), member("l", tarfile.SYMTYPE, "d"), member("l/x")],
            "l/x, which leads through the link l",
        ),
        ([member("h", tarfile.LNKTYPE, "/etc/passwd")], "h is neither a file"),
        ([member("c", tarfile.CHRTYPE)], "c is neither a file"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        unpack(archive_of(*members), str(tmp_path / "release"))
    assert not (tmp_path / "evil").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        unpack(io.BytesIO(b"not a tar" * 100), str(tmp_path / "release"))


def test_what_is_excluded_is_not_unpacked(tmp_path: Path) -> None:
    unpack(archive_of(member("docs/a.md"), member("a.py")), str(tmp_path / "release"), ["docs"])
    assert sorted(path.name for path in (tmp_path / "release").iterdir()) == ["a.py"]
