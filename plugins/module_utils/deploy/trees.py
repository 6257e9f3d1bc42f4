# SPDX-License-Identifier: Apache-2.0
"""Take over a tree of files that an account without rights has made. Runs on the managed host.

Root makes fresh files with the same content. So whoever still holds a descriptor of the old ones holds nothing, and
what an account could have put among them (devices, links that lead away, set-user-id programs) does not come along.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

MOST_LINKS = 40
"""As the kernel: so many links in one path, then it is a loop."""

DEEPEST = 100
"""Folders within each other."""

KEEP = -1
"""For os.chown: the owner or the group as it is."""

_BLOCK = 1 << 20


class TreeError(Exception):
    """A tree cannot be taken over; the text is a part of a sentence."""


class Bounds(NamedTuple):
    """How much a tree may hold."""

    files: int
    """Files, folders and links."""
    size: int
    """Bytes."""


def resolve(links: Mapping[str, str], path: str) -> str:
    """Where a relative path leads within a tree, as the kernel would find it; "" is the tree itself.

    ``links`` are the targets of the tree's symbolic links by path. Raises TreeError when it leads out of the tree, or
    in circles.
    """
    found: list[str] = []
    ahead = path.split("/")[::-1]
    followed = 0
    while ahead:
        part = ahead.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not found:
                raise TreeError(f"{path} leads out of the tree")
            found.pop()
            continue
        found.append(part)
        target = links.get("/".join(found))
        if target is None:
            continue
        followed += 1
        if followed > MOST_LINKS:
            raise TreeError(f"the link {path} leads in circles")
        if target.startswith("/"):
            raise TreeError(f"{path} leads to {target}, out of the tree")
        found.pop()
        ahead += target.split("/")[::-1]
    return "/".join(found)


def name_problem(name: str) -> str:
    """Why a file must not have this name; "" when it may."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "is no UTF-8"
    return "has control characters" if any(ord(character) < 32 or ord(character) == 127 for character in name) else ""


@contextmanager
def open_folder(name: str, folder: int | None = None) -> Iterator[int]:
    """A descriptor of a folder; never of what a link leads to. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def copy_tree(
    source: str,
    target: str,
    *,
    owner: int,
    bounds: Bounds,
    links_to: Container[str] = (),
    at: str = "",
    group: int = KEEP,
) -> None:
    """Copy what the account ``owner`` (a user id) has made in the folder ``source`` into the new folder ``target``.

    Everything in it belongs to the caller then, and to the group with the id ``group``, with mode 0755 or 0644, and has
    the same content and times. Refused are
    files of other accounts (so hard links to them, too), whatever is no file, folder or link, names that are no UTF-8
    or have control characters, links that lead out of the tree, in circles or to nothing, and more than the bounds.
    ``links_to`` are absolute paths to which links may lead; one to a path below ``at`` (where the tree is to lie)
    counts as one within the tree.

    Raises TreeError and OSError; ``target`` is not there then.
    """
    copier = _Copier(owner, bounds, group)
    os.mkdir(target, 0o755)
    os.chown(target, KEEP, group)
    try:
        with open_folder(source) as read, open_folder(target) as written:
            copier.copy(read, written, "", 0)
        copier.check_links(links_to, at)
    except BaseException:
        shutil.rmtree(target)
        raise


def give(path: str, uid: int, gid: int) -> None:
    """Let a folder of the caller's, and all that is in it, belong to an account; links are not followed."""
    for _folder, folders, files, descriptor in os.fwalk(path, follow_symlinks=False):
        for name in [*folders, *files]:
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(path, uid, gid)


class _Copier:
    def __init__(self, owner: int, bounds: Bounds, group: int) -> None:
        self.owner, self.bounds, self.group = owner, bounds, group
        self.files = self.size = 0
        self.paths: set[str] = {""}
        self.links: dict[str, str] = {}

    def copy(self, source: int, target: int, below: str, depth: int) -> None:
        """Copy the content of an open folder into another one."""
        folder = os.fstat(source)
        self._check_owner(folder, below or "the folder itself")
        if depth > DEEPEST:
            raise TreeError(f"{below} lies deeper than {DEEPEST} folders")
        for name in self._names(source, below):
            path = f"{below}/{name}" if below else name
            self._copy_entry(name, path, source, target, depth)
        os.utime(target, ns=(folder.st_mtime_ns, folder.st_mtime_ns))

    def _names(self, folder: int, below: str) -> list[str]:
        names = []
        with os.scandir(folder) as found:
            for entry in found:
                self.files += 1
                if self.files > self.bounds.files:
                    raise TreeError(f"it has more than {self.bounds.files} files")
                problem = name_problem(entry.name)
                if problem:
                    raise TreeError(f"the name of {entry.name!r} in {below or 'its folder'} {problem}")
                names.append(entry.name)
        return sorted(names)

    def _check_owner(self, found: os.stat_result, path: str) -> None:
        if found.st_uid != self.owner:
            raise TreeError(f"{path} belongs to another account (user id {found.st_uid})")

    def _copy_entry(self, name: str, path: str, source: int, target: int, depth: int) -> None:
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        self._check_owner(found, path)
        self.paths.add(path)
        if stat.S_ISLNK(found.st_mode):
            self.links[path] = os.readlink(name, dir_fd=source)
            os.symlink(self.links[path], name, dir_fd=target)
            os.chown(name, KEEP, self.group, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o755, dir_fd=target)
            with open_folder(name, source) as read, open_folder(name, target) as written:
                os.fchown(written, KEEP, self.group)
                os.fchmod(written, 0o755)
                self.copy(read, written, path, depth + 1)
        elif stat.S_ISREG(found.st_mode):
            self._copy_file(name, path, source, target)
        else:
            raise TreeError(f"{path} is neither a file, a folder nor a link")

    def _copy_file(self, name: str, path: str, source: int, target: int) -> None:
        read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
        with open(read, "rb", buffering=0) as content:
            found = os.fstat(read)
            self._check_owner(found, path)
            if not stat.S_ISREG(found.st_mode):
                raise TreeError(f"{path} is no file any more")
            written = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
            with open(written, "wb") as copy:
                while block := content.read(_BLOCK):
                    self.size += len(block)
                    if self.size > self.bounds.size:
                        raise TreeError(f"it is larger than {self.bounds.size} bytes")
                    copy.write(block)
                copy.flush()
                os.fchown(written, KEEP, self.group)
                os.fchmod(written, 0o755 if found.st_mode & stat.S_IXUSR else 0o644)
                os.utime(written, ns=(found.st_mtime_ns, found.st_mtime_ns))

    def check_links(self, links_to: Container[str], at: str) -> None:
        """Refuse links that lead elsewhere."""
        prefix = f"{at}/"
        within = {
            path: os.path.relpath(target, os.path.join(at, os.path.dirname(path)))
            if at and target.startswith(prefix)
            else target
            for path, target in self.links.items()
            if target not in links_to
        }
        allowed = {path for path, target in self.links.items() if target in links_to}
        for path, target in within.items():
            found = resolve(within, path)
            if found not in self.paths and not any(found.startswith(f"{name}/") for name in allowed):
                raise TreeError(f"the link {path} leads to nothing ({target})")
