#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes log lines from httpd on standard input and puts them where they belong, as text or as JSON.

    log_writer.py access|error text|json FILE
    log_writer.py access|error text|json journal:NAME

httpd starts it (``ErrorLog "|..."``), one for each log, and starts it again when it ends. httpd escapes by ``\\xhh``
what is no printable ASCII, which JSON does not have; so for JSON, httpd gives the fields separated by tabs (a tab in a
value is escaped), and they are decoded here. A file that logrotate has moved away is opened anew: no rotation needs a
reload of httpd. Runs with the host's own Python.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from datetime import datetime, timezone
from typing import Callable

ACCESS = (
    ("time", "%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t%{%z}t"),
    ("vhost", "%v"),
    ("port", "%p"),
    ("client", "%a"),
    ("forwarded_for", "%{X-Forwarded-For}i"),
    ("user", "%u"),
    ("method", "%m"),
    ("path", "%U"),
    ("query", "%q"),
    ("protocol", "%H"),
    ("status", "%>s"),
    ("bytes", "%O"),
    ("microseconds", "%D"),
    ("id", "%{UNIQUE_ID}e"),
    ("request_id", "%{X-Request-ID}i"),
    ("referer", "%{Referer}i"),
    ("agent", "%{User-Agent}i"),
)
"""Names of the fields of the access log, and their formats in mod_log_config's words."""

ERROR = (
    ("time", "%{cu}t"),
    ("level", "%-l"),
    ("module", "%-m"),
    ("pid", "%P"),
    ("thread", "%-T"),
    ("client", "%-a"),
    ("id", "%-L"),
    ("request_id", "%-{MODWSGI_REQUEST_ID}e"),
    ("error", "%-E"),
    ("message", "%M"),
)
"""Names of the fields of the error log, and their formats in ErrorLogFormat's words."""

FIELDS = {"access": ACCESS, "error": ERROR}
NUMBERS = frozenset({"port", "status", "bytes", "microseconds", "pid", "thread"})
ABSENT = "-"

ESCAPED = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v"}

PRIORITIES = {
    name: number for number, name in enumerate(["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"])
}
"""syslog's numbers; those of trace1 to trace8 are debug's."""

JOURNAL = "/run/systemd/journal/socket"
LONGEST_DATAGRAM = 48 * 1024
"""Bytes of one message to the journal; what is longer is cut, which httpd's own limits make rare."""


def decode(value: bytes) -> str:
    """A value without httpd's escapes. Bytes that are not UTF-8 stay visible as ``\\xhh``."""

    def original(match: re.Match[bytes]) -> bytes:
        escape = match.group(1)
        if len(escape) == 3:
            return bytes([int(escape[1:], 16)])
        return PLAIN.get(escape, escape)

    return ESCAPED.sub(original, value).decode("utf-8", "backslashreplace")


def number_or_text(name: str, value: str) -> int | str | None:
    """A field as JSON has it: a number, a text, or null for what httpd writes as a hyphen."""
    if value == ABSENT:
        return None
    return int(value) if name in NUMBERS and value.isascii() and value.isdigit() else value


def record(kind: str, line: bytes) -> dict[str, int | str | None]:
    """The fields of a line; of one that is not in our format (a program's own words), the time and the message."""
    names = [name for name, _ in FIELDS[kind]]
    values = line.split(b"\t", len(names) - 1)
    if len(values) != len(names):
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        return {"time": now, "message": decode(line)}
    found = {name: number_or_text(name, decode(value)) for name, value in zip(names, values)}
    if kind == "error":
        found["time"] = str(found["time"]).replace(" ", "T", 1)
    return found


def as_json(kind: str, line: bytes) -> bytes:
    """A line as one JSON object, in ASCII."""
    return json.dumps(record(kind, line)).encode("ascii")


class File:
    """A log file that is opened anew when another one has its name, or none."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = -1

    def write(self, line: bytes, _priority: int) -> None:
        """Append one line."""
        if self.descriptor < 0 or not self._is_the_same():
            if self.descriptor >= 0:
                os.close(self.descriptor)
                self.descriptor = -1
            self.descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        data = line + b"\n"
        while data:
            data = data[os.write(self.descriptor, data) :]

    def _is_the_same(self) -> bool:
        try:
            found, mine = os.stat(self.path), os.fstat(self.descriptor)
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_dev) == (mine.st_ino, mine.st_dev)


class Journal:
    """The journal of systemd, by its own protocol."""

    def __init__(self, name: str, path: str = JOURNAL) -> None:
        self.path = path
        self.name = name.encode()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, line: bytes, priority: int) -> None:
        """Send one message."""
        text = line[:LONGEST_DATAGRAM]
        size = len(text).to_bytes(8, "little")
        head = b"SYSLOG_IDENTIFIER=" + self.name + b"\nPRIORITY=" + str(priority).encode()
        self.socket.sendto(head + b"\nMESSAGE\n" + size + text + b"\n", self.path)


def priority_of(kind: str, line: bytes) -> int:
    """The priority of a line that is in our format; else that of a notice."""
    if kind != "error":
        return PRIORITIES["info"]
    level = line.split(b"\t", 2)[1:2] or re.findall(rb"\[[\w-]*:(\w+)\]", line)[:1]
    name = level[0].decode("ascii", "replace") if level else "notice"
    return PRIORITIES.get("debug" if name.startswith("trace") else name, PRIORITIES["notice"])


def destination(where: str) -> File | Journal:
    """Where the lines go."""
    return Journal(where.partition(":")[2]) if where.startswith("journal:") else File(where)


def run(kind: str, form: str, write: Callable[[bytes, int], None]) -> None:
    """Pass on lines until httpd and all its processes have closed the pipe."""
    for raw in iter(sys.stdin.buffer.readline, b""):
        line = raw.rstrip(b"\n")
        try:
            write(as_json(kind, line) if form == "json" else line, priority_of(kind, line))
        except OSError:
            # A full disk loses lines; to end, or to stop reading, would stop the requests too.
            continue


def main(arguments: list[str]) -> int:
    """Entry point."""
    if len(arguments) != 3 or arguments[0] not in FIELDS or arguments[1] not in ("text", "json"):
        print(__doc__, file=sys.stderr)
        return 2
    # httpd sends SIGTERM when it reads its configuration again, while its older processes still have lines to write.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    kind, form, where = arguments
    run(kind, form, destination(where).write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
