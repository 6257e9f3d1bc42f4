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
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import httpd_status

# Connection states of the kernel's include/net/tcp_states.h. Once httpd has closed its side, a connection is in none
# of these: what httpd has written is sent by the kernel, also after the end of the process.
OPEN = {"01", "08"}  # TCP_ESTABLISHED, TCP_CLOSE_WAIT
LISTENING = "0A"
# include/uapi/linux/netlink.h, sock_diag.h and inet_diag.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
ALL_STATES = 0xFFFFFFFF
NO_DEVICE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
INTERVAL = 0.02  # seconds
SHARE = 4  # times as long as the table takes to read, until it is read again
PATIENCE = 1.0  # seconds for the server's status; a server that is slower is at work
# seconds; a worker counts as busy for a moment after its answer, while it writes its line to the log
SETTLING = 0.25


def busy_workers(private_port):
    """How many of the server's workers have a request, the one for this number among them; None when it is not told.

    With the MPMs worker and prefork, a kept connection without a request has a worker, too (K); it is no request.
    """
    try:
        lines = httpd_status.read(private_port, "auto", PATIENCE).splitlines()
    except OSError:
        return None
    told = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    busy = told.get("BusyWorkers", "")
    return int(busy) - told.get("Scoreboard", "").count("K") if busy.isdigit() else None


def is_idle(private_port):
    """Whether the request for the server's status is the only one in flight, now or within a moment."""
    end = time.monotonic() + SETTLING
    while True:
        workers = busy_workers(private_port)
        if workers is None or workers == 1 or time.monotonic() >= end:
            return workers == 1
        time.sleep(INTERVAL)


def connections():
    """The rows of each TCP socket of this network namespace, see Connection. Milliseconds, whoever has the sockets."""
    found = []
    for table in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + table, encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue  # a kernel without IPv6
        found += [Connection(row[1], row[2], row[3], row[9]) for row in rows]
    return found


class Connection:
    """A TCP socket as /proc/net/tcp has it: addresses in hexadecimal with the port, state, inode."""

    def __init__(self, local, remote, state, inode):
        self.local, self.remote, self.state, self.inode = local, remote, state, inode
        self.port = local.rpartition(":")[2]

    def is_still_open(self):
        """Ask the kernel for this one by sock_diag(7), in microseconds; False also where it cannot be asked."""
        (source, source_port), (target, target_port) = (text.split(":") for text in (self.local, self.remote))
        family = socket.AF_INET if len(source) == 8 else socket.AF_INET6
        name = bytes.fromhex(source_port + target_port) + address(source) + address(target)
        question = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, ALL_STATES) + name + NO_DEVICE_AND_COOKIE
        header = struct.pack("=IHHII", 16 + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as asked:
                asked.settimeout(PATIENCE)
                asked.send(header + question)
                answer = asked.recv(4096)
        except OSError:
            return False
        kind = struct.unpack_from("=H", answer, 4)[0]
        return kind == SOCK_DIAG_BY_FAMILY and "%02X" % answer[17] in OPEN


def address(text):
    """The sixteen bytes of an address from the words of /proc/net/tcp, which are in the machine's order."""
    words = (int(text[start : start + 8], 16) for start in range(0, len(text), 8))
    return b"".join(struct.pack("=I", word) for word in words).ljust(16, b"\0")


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


def finish(pid, seconds):
    """Let httpd finish what it has, for as long as a stop may wait for requests."""
    end = time.monotonic() + seconds
    own = sockets_of(pid)
    ports = {each.port for each in connections() if each.state == LISTENING and each.inode in own}
    try:
        os.kill(pid, signal.SIGWINCH)
        while time.monotonic() < end and wait_for_those(pid, ports, end):
            pass
    except ProcessLookupError:
        pass  # it has ended by itself


def wait_for_those(pid, ports, end):
    """False when nothing waits for connections on these ports or has one open, else wait until those open are closed.

    One at a time, and asked for by itself: to read the table each time took a third of a core, this takes a fortieth
    (measured on Debian 12, 2026-11). Raises ProcessLookupError when the process is gone.
    """
    begun = time.monotonic()
    used = [each for each in connections() if each.port in ports and each.state in {*OPEN, LISTENING}]
    if not used:
        return False
    pause = max(INTERVAL, (time.monotonic() - begun) * SHARE)
    os.kill(pid, 0)
    for each in used:
        while each.state != LISTENING and time.monotonic() < end and each.is_still_open():
            pause = 0
            time.sleep(INTERVAL)
            os.kill(pid, 0)
    time.sleep(pause)
    return True


if __name__ == "__main__":
    # systemd also comes here when httpd has ended by itself: then there is no PID.
    if sys.argv[1] and not is_idle(int(sys.argv[2])):
        finish(int(sys.argv[1]), float(sys.argv[3]))
