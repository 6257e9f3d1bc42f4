# SPDX-License-Identifier: Apache-2.0
"""How paths are to be, how they are, and what an owner has put in place."""

from __future__ import annotations

import errno
import grp
import hashlib
import json
import os
import pwd
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.pending import NONE, RELOAD

CONTENT, LINK, ABSENT, DIRECTORY = "content", "link", "absent", "directory"
KINDS = (CONTENT, LINK, ABSENT, DIRECTORY)
# Directories have to be there before files; a link may name a file of the same set; removals come last.
ORDER = {DIRECTORY: 0, CONTENT: 1, LINK: 2, ABSENT: 3}


class TransactionError(Exception):
    """The set cannot go live, and nothing was changed; the text is for the user."""


@dataclass(frozen=True)
class Desired:
    """How one path is to be."""

    path: str
    kind: str
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    optional: bool = False
    adopt: bool = False
    sensitive: bool = False
    action: str = NONE


@dataclass(frozen=True)
class Found:
    """What a path is on the disk."""

    kind: str
    content: bytes = b""
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Change:
    """One step from the disk to the desired set."""

    desired: Desired
    found: Found
    original: str = ""  # the kept original that has to come back
    takes_over: bool = False  # what is there now is kept as the original

    @property
    def path(self) -> str:
        """Where."""
        return self.desired.path

    def describe(self) -> str:
        """A line for the result."""
        if self.original:
            return f"give back the original {self.path}"
        verbs = {CONTENT: "write", LINK: "link", ABSENT: "remove", DIRECTORY: "create directory"}
        suffix = f" -> {self.desired.target}" if self.desired.kind == LINK else ""
        return f"{verbs[self.desired.kind]} {self.path}{suffix}"


@dataclass
class Manifest:
    """What one owner has put in place, kept in a file of the state directory."""

    file: Path
    entries: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Manifest:
        """Read it; empty when the owner has put nothing in place yet."""
        try:
            return cls(file, json.loads(file.read_text(encoding="utf-8"))["files"])
        except FileNotFoundError:
            return cls(file)
        except (ValueError, KeyError, TypeError) as error:
            raise TransactionError(
                f"{file} is damaged ({error}); move it away, and files which are no longer wanted stay."
            ) from error

    def edit(self, entries: Mapping[str, Mapping[str, str]]) -> Iterator[Edit]:
        """What makes these its entries."""
        content = (json.dumps({"files": entries}, indent=1, sort_keys=True) + "\n").encode()
        if not self.file.exists() or self.file.read_bytes() != content:
            yield Edit(str(self.file), journal.WRITE, content, mode=0o600)


def checked_sets(sets: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Sets of files by owner. Raises TransactionError where one is something else."""
    for owner, files in sets.items():
        if not isinstance(files, list) or not all(isinstance(entry, dict) and "path" in entry for entry in files):
            raise TransactionError(f"The files of the owner {owner} must be a list of files; correct the task.")
    return dict(sets)


def desired_file(entry: Mapping[str, Any], server_root: str) -> Desired:
    """Read one entry of the module's parameter ``files``. Raises TransactionError when it is contradictory."""
    path = os.path.normpath(Path(server_root) / entry["path"])
    kinds = [kind for kind in KINDS if entry.get(kind) not in (None, False)]
    if len(kinds) != 1:
        raise TransactionError(f"The entry {path} needs exactly one of {', '.join(KINDS)}; correct the task.")
    kind = kinds[0]
    mode = str(entry.get("mode") or ("0755" if kind == DIRECTORY else "0644"))
    if not re.match(r"[0-7]{3,4}\Z", mode):
        raise TransactionError(f"The mode {mode!r} of {path} is not octal like '0644'; correct the task.")
    below = is_below(path, server_root)
    default_action = RELOAD if below and kind != DIRECTORY else NONE
    return Desired(
        path=path,
        kind=kind,
        content=(entry.get("content") or "").encode(),
        target=entry.get("link") or "",
        mode=int(mode, 8),
        owner=entry.get("owner") or "root",
        group=entry.get("group") or "root",
        optional=bool(entry.get("optional")),
        adopt=bool(entry.get("adopt")),
        sensitive=bool(entry.get("sensitive")),
        action=entry.get("action") or default_action,
    )


def is_below(path: str, directory: str) -> bool:
    """Whether the path is in the directory."""
    return path.startswith(directory.rstrip("/") + "/")


def look(path: str) -> Found:
    """What is at a path now; the empty path is nowhere."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found(ABSENT)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Found(LINK, target=str(Path(path).readlink()))
    if stat.S_ISREG(status.st_mode):
        return Found(CONTENT, Path(path).read_bytes(), "", mode, status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return Found(DIRECTORY, b"", "", mode, status.st_uid, status.st_gid)
    return Found("special file")


def is_full(error: OSError) -> bool:
    """Whether there was no room on a disk; shutil's errors have only the texts of those that they collect."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return error.errno in codes or any(os.strerror(code) in str(error) for code in codes)


def original_name(path: str) -> str:
    """How the kept original of a path is called in the state directory."""
    return f"{Path(path).name}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def user_id(name: str, path: str) -> int:
    """The uid of a user. Raises TransactionError when the user does not exist."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise TransactionError(f"The user {name}, who is to own {path}, does not exist; create it first.") from None


def group_id(name: str, path: str) -> int:
    """The gid of a group. Raises TransactionError when the group does not exist."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise TransactionError(f"The group {name}, which is to own {path}, does not exist; create it first.") from None


def is_filled_directory(path: str) -> bool:
    """Whether a path is a directory with something in it."""
    return os.path.isdir(path) and not os.path.islink(path) and bool(os.listdir(path))
