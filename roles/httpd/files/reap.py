#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""End children of httpd that a reload has left behind and that do not end: `reap.py PID_FILE PORT SECONDS USER`.

`reap.py --look PID_FILE PORT USER` ends nothing, and prints their numbers.

After a reload each old child finishes its requests and ends. With an embedded application it may not: Python waits for
the application's threads when the interpreter is destroyed, httpd waits for the child without a limit, and the child
keeps its place among httpd's processes (measured on Debian 12, Apache 2.4, 2026-11). mod_wsgi's release note 4.9.1
leaves this to a "higher level manager", which this is. Only a child of which httpd itself says that it is stopping, and
that it has neither a request nor a connection, for all of SECONDS, is ended: by SIGKILL, since it has heard httpd's own
signals already.

What httpd says of its children stands in memory that its daemon processes can write to, so an application may put any
number there. So a process is ended only when the kernel, too, calls it a child of httpd's parent, which runs as USER,
httpd's, and still has httpd's own command line: a daemon process has the account of its application and a title. Any
other is left alone, and that is told. Between look and end the process is held by a descriptor (Linux 5.3 and later),
so that its number cannot become another's. What an application can still do is to have an idle child of httpd ended.

Installed by the role httpd; changes are overwritten.
"""

import contextlib
import os
import pwd
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import httpd_status

INTERVAL = 5.0  # seconds between two looks
PATIENCE = 10.0  # seconds for the server's status
ROW = re.compile(r"<tr>((?:<td>[^<]*</td>){6,})</tr>")
PID = re.compile(r"[0-9]{1,10}")
CELL = re.compile(r"<td>([^<]*)</td>")


def idle_leftovers(page):
    """Numbers of the processes that are stopping and have neither a connection nor a busy thread.

    The columns of mod_status for the event MPM begin with slot, process, stopping ("no", "yes", "yes (old gen)"),
    connections, accepting, busy threads; later ones differ between versions.
    """
    found = set()
    for row in ROW.findall(page):
        cells = CELL.findall(row)
        if PID.fullmatch(cells[1]) and cells[2].startswith("yes") and cells[3] == "0" and cells[5] == "0":
            found.add(int(cells[1]))
    return found


def identity(pid):
    """(parent, start time) of a living process; None when there is none."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (int(fields[1]), int(fields[19]))


def main_process(pid_file):
    """The number of httpd's parent process; None when it does not run."""
    try:
        with open(pid_file, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


class Watch:
    """Which processes have been called idle and stopping, and since when."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.since = {}

    def due(self, leftovers, now):
        """Those that have been for long enough, as {(pid, start time): seconds}; `now` in seconds of one clock."""
        there = {}
        for pid in sorted(leftovers):
            found = identity(pid)
            if found:
                there[pid, found[1]] = self.since.get((pid, found[1]), now)
        self.since = there
        return {process: now - since for process, since in there.items() if now - since >= self.seconds}


def user_of(pid):
    """The number of the account of a process; None when it has more than one, or is gone."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as file:
            found = [set(line.split()[1:]) for line in file if line.startswith("Uid:")]
    except OSError:
        return None
    return int(found[0].pop()) if found and len(found[0]) == 1 else None


def command_line(pid):
    """The command line, or the title, of a process as bytes; empty when it is gone."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def objection(pid, main, user):
    """Why a process is not to be ended, though httpd names it; empty when it is one of httpd's own children."""
    found = identity(pid)
    if not found or found[0] != main:
        return "it is no child of httpd's parent"
    if user == 0 or user_of(pid) != user:
        return "it does not run as httpd's user"
    if not command_line(pid) or command_line(pid) != command_line(main):
        return "it does not have httpd's own command line, so it is a daemon process or another program"
    return ""


def held(pid):
    """A descriptor of the process, whose number can then become no other's; None where the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return None


def end(pid, seconds, main, user, started):
    """End one child, if it is one, and say so; systemd writes it to the journal. The objection, else empty."""
    try:
        descriptor = held(pid)
    except ProcessLookupError:  # it has ended by itself after all
        return ""
    try:
        found = identity(pid)
        if not found or found[1] != started:  # it has ended, whoever has its number now
            return ""
        problem = objection(pid, main, user)
        if problem:
            return problem
        with contextlib.suppress(ProcessLookupError):
            if descriptor is None:
                os.kill(pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        if descriptor is not None:
            os.close(descriptor)
    print(
        "Process %d of httpd was ended: a reload has left it behind, and for %d s it had neither a request nor a "
        "connection and did not end by itself." % (pid, seconds),
        flush=True,
    )
    return ""


def main(pid_file, private_port, seconds, user):
    """Look again and again, as long as the service runs."""
    watch = Watch(seconds)
    told = set()
    while True:
        process = main_process(pid_file)
        try:
            leftovers = idle_leftovers(httpd_status.read(private_port, "", PATIENCE)) if process else set()
        except OSError as error:
            # A server that starts or stops, or is too busy to answer, is left alone.
            print("The server's status cannot be read (%s); nothing is ended." % error, file=sys.stderr, flush=True)
            leftovers = set()
        told = look(watch, leftovers, process, user, told)
        time.sleep(INTERVAL)


def look(watch, leftovers, process, user, told):
    """End what is due. `told` has the processes of which it was said that they are left alone; returns it for later."""
    spared = set()
    for (pid, started), idle in watch.due(leftovers, time.monotonic()).items():
        problem = end(pid, idle, process, user, started)
        if problem:
            spared.add((pid, started))
        if problem and (pid, started) not in told:
            print(
                "Process %d is left alone though httpd's status calls it a child that a reload has left behind: %s. "
                "An application that writes to httpd's memory could have said that." % (pid, problem),
                file=sys.stderr,
                flush=True,
            )
    return spared


def left_behind(pid_file, private_port, user):
    """Numbers of the children that it would end, after two looks: one that is about to end by itself is none."""
    process, watch = main_process(pid_file), Watch(INTERVAL)
    while process:
        leftovers = idle_leftovers(httpd_status.read(private_port, "", PATIENCE))
        due = watch.due({pid for pid in leftovers if not objection(pid, process, user)}, time.monotonic())
        if due or not watch.since:
            return sorted(pid for pid, _ in due)
        time.sleep(INTERVAL)
    return []


if __name__ == "__main__" and sys.argv[1] == "--look":
    print(*left_behind(sys.argv[2], int(sys.argv[3]), pwd.getpwnam(sys.argv[4]).pw_uid))
elif __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), pwd.getpwnam(sys.argv[4]).pw_uid)
