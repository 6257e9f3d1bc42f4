#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Return when httpd has no request in flight and takes no new one: `drain.py PID PRIVATE_PORT SECONDS`, for ExecStop.

Whoever called it ends httpd by SIGTERM, which takes 0.2 s and would reset what is in flight. httpd's own graceful stop
(SIGWINCH) looks once a second whether its children are gone, and they stay for 2 s more when a client with an idle
connection does not close its side: 1.8 to 4.6 s (measured on Debian 12, Apache 2.4, 2026-11). So it is asked only of a
server that is at work.

Installed by the role httpd; changes are overwritten.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import httpd_status

# Connection states of the kernel's include/net/tcp_states.h. Once httpd has closed its side, a connection is in none
# of these: what httpd has written is sent by the kernel, also after the end of the process.
OPEN = {"01", "08"}  # TCP_ESTABLISHED, TCP_CLOSE_WAIT
LISTENING = "0A"
INTERVAL = 0.02  # seconds
PATIENCE = 1.0  # seconds for the server's status; a server that is slower is at work
# seconds; a worker counts as busy for a moment after its answer, while it writes its line to the log
SETTLING = 0.25


def busy_workers(private_port):
    """How many of the server's workers have a request, the one for this number among them; None when it is not told."""
    try:
        lines = httpd_status.read(private_port, "auto", PATIENCE).splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "BusyWorkers" and value.isdigit():
            return int(value)
    return None


def is_idle(private_port):
    """Whether the request for the server's status is the only one in flight, now or within a moment."""
    end = time.monotonic() + SETTLING
    while True:
        workers = busy_workers(private_port)
        if workers is None or workers == 1 or time.monotonic() >= end:
            return workers == 1
        time.sleep(INTERVAL)


def connections():
    """(local port, state, inode) of each TCP socket of this network namespace."""
    found = []
    for table in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + table, encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue  # a kernel without IPv6
        found += [(row[1].rpartition(":")[2], row[3], row[9]) for row in rows]
    return found


def sockets_of(pid):
    """Inodes of a process's sockets; empty when it is gone."""
    folder = "/proc/%d/fd" % pid
    inodes = set()
    try:
        for descriptor in os.listdir(folder):
            target = os.readlink(os.path.join(folder, descriptor))
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        return set()
    return inodes


def is_in_use(ports):
    """Whether anything still waits for connections on these ports, or has one open."""
    return any(port in ports and (state in OPEN or state == LISTENING) for port, state, _ in connections())


def finish(pid, seconds):
    """Let httpd finish what it has, for as long as a stop may wait for requests."""
    end = time.monotonic() + seconds
    own = sockets_of(pid)
    ports = {port for port, state, inode in connections() if state == LISTENING and inode in own}
    try:
        os.kill(pid, signal.SIGWINCH)
        while is_in_use(ports) and time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(INTERVAL)
    except ProcessLookupError:
        pass  # it has ended by itself


if __name__ == "__main__":
    # systemd also comes here when httpd has ended by itself: then there is no PID.
    if sys.argv[1] and not is_idle(int(sys.argv[2])):
        finish(int(sys.argv[1]), float(sys.argv[3]))
