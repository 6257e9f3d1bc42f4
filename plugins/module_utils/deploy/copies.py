# SPDX-License-Identifier: Apache-2.0
"""A virtual environment that one host has built, for others of its kind. Runs on the managed host.

The one that has built it packs it. Those that get it trust the archive no more than what pip makes: the account for
builds unpacks it in its room, and root takes over the content as after a build.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import Room
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import is_complete
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import open_folder
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout

NAME = re.compile(r"[0-9a-f]{20}")
"""That of a virtual environment (`venv.identity`)."""
QUICK = 1
"""The level of compression: a network of one gigabit takes what this makes as fast as it is made."""
BLOCK = 1 << 20


class CopyError(Exception):
    """A virtual environment cannot be packed, or an archive is not the one that was meant; the text is a sentence."""


def pack_all(wanted: Mapping[str, str], folder: str, builder: str, host: str) -> list[str]:
    """Pack the virtual environments ``wanted``, by application, into a folder; the applications.

    ``builder`` is this host, ``host`` the one that is to get them. Raises CopyError and OSError.
    """
    for application, name in wanted.items():
        path = os.path.join(layout(application)["venvs"], name)
        if not NAME.fullmatch(name) or not is_complete(path):
            raise CopyError(
                f"Host {builder} has no virtual environment {name} of the application {application}, which host {host} "
                "needs; let both have the same source, requirements and environment variables that these name, or set "
                f"wsgi_build_on of {host} to each."
            )
        pack(path, folder, f"{application}.tar.gz")
    return sorted(wanted)


def pack(path: str, folder: str, name: str) -> None:
    """Write an archive of a virtual environment into a folder of the account that fetches it, for that account alone.

    Raises OSError.
    """
    with open_folder(folder) as target:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=target)
        with open(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=QUICK, format=tarfile.PAX_FORMAT) as archive:
                archive.add(path, arcname=".", filter=_without_owner)
            os.fchown(stream.fileno(), os.fstat(target).st_uid, -1)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def take(room: Room, copy: Mapping[str, Any]) -> str:
    """The archive ``copy`` (its ``path`` and ``sha256``) in a room; the account alone has it then.

    Raises CopyError, and OSError.
    """
    total = hashlib.sha256()
    taken = os.path.join(room.home, "copy.tar.gz")
    source = os.open(copy["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    target = os.open(taken, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(source, "rb") as read, open(target, "wb") as written:
        while block := read.read(BLOCK):
            total.update(block)
            written.write(block)
        os.fchown(written.fileno(), room.account.uid, room.account.gid)
    if total.hexdigest() != copy["sha256"]:
        raise CopyError(
            f"what has arrived of host {copy['builder']} is not what it has sent (SHA-256 {total.hexdigest()}, not "
            f"{copy['sha256']}); run the play again"
        )
    return taken


def unpacking(archive: str, path: str) -> list[str]:
    """The command with which the account unpacks an archive into its folder."""
    return ["tar", "--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", path]
