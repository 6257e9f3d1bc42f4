# SPDX-License-Identifier: Apache-2.0
"""What visitors would not get of the folder of static files, for who runs this: the account that serves them.

A program, since the entry point may be root, who can read everything. It prints a sentence for each kind of fault.
Needs nothing but Python's standard library, 3.9 or later.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator

MOST_FILES = 10_000
"""So many are looked at, in a tenth of a second: a start must not wait for more."""
POINTER = b"version https://git-lfs.github.com/spec/v1\n"
LARGEST_POINTER = 1024
"""Bytes of a file that stands for one that Git LFS keeps elsewhere."""


def entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """The files and folders below a folder that httpd serves: nothing hidden. Folders that are closed are not entered.

    Raises OSError for the folder itself.
    """
    with os.scandir(folder) as found:
        children = sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)
    for child in children:
        yield child
        if child.is_dir(follow_symlinks=False) and os.access(child.path, os.R_OK | os.X_OK):
            yield from entries(child.path)


def is_closed(entry: os.DirEntry[str]) -> bool:
    """Whether who runs this cannot read a file, or enter a folder. A link that leads nowhere is closed to everybody."""
    return not os.access(entry.path, os.X_OK if entry.is_dir() else os.R_OK)


def is_pointer(entry: os.DirEntry[str]) -> bool:
    """Whether Git LFS keeps the content of a file elsewhere."""
    found = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode) or not len(POINTER) < found.st_size < LARGEST_POINTER:
        return False
    with open(entry.path, "rb") as stream:
        return stream.read(len(POINTER)) == POINTER


def problems(folder: str) -> Iterator[str]:
    """A sentence for each kind of fault, with the first file and their number. Raises OSError for the folder itself."""
    closed, pointers = [], []
    for count, entry in enumerate(entries(folder)):
        if count == MOST_FILES:
            break
        if is_closed(entry):
            closed.append(entry.path)
        elif is_pointer(entry):
            pointers.append(entry.path)
    if closed:
        yield (
            f"{shown(closed[0])} cannot be read by user {os.geteuid()} (one of {len(closed)}), so visitors get 403; "
            f"let everybody read WSGI_STATIC_PATH in the image: chmod -R a+rX {shown(folder)}."
        )
    if pointers:
        yield (
            f"{shown(pointers[0])} is a pointer of Git LFS and not the file itself (one of {len(pointers)}), which is "
            "what visitors get; run git lfs pull before the image is built."
        )


def shown(path: str) -> str:
    """A path as it may stand in a message."""
    return path if path.isprintable() else ascii(path)


def main() -> int:
    """The sentences about a folder; the exit status is 1 when the folder itself is closed."""
    folder = sys.argv[1]
    if not os.access(folder, os.X_OK):
        print(
            f"WSGI_STATIC_PATH is {shown(folder)}, which user {os.geteuid()} may not enter; let everybody read and "
            "enter it in the image."
        )
        return 1
    with contextlib.suppress(OSError):  # a folder that can be entered need not be one that can be listed
        for sentence in problems(folder):
            print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
