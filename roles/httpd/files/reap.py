#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""End children of httpd that a reload has left behind and that do not end: `reap.py PID_FILE PRIVATE_PORT SECONDS`.

After a reload each old child finishes its requests and ends. With an embedded application it may not: Python waits for
the application's threads when the interpreter is destroyed, httpd waits for the child without a limit, and the child
keeps its place among httpd's processes (measured on Debian 12, Apache 2.4, 2026-11). mod_wsgi's release note 4.9.1
leaves this to a "higher level manager", which this is. Only a child of which httpd itself says that it is stopping, and
that it has neither a request nor a connection, for all of SECONDS, is ended: by SIGKILL, since it has heard httpd's own
signals already.

Installed by the role httpd; changes are overwritten.
"""

import contextlib
import os
import re
import signal
import sys
import time
import urllib.request

INTERVAL = 5.0  # seconds between two looks
PATIENCE = 10.0  # seconds for the server's status
ROW = re.compile(r"<tr>((?:<td>[^<]*</td>){6,})</tr>")
CELL = re.compile(r"<td>([^<]*)</td>")


def status_page(private_port):
    """The server's status as HTML, which is the only form that tells about single processes. Raises OSError."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open("http://127.0.0.1:%d/server-status" % private_port, timeout=PATIENCE) as answer:
        return answer.read().decode("utf-8", "replace")


def idle_leftovers(page):
    """Numbers of the processes that are stopping and have neither a connection nor a busy thread.

    The columns of mod_status for the event MPM begin with slot, process, stopping ("no", "yes", "yes (old gen)"),
    connections, accepting, busy threads; later ones differ between versions.
    """
    found = set()
    for row in ROW.findall(page):
        cells = CELL.findall(row)
        if cells[1].isdigit() and cells[2].startswith("yes") and cells[3] == "0" and cells[5] == "0":
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
    """Which children have been seen idle and stopping, and since when."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.since = {}

    def due(self, leftovers, main, now):
        """The children that have been leftovers for long enough, as {pid: seconds}; `now` in seconds of one clock."""
        there = {}
        for pid in leftovers:
            found = identity(pid)
            if found and found[0] == main:
                there[pid, found[1]] = self.since.get((pid, found[1]), now)
        self.since = there
        return {pid: now - since for (pid, _), since in there.items() if now - since >= self.seconds}


def end(pid, seconds):
    """End one child and say so; systemd writes it to the journal."""
    print(
        "Process %d of httpd was ended: a reload has left it behind, and for %d s it had neither a request nor a "
        "connection and did not end by itself." % (pid, seconds),
        flush=True,
    )
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself after all
        os.kill(pid, signal.SIGKILL)


def main(pid_file, private_port, seconds):
    """Look again and again, as long as the service runs."""
    watch = Watch(seconds)
    while True:
        process = main_process(pid_file)
        try:
            leftovers = idle_leftovers(status_page(private_port)) if process else set()
        except OSError as error:
            # A server that starts or stops, or is too busy to answer, is left alone.
            print("The server's status cannot be read (%s); nothing is ended." % error, file=sys.stderr, flush=True)
            leftovers = set()
        for pid, idle in watch.due(leftovers, process, time.monotonic()).items():
            end(pid, idle)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
