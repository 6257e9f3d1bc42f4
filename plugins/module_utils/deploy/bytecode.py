# SPDX-License-Identifier: Apache-2.0
"""The byte code of a release, which its application cannot write itself. Runs on the managed host.

An account without rights compiles, with the interpreter itself: no file of the virtual environment and none of the
release is imported (``-I -S``), and the compiler's own faults are not root's. Root takes over the finished files.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from typing import Any, NoReturn

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import Account, BuildError, reader
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import (
    ConfinementError,
    Ended,
    give_up_rights,
    run_confined,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.removal import remove_tree
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import BOUNDS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import Bounds, TreeError, copy_tree

WORK = ".bytecode"
"""What the name of the working folder beside a release ends with."""

LONGEST = 600
"""Seconds for a whole release."""

LIMITS = {resource.RLIMIT_AS: 4 << 30, resource.RLIMIT_FSIZE: 1 << 30}
"""Bytes of memory, and of one file."""

HEADER = 16
"""Bytes of a byte code file before its code (PEP 552): magic number, flags, the source's time and size."""

SYNTAX_ERROR = 1
"""Exit status of compileall when a file is no Python: a template, or a fixture that nobody imports."""


class Bytecode:
    """The byte code of one release for one interpreter."""

    def __init__(self, release: str, interpreter: dict[str, Any], made: str = "", group: int | None = None) -> None:
        """`interpreter` is the fact of the role mod_wsgi; `made` is the static root, which is not code.

        `group` is the id of the group that can read the release.
        """
        self.release = release
        self.group = group
        self.executable = interpreter["executable"]
        self.tag = f"cpython-{interpreter['abi'][2:]}"
        self.made = made
        self.work = release + WORK
        self.list = os.path.join(self.work, "sources")
        self.written = os.path.join(self.work, "written")
        self.taken = os.path.join(self.work, "taken")

    def _sources(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.release):
            if self.made:
                folders[:] = [each for each in folders if os.path.join(folder, each) != self._path(self.made)]
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(".py") and stat.S_ISREG(os.lstat(path).st_mode):
                    yield os.path.relpath(path, self.release)

    def _path(self, relative: str) -> str:
        return os.path.join(self.release, relative)

    def _cached(self, source: str) -> tuple[str, str]:
        folder, name = os.path.split(source)
        return folder, f"{name[: -len('.py')]}.{self.tag}.pyc"

    def _is_current(self, source: str) -> bool:
        folder, name = self._cached(source)
        found = os.lstat(self._path(source))
        wanted = b"".join(
            (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (int(found.st_mtime), found.st_size)
        )
        try:
            with open(self._path(os.path.join(folder, "__pycache__", name)), "rb") as stream:
                return stream.read(HEADER)[HEADER - len(wanted) :] == wanted
        except OSError:
            return False

    def compile(self) -> str:
        """Compile what is not yet; what the user has to know of it, as a part of a sentence, or nothing.

        A file with a syntax error is no reason to speak. Raises OSError.
        """
        sources = [source for source in self._sources() if not self._is_current(source)]
        if not sources:
            return ""
        try:
            with reader(self.group) as account:
                ended = self._compile(sources, account)
        except (BuildError, ConfinementError, TreeError) as error:
            return str(error)
        if ended.status in (0, SYNTAX_ERROR):
            return ended.reason
        last = " ".join(ended.output.split()[-40:])
        return ended.reason or f"the compiler ended with status {ended.status} ({last or 'it said nothing'})"

    def _compile(self, sources: list[str], account: Account) -> Ended:
        remove_tree(self.work)
        os.mkdir(self.work, 0o711)
        try:
            with open(self.list, "w", encoding="utf-8") as stream:
                stream.writelines(f"{self._path(source)}\n" for source in sources)
            os.mkdir(self.written, 0o700)
            os.chown(self.written, account.uid, account.gid)
            ended = self._run(account)
            copy_tree(self.written, self.taken, owner=account.uid, bounds=Bounds(BOUNDS.entries, BOUNDS.size))
            for source in sources:
                self._install(source)
        finally:
            remove_tree(self.work)
        return ended

    def _run(self, account: Account) -> Ended:
        options = ["-I", "-S", "-X", "utf8", "-X", f"pycache_prefix={self.written}"]
        command = [self.executable, *options, "-m", "compileall", "-q", "-i", self.list]

        def execute() -> NoReturn:
            give_up_rights(account.uid, account.gid, account.groups, limits=LIMITS)
            os.chdir("/")
            os.execve(self.executable, command, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})

        return run_confined(
            execute, seconds=LONGEST, output_limit=1 << 14, own_uid=account.uid if account.own else None
        )

    def _install(self, source: str) -> None:
        folder, name = self._cached(source)
        compiled = os.path.join(self.taken, self._path(folder).lstrip("/"), name)
        if not os.path.isfile(compiled):
            return
        found = os.lstat(self._path(source))
        os.chown(compiled, found.st_uid, found.st_gid)
        os.chmod(compiled, stat.S_IMODE(found.st_mode) & 0o644)  # no more than of what it was made of
        cache = self._path(os.path.join(folder, "__pycache__"))
        with contextlib.suppress(FileExistsError):
            os.mkdir(cache, 0o755)
            os.chown(cache, found.st_uid, found.st_gid)
        os.rename(compiled, os.path.join(cache, name))
