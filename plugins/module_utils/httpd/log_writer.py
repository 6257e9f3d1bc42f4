#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes log lines from httpd on standard input and puts them where they belong, as text or as JSON.

    log_writer.py access|error text|json FILE
    log_writer.py access|error text|json journal:NAME

httpd starts it (``ErrorLog "|..."``), one for each log. It escapes by ``\\xhh`` what is no printable ASCII, which JSON
does not have; so for JSON, httpd gives the fields separated by tabs (a tab in a value is escaped), and they are decoded
here. A file that logrotate has moved away is opened anew: no rotation needs a reload of httpd. Runs with the host's own
Python.

Each process of httpd inherits the pipes of all logs, the daemon processes of every application too, so anything may
come down the pipe. No line ends or silences this program, and none costs it more than a bounded time and memory: what
is longer than LONGEST_LINE is cut and marked as cut, and a line that cannot be read becomes a record that says so.

httpd starts the writer of a CustomLog again when it ends, and never that of an ErrorLog. So there are two processes.
The first, which httpd knows, holds the pipe and looks at nothing in it. It starts the second, which writes, and starts
it again whenever that ends while somebody can still write to the pipe; lines wait in the pipe meanwhile. It goes as
root, since that is what the folder of the logs needs: the second process asks it whether the file still has its name,
and gets a descriptor of that one file when another has. The second gives up root before it reads the first byte, and
becomes the account that owns nothing.

At a reload and at a stop, httpd sends SIGTERM to the writer of an ErrorLog and waits for its end, 3 s at the most, with
nobody who serves; but older processes may write for longer than that. So the first process ends at once then, and a
copy of it, which httpd does not know, goes on. Nobody waits for the writer of a CustomLog, which therefore stays what
it is. All end once nobody can write to the pipe, or httpd itself has ended and nothing is left in it. The unit's
ExecStopPost waits for that (last_lines.py), since systemd kills what is left of a unit.

Considered and left: a folder that an account may write to, where that account
could plant links for root; and a descriptor of the folder, since the kernel asks for the folder's rights all the same.
The journal needs no root, so there neither of the two keeps it.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # httpd may send it before Python has read the rest of this file, with lines in the pipe that say why it ends.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

import contextlib
import functools
import json
import os
import re
import select
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Callable, NamedTuple, Union

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
MOST_DIGITS = 18
"""Of a number; it fits into 64 bits then. What is longer stays a text, as Python refuses to read 5,000 of them."""
ABSENT = "-"

LONGEST_LINE = 64 * 1024
"""Bytes of a line that are kept; the rest, up to its end, is dropped as it comes. httpd's own have 8,190."""
CUT = b" [cut]"
"""The end of a text that was cut; a record in JSON has ``"cut": true``."""

PIPE = 0
CHUNK = 64 * 1024
"""Bytes that are read at once, which is what a pipe holds."""
STARTS_APART = 1.0
"""Seconds between two starts of the process that writes."""
NOBODY = 65534
"""Debian's account and group `nobody`; by number, since a look-up may ask a network."""
ASK, DONE, SAME, NEW = b"?", b".", b"=", b"+"
"""What the two processes say to each other; a digit begins the number of an error."""

ESCAPED = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v"}

PRIORITIES = {
    name: number for number, name in enumerate(["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"])
}
"""syslog's numbers; those of trace1 to trace8 are debug's."""
LONGEST_LEVEL = 200
"""Bytes at the beginning of a line in which its level is looked for."""

TO_JOURNAL = "journal:"
JOURNAL = "/run/systemd/journal/socket"
LONGEST_DATAGRAM = 48 * 1024
"""Bytes of one message to the journal; what is longer is cut, which httpd's own limits make rare."""

Record = dict[str, Union[int, str, None]]


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
    is_number = name in NUMBERS and len(value) <= MOST_DIGITS and value.isascii() and value.isdigit()
    return int(value) if is_number else value


def now() -> str:
    """The time as the access log has it."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def record(kind: str, line: bytes) -> Record:
    """The fields of a line; of one that is not in our format (a program's own words), the time and the message."""
    names = [name for name, _ in FIELDS[kind]]
    values = line.split(b"\t", len(names) - 1)
    if len(values) != len(names):
        return {"time": now(), "message": decode(line)}
    found: Record = {name: number_or_text(name, decode(value)) for name, value in zip(names, values)}
    if kind == "error":
        found["time"] = str(found["time"]).replace(" ", "T", 1)
    return found


def as_json(kind: str, line: bytes, is_cut: bool = False, longest: int = sys.maxsize) -> bytes:
    """A line as one JSON object, in ASCII. One of more than ``longest`` bytes has its longest texts shortened."""
    found = record(kind, line)
    if is_cut:
        found["cut"] = True
    made = json.dumps(found)
    while len(made) > longest:
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        name = max(texts, key=lambda each: len(texts[each]))
        found[name] = texts[name][: len(texts[name]) // 2]
        found["cut"] = True
        made = json.dumps(found)
    return made.encode("ascii")


def as_text(line: bytes, is_cut: bool, longest: int) -> bytes:
    """A line as it came; one of more than ``longest`` bytes is cut."""
    if len(line) + len(CUT) > longest:
        return line[: longest - len(CUT)] + CUT
    return line + CUT if is_cut else line


def rendered(kind: str, form: str, line: bytes, is_cut: bool = False, longest: int = sys.maxsize) -> bytes:
    """A line as it is written. Raises nothing, whatever is in it: a fault of ours costs the form of one line only."""
    try:
        return as_json(kind, line, is_cut, longest) if form == "json" else as_text(line, is_cut, longest)
    except Exception as error:
        raw = line[: longest // 8].decode("ascii", "backslashreplace")  # JSON has at most five bytes for one of these
        message = f"log_writer.py: a line could not be read ({type(error).__name__})"
        return json.dumps({"time": now(), "message": message, "raw": raw}).encode("ascii")


class Lines:
    """The lines in what comes in pieces. Of each, no more than LONGEST_LINE bytes are held."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.is_cut = False

    def ended(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        """The lines that end in a piece, without their ends, and whether they were cut."""
        *ends, rest = piece.split(b"\n")
        for part in ends:
            self._hold(part)
            yield self._taken()
        self._hold(rest)

    def rest(self) -> Iterator[tuple[bytes, bool]]:
        """What has come without an end, when nothing comes any more."""
        if self.held:
            yield self._taken()

    def _hold(self, part: bytes) -> None:
        room = LONGEST_LINE - len(self.held)
        self.held += part[:room]
        self.is_cut = self.is_cut or len(part) > room

    def _taken(self) -> tuple[bytes, bool]:
        taken = bytes(self.held), self.is_cut
        self.held.clear()
        self.is_cut = False
        return taken


class Opener:
    """Opens the one file, for a process that may not."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.opened: tuple[int, int] | None = None

    def renewed(self) -> int | None:
        """A descriptor, when the name leads to another file than at the last time; else None. Raises OSError."""
        if self.opened is not None and self.opened == self._there():
            return None
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        found = os.fstat(descriptor)
        self.opened = found.st_dev, found.st_ino
        return descriptor

    def _there(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def answer(self, channel: socket.socket) -> None:
        """Answer the process that writes, which has asked. Raises OSError when it is gone."""
        try:
            descriptor = self.renewed()
        except OSError as error:
            channel.send(b"%d" % (error.errno or 0))
            return
        if descriptor is None:
            channel.send(SAME)
            return
        try:
            socket.send_fds(channel, [NEW], [descriptor])
        finally:
            os.close(descriptor)


def asked(channel: socket.socket) -> int | None:
    """What Opener.renewed says, in the other process. Raises OSError."""
    channel.send(ASK)
    said, descriptors, _, _ = socket.recv_fds(channel, 16, 1)
    if descriptors:
        return descriptors[0]
    if said == SAME:
        return None
    number = int(said or b"0")
    raise OSError(number, os.strerror(number) if number else "the process that opens it is gone")


class File:
    """A log file; ``renewed`` gives a descriptor when its name leads to another one."""

    longest = sys.maxsize

    def __init__(self, renewed: Callable[[], int | None]) -> None:
        self.renewed = renewed
        self.descriptor = -1
        self.is_torn = False
        self.problem = OSError(0, "the file is not open")

    def refresh(self) -> None:
        """Look whether there is another file. While none can be opened, the one before is as good."""
        try:
            descriptor = self.renewed()
        except OSError as error:
            self.problem = error
            return
        if descriptor is None:
            return
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor, self.is_torn = descriptor, False

    def write(self, line: bytes, _priority: int) -> None:
        """Append one line. Raises OSError; what is there of a line on a full disk then does not spoil the next one."""
        if self.descriptor < 0:
            raise self.problem
        data = (b"\n" if self.is_torn else b"") + line + b"\n"
        written = 0
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
        finally:
            if written:
                self.is_torn = data[written - 1 : written] != b"\n"


class Journal:
    """The journal of systemd, by its own protocol."""

    longest = LONGEST_DATAGRAM

    def __init__(self, name: str, path: str = JOURNAL) -> None:
        self.path = path
        self.name = name.encode()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def refresh(self) -> None:
        """Each message names the socket anew."""

    def write(self, line: bytes, priority: int) -> None:
        """Send one message. Raises OSError."""
        size = len(line).to_bytes(8, "little")
        head = b"SYSLOG_IDENTIFIER=" + self.name + b"\nPRIORITY=" + str(priority).encode()
        self.socket.sendto(head + b"\nMESSAGE\n" + size + line + b"\n", self.path)


def priority_of(kind: str, line: bytes) -> int:
    """The priority of a line that is in our format; else that of a notice."""
    if kind != "error":
        return PRIORITIES["info"]
    level = line.split(b"\t", 2)[1:2] or re.findall(rb"\[[\w-]*:(\w+)\]", line[:LONGEST_LEVEL])[:1]
    name = level[0][:LONGEST_LEVEL].decode("ascii", "replace") if level else "notice"
    return PRIORITIES.get("debug" if name.startswith("trace") else name, PRIORITIES["notice"])


class Log:
    """Writes lines to where they belong. What is lost is counted, and told in the log itself as soon as it can be."""

    def __init__(self, kind: str, form: str, place: File | Journal) -> None:
        self.kind, self.form, self.place = kind, form, place
        self.notes: list[str] = []
        self.lost, self.reason = 0, ""

    def take(self, line: bytes, is_cut: bool) -> None:
        """Write a line."""
        try:
            self._tell()
            self._write(line, is_cut)
        except OSError as error:
            # A full disk loses lines; to end, or to stop reading, would stop the requests too.
            self.lost += 1
            self.reason = error.strerror or type(error).__name__

    def _tell(self) -> None:
        while self.notes:
            self._write(f"log_writer.py: {self.notes[0]}".encode(), False)
            del self.notes[0]
        if self.lost:
            self._write(f"log_writer.py: {self.lost} lines were lost here ({self.reason})".encode(), False)
            self.lost = 0

    def _write(self, line: bytes, is_cut: bool) -> None:
        made = rendered(self.kind, self.form, line, is_cut, self.place.longest)
        self.place.write(made, priority_of(self.kind, line))


def end_of_httpd() -> int | None:
    """A descriptor that can be read once the process that started this one has ended; None where there is no such."""
    try:
        return os.pidfd_open(os.getppid())
    except (AttributeError, OSError):  # an old kernel
        return None


def pieces(channel: socket.socket, kind: str, httpd: int | None) -> Iterator[bytes]:
    """What comes down the pipe, until no process can write to it, or httpd has ended and nothing is left in it.

    The second is for what an application has left behind: it has all pipes, and may never end. Without the other
    process (somebody has killed it), an error log goes on, since nobody else reads its pipe; for an access log httpd
    starts another program on the same pipe.
    """
    waiting = select.poll()
    waiting.register(PIPE, select.POLLIN)
    waiting.register(channel, 0)
    if httpd is not None:
        waiting.register(httpd, select.POLLIN)
    patience = None
    while events := dict(waiting.poll(patience)):
        if httpd in events:
            # Its last words may have come after the look at the pipe, so there is one more.
            waiting.unregister(httpd)
            patience = 0
        if channel.fileno() in events:
            if kind == "access":
                return
            waiting.unregister(channel)
        if PIPE in events:
            piece = os.read(PIPE, CHUNK)
            if not piece:
                return
            yield piece


def give_up_root() -> None:
    """Become the account that owns nothing, for good. Raises OSError where that cannot be."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def write_all(arguments: list[str], channel: socket.socket, httpd: int | None, note: str) -> None:
    """The second process: pass on lines until none can come any more."""
    kind, form, where = arguments
    notes = [note] if note else []
    try:
        give_up_root()
    except OSError as error:  # a container's user namespace may lack the account
        notes.append(f"root could not be given up ({error.strerror})")
    is_journal = where.startswith(TO_JOURNAL)
    place = Journal(where[len(TO_JOURNAL) :]) if is_journal else File(lambda: asked(channel))
    log, lines = Log(kind, form, place), Lines()
    log.notes = notes
    for piece in pieces(channel, kind, httpd):
        if b"\n" in piece:
            place.refresh()
        for line, is_cut in lines.ended(piece):
            log.take(line, is_cut)
    if lines.held:
        place.refresh()
    for line, is_cut in lines.rest():
        log.take(line, is_cut)


class Ending(NamedTuple):
    """How the second process ended; ``status`` is what waitpid gives, None where that process was another's child."""

    is_done: bool
    status: int | None

    def __str__(self) -> str:
        if self.status is None:
            return "for a reason that is not known"
        if os.WIFSIGNALED(self.status):
            return f"signal {os.WTERMSIG(self.status)}"
        return f"status {os.WEXITSTATUS(self.status)}"


def live(work: Callable[[socket.socket], None], opener: Opener) -> Ending:
    """One life of the second process, which does ``work``. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    said = b""
    with ours:
        with theirs:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    ours.close()
                    work(theirs)
                    status = 0
                    with contextlib.suppress(OSError):  # without the first process, nobody listens
                        theirs.send(DONE)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
        # Ends with OSError when the other one ended without hearing the answer.
        with contextlib.suppress(OSError):
            while (said := ours.recv(1)) == ASK:
                opener.answer(ours)
    try:
        return Ending(said == DONE, os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return Ending(said == DONE, None)


def nobody_writes(seconds: float) -> bool:
    """Whether all ends of the pipe for writing are closed, now or within this time."""
    waiting = select.poll()
    waiting.register(PIPE, 0)
    return bool(waiting.poll(max(0.0, seconds) * 1000))


def supervise(arguments: list[str]) -> int:
    """The first process; the exit status."""
    note, started = "", -STARTS_APART
    httpd = end_of_httpd()
    while True:
        is_last = nobody_writes(started + STARTS_APART - time.monotonic())
        started = time.monotonic()
        try:
            ending = live(functools.partial(write_all, arguments, httpd=httpd, note=note), Opener(arguments[2]))
        except OSError as error:
            note = f"the process that writes this log could not be started for a while ({error.strerror})"
        else:
            if ending.is_done:
                return 0
            note = f"the process that writes this log ended ({ending}) and was started again; lines may be lost here"
        if is_last:
            return 1


def hand_over(_number: int, _frame: object) -> None:
    """End, and have a copy of this process go on. As the handler of a signal, wherever that finds this process."""
    try:
        pid = os.fork()
    except OSError:  # no room for a process; httpd waits, and kills this one
        return
    if pid:
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main(arguments: list[str]) -> int:
    """Entry point."""
    if len(arguments) != 3 or arguments[0] not in FIELDS or arguments[1] not in ("text", "json"):
        print(__doc__, file=sys.stderr)
        return 2
    # httpd sends SIGTERM when it reads its configuration again, while its older processes still have lines to write.
    signal.signal(signal.SIGTERM, hand_over if arguments[0] == "error" else signal.SIG_IGN)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if arguments[2].startswith(TO_JOURNAL):
        with contextlib.suppress(OSError):  # the process that writes says so
            give_up_root()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    return supervise(arguments)


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(sys.argv[1:]))
