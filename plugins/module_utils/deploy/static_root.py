# SPDX-License-Identifier: Apache-2.0
"""The one folder of a release that release commands may write to. Runs on the managed host.

While the commands run, the folder belongs to the application's account. Afterwards a new folder of root's takes its
place at once, with fresh files of the same content: a descriptor that a process of that account has kept, or has been
given, leads to files that nobody reads any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.removal import remove_tree
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import BOUNDS, shown
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import (
    Bounds,
    TreeError,
    copy_tree,
    give,
    open_folder,
)

WORK = ".preparing"
"""What the name of a release's working folder, beside it, ends with: of root's, and of nobody else's concern."""

BOUNDS_OF_ALL = Bounds(files=BOUNDS.entries, size=BOUNDS.size)
"""As much as a whole release may have."""

RENAME_EXCHANGE = 2  # linux/fs.h


class StaticRootError(Exception):
    """The static root cannot be made or taken over; the text is part of a sentence."""


class RootsOwn:
    """Links that may stay: absolute ones, straight to a file of root's in the release or the virtual environment.

    That is what ``collectstatic --link`` makes.
    """

    def __init__(self, folders: list[str], made: str) -> None:
        """`folders` hold what links may lead to; not what is in `made`, which is another one's still."""
        self.folders = folders
        self.made = made

    def __contains__(self, target: object) -> bool:
        """Whether a link may lead to this path."""
        if not isinstance(target, str) or os.path.normpath(target) != target or _is_below(target, self.made):
            return False
        real = os.path.realpath(target)
        if _is_below(real, os.path.realpath(self.made)):
            return False
        # Root's folders all the way, in which nothing changes meanwhile.
        if not any(_is_below(target, each) and _is_below(real, os.path.realpath(each)) for each in self.folders):
            return False
        try:
            found = os.stat(target)
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return False
        self._refuse_closed(real, found.st_mode)
        return True

    def _refuse_closed(self, path: str, mode: int) -> None:
        """Raise TreeError for a file that httpd would have to read and cannot."""
        top = next(each for each in map(os.path.realpath, self.folders) if _is_below(path, each))
        parts = os.path.relpath(path, top).split("/")
        above = (os.path.join(top, *parts[:depth]) for depth in range(1, len(parts)))
        if not mode & stat.S_IROTH or not all(os.lstat(each).st_mode & stat.S_IXOTH for each in above):
            raise TreeError(
                f"a link leads to {shown(os.path.join(*parts))}, which others cannot read in the source, so httpd "
                "cannot serve it; open it there (chmod o+r, and o+x for folders), or have it copied and not linked"
            )


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)


def exchange(one: str, other: str, spare: str) -> None:
    """Let two folders change places, at once where the file system can; otherwise `one` is away for a moment.

    `spare` is a path that is free, on the same file system.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(number, os.strerror(number), one)
    os.rename(one, spare)
    os.rename(other, one)
    os.rename(spare, other)


class StaticRoot:
    """The static root of one release, from before the release commands until after them."""

    def __init__(self, release: str, relative: str, venv: str) -> None:
        """`relative` is the folder's path below the release."""
        self.release = release
        self.relative = relative
        self.path = os.path.join(release, relative)
        self.work = release + WORK
        self.given = os.path.join(self.work, "given")
        """Ours on its way to the account; then what was there before."""
        self.taken = os.path.join(self.work, "taken")
        """The account's content in new files; then the account's own."""
        self.spare = os.path.join(self.work, "spare")
        self.links = RootsOwn([release, venv], self.path)

    def ensure(self) -> None:
        """Make the folder and those above it, as far as they are missing, and put right what a killed run has left.

        Raises StaticRootError when a link or a file is in the place of one.
        """
        parts = self.relative.split("/")
        self._ensure_below(self.release, None, parts[:-1])
        self._return()
        self._ensure_below(os.path.dirname(self.path), None, parts[-1:])

    def _ensure_below(self, folder: str, above: int | None, parts: list[str]) -> None:
        try:
            with open_folder(folder, above) as descriptor:
                if not parts:
                    return
                with contextlib.suppress(FileExistsError):
                    os.mkdir(parts[0], 0o755, dir_fd=descriptor)
                self._ensure_below(parts[0], descriptor, parts[1:])
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR) or above is None:
                raise
            raise StaticRootError(
                f"{shown(folder)} in {shown(self.relative)} is a link or a file in the release and must be a folder"
            ) from None

    def give(self, uid: int, gid: int) -> None:
        """Let the account write: into a copy of what is there, which takes its place until the commands are done."""
        os.mkdir(self.work, 0o700)
        shutil.copytree(self.path, self.given, symlinks=True)
        give(self.given, uid, gid)
        exchange(self.path, self.given, self.spare)

    def take(self, uid: int, gid: int) -> None:
        """Replace what the account has written by files of ours, and of its group, with the same content.

        Raises StaticRootError for what cannot be served: `return_former` is for the caller then.
        """
        try:
            copy_tree(
                self.path, self.taken, owner=uid, bounds=BOUNDS_OF_ALL, links_to=self.links, at=self.path, group=gid
            )
        except TreeError as error:
            raise StaticRootError(str(error)) from error
        exchange(self.path, self.taken, self.spare)
        remove_tree(self.work)

    def return_former(self) -> None:
        """Put back what was there before the account could write."""
        self._return()

    def _return(self) -> None:
        if os.path.lexists(self.spare) and not os.path.lexists(self.path):
            os.rename(self.spare, self.path)  # killed between the steps of an exchange
        if self._is_foreign(self.path):
            former = next((each for each in (self.spare, self.given) if self._is_ours(each)), None)
            if former:
                exchange(self.path, former, self.spare + ".2")
            else:
                remove_tree(self.path)
        remove_tree(self.work)

    @staticmethod
    def _is_foreign(path: str) -> bool:
        return os.path.lexists(path) and os.lstat(path).st_uid != os.geteuid()

    @staticmethod
    def _is_ours(path: str) -> bool:
        return os.path.lexists(path) and os.lstat(path).st_uid == os.geteuid()
