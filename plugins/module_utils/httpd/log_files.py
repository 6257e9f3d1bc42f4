# SPDX-License-Identifier: Apache-2.0
"""Log files as entries of a set: they are there before httpd opens them, with the access that they are to have.

httpd itself makes a log that all accounts may read, and processes of applications inherit the way to it. So the files
are made first, and those that are there are mended, together with what logrotate has kept of them. Their content is
never touched, and they stay when nobody lists them any more.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import group_id, user_id

MODE = "0640"


@dataclass(frozen=True)
class LogFile:
    """A log file that is not as it is to be."""

    path: str
    mode: int
    uid: int
    gid: int
    is_there: bool

    def describe(self) -> str:
        """A line for the result."""
        what = "correct the access to the log" if self.is_there else "create the log"
        return f"{what} {self.path}"

    def mend(self) -> None:
        """Make it as it is to be. Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        if not self.is_there:
            os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
            flags |= os.O_CREAT
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except FileNotFoundError:  # logrotate has moved it meanwhile
            return
        try:
            os.fchown(descriptor, self.uid, self.gid)
            os.fchmod(descriptor, self.mode)
        finally:
            os.close(descriptor)


def separate(
    sets: Mapping[str, Iterable[Mapping[str, Any]]],
) -> tuple[dict[str, list[Mapping[str, Any]]], list[Mapping[str, Any]]]:
    """Sets of files by owner: those without log files, and the log files of all."""
    files = {owner: [entry for entry in entries if not entry.get("log")] for owner, entries in sets.items()}
    return files, [entry for entries in sets.values() for entry in entries if entry.get("log")]


def to_mend(entries: Iterable[Mapping[str, Any]], predict: bool = False) -> list[LogFile]:
    """The log files that are not as the entries say. ``predict``: accounts may not be there yet.

    What is no file, such as a link of the operator's, is left as it is. Raises TransactionError for an unknown account.
    """
    return [found for entry in entries for found in _of_entry(entry, predict)]


def _of_entry(entry: Mapping[str, Any], predict: bool) -> Iterable[LogFile]:
    path = str(entry["path"])
    mode = int(str(entry.get("mode") or MODE), 8)
    if predict and not os.path.lexists(path):
        yield LogFile(path, mode, -1, -1, is_there=False)
        return
    uid = user_id(str(entry.get("owner") or "root"), path)
    gid = group_id(str(entry.get("group") or "root"), path)
    for each in [path, *sorted(glob.glob(f"{glob.escape(path)}.*"))]:
        try:
            state = os.lstat(each)
        except FileNotFoundError:
            if each == path:
                yield LogFile(path, mode, uid, gid, is_there=False)
            continue
        if not stat.S_ISREG(state.st_mode):
            continue
        if (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) != (mode, uid, gid):
            yield LogFile(each, mode, uid, gid, is_there=True)
