# SPDX-License-Identifier: Apache-2.0
"""Remove what an account could write, to the end, whatever that account does meanwhile. Runs on the managed host.

`shutil.rmtree` follows no link either, but an account that still runs can keep it from ever finding a folder empty, and
folders within each other, deeper than any path, end its recursion and its descriptors.
"""

from __future__ import annotations

import itertools
import os
import stat
import tempfile

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import open_folder

AT_ONCE = 4096
"""Names that are read of a folder before they are removed."""


def remove_tree(path: str) -> None:
    """Remove a file, a link or a folder with all that is in it; nothing when there is none. Raises OSError.

    The folder above belongs to the caller. Each folder in it is taken from its owner before it is read, and what is
    within it is moved out first: so none grows, and no path gets long.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(path)
        return
    grave = tempfile.mkdtemp(prefix=".removed-", dir=os.path.dirname(path))
    with open_folder(grave) as buried:
        os.rename(path, "0", dst_dir_fd=buried)
        dug, done = 1, 0
        while done < dug:
            dug = _empty(str(done), buried, dug)
            os.rmdir(str(done), dir_fd=buried)
            done += 1
    os.rmdir(grave)


def _empty(name: str, grave: int, dug: int) -> int:
    """Remove what is in a folder, and move the folders in it beside it, under the next numbers; the next number."""
    with open_folder(name, grave) as folder:
        os.fchown(folder, os.geteuid(), -1)
        os.fchmod(folder, 0o700)
        while True:
            with os.scandir(folder) as entries:
                names = [
                    (entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(entries, AT_ONCE)
                ]
            if not names:
                return dug
            for child, is_folder in names:
                if is_folder:
                    os.rename(child, str(dug), src_dir_fd=folder, dst_dir_fd=grave)
                    dug += 1
                else:
                    os.unlink(child, dir_fd=folder)
