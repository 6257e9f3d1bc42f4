# SPDX-License-Identifier: Apache-2.0
"""What runs on this host, read from the kernel's /proc: httpd's processes and who listens where."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener

PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h
_FIELDS_OF_SOCKET = 10


class Process(NamedTuple):
    """One process; the start time tells it from a later one with the same pid."""

    pid: int
    start_ticks: int  # clock ticks since the boot


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the program's name; empty when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def process(pid: int) -> Process | None:
    """The living process with this pid; None when there is none, or only its entry waits for its parent."""
    fields = _stat_fields(pid)
    if not fields or fields[0] in ("Z", "X"):
        return None
    return Process(pid, int(fields[19]))


def children(pid: int) -> set[Process]:
    """The living children of a process."""
    found = set()
    for other in pids():
        fields = _stat_fields(other)
        if fields and fields[0] not in ("Z", "X") and int(fields[1]) == pid:
            found.add(Process(other, int(fields[19])))
    return found


def pids() -> Iterator[int]:
    """All pids of this host."""
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def executable(pid: int) -> str:
    """The path of a process's program; empty when it is gone or may not be read."""
    try:
        path = str((PROC / str(pid) / "exe").readlink())
    except OSError:
        return ""
    return path.replace(" (deleted)", "")  # a package upgrade replaces the file


def program_name(pid: int) -> str:
    """The name of a process's program as the kernel has it."""
    try:
        return (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program that has ended meanwhile"


def httpd_main_process(instance: Mapping[str, str]) -> Process | None:
    """The running parent process of an httpd instance; None when it does not run."""
    try:
        pid = int(Path(instance["pid_file"]).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return process(pid) if executable(pid) == instance["binary"] else None


def runs(instance: Mapping[str, str]) -> bool:
    """Whether any process of httpd is the instance's; those of another one name another server root, or none."""
    roots = (instance["named_root"], instance["server_root"])
    return any(executable(pid) == instance["binary"] and _named_root(pid) in roots for pid in pids())


def _named_root(pid: int) -> str:
    """The server root that the command line of a process of httpd names; empty: none. A title takes its first word."""
    arguments = command_line(pid).decode(errors="replace").split("\0")
    return next((root for option, root in reversed(list(zip(arguments, arguments[1:]))) if option == "-d"), "")


def _address(hexadecimal: str) -> str:
    """An address as /proc/net/tcp has it: 32-bit words in the byte order of the host (little endian here)."""
    words = bytes.fromhex(hexadecimal)
    raw = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return ANY if address.is_unspecified else str(mapped or address)


def listening_sockets() -> dict[int, Listener]:
    """All TCP sockets that wait for connections, by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6
        for line in lines:
            fields = line.split()
            if len(fields) >= _FIELDS_OF_SOCKET and fields[3] == _LISTENING:
                address, _, port = fields[1].partition(":")
                found[int(fields[9])] = Listener(_address(address), int(port, 16))
    return found


def sockets_of(pid: int) -> set[int] | None:
    """The inodes of a process's sockets; None when it is gone or may not be read.

    Root may read other users' processes only with CAP_SYS_PTRACE, which containers lack.
    """
    found = set()
    try:
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    except OSError:
        return None
    return found


ROOT = 0


def user_of(pid: int) -> int | None:
    """The effective user id of a process; None when it is gone. (The owner of its folder in /proc may be another.)"""
    try:
        status = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^Uid:\s+\d+\s+(\d+)", status, re.MULTILINE)
    return int(found.group(1)) if found else None


def command_line(pid: int) -> bytes:
    """The arguments of a process, each with a NUL behind it; empty when it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _is_daemon_process(pid: int) -> bool:
    """Whether a child of httpd is a mod_wsgi daemon process, by the name that its option display-name gives it."""
    return command_line(pid).startswith(b"(wsgi:")


class Serving(NamedTuple):
    """The children of httpd that accept connections."""

    children: frozenset[Process]
    # False: their sockets may not be read, so a child that finishes its last requests may be among them.
    exact: bool


def serving(main: Process) -> Serving:
    """Who accepts connections now.

    A child that got the graceful signal closes its listening sockets and finishes what it has; mod_wsgi's daemon
    processes hold none. For a moment after it is forked, any child has all of httpd's sockets. A program for logs keeps
    the parent's user, which a child that serves gives up before it accepts; a daemon process has its name before it
    gives that up (mod_wsgi: wsgi_start_process), and closes the sockets only then.
    """
    listening = set(listening_sockets())
    found, exact, parent_user = set(), True, user_of(main.pid)
    for child in children(main.pid):
        if parent_user == ROOT and user_of(child.pid) == ROOT:
            continue
        sockets = sockets_of(child.pid)
        exact = exact and sockets is not None
        # The name after the user: a process that has given up the one has the other already.
        if (sockets is None or listening & sockets) and not _is_daemon_process(child.pid):
            found.add(child)
    return Serving(frozenset(found), exact)
