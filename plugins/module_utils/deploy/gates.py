# SPDX-License-Identifier: Apache-2.0
"""The folders through which one comes to an application's code. Runs on the managed host.

A gate belongs to root and to the application's group, and is closed to all others. So what is behind it needs no modes
of its own against other applications, also in releases of earlier versions. httpd passes by an access list of the file
system (acl(5)): its account in the group of an application could read that one's secrets as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import open_folder

ATTRIBUTE = "system.posix_acl_access"
VERSION = struct.pack("<I", 2)
ENTRY = struct.Struct("<HHI")
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
"""The id in entries that have none (linux/posix_acl_xattr.h)."""

PASS = 1
"""To go through a folder to what one knows the name of; not to list it."""

AccessList = dict[tuple[int, int], int]
"""Permissions by kind and id."""


def _is_named(kind: int) -> bool:
    return kind in (USER, NAMED_GROUP)


def access_list(folder: int) -> AccessList | None:
    """The access list of an open folder; None where its file system has none."""
    try:
        value = os.getxattr(folder, ATTRIBUTE)
    except OSError as error:
        if error.errno == errno.ENODATA:
            mode = os.fstat(folder).st_mode
            return {(OWNER, NOBODY): mode >> 6 & 7, (GROUP, NOBODY): mode >> 3 & 7, (OTHERS, NOBODY): mode & 7}
        if error.errno == errno.ENOTSUP:
            return None
        raise
    return {(kind, number): permissions for kind, permissions, number in ENTRY.iter_unpack(value[len(VERSION) :])}


def _write(folder: int, entries: AccessList) -> None:
    packed = (ENTRY.pack(kind, permissions, number) for (kind, number), permissions in sorted(entries.items()))
    os.setxattr(folder, ATTRIBUTE, VERSION + b"".join(packed))


def _with_mask(entries: AccessList) -> AccessList:
    """An access list with named entries needs one more: the most that these have."""
    without = {key: permissions for key, permissions in entries.items() if key[0] != MASK}
    if not any(_is_named(kind) for kind, _ in without):
        return without
    mask = 0
    for (kind, _), permissions in without.items():
        mask |= permissions if _is_named(kind) or kind == GROUP else 0
    return {**without, (MASK, NOBODY): mask}


def wanted(found: AccessList, passing: Iterable[int], ours: Iterable[int]) -> AccessList:
    """The access list of a gate: what others have added to it stays, but for the users ``ours``.

    ``passing`` are the users that go through.
    """
    left = set(ours)
    added = {key: each for key, each in found.items() if _is_named(key[0]) and not (key[0] == USER and key[1] in left)}
    entries = {(OWNER, NOBODY): 7, (GROUP, NOBODY): 5, (OTHERS, NOBODY): 0}
    return _with_mask({**added, **entries, **{(USER, uid): PASS for uid in passing}})


class Gate:
    """One gate as it is to be."""

    def __init__(self, path: str, gid: int | None, passing: Iterable[int], ours: Iterable[int]) -> None:
        """``gid`` is the application's group, None before it is there; for the user ids, see `wanted`."""
        self.path, self.gid = path, -1 if gid is None else gid
        self.passing, self.ours = tuple(passing), tuple(ours)

    def without_access_lists(self) -> int:
        """The mode of the gate where the file system has no access lists: everybody passes when somebody has to."""
        return 0o751 if self.passing else 0o750

    def is_as_wanted(self) -> bool:
        """Whether nothing has to be changed."""
        with open_folder(self.path) as folder:
            found, entries = os.fstat(folder), access_list(folder)
            if (found.st_uid, found.st_gid) != (os.geteuid(), self.gid):
                return False
            if entries is None:
                return stat.S_IMODE(found.st_mode) == self.without_access_lists()
            return entries == wanted(entries, self.passing, self.ours)

    def is_open_to_all(self) -> bool:
        """Whether everybody passes, since the file system has no access lists."""
        with open_folder(self.path) as folder:
            return access_list(folder) is None and bool(self.passing)

    def set(self) -> None:
        """Make it so. Last, so that the next run does again what was cut off."""
        if self.is_as_wanted():
            return
        with open_folder(self.path) as folder:
            if os.fstat(folder).st_gid != self.gid:
                self._regroup()
            os.fchown(folder, os.geteuid(), self.gid)
            entries = access_list(folder)
            if entries is None:
                os.fchmod(folder, self.without_access_lists())
            else:
                _write(folder, wanted(entries, self.passing, self.ours))

    def _regroup(self) -> None:
        """Let what is behind the gate, and root's, belong to the group, which alone can read what is closed there."""
        for _folder, folders, files, descriptor in os.fwalk(self.path, follow_symlinks=False):
            owners = {name: os.lstat(name, dir_fd=descriptor).st_uid for name in [*folders, *files]}
            for name in [name for name, uid in owners.items() if uid == os.geteuid()]:
                os.chown(name, -1, self.gid, dir_fd=descriptor, follow_symlinks=False)
            folders[:] = [name for name in folders if owners[name] == os.geteuid()]


@contextmanager
def admitted(path: str, uid: int) -> Iterator[None]:
    """Let an account go through a gate for a time; a run that is killed leaves that to the next one."""
    with open_folder(path) as folder, contextlib.ExitStack() as ending:
        entries, mode = access_list(folder), stat.S_IMODE(os.fstat(folder).st_mode)
        if entries is None:
            ending.callback(os.fchmod, folder, mode)
            os.fchmod(folder, mode | stat.S_IXOTH)
        else:
            ending.callback(_write, folder, entries)
            _write(folder, _with_mask({**entries, (USER, uid): PASS}))
        yield
