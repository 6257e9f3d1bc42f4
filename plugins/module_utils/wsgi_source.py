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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

ALWAYS_EXCLUDED = (
    ".git",
    ".hg",
    ".svn",
    ".env",
    ".venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "*.pyc",
)
"""Never part of a release: history, caches, a developer's virtual environment and a developer's secrets."""

DIGEST_LENGTH = 20
"""Hexadecimal digits of a release's name: 80 bits, far from a collision, and short in a path."""


class SourceError(Exception):
    """The source or an archive cannot be used; the text says why, as part of a sentence."""


@dataclass(frozen=True)
class Entry:
    """One file or symbolic link of a source; `target` is None for a file."""

    path: str
    executable: bool = False
    target: str | None = None


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether a relative path, or a folder above it, matches a pattern by its name or by its whole path."""
    parts = path.split("/")
    ancestors = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return any(
        fnmatch.fnmatchcase(ancestor, pattern.strip("/")) or fnmatch.fnmatchcase(part, pattern.strip("/"))
        for pattern in (*ALWAYS_EXCLUDED, *patterns)
        for ancestor, part in zip(ancestors, parts)
    )


def _leads_out(path: str, target: str) -> bool:
    """Whether a symbolic link at the relative `path` leads out of the tree."""
    return os.path.isabs(target) or os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith("..")


def list_entries(root: str, exclude: Sequence[str] = ()) -> list[Entry]:
    """The files and links of a source, ordered by path. Empty folders are not part of a release.

    Raises SourceError for a link that leads out of the source, or anything that is neither file, folder nor link.
    """
    return sorted(_walk(root, "", exclude), key=lambda entry: entry.path)


def _walk(root: str, below: str, exclude: Sequence[str]) -> Iterator[Entry]:
    with os.scandir(os.path.join(root, below)) as found:
        children = list(found)
    for child in children:
        path = f"{below}/{child.name}" if below else child.name
        if is_excluded(path, exclude):
            continue
        if child.is_symlink():
            target = os.readlink(child.path)
            if _leads_out(path, target):
                raise SourceError(f"the link {path} leads out of the source (to {target})")
            yield Entry(path, target=target)
        elif child.is_dir(follow_symlinks=False):
            yield from _walk(root, path, exclude)
        elif child.is_file(follow_symlinks=False):
            yield Entry(path, executable=bool(child.stat(follow_symlinks=False).st_mode & stat.S_IXUSR))
        else:
            raise SourceError(f"{path} is neither a file, a folder nor a link")


def digest(root: str, entries: Iterable[Entry]) -> str:
    """The release's name: it changes with a path, an executable bit, a link's target or a file's content."""
    total = hashlib.sha256()
    for entry in entries:
        kind = b"l" if entry.target is not None else b"x" if entry.executable else b"f"
        if entry.target is not None:
            content = hashlib.sha256(os.fsencode(entry.target))
        else:
            content = _file_digest(os.path.join(root, entry.path))
        total.update(kind + os.fsencode(entry.path) + b"\0" + content.digest())
    return total.hexdigest()[:DIGEST_LENGTH]


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
    exclude = [*application["source"]["exclude"], *filter(None, [application["static_root"]])]
    try:
        entries = list_entries(root, exclude)
        application["digest"] = digest(root, entries)
    except (SourceError, OSError) as error:
        raise SourceError(
            f"wsgi_apps: application {application['name']!r}, key source.directory: {error}; correct {root}."
        ) from error
    return entries


def _file_digest(path: str) -> hashlib._Hash:
    content = hashlib.sha256()
    with open(path, "rb") as stream:
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
            info.mtime = int(os.lstat(path).st_mtime)
            if entry.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
                tar.addfile(info)
                continue
            info.size = os.path.getsize(path)
            info.mode = 0o755 if entry.executable else 0o644
            with open(path, "rb") as content:
                tar.addfile(info, content)


def unpack(stream: BinaryIO, target: str, exclude: Sequence[str] = ()) -> None:
    """Unpack a tar archive into the new folder `target`, which root owns and only root can write.

    Every name is checked here, because tarfile's own filters are not in all Python versions that a host can have.
    Raises SourceError for a name or a link that leads out of the folder, and for special files.
    """
    os.makedirs(target, mode=0o755)
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                _unpack_member(tar, member, target, exclude)
    except tarfile.TarError as error:
        raise SourceError(f"the archive cannot be read ({error})") from error


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: str, exclude: Sequence[str]) -> None:
    name = os.path.normpath(member.name)
    if os.path.isabs(member.name) or name.startswith(".."):
        raise SourceError(f"the archive holds {member.name}, which leads out of the release")
    if name == "." or member.type in (tarfile.XGLTYPE, tarfile.XHDTYPE) or is_excluded(name, exclude):
        return
    path = os.path.join(target, name)
    if os.path.realpath(os.path.dirname(path)) != os.path.join(os.path.realpath(target), os.path.dirname(name)).rstrip(
        "/"
    ):
        raise SourceError(f"the archive writes {name} through a link")
    if member.isdir():
        os.makedirs(path, mode=0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if member.issym():
        if _leads_out(name, member.linkname):
            raise SourceError(f"the link {name} leads out of the release (to {member.linkname})")
        os.symlink(member.linkname, path)
    elif member.isfile():
        _unpack_file(tar, member, path)
    else:
        raise SourceError(f"{name} is neither a file, a folder nor a link")


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise SourceError(f"{member.name} has no content in the archive")
    with content, open(path, "xb") as stream:
        shutil.copyfileobj(content, stream)
    os.chmod(path, 0o755 if member.mode & stat.S_IXUSR else 0o644)
    os.utime(path, (member.mtime, member.mtime))
