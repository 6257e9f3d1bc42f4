# SPDX-License-Identifier: Apache-2.0
"""The daemon processes of mod_wsgi on this host, found in /proc."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

LARGEST_TEXT = 1 << 21
"""Bytes of what a process says of itself."""


class Process(NamedTuple):
    """One process; the start time (clock ticks since boot) tells it from a later one with the same pid."""

    pid: int
    started: int


COLOURS = ("blue", "green")
"""The two daemon process groups of an application of which one serves at a time (releases.strategy: blue_green)."""
KINDS = ("wsgi", *COLOURS)
"""What the name of a process begins with."""


OWN_GROUP = "app-"
"""What the name of the control group of an application begins with."""


def display_name(application: str, kind: str = KINDS[0]) -> str:
    """What mod_wsgi shows as the command line of the application's daemon processes."""
    return f"({kind}:{application})"


def httpd_pid(pid_file: str) -> int | None:
    """The pid of httpd's parent process, or None when it does not run."""
    try:
        with open(pid_file, encoding="ascii") as stream:
            pid = int(stream.read())
    except (FileNotFoundError, ValueError):
        return None
    return pid if os.path.exists(f"/proc/{pid}") else None


def parse_stat(text: str) -> tuple[int, int]:
    """Parent pid and start time from /proc/PID/stat (proc(5)); the name in it ends at the last parenthesis."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[19])


def title_matches(command_line: bytes, application: str, kinds: Iterable[str] = KINDS) -> bool:
    """Whether the command line is the application's display name, of one of some kinds.

    mod_wsgi writes it over argv[0] of httpd, so it is cut to the length of that and padded with blanks
    (measured on Debian 12, Apache 2.4, 2026-11: 17 characters of /usr/sbin/apache2).
    """
    title = command_line.split(b"\0", 1)[0].decode(errors="replace").rstrip()
    return any(len(title) > len(f"({kind}:") and display_name(application, kind).startswith(title) for kind in kinds)


def start_time(pid: int) -> int | None:
    """When the process was started, or None when there is none or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if text.rpartition(")")[2].split()[0] == "Z" else parse_stat(text)[1]


def processes(parent: int, application: str, uid: int, kinds: Iterable[str] = KINDS) -> list[Process]:
    """The daemon processes of an application: children of httpd, run by the account, with its display name.

    ``kinds`` leaves out those of the other colour.
    """
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = _examine(int(name), parent, application, uid, kinds)
            if process:
                found.append(process)
    return sorted(found)


def _examine(pid: int, parent: int, application: str, uid: int, kinds: Iterable[str]) -> Process | None:
    try:
        if os.stat(f"/proc/{pid}").st_uid != uid:
            return None
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            found_parent, started = parse_stat(stream.read())
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            command_line = stream.read()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return None
    is_its = found_parent == parent and title_matches(command_line, application, kinds)
    return Process(pid, started) if is_its else None


def staying(note: Mapping[str, Any], record: Mapping[str, Any]) -> list[list[int]]:
    """The processes that a return need not replace: older than the change, of which ``note`` is the journal's note.

    ``record`` is what has come back; what was to go before the change has to go now.
    """
    stale = record.get("stale_processes", [])
    return [process for process in note.get("earlier", []) if process not in stale]


def alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return start_time(process.pid) == process.started


def ask_to_restart(process: Process) -> None:
    """Let a daemon process finish its requests and end; httpd starts its successor (mod_wsgi: graceful-timeout)."""
    if alive(process):
        try:
            os.kill(process.pid, signal.SIGUSR1)
        except ProcessLookupError:
            return


def kill(process: Process) -> None:
    """End a daemon process at once, whatever it does; not a later one with the same pid."""
    if alive(process):
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def threads(process: Process) -> int:
    """How many threads a process has; 0 when it is gone."""
    try:
        found = len(os.listdir(f"/proc/{process.pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return found if alive(process) else 0


def own_group(pid: int, proc: str = "/proc") -> str:
    """The folder of the control group of an application that a process is in; empty where it is in another one.

    The service modwsgi-limits makes it, with the application's limits.
    """
    try:
        with open(f"{proc}/{pid}/cgroup", encoding="utf-8", errors="replace") as stream:
            paths = [line.rstrip("\n").partition("::")[2] for line in stream if line.startswith("0::/")]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    path = paths[0] if paths else ""
    return f"/sys/fs/cgroup{path}" if path.rpartition("/")[2].startswith(OWN_GROUP) else ""


def account(user: str) -> int | None:
    """The uid of an application's account, or None when there is none."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def used_folders(folders: Iterable[str]) -> set[str]:
    """Those of some folders that a process works in, has open or mapped, runs from, or names in its variables.

    A command of `wsgi-run` lives as long as it likes. It is in its release, and names its virtual environment in PATH.
    """
    wanted = {folder: os.fsencode(os.path.realpath(folder)) + b"/" for folder in folders}
    used: set[str] = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            found = _paths_of(f"/proc/{name}")
            used |= {folder for folder, path in wanted.items() if path in found}
    return used


def _paths_of(process: str) -> bytes:
    """All that a process says of paths, each with a slash after it; empty when it has ended."""
    found = []
    try:
        links = [f"{process}/cwd", f"{process}/exe", *(f"{process}/fd/{name}" for name in os.listdir(f"{process}/fd"))]
    except OSError:
        links = []
    for link in links:
        with contextlib.suppress(OSError):
            found.append(os.fsencode(os.readlink(link)) + b"/")
    for file in ("maps", "cmdline", "environ"):
        with contextlib.suppress(OSError), open(f"{process}/{file}", "rb") as stream:
            found.append(stream.read(LARGEST_TEXT).replace(b"\0", b"/\0") + b"/")
    return b"\n".join(found)
