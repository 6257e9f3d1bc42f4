# SPDX-License-Identifier: Apache-2.0
"""A release is what is in the source, named by it, and nothing leads out of it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import source as source_of_release
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import (
    BOUNDS,
    Bounds,
    SourceError,
    digest,
    examine,
    is_excluded,
    list_entries,
    pack,
    published_paths,
    unpack,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import resolve


@pytest.fixture(name="source")
def fixture_source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "package").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("")
    (source / "package" / "module.py").write_text("x = 1\n")
    (source / "manage.py").write_text("#!/usr/bin/python3\n")
    (source / "manage.py").chmod(0o755)
    (source / "größe.txt").write_text("ü")
    (source / "link").symlink_to("package/module.py")
    return source


def name(source: Path, exclude: tuple[str, ...] = ()) -> str:
    return digest(str(source), list_entries(str(source), exclude))


def test_what_belongs_to_a_release(source: Path) -> None:
    paths = [entry.path for entry in list_entries(str(source), ["package"])]
    assert paths == ["größe.txt", "link", "manage.py"]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 130000\n"


def test_pointers_of_git_lfs_are_refused_unless_they_are_left_out(source: Path, tmp_path: Path) -> None:
    """httpd would serve 130 bytes of text as an image."""
    whole, packed = list_entries(str(source)), tmp_path / "packed"
    for path in ("package/logo.png", "package/photo.jpg"):
        (source / path).write_bytes(POINTER)
    with pytest.raises(SourceError, match=r"^package/logo\.png is a pointer of Git LFS .* \(one of 2\); put the files"):
        digest(str(source), list_entries(str(source)))
    assert digest(str(source), list_entries(str(source), ["*.png", "*.jpg"])) == digest(str(source), whole)
    # A repository that is exported on the host.
    pack(str(source), list_entries(str(source)), str(packed))
    with packed.open("rb") as stream, pytest.raises(SourceError, match=r"photo\.jpg is a pointer of Git LFS"):
        unpack(stream, str(tmp_path / "one"), ["*.png"])
    with packed.open("rb") as stream:
        unpack(stream, str(tmp_path / "none"), ["*.png", "*.jpg"])


def test_empty_submodules_are_refused_unless_they_are_left_out(source: Path, tmp_path: Path) -> None:
    """They are what a clone without --recurse-submodules has, and what git exports."""
    packed = tmp_path / "packed.tar"
    for folder in ("package/theme", "vendor/lib", "filled"):
        (source / folder).mkdir(parents=True)
    (source / "vendor" / "lib" / ".git").write_text("gitdir: ../../.git/modules/lib\n")
    (source / "filled" / "module.py").write_text("")
    (source / ".gitmodules").write_text(
        '[submodule "theme"]\n\tpath = package/theme\n\turl = https://git.example/theme\n'
        '[submodule "lib"]\n\tpath = "vendor/lib"\n[submodule "x"]\n\tpath = filled\n'
        "\tpath = ../out\n\tpath = removed\n"
    )
    message = r"^package/theme is an empty folder of a git submodule \(one of 2\); put its files there"
    with pytest.raises(SourceError, match=message):
        list_entries(str(source))
    with pytest.raises(SourceError, match=r"^vendor/lib is .* \(one of 1\)"):
        list_entries(str(source), ["theme"])
    assert list_entries(str(source), ["theme", "vendor/lib"])
    # A repository that is exported on the host.
    with tarfile.open(packed, "w") as tar:
        tar.add(source, arcname=".")
    with packed.open("rb") as stream, pytest.raises(SourceError, match=message):
        unpack(stream, str(tmp_path / "one"))
    with packed.open("rb") as stream:
        unpack(stream, str(tmp_path / "none"), ["theme", "vendor"])
    (source / ".gitmodules").write_text("#" * (1 << 17) + "\npath = package/theme\n")
    assert list_entries(str(source)), "no more of it is read than a real one has"


def test_the_submodules_of_a_submodule_are_below_it(source: Path) -> None:
    (source / "package" / "inner").mkdir()
    (source / "package" / ".gitmodules").write_text("path = inner/\n")
    with pytest.raises(SourceError, match=r"^package/inner is an empty folder of a git submodule \(one of 1\)"):
        list_entries(str(source))


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
    (source / "package" / "module.py").chmod(0o664)
    (source / "package").chmod(0o775)
    (source / ".git" / "config").write_text("other")
    assert name(source) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "package" / "module.py").write_text("x = 2\n"),
        lambda source: (source / "package" / "module.py").chmod(0o755),
        lambda source: (source / "package" / "module.py").chmod(0o640),
        lambda source: (source / "package").chmod(0o750),
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
        ([member("s", tarfile.GNUTYPE_SPARSE)], "s is neither a file"),
        (
            [member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "..")],
            r"the link b leads out .*\(to \.\.\)",
        ),
        (
            [member("d/e/x"), member("f/l", tarfile.SYMTYPE, "../d/e"), member("g", tarfile.SYMTYPE, "f/l/../../..")],
            "the link g leads out",
        ),
        ([member("g", tarfile.SYMTYPE, "made/x/../../..")], "the link g leads up from made/x, which is not a folder"),
        ([member("x"), member("g", tarfile.SYMTYPE, "x/../..")], "the link g leads up from x"),
        ([member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "a")], "the link . leads round in a circle"),
        ([member(f"{i}", tarfile.SYMTYPE, f"{i + 1}") for i in range(50)], "through more than 40 links"),
        ([member("x"), member("x")], "holds x twice"),
        ([member("x"), member("x/y")], "holds x/y, and x is a file"),
        ([member("d", tarfile.DIRTYPE), member("d", tarfile.SYMTYPE, "x")], "holds d twice"),
        ([member("l", tarfile.SYMTYPE, "x"), member("l", tarfile.DIRTYPE)], "holds l twice"),
        ([member("d/x"), member("d")], "holds d twice"),
        ([member("a\nb")], r"the name 'a\\nb' holds a control character"),
        ([member("a\x1b[2Jb")], r"the name 'a\\x1b\[2Jb' holds a control character"),
        ([member("l", tarfile.SYMTYPE, "a\tb")], "the target 'a.*' of the link l holds a control character"),
        ([member("gr\udcf6\udcdfe")], "is not in UTF-8"),
        ([member("/".join(["d"] * 101))], "leads through more than 100 folders"),
        ([member("x" * 256)], "longer than 255 bytes"),
        ([member("/".join(["x" * 250] * 5))], "longer than 1024 bytes"),
        ([member("l", tarfile.SYMTYPE, "x/" * 600)], "longer than 1024 bytes"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        unpack(archive_of(*members), str(tmp_path / "release"))
    assert not (tmp_path / "evil").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        unpack(io.BytesIO(b"not a tar" * 100), str(tmp_path / "release"))


def test_links_within_are_kept(tmp_path: Path) -> None:
    """Through other links, upwards, to what is not there, and to what is in the archive later."""
    links = {"a": "d/e", "d/up": "../a/x", "d/e/top": "../../a/..", "later": "made/x", "b": "a/x"}
    members = [member(name, tarfile.SYMTYPE, target) for name, target in links.items()]
    unpack(archive_of(*members, member("d/e/x")), str(tmp_path / "release"))
    assert {name: os.readlink(tmp_path / "release" / name) for name in links} == links


def test_rights_beyond_those_of_a_release_are_dropped(tmp_path: Path) -> None:
    program, folder = member("d/program"), member("d", tarfile.DIRTYPE)
    program.mode, folder.mode, program.uid = 0o6777, 0o7777, 4242
    unpack(archive_of(folder, program), str(tmp_path / "release"))
    found = [(tmp_path / "release" / name).stat() for name in ("d", "d/program")]
    assert {(each.st_mode & 0o7777, each.st_uid) for each in found} == {(0o755, os.geteuid())}


@pytest.mark.parametrize(
    ("bounds", "message"),
    [(Bounds(3, 100), "more than 3 files, folders and links"), (Bounds(100, 2), "is larger than 0 MiB")],
)
def test_a_source_is_not_endless(source: Path, tmp_path: Path, bounds: Bounds, message: str) -> None:
    with pytest.raises(SourceError, match=f"the source (has )?{message}"):
        list_entries(str(source), bounds=bounds)
    with pytest.raises(SourceError, match=f"the release (has )?{message}"):
        unpack(archive_of(*(member(f"d/{i}") for i in range(4))), str(tmp_path / "release"), bounds=bounds)


def test_large_projects_are_within_the_bounds() -> None:
    assert BOUNDS.entries >= 200_000
    assert BOUNDS.size >= 4 << 30


def header(kind: bytes, size: int) -> io.BytesIO:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_claims_to_be_huge_is_not_read(tmp_path: Path, kind: bytes) -> None:
    stream = header(kind, 1 << 34)
    with pytest.raises(SourceError, match="a header of 17179869184 bytes"):
        unpack(stream, str(tmp_path / "release"))
    assert stream.tell() < 1 << 16


def test_what_unpacks_to_much_more_is_refused_while_it_is_read(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with tarfile.open(fileobj=bomb, mode="w:gz") as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 8 << 20
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    bomb.seek(0)
    with pytest.raises(SourceError, match="is larger than 1 MiB"):
        unpack(bomb, str(tmp_path / "release"), bounds=Bounds(10, 1 << 20))
    endless = io.BytesIO(gzip.compress(header(tarfile.XHDTYPE, 1 << 15).getvalue() * 4))
    with pytest.raises(SourceError, match="the archive"):
        unpack(endless, str(tmp_path / "release2"), bounds=Bounds(1, 1))


@pytest.mark.parametrize("pax", [{"mtime": "1e400"}, {"mtime": "nan"}, {"size": "-1"}, {"size": "x"}, {"path": "../x"}])
def test_strange_values_in_headers_are_refused_with_a_sentence(tmp_path: Path, pax: dict[str, str]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = member("a")
        info.pax_headers = pax
        tar.addfile(info, io.BytesIO(b"x"))
    stream.seek(0)
    try:
        unpack(stream, str(tmp_path / "release"))
    except SourceError:
        return
    assert os.listdir(tmp_path / "release") == ["a"]


def test_headers_within_headers_are_refused(tmp_path: Path) -> None:
    nested = header(tarfile.XHDTYPE, 0).getvalue()[:512] * 5000
    with pytest.raises(SourceError, match="cannot be read"):
        unpack(io.BytesIO(nested), str(tmp_path / "release"))


def test_only_the_static_root_itself_is_left_out(source: Path) -> None:
    for folder in ("static", "blog/static", "blog/out/static", "out/static", "out/static.d"):
        (source / folder).mkdir(parents=True)
        (source / folder / "style.css").touch()
    kept = [entry.path for entry in list_entries(str(source), made="static")]
    assert "static/style.css" not in kept
    assert {"blog/static/style.css", "blog/out/static/style.css", "out/static/style.css"} <= set(kept)
    archive = source.parent / "a.tar"
    pack(str(source), list_entries(str(source)), str(archive))
    with archive.open("rb") as stream:
        unpack(stream, str(source.parent / "release"), made="out/static")
    found = {str(path.relative_to(source.parent / "release")) for path in (source.parent / "release").rglob("*.css")}
    assert "out/static/style.css" not in found
    assert {"static/style.css", "blog/out/static/style.css", "out/static.d/style.css"} <= found


@pytest.mark.parametrize("place", ["out", "out/static"])
@pytest.mark.parametrize("target", ["package", ""])
def test_a_static_root_is_refused_where_a_link_or_a_file_is(source: Path, place: str, target: str) -> None:
    at = source / place
    at.parent.mkdir(exist_ok=True)
    at.symlink_to(target) if target else at.write_text("")
    entries = list_entries(str(source))
    archive = source.parent / "a.tar"
    pack(str(source), entries, str(archive))
    message = f"{place} is a {'link' if target else 'file'} in the .* and must be a folder, for static_root"
    if target and place != "out":
        message = "the link out/static leads|" + message
    with pytest.raises(SourceError, match=message):
        list_entries(str(source), made="out/static")
    with archive.open("rb") as stream, pytest.raises(SourceError, match=message):
        unpack(stream, str(source.parent / "release"), made="out/static")


def test_the_key_of_a_static_root_behind_a_link_is_named_before_anything_is_packed(source: Path) -> None:
    (source / "out").symlink_to("package")
    shop = {"name": "shop", "source": {"directory": str(source), "exclude": []}, "static_root": "out/static"}
    with pytest.raises(SourceError, match=r"application 'shop', .*: out is a link in the source and .* static_root"):
        examine(shop)


def test_a_file_that_became_a_link_since_is_not_read(source: Path, tmp_path: Path) -> None:
    entries = list_entries(str(source))
    (source / "manage.py").unlink()
    (source / "manage.py").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        pack(str(source), entries, str(tmp_path / "a.tar.gz"))


def test_what_is_excluded_is_not_unpacked(tmp_path: Path) -> None:
    unpack(archive_of(member("docs/a.md"), member("a.py")), str(tmp_path / "release"), ["docs"])
    assert sorted(path.name for path in (tmp_path / "release").iterdir()) == ["a.py"]


def modes_of_release(source: Path, target: Path, published: tuple[str, ...] = ()) -> dict[str, int]:
    """The modes in a release that is packed here and unpacked there."""
    archive = target.with_suffix(".tar.gz")
    pack(str(source), list_entries(str(source), published=published), str(archive))
    with archive.open("rb") as stream:
        unpack(stream, str(target), group=GROUP)
    assert all(path.lstat().st_gid == GROUP for path in (target, *target.rglob("*")))
    found = [path for path in target.rglob("*") if not path.is_symlink()]
    return {str(path.relative_to(target)): path.stat().st_mode & 0o7777 for path in found}


GROUP = 54321 if os.geteuid() == 0 else os.getegid()


@pytest.fixture(name="closed")
def fixture_closed(source: Path) -> Path:
    """A source of which not all is for everybody."""
    (source / "local_secrets.py").write_text("KEY = 'secret'\n")
    (source / "local_secrets.py").chmod(0o600)
    (source / "private" / "static").mkdir(parents=True)
    for name in ("private/notes.py", "private/static/logo.svg", "private/static/tool"):
        (source / name).write_text("content\n")
    (source / "private" / "static" / "tool").chmod(0o755)
    (source / "private").chmod(0o700)
    return source


def test_what_is_closed_in_a_source_is_open_to_the_application_alone(closed: Path, tmp_path: Path) -> None:
    modes = modes_of_release(closed, tmp_path / "release")
    assert modes["local_secrets.py"] == 0o640
    assert (modes["private"], modes["private/notes.py"]) == (0o750, 0o640)
    assert (modes["private/static"], modes["private/static/tool"]) == (0o750, 0o750)
    assert (modes["package"], modes["package/module.py"], modes["manage.py"]) == (0o755, 0o644, 0o755)


def test_what_httpd_serves_is_readable_for_it_wherever_it_lies(closed: Path, tmp_path: Path) -> None:
    """A copy that somebody with the umask 077 has made has nothing that is open."""
    (closed / "private" / "static" / "style.css").symlink_to("../style.css")
    (closed / "private" / "style.css").write_text("content\n")
    modes = modes_of_release(closed, tmp_path / "release", ("private/static", "made/later"))
    assert (modes["private/static"], modes["private/static/logo.svg"]) == (0o755, 0o644)
    assert (modes["private/static/tool"], modes["private/style.css"]) == (0o755, 0o644)
    assert (modes["private"], modes["private/notes.py"]) == (0o751, 0o640)
    assert modes["local_secrets.py"] == 0o640


def test_links_to_what_httpd_serves_are_followed_however_they_lead(closed: Path) -> None:
    for name in ("app/assets", "img", "img-0"):
        (closed / name).mkdir(parents=True)
        (closed / name / "logo.png").write_text("content\n")
        (closed / name).chmod(0o700)
    (closed / "private" / "static" / "app").symlink_to("../../app/assets")
    (closed / "app" / "assets" / "icon.png").symlink_to("../../img/logo.png")
    entries = list_entries(str(closed), published=["private/static"])
    modes = {entry.path: entry.mode for entry in entries if entry.target is None}
    assert (modes["app/assets"], modes["app/assets/logo.png"]) == (0o755, 0o644)
    assert (modes["img"], modes["img/logo.png"]) == (0o751, 0o644)
    assert (modes["img-0"], modes["img-0/logo.png"]) == (0o750, 0o640)


def test_each_link_is_followed_once_however_many_lead_to_where_others_are(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with links without end would hold up the deployment."""
    many, followed = closed / "private" / "static" / "many", []
    many.mkdir()
    for number in range(100):
        (many / f"{number}").symlink_to(f"../../../package/{number}")
        (closed / "package" / f"{number}").symlink_to(f"../private/static/many/x{number}")

    def follow(links: Mapping[str, str], path: str) -> str:
        followed.append(path)
        return resolve(links, path)

    monkeypatch.setattr(source_of_release, "resolve", follow)
    list_entries(str(closed), published=["private/static/many"])
    assert len(followed) <= 2 * 200 + 1


def test_whoever_serves_more_gets_another_release(closed: Path) -> None:
    """Otherwise the files would stay closed to httpd."""
    paths = {"current": "/srv/wsgi/shop/current"}
    shop = {"name": "shop", "source": {"directory": str(closed), "exclude": []}, "static_root": "", "paths": paths}
    serving: dict[str, Any] = {**shop, "static": [{"directory": "/srv/wsgi/shop/current/private/static", "file": ""}]}
    elsewhere: dict[str, Any] = {**shop, "static": [{"directory": "/srv/wsgi/shop/media", "file": ""}]}
    for each in (shop, serving, elsewhere):
        examine(each)
    assert serving["digest"] != shop["digest"] == elsewhere["digest"]


def test_pages_are_published() -> None:
    current = "/srv/wsgi/shop/current"
    application: dict[str, Any] = {
        "paths": {"current": current},
        "static": [{"directory": current, "file": "robots.txt"}, {"directory": "/srv/other", "file": ""}],
        "error_documents": [{"status": 500, "file": f"{current}/pages/500.html"}],
        "maintenance": {"page": f"{current}/pages/soon.html"},
    }
    assert published_paths(application) == ["robots.txt", "pages/500.html", "pages/soon.html"]
    assert published_paths({**application, "maintenance": None, "error_documents": [], "static": []}) == []
