# SPDX-License-Identifier: Apache-2.0
"""What a program has said before it failed, in a file beside the short message. Runs on the managed host.

There is one file for each application and kind of program, with the last failure; it goes with the next success.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

FOLDER = "/var/log/modwsgi"
LARGEST = 1 << 20
"""Bytes from the end of the output."""
NEW = ".new"

PIP, RELEASE_COMMAND = "pip", "release-command"
"""The kinds of programs."""

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What acts on a terminal: whoever looks at an output must not be at its mercy."""


def plain(output: str) -> str:
    """The output without anything that acts on a terminal; a line that was drawn over is as it was at its end."""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in output.split("\n"))
    return "\n".join(CONTROL.sub("", line) for line in lines)


def path_of(name: str, kind: str) -> str:
    """Where the file of an application is."""
    return os.path.join(FOLDER, f"{name}-{kind}.log")


def _is_ours() -> bool:
    """Whether the folder is root's, and no link: other accounts may write to /var/log."""
    found = os.lstat(FOLDER)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def keep(name: str, kind: str, output: str, gid: int = -1) -> str:
    """Keep an output for root, and for the group ``gid`` where one is given; where, as the end of a sentence.

    Nothing when it cannot be kept: the failure itself must be told on a full disk, too.
    """
    path = path_of(name, kind)
    content = plain(output).encode("utf-8", "replace")[-LARGEST:]
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(FOLDER, 0o755)
        if not _is_ours():
            return ""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + NEW)
        descriptor = os.open(path + NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as stream:
            if gid >= 0:
                os.fchown(descriptor, -1, gid)
                os.fchmod(descriptor, 0o640)
            stream.write(content.rstrip() + b"\n")
        os.replace(path + NEW, path)
    except OSError:
        return ""
    return f"; its whole output is in {path} on the host"


def forget(name: str, kind: str) -> None:
    """Remove the output of an earlier failure, now that the program has ended well."""
    with contextlib.suppress(OSError):
        if _is_ours():
            os.unlink(path_of(name, kind))
