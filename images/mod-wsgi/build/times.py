#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Set every time below a root to one moment (SOURCE_DATE_EPOCH), so that two builds of one commit have the same times,
whatever was in the cache of the builder. Other file systems that are mounted there are left alone."""

from __future__ import annotations

import argparse
import os
import stat
import sys


def entries(root: str) -> list[str]:
    """All paths of one file system; what is in a folder comes before the folder."""
    device = os.lstat(root).st_dev
    found = [root]
    for here, folders, files in os.walk(root):
        paths = [os.path.join(here, name) for name in (*folders, *files)]
        found += [path for path in paths if os.lstat(path).st_dev == device]
        folders[:] = [name for name in folders if os.lstat(os.path.join(here, name)).st_dev == device]
    return found[::-1]


def set_all(root: str, moment: int) -> int:
    """Set all times to a moment in seconds since 1970; how many there are.

    A file with several names keeps them: an overlay would make one file of each name as soon as its time is set.
    """
    paths = entries(root)
    first: dict[int, str] = {}
    for path in sorted(paths):
        found = os.lstat(path)
        if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
            if found.st_ino in first:
                os.unlink(path)
                os.link(first[found.st_ino], path)
            first.setdefault(found.st_ino, path)
    for path in paths:
        os.utime(path, (moment, moment), follow_symlinks=False)
    return len(paths)


def main(arguments: list[str]) -> int:
    """The program; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("moment", type=int, help="seconds since 1970")
    parser.add_argument("root", help="folder to begin with")
    options = parser.parse_args(arguments)
    print(f"{set_all(options.root, options.moment)} times set")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
