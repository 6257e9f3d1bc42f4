# SPDX-License-Identifier: Apache-2.0
"""An application's source: what belongs to a release, its digest, its archive, and how an archive is unpacked.

The control node lists, digests and packs; the managed host unpacks.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import unicodedata
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NamedTuple, cast

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import KEEP, TreeError, resolve

ALWAYS_EXCLUDED = (
    ".git", ".hg", ".svn", ".env", ".venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache",
    "__pycache__", "*.pyc",
)  # fmt: skip
"""Never part of a release: history, caches, a developer's virtual environment and a developer's secrets."""

DIGEST_LENGTH = 20
"""Hexadecimal digits of a release's name: 80 bits, far from a collision, and short in a path."""

LONGEST_PATH = 1024
"""Bytes of a path below the source, and of a link's target."""

LONGEST_NAME = 255
"""Bytes of one name; what Linux allows."""

DEEPEST_PATH = 100
"""Folders that a path may lead through."""

MOST_LINKS = 40
"""Links on the way of one link; what Linux follows."""

LARGEST_HEADER = 1 << 16
"""Bytes of a tar header beyond the first block: tarfile reads it as a whole."""

POINTER = b"version https://git-lfs.github.com/spec/v1\n"
LARGEST_POINTER = 1024
"""Bytes of a file that stands for one that Git LFS keeps elsewhere."""

SUBMODULES = ".gitmodules"
LARGEST_SUBMODULES = 1 << 16
"""Bytes that are read of the file in which git lists the submodules of a repository."""

HEADER_BYTES = 1 << 12
"""Bytes of an archive for each entry, beside its content."""

FOR_OTHERS = stat.S_IROTH | stat.S_IXOTH
"""What every account needs to use a folder."""

GZIP = b"\x1f\x8b"

UNREADABLE = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError, RecursionError,
)  # fmt: skip
"""What a damaged or hostile archive raises."""


class SourceError(Exception):
    """The source or an archive cannot be used; the text says why, as part of a sentence."""


class Bounds(NamedTuple):
    """How much a release may be."""

    entries: int
    """Files, folders and links together."""
    size: int
    """Bytes of all files together."""


BOUNDS = Bounds(entries=500_000, size=8 << 30)
"""More than large projects have, less than what fills a host's inodes or disk unseen."""


@dataclass(frozen=True)
class Entry:
    """A file or a symbolic link of a source, which has a `target`; or a folder that is closed to others."""

    path: str
    mode: int = 0o644
    """In a release. What others cannot read in the source has nothing for them there, unless httpd is to serve it."""
    target: str | None = None
    is_folder: bool = False


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether a relative path, or a folder above it, matches a pattern by its name or by its whole path."""
    parts = path.split("/")
    ancestors = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return any(
        fnmatch.fnmatchcase(ancestor, pattern.strip("/")) or fnmatch.fnmatchcase(part, pattern.strip("/"))
        for pattern in (*ALWAYS_EXCLUDED, *patterns)
        for ancestor, part in zip(ancestors, parts)
    )


def is_left_out(path: str, is_folder: bool, exclude: Iterable[str], made: str) -> bool:
    """Whether a relative path is no part of a release: by a pattern, or as (part of) the folder that is made later.

    `made` is a path and no pattern: a folder of the same name elsewhere stays.
    """
    if made and (path.startswith(f"{made}/") or (is_folder and path == made)):
        return True
    return is_excluded(path, exclude)


def shown(path: str) -> str:
    """A path as it may stand in a message: short, and without anything that moves a terminal."""
    return path if path.isprintable() and len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]!a}"


def _check_text(text: str, what: str) -> None:
    """Raise SourceError for a path or a link's target that no tool is sure to read as it was meant."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise SourceError(f"{what} is not in UTF-8; rename it") from None
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise SourceError(f"{what} holds a control character; rename it")
    if length > LONGEST_PATH:
        raise SourceError(f"{what} is longer than {LONGEST_PATH} bytes")


class Contents:
    """What becomes a release: it is told of every entry, and refuses what cannot be in one.

    Nothing here looks at a file system, so that the control node and the host judge alike, before anything is made.
    """

    def __init__(self, where: str, bounds: Bounds = BOUNDS) -> None:
        """``where`` is what a message calls the whole: "source" or "release"."""
        self.where = where
        self.bounds = bounds
        self.size = 0
        self.folders = {""}
        """Folders, as relative paths; the top is ""."""
        self.files: set[str] = set()
        self.links: dict[str, str] = {}
        """Targets of links."""
        self._resolved: dict[str, tuple[str, int]] = {}

    def add_file(self, path: str, size: int) -> list[str]:
        """A file, and its size in bytes; returns the folders above it that are new, the highest first."""
        created = self._add(path)
        self.files.add(path)
        self.size += size
        if size < 0 or self.size > self.bounds.size:
            raise SourceError(f"the {self.where} is larger than {self.bounds.size >> 20} MiB")
        return created

    def add_link(self, path: str, target: str) -> list[str]:
        """A symbolic link; returns the folders above it that are new. Where it leads is judged by `check_links`."""
        created = self._add(path)
        _check_text(target, f"the target {shown(target)} of the link {shown(path)}")
        if not target:
            raise SourceError(f"the link {shown(path)} has no target")
        self.links[path] = target
        return created

    def add_folder(self, path: str) -> list[str]:
        """A folder; returns it and the folders above it, as far as they are new."""
        if path in self.folders:
            return []
        created = [*self._add(path), path]
        self.folders.add(path)
        return created

    def _add(self, path: str) -> list[str]:
        name = f"the name {shown(path)}"
        _check_text(path, name)
        parts = path.split("/")
        if len(parts) > DEEPEST_PATH:
            raise SourceError(f"{name} leads through more than {DEEPEST_PATH} folders")
        if any(len(part.encode()) > LONGEST_NAME for part in parts):
            raise SourceError(f"{name} has a part that is longer than {LONGEST_NAME} bytes")
        if path in self.files or path in self.links or path in self.folders:
            raise SourceError(f"the {self.where} holds {shown(path)} twice")
        created = []
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in self.links:
                raise SourceError(f"the {self.where} holds {shown(path)}, which leads through the link {shown(folder)}")
            if folder in self.files:
                raise SourceError(f"the {self.where} holds {shown(path)}, and {shown(folder)} is a file")
            if folder not in self.folders:
                created.append(folder)
        self.folders.update(created)
        if len(self.folders) + len(self.files) + len(self.links) > self.bounds.entries:
            raise SourceError(f"the {self.where} has more than {self.bounds.entries} files, folders and links")
        return created

    def check_links(self) -> None:
        """Raise SourceError unless each link stays inside, whatever other links it leads through."""
        for path in sorted(self.links):
            self._resolve(path, 1)

    def _refusal(self, link: str, how: str) -> SourceError:
        return SourceError(f"the link {shown(link)} leads {how} (to {shown(self.links[link])})")

    def _resolve(self, link: str, depth: int) -> tuple[str, int]:
        """Where a link leads, relative to the whole, and how many links are on the way, as Linux counts them."""
        if link in self._resolved:
            return self._resolved[link]
        if self.links[link].startswith("/"):
            raise self._refusal(link, f"out of the {self.where}")
        here, links = os.path.dirname(link), 1
        for part in self.links[link].split("/"):
            here = self._step(link, here, part)
            if here in self.links:
                if depth < MOST_LINKS:
                    here, further = self._resolve(here, depth + 1)
                    links += further
                if depth == MOST_LINKS or links > MOST_LINKS:
                    raise self._refusal(link, f"round in a circle, or through more than {MOST_LINKS} links")
        self._resolved[link] = here, links
        return here, links

    def _step(self, link: str, here: str, part: str) -> str:
        """The path one part further; it may be one that is not there, since that can be made later."""
        if part in ("", "."):
            return here
        if part != "..":
            return f"{here}/{part}" if here else part
        if not here:
            raise self._refusal(link, f"out of the {self.where}")
        if here not in self.folders:  # whatever is made there later may be a link, whose own parent would be meant
            raise self._refusal(link, f"up from {shown(here)}, which is not a folder of the {self.where}")
        return os.path.dirname(here)

    def check_made_folder(self, path: str) -> None:
        """Raise SourceError when a link or a file is where the folder `path` or one above it is to be made."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            kind = "a link" if folder in self.links else "a file" if folder in self.files else ""
            if kind:
                raise SourceError(
                    f"{shown(folder)} is {kind} in the {self.where} and must be a folder, for static_root"
                )


def list_entries(
    root: str, exclude: Sequence[str] = (), made: str = "", bounds: Bounds = BOUNDS, published: Iterable[str] = ()
) -> list[Entry]:
    """The files and links of a source, ordered by path, and its closed folders. Others are made for what is in them.

    `made` is a folder that is made later, or empty. `published` are paths of what httpd is to read. Raises SourceError
    for what cannot become a release: a link that leads out of the source, anything that is neither file, folder nor
    link, a name that is no text, an empty submodule, too much of all.
    """
    contents = Contents("source", bounds)
    entries = sorted(_walk(root, "", (exclude, made), contents, False), key=lambda entry: entry.path)
    contents.check_links()
    _refuse_empty_submodules(root, contents)
    if made:
        contents.check_made_folder(made)
    return list(_opened(entries, _with_links(published, contents.links)))


def published_paths(application: Mapping[str, Any]) -> list[str]:
    """What httpd reads itself of an application's release, as relative paths; they need not be there."""
    paths = [
        *(os.path.join(static["directory"], static["file"]) for static in application.get("static", [])),
        *(document["file"] for document in application.get("error_documents", [])),
        (application.get("maintenance") or {}).get("page"),
    ]
    inside = (os.path.relpath(path, application["paths"]["current"]) for path in paths if path)
    return ["" if path == "." else path for path in inside if path.split("/")[0] != ".."]


def _way(path: str) -> list[str]:
    """The folders that a path leads through, and itself; the top is ""."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _with_links(paths: Iterable[str], links: Mapping[str, str]) -> set[str]:
    """Paths with all that they lead to, and that the links in them lead to."""
    found: set[str] = set()
    waiting, ordered = list(paths), sorted(links)
    while waiting:
        path = waiting.pop()
        if not found.isdisjoint(_way(path)):
            continue
        found.add(path)
        # Those that begin with the path and a slash, which "0" comes next to.
        within = ordered[bisect_left(ordered, f"{path}/") : bisect_left(ordered, f"{path}0")] if path else ordered
        try:
            waiting += [resolve(links, each) for each in (path, *within)]
        except TreeError as error:
            raise SourceError(str(error)) from error
    return found


def _opened(entries: Iterable[Entry], published: set[str]) -> Iterator[Entry]:
    """Entries as httpd needs them: it reads what is published, and enters the folders above."""
    above = {folder for path in published for folder in _way(path)[:-1]}
    for entry in entries:
        if not published.isdisjoint(_way(entry.path)):
            yield replace(entry, mode=entry.mode | (entry.mode & 0o050) >> 3)
        elif entry.is_folder and entry.path in above:
            yield replace(entry, mode=entry.mode | stat.S_IXOTH)
        else:
            yield entry


def _walk(
    root: str, below: str, left_out: tuple[Sequence[str], str], contents: Contents, closed: bool
) -> Iterator[Entry]:
    """`closed`: a folder above is closed to others, so that all in it is."""
    with os.scandir(os.path.join(root, below)) as found:
        children = list(found)
    for child in children:
        path = f"{below}/{child.name}" if below else child.name
        if is_left_out(path, child.is_dir(follow_symlinks=False), *left_out):
            continue
        if child.is_symlink():
            target = os.readlink(child.path)
            contents.add_link(path, target)
            yield Entry(path, target=target)
        elif child.is_dir(follow_symlinks=False):
            contents.add_folder(path)
            is_closed = closed or child.stat(follow_symlinks=False).st_mode & FOR_OTHERS != FOR_OTHERS
            if is_closed:
                yield Entry(path, 0o750, is_folder=True)
            yield from _walk(root, path, left_out, contents, is_closed)
        elif child.is_file(follow_symlinks=False):
            described = child.stat(follow_symlinks=False)
            contents.add_file(path, described.st_size)
            mode = 0o755 if described.st_mode & stat.S_IXUSR else 0o644
            yield Entry(path, mode & ~0o007 if closed or not described.st_mode & stat.S_IROTH else mode)
        else:
            raise SourceError(f"{shown(path)} is neither a file, a folder nor a link")


def digest(root: str, entries: Iterable[Entry]) -> str:
    """The release's name: it changes with a path, a link's target, and a file's content and mode there.

    Raises SourceError for files whose content Git LFS keeps elsewhere.
    """
    total = hashlib.sha256()
    pointers: list[str] = []
    for entry in entries:
        if entry.is_folder:  # closed as what is in it
            continue
        kind = b"l" if entry.target is not None else b"x" if entry.mode & stat.S_IXUSR else b"f"
        kind = kind if entry.mode & stat.S_IROTH else kind.upper()
        if entry.target is not None:
            content = hashlib.sha256(os.fsencode(entry.target))
        else:
            content = _file_digest(os.path.join(root, entry.path))
            pointers += [entry.path] if _is_pointer(os.path.join(root, entry.path)) else []
        total.update(kind + os.fsencode(entry.path) + b"\0" + content.digest())
    _refuse_pointers(pointers)
    return total.hexdigest()[:DIGEST_LENGTH]


def _is_pointer(path: str) -> bool:
    """Whether Git LFS keeps the file's content elsewhere; a pointer has less than 1,024 bytes (its specification)."""
    with _open(path) as stream:
        return os.fstat(stream.fileno()).st_size < LARGEST_POINTER and stream.read(len(POINTER)) == POINTER


def _refuse_pointers(paths: Sequence[str]) -> None:
    if paths:
        raise SourceError(
            f"{shown(paths[0])} is a pointer of Git LFS and not the file itself (one of {len(paths)}); put the files "
            "there with git lfs pull in a source.directory, or leave them out by source.exclude"
        )


def _submodules(root: str, contents: Contents) -> Iterator[str]:
    """The folders of submodules, as the files that list them say; those that lead out of the source match nothing."""
    for path in contents.files:
        above, _, name = path.rpartition("/")
        if name == SUBMODULES:
            with _open(os.path.join(root, path)) as stream:
                text = stream.read(LARGEST_SUBMODULES).decode(errors="replace")
            for key, _, value in (line.partition("=") for line in text.splitlines()):
                if key.strip() == "path":
                    folder = value.strip().strip('"').rstrip("/")
                    yield f"{above}/{folder}" if above else folder


def _refuse_empty_submodules(root: str, contents: Contents) -> None:
    """Raise SourceError for folders whose content git has in another repository, and which are not there."""
    listed = contents.folders.intersection(_submodules(root, contents))
    filled = (path.split("/")[:-1] for path in (*contents.files, *contents.links)) if listed else ()
    for parts in filled:
        listed.difference_update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    if listed:
        raise SourceError(
            f"{shown(min(listed))} is an empty folder of a git submodule (one of {len(listed)}); put its files there "
            "with git submodule update --init --recursive in a source.directory, or leave it out by source.exclude"
        )


def examine_all(applications: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, list[Entry]]]:
    """Copies of the applications, those on the control node with their ``digest``; and the entries of these, by name.

    Raises SourceError with a whole sentence.
    """
    copies = [dict(application) for application in applications]
    return copies, {each["name"]: examine(each) for each in copies if "directory" in each["source"]}


def examine(application: dict[str, Any]) -> list[Entry]:
    """The entries of an application's source on the control node; their digest becomes the key ``digest``.

    Raises SourceError with a whole sentence.
    """
    root = application["source"]["directory"]
    try:
        exclude, made = application["source"]["exclude"], application["static_root"]
        entries = list_entries(root, exclude, made, published=published_paths(application))
        application["digest"] = digest(root, entries)
    except (SourceError, OSError) as error:
        raise SourceError(
            f"wsgi_apps: application {application['name']!r}, key source.directory: {error}; correct {root}."
        ) from error
    return entries


def _open(path: str) -> BinaryIO:
    """Open a file that was listed; not what a link leads to that took its place since."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _file_digest(path: str) -> hashlib._Hash:
    content = hashlib.sha256()
    with _open(path) as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            content.update(block)
    return content


def pack(root: str, entries: Iterable[Entry], archive: str) -> None:
    """Write a compressed archive of the entries.

    Modification times are kept (httpd derives Last-Modified and ETag from them); owners are not.
    """
    with (
        open(archive, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in entries:
            path = os.path.join(root, entry.path)
            info = tarfile.TarInfo(entry.path)
            if entry.target is not None:
                info.mtime = int(os.lstat(path).st_mtime)
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
                tar.addfile(info)
                continue
            info.mode = entry.mode
            if entry.is_folder:
                info.mtime, info.type = int(os.lstat(path).st_mtime), tarfile.DIRTYPE
                tar.addfile(info)
                continue
            with _open(path) as content:
                described = os.fstat(content.fileno())
                info.mtime, info.size = int(described.st_mtime), described.st_size
                tar.addfile(info, content)


class _Member(tarfile.TarInfo):
    """A member of a hostile archive: tarfile reads some headers as a whole, whatever size they claim."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """A member from its header; raises SourceError for headers that are never in a source's archive."""
        member = super().frombuf(buf, encoding, errors)
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise SourceError(f"{shown(member.name)} is neither a file, a folder nor a link")
        if member.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE) and not 0 <= member.size <= LARGEST_HEADER:
            raise SourceError(f"the archive has a header of {member.size} bytes")
        return member

    def _proc_gnusparse_10(self, *_: object) -> None:
        """Called by tarfile for a map of holes, which may be of any length and lies in the content."""
        raise SourceError(f"{shown(self.name)} is neither a file, a folder nor a link")


class _Input:
    """A stream with a limit to what is read of it, and with what was read of it before."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, head: bytes = b"", limit: int | None = None) -> None:
        self.stream, self.head, self.left = stream, head, limit

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises SourceError beyond the limit."""
        if self.head:
            found, self.head = (self.head, b"") if size < 0 else (self.head[:size], self.head[size:])
        else:
            found = self.stream.read(size)
        if self.left is not None:
            self.left -= len(found)
            if self.left < 0:
                raise SourceError("the archive is larger than a release may be")
        return found


def _plain(stream: BinaryIO, bounds: Bounds) -> _Input:
    """The tar archive in a stream, which is compressed by gzip or not at all."""
    head = stream.read(len(GZIP))
    limit = bounds.size + bounds.entries * HEADER_BYTES
    if head == GZIP:
        return _Input(gzip.GzipFile(fileobj=cast("BinaryIO", _Input(stream, head)), mode="rb"), limit=limit)
    return _Input(stream, head, limit)


def unpack(
    stream: BinaryIO,
    target: str,
    exclude: Sequence[str] = (),
    made: str = "",
    bounds: Bounds = BOUNDS,
    group: int = KEEP,
) -> None:
    """Unpack a tar archive into the new folder `target`, which root owns and only root can write.

    All of it belongs to the group with the id `group`, which can read what is closed to others.

    Every name is checked here, because tarfile's own filters are not in all Python versions that a host can have. Links
    come last, when all are known and judged: until then nothing that is written can lead anywhere.
    Raises SourceError for a name or a link that leads out of the folder, for special files and hard links, for what is
    there twice, and for more or larger than `bounds`. `made` is a folder that is made later, or empty.
    """
    os.makedirs(target, mode=0o755)
    os.chown(target, KEEP, group)
    contents = Contents("release", bounds)
    try:
        with tarfile.open(
            fileobj=cast("BinaryIO", _plain(stream, bounds)),
            mode="r|",
            tarinfo=_Member,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            while True:
                member = tar.next()
                if member is None:
                    break
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a description of each
                name = _name_of(member)
                if name and not is_left_out(name, member.isdir(), exclude, made):
                    _unpack_member(tar, member, target, name, contents, group)
    except UNREADABLE as error:
        raise SourceError(f"the archive cannot be read ({error})") from error
    contents.check_links()
    _refuse_empty_submodules(target, contents)
    _refuse_pointers([path for path in sorted(contents.files) if _is_pointer(os.path.join(target, path))])
    if made:
        contents.check_made_folder(made)
    for path, goal in contents.links.items():
        os.symlink(goal, os.path.join(target, path))
        os.chown(os.path.join(target, path), KEEP, group, follow_symlinks=False)


def _name_of(member: tarfile.TarInfo) -> str:
    """Its path in the release; empty for the release itself."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts:
        raise SourceError(f"the archive holds {shown(member.name)}, which leads out of the release")
    return "/".join(parts)


def _unpack_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: str, name: str, contents: Contents, group: int
) -> None:
    if member.isdir():
        readable = member.mode & FOR_OTHERS == FOR_OTHERS
        mode = 0o755 if readable else 0o750 | member.mode & stat.S_IXOTH
        _make(target, contents.add_folder(name), group, mode)
    elif member.issym():
        _make(target, contents.add_link(name, member.linkname), group)
    elif member.isreg() and not member.issparse():
        _make(target, contents.add_file(name, member.size), group)
        _unpack_file(tar, member, os.path.join(target, name), group)
    else:
        raise SourceError(f"{shown(name)} is neither a file, a folder nor a link")


def _make(target: str, folders: Sequence[str], group: int, mode: int = 0o755) -> None:
    """Make folders; the mode is that of the last one."""
    for folder in folders:
        path = os.path.join(target, folder)
        os.mkdir(path, 0o700)
        os.chown(path, KEEP, group)
        os.chmod(path, mode if folder == folders[-1] else 0o755)


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, group: int) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise SourceError(f"{shown(member.name)} has no content in the archive")
    mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
    with content, open(path, "xb") as stream:
        os.fchown(stream.fileno(), KEEP, group)
        os.fchmod(stream.fileno(), mode if member.mode & stat.S_IROTH else mode & ~0o007)
        shutil.copyfileobj(content, stream, 1 << 20)
    os.utime(path, (member.mtime, member.mtime))
