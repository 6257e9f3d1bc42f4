# SPDX-License-Identifier: Apache-2.0
"""Run what others wrote so that nothing of it is left when it has ended. Runs on the managed host.

A supervisor of ours stands between: the kernel hands it every process that the command leaves behind, whatever session
or process group that has made for itself (``PR_SET_CHILD_SUBREAPER``), and it ends them all. So a command cannot keep
a descriptor, a lock or write access beyond its own end.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, NamedTuple, NoReturn

FAILED = 125
"""Exit status, as of env(1): the command was not begun."""

LONGEST_END = 15.0
"""Seconds in which processes that were killed have to be gone."""

RESCAN = 0.05
"""Seconds until ``/proc`` is read again when no child has told of its end."""

# From linux/prctl.h, linux/sched.h and sys/mount.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

_BLOCK = 64 * 1024
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ConfinementError(Exception):
    """Processes did not end, or could not be watched; the text is a part of a sentence."""


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    """The exit status, or the negative number of the signal that ended it."""
    output: str
    """The end of what it wrote on both streams."""
    reason: str
    """Why we ended it, as a part of a sentence; empty when it ended by itself."""
    left: int
    """How many processes it had left behind, which were ended then."""


class _Process(NamedTuple):
    pid: int
    parent: int
    uid: int
    dead: bool
    """Waits only for its parent to take notice."""


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def give_up_rights(
    uid: int,
    gid: int,
    groups: Sequence[int] = (),
    *,
    limits: Mapping[int, int] | None = None,
    no_new_privileges: bool = True,
) -> None:
    """Become an account for good; for the process that a command replaces.

    ``limits`` are resource limits by their number (``resource.RLIMIT_FSIZE``), in that limit's unit. With
    ``no_new_privileges`` no program that it runs can have more rights (set-user-id, file capabilities). It is killed
    when the process that began it ends. Raises OSError.
    """
    for limit, value in {resource.RLIMIT_CORE: 0, **(limits or {})}.items():
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if no_new_privileges:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of the account has cleared an earlier one


def run_confined(
    execute: Callable[[], NoReturn],
    *,
    seconds: float = 0,
    output_limit: int = 1 << 20,
    private: Mapping[str, str] | None = None,
    own_uid: int | None = None,
) -> Ended:
    """Run a command, and end all that it leaves behind.

    ``execute`` is called in a process of its own: the leader of a new session, with nothing to read, no descriptors but
    the standard ones, and the default signals. It becomes an account (`give_up_rights`) and replaces itself by the
    command. ``seconds`` bound the command, 0 does not. ``output_limit`` is in bytes. ``private`` are folders that are
    mounted over others for this command alone (folder: what is seen there); where the kernel or a container does not
    let root mount, they are not. ``own_uid`` is an account that nothing else uses: all that runs under it is ended.

    Raises ConfinementError when a process does not end, and OSError.
    """
    reader, writer = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        status = FAILED
        try:
            os.close(reader)
            _Supervisor(execute, seconds, output_limit, private or {}, own_uid).run(writer)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    try:
        with open(reader, "rb") as stream:
            told = stream.read()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)  # it ends the others
        raise
    finally:
        os.waitpid(supervisor, 0)
    header, found, output = told.partition(b"\n")
    if not found:
        raise ConfinementError("its supervisor was killed")
    verdict = json.loads(header)
    if verdict["problem"]:
        raise ConfinementError(verdict["problem"])
    text = output.decode("utf-8", "replace")
    return Ended(verdict["status"], text, verdict["reason"], verdict["left"])


class _Supervisor:
    """The process between; it never returns to its caller."""

    def __init__(
        self,
        execute: Callable[[], NoReturn],
        seconds: float,
        output_limit: int,
        private: Mapping[str, str],
        own_uid: int | None,
    ) -> None:
        self.execute, self.private, self.own_uid = execute, private, own_uid
        self.limit = output_limit
        self.seconds = seconds
        self.output = bytearray()
        self.command = 0
        self.status: int | None = None
        self.ended_by = 0
        self.woken, self.waker = os.pipe()

    def run(self, verdict: int) -> None:
        """Supervise the command, then write a line of JSON and the command's output."""
        caller = os.getppid()
        self._listen_to_signals()
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.setsid()
        if os.getppid() != caller:
            return
        reader, writer = os.pipe()
        self.command = os.fork()
        if self.command == 0:
            self._become_command(writer)
        os.close(writer)
        os.set_blocking(reader, False)
        reason = self._watch(reader)
        problem, left = "", 0
        try:
            left = self._end_all(counting=not reason)
        except ConfinementError as error:
            problem = str(error)
        self._read(reader)
        told = {"status": self.status or 0, "reason": reason, "left": left, "problem": problem}
        with open(verdict, "wb") as stream:
            stream.write(json.dumps(told).encode() + b"\n" + bytes(self.output[-self.limit :]))

    def _listen_to_signals(self) -> None:
        for descriptor in (self.woken, self.waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _ENDING:
            signal.signal(number, self._told_to_end)

    def _told_to_end(self, number: int, _frame: object) -> None:
        self.ended_by = number

    def _become_command(self, output: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_ENDING, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            _close_others()
            _mount_over(self.private)
            self.execute()
        except BaseException as error:  # whatever it is: this process must not go on as its caller
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(FAILED)

    def _watch(self, reader: int) -> str:
        """Read the output until the command has ended, or has to; why it has to, or nothing."""
        began = time.monotonic()
        open_still = True
        while self.status is None:
            remaining = began + self.seconds - time.monotonic() if self.seconds else None
            if remaining is not None and remaining <= 0:
                return f"it took longer than {self.seconds:g} s"
            if self.ended_by:
                return f"the run was ended by signal {self.ended_by}"
            ready = self._wait([reader] if open_still else [], remaining)
            if reader in ready:
                open_still = self._read(reader)
            self._reap()
        return ""

    def _wait(self, readers: list[int], seconds: float | None) -> list[int]:
        """Wait for output, the end of a child, a signal, or the time."""
        ready, _, _ = select.select([*readers, self.woken], [], [], seconds)
        if self.woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, _BLOCK)
        return ready

    def _read(self, reader: int) -> bool:
        """Take what there is of the output; whether there may be more."""
        try:
            while True:
                block = os.read(reader, _BLOCK)
                if not block:
                    return False
                self.output += block
                if len(self.output) > self.limit + _BLOCK:
                    del self.output[: -self.limit]
        except BlockingIOError:
            return True

    def _reap(self) -> bool:
        """Take notice of children that have ended; whether others are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.command:
                    self.status = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return False

    def _end_all(self, counting: bool) -> int:
        """Kill all descendants until none is left; how many there were at first.

        Raises ConfinementError.
        """
        deadline = time.monotonic() + LONGEST_END
        left = len(self._living()) if counting else 0
        while True:
            living = self._living()
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            if self.own_uid is not None and living:
                _kill_account(self.own_uid)
            # A child is left as long as a descendant is: those whose parents end become ours.
            if not self._reap() and not self._living():
                return left
            if time.monotonic() > deadline:
                raise ConfinementError(f"processes that it began did not end within {LONGEST_END:g} s of SIGKILL")
            self._wait([], RESCAN)

    def _living(self) -> list[_Process]:
        """Our descendants, and whatever runs under the account that is for the command alone."""
        processes = list(_processes())
        parents = {process.pid: process.parent for process in processes}
        me = os.getpid()

        def is_ours(pid: int) -> bool:
            seen = 0
            while pid > 1 and seen < len(parents):
                pid, seen = parents.get(pid, 0), seen + 1
                if pid == me:
                    return True
            return False

        return [
            process
            for process in processes
            if not process.dead
            and process.pid != me
            and (is_ours(process.pid) or (self.own_uid is not None and process.uid == self.own_uid))
        ]


def _processes() -> Iterator[_Process]:
    """All processes of the host."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:
                state, parent = stream.read().rpartition(")")[2].split()[:2]
            uid = os.stat(f"/proc/{name}").st_uid if state not in "ZX" else -1
        except OSError:
            continue  # ended meanwhile
        yield _Process(int(name), int(parent), uid, state in "ZX")


def _kill_account(uid: int) -> None:
    """Kill all that runs under an account, at one moment: none can begin another one meanwhile."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _close_others() -> None:
    """Close all descriptors but the standard ones; there can be a thousand million numbers, so only those in use."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(int(name))


def _mount_over(folders: Mapping[str, str]) -> None:
    """Show other folders in the place of some, to this process and those that it begins."""
    if not folders or os.geteuid() != 0:
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0 or library.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return
    for folder, seen in folders.items():
        library.mount(os.fsencode(seen), os.fsencode(folder), None, MS_BIND, None)
