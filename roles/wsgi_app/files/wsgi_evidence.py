# SPDX-License-Identifier: Apache-2.0
"""What a host tells about one of its applications: logs, processes, sockets, disks, certificates, deployment.

All of it is read, and nothing changed. What an application can write to, such as its error log, may hold anything: it
is read up to a size, through no link of others, and made printable before anybody sees it.

The role wsgi_app installs this file for wsgi-doctor. It needs nothing but Python's standard library, and wsgi_log.py,
wsgi_daemon.py and httpd_status.py beside it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import select
import shlex
import ssl
import stat
import subprocess
import time
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import httpd_status
import wsgi_daemon
import wsgi_log

SERVER_ROOT = "/etc/apache2"
"""Of the distribution's instance of httpd."""
PID_FILE = "/run/apache2/apache2.pid"
LOG_DIRECTORY = "/var/log/apache2"
CODE_ROOT = "/srv/wsgi"
FACTS = "/etc/ansible/facts.d/mod_wsgi.fact"
UNIX_SOCKETS = "/proc/net/unix"
PRIVATE_PORT = 297

LARGEST_FILE = 1 << 20
"""Bytes of a file that are read; of a log, its end."""
LARGEST_OUTPUT = 4 << 20
"""Bytes that are read of what a program prints."""
LONGEST_LINE = 8190
"""Characters of a line; httpd's own are not longer."""
MOST_LINES = 20000
PROGRAM_SECONDS = 20
STATUS_SECONDS = 5

STAMP = re.compile(r"\[(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-]\d\d:\d\d)?\]")
SOCKET = re.compile(r"/wsgi\.(?P<httpd>\d+)\.u?\d+\.(?P<number>\d+)\.sock\Z")
CONNECTED = "03"
CONNECTING = "02"
ROW = re.compile(r"<tr>((?:<td>[^<]*</td>){6,})</tr>")
CELL = re.compile(r"<td>([^<]*)</td>")


class UnreadableError(Exception):
    """Something cannot be looked at; the text is one sentence."""


class Line(NamedTuple):
    """One line of a log."""

    time: float
    """Seconds since 1970; of a line without a time, that of the line before it."""
    text: str
    source: str
    """"site", "server" or "kernel"."""


class Group(NamedTuple):
    """A daemon process group, as httpd's configuration has it."""

    name: str
    options: dict[str, str]
    number: int
    """Its place among all groups, which is a part of the name of its socket."""

    def option(self, name: str, default: int) -> int:
        """The value of an option that is a number."""
        text = self.options.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 10 else default

    @property
    def title(self) -> str:
        """What its processes are called, "(wsgi:shop)"; further groups of an application have the same."""
        return self.options.get("display-name", f"(wsgi:{self.name})")

    @property
    def processes(self) -> int:
        """How many processes it has."""
        return self.option("processes", 1)

    @property
    def threads(self) -> int:
        """How many threads each of them has for requests."""
        return self.option("threads", 15)


class Sockets(NamedTuple):
    """What is known of the socket of a group."""

    taken: frozenset[str]
    """The connections that a thread has taken up: each is a request."""
    waiting: int
    """How many wait for a thread."""


def read_bounded(path: str, begin: int = 0, size: int = LARGEST_FILE) -> bytes:
    """A part of a regular file that is no link; none of it when it is neither. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        stream.seek(begin)
        return stream.read(size)


def text_of(path: str) -> str:
    """A file of root's, up to a size; empty when there is none."""
    try:
        return read_bounded(os.path.realpath(path)).decode("utf-8", "replace")
    except OSError:
        return ""


def json_of(path: str) -> dict[str, Any]:
    """An object in a file of root's; empty when there is none."""
    try:
        found = json.loads(text_of(path))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def output_of(*command: str) -> str:
    """What a program prints, up to a size. Raises UnreadableError when it fails, or takes too long."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=plain_environment(),
        )
    except OSError as error:
        raise UnreadableError(f"{command[0]} cannot be run ({error.strerror})") from None
    with process:
        collected, is_whole = collect(process)
        if not is_whole:
            process.kill()
    if process.returncode != 0 and is_whole:
        raise UnreadableError(f"{command[0]} fails")
    return collected.decode("utf-8", "replace")


def collect(process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """What a program prints, and whether that is all of it: there is a limit to its size, and to its time."""
    assert process.stdout is not None  # noqa: S101 - for the type
    deadline = time.monotonic() + PROGRAM_SECONDS
    collected = b""
    while len(collected) < LARGEST_OUTPUT and (remaining := deadline - time.monotonic()) > 0:
        if select.select([process.stdout], [], [], remaining)[0]:
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                return collected, True
            collected += piece
    return collected, False


def plain_environment() -> dict[str, str]:
    """For programs whose output is read."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


# ---------------------------------------------------------------- httpd's configuration


def directives(text: str) -> Iterator[list[str]]:
    """The words of each line of a configuration; a line goes on after a backslash."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            yield shlex.split(stripped)
        except ValueError:  # a quotation mark that is none for a shell
            yield stripped.split()


def enabled(kind: str) -> list[str]:
    """The paths of the enabled files (conf or sites), in the order in which httpd reads them."""
    folder = os.path.join(SERVER_ROOT, f"{kind}-enabled")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(".conf")]


class Site:
    """What httpd's configuration says about an application."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.groups: list[Group] = []
        self.file = ""
        """That of its vhost; empty when httpd does not serve it."""
        self.private_port = PRIVATE_PORT
        self.error_log = ""
        self.server_log = os.path.join(LOG_DIRECTORY, "error.log")
        self.certificates: list[str] = []
        self.count = 0
        """How many groups httpd has, as far as these files say."""
        for path in (*enabled("conf"), *enabled("sites")):
            self._read(path)

    def _read(self, path: str) -> None:
        """Take in a file."""
        lines = list(directives(text_of(path)))
        is_probe = os.path.basename(path) == "060-modwsgi-probes.conf"
        is_own = False
        for words in lines:
            if words[0] == "WSGIDaemonProcess" and len(words) > 1:
                self.count += 1
                if words[1].partition(":")[0] == self.name:
                    is_own = True
                    options = dict(word.partition("=")[::2] for word in words[2:])
                    self.groups.append(Group(words[1], options, self.count))
            elif words[0] == "<VirtualHost" and is_probe:
                port = words[-1].rstrip(">").rpartition(":")[2]
                self.private_port = int(port) if port.isdecimal() else PRIVATE_PORT
        embedded = any(f"/embedded/{self.name}.py" in word for words in lines for word in words)
        if (is_own or embedded) and not is_probe:
            self.file = path
            self.error_log = next((words[1] for words in lines if words[0] == "ErrorLog" and len(words) > 1), "")
            self.certificates = [words[1] for words in lines if words[0] == "SSLCertificateFile" and len(words) > 1]
        elif os.path.basename(path) == "modwsgi-httpd.conf":
            own = next((words[1] for words in lines if words[0] == "ErrorLog" and len(words) > 1), "")
            self.server_log = own or self.server_log


# ---------------------------------------------------------------- logs


def log_target(argument: str) -> tuple[str, str]:
    """Where the argument of ErrorLog leads: ("file", path) or ("journal", name)."""
    last = argument.rsplit(maxsplit=1)[-1] if argument.startswith("|") else argument
    if last.startswith("journal:"):
        return "journal", last.partition(":")[2]
    return "file", last.replace("${APACHE_LOG_DIR}", LOG_DIRECTORY)


def time_zones(variables: dict[str, Any]) -> list[dt.tzinfo | None]:
    """Those in which lines of a site may be: the host's, and that of the application's own processes."""
    found: list[dt.tzinfo | None] = [None]
    with contextlib.suppress(ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if variables.get("TZ"):
            found.append(zoneinfo.ZoneInfo(str(variables["TZ"]).lstrip(":")))
    return found


def stamps(text: str, zones: Sequence[dt.tzinfo | None]) -> list[float]:
    """The moments that a line may be of, one for each time zone; none for a line without a time."""
    match = STAMP.match(text)
    if not match:
        return []
    try:
        found = dt.datetime.fromisoformat(f"{match[1]} {match[2]}{match[3] or ''}")
        if match[3]:
            return [found.timestamp()]
        return [found.replace(tzinfo=zone).timestamp() for zone in zones]
    except (ValueError, OverflowError, OSError):
        return []


def timed(texts: Sequence[str], end: float, source: str, zones: Sequence[dt.tzinfo | None]) -> list[Line]:
    """Lines with their times. `end` is when the last of them was written.

    From the end to the beginning, since of two time zones the one is meant that is closer to the next line.
    """
    times: list[float | None] = []
    near = end
    for text in reversed(texts):
        found = stamps(text, zones)
        near = min(found, key=lambda moment: abs(moment - near)) if found else near
        times.append(near if found else None)
    lines = []
    last = 0.0
    for text, moment in zip(texts, reversed(times)):
        last = last if moment is None else moment
        lines.append(Line(last, text, source))
    return lines


def as_text(raw: str) -> str:
    """A line of a log in JSON as that of a log in text; any other one as it is. Nothing in it acts on a terminal."""
    if not raw.startswith("{"):
        return wsgi_log.printable(raw[:LONGEST_LINE])
    try:
        found = json.loads(raw)
        error = found.get("error")
        text = (
            f"[{found['time']}] [{found.get('module', '')}:{found.get('level', '')}] [pid {found.get('pid', 0)}:tid "
            f"{found.get('thread', 0)}] {f'{error}: ' if error else ''}{found['message']}"
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = raw
    return wsgi_log.printable(text[:LONGEST_LINE])


def file_lines(path: str, since: float, source: str, zones: Sequence[dt.tzinfo | None]) -> list[Line]:
    """The lines of a log since a moment, and of the file that logrotate has made of it. Raises UnreadableError."""
    lines: list[Line] = []
    for each in (f"{path}.1", path):
        try:
            found = os.lstat(each)
            if found.st_mtime < since or not stat.S_ISREG(found.st_mode):
                continue
            raw = read_bounded(each, max(0, found.st_size - LARGEST_FILE))
        except OSError as error:
            if each == path:
                raise UnreadableError(f"{path} cannot be read ({error.strerror})") from None
            continue
        texts = [as_text(line) for line in raw.decode("utf-8", "replace").split("\n") if line][-MOST_LINES:]
        lines += timed(texts, found.st_mtime, source, zones)
    return [line for line in lines if line.time >= since]


def journal_entries(since: float, *matches: str) -> list[tuple[float, str]]:
    """Times and messages of the journal since a moment. Raises UnreadableError."""
    command = ("journalctl", "--no-pager", "--output=json", f"--since=@{int(since)}", f"--lines={MOST_LINES}")
    entries = []
    for line in output_of(*command, "--output-fields=MESSAGE", *matches).splitlines():
        try:
            entry = json.loads(line)
            message = entry["MESSAGE"]
            text = bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message)
            entries.append((int(entry["__REALTIME_TIMESTAMP"]) / 1e6, text))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return entries


def journal_lines(name: str, since: float, source: str) -> list[Line]:
    """The lines of a log that is in the journal. What accounts of applications have sent under its name is left out."""
    entries = journal_entries(since, "-t", name, "_UID=65534", "_UID=0")
    return [Line(moment, as_text(text), source) for moment, text in entries]


def log_lines(argument: str, since: float, source: str, zones: Sequence[dt.tzinfo | None]) -> list[Line]:
    """The lines of the log that the argument of ErrorLog names. Raises UnreadableError."""
    kind, where = log_target(argument)
    return journal_lines(where, since, source) if kind == "journal" else file_lines(where, since, source, zones)


def kernel_lines(since: float) -> list[Line]:
    """What the kernel has said since a moment. Raises UnreadableError where nobody may read it."""
    with contextlib.suppress(UnreadableError):
        entries = journal_entries(since, "-k")
        if entries:
            return [Line(moment, as_text(text), "kernel") for moment, text in entries]
    lines = []
    for line in output_of("dmesg", "--time-format=iso").splitlines()[-MOST_LINES:]:
        stamp, _, text = line.partition(" ")
        with contextlib.suppress(ValueError):
            moment = dt.datetime.fromisoformat(stamp.replace(",", ".", 1)).timestamp()
            lines.append(Line(moment, as_text(text), "kernel"))
    return [line for line in lines if line.time >= since]


# ---------------------------------------------------------------- processes and sockets


class Daemon(NamedTuple):
    """A daemon process."""

    process: Any
    """pid and start time, as wsgi_daemon has them."""
    group: str
    """The first group whose processes are called so."""
    title: str
    seconds: float
    """For how long it has run."""
    memory: int
    """Bytes."""
    can_tell: bool
    """Whether it has the handler that writes its stacks."""


def status_of(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status; empty when it is gone."""
    try:
        text = read_bounded(f"/proc/{pid}/status").decode("utf-8", "replace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def uptime() -> float:
    """Seconds since the boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def daemons(groups: Iterable[Group], user: str, signal_number: int) -> list[Daemon]:
    """The processes of some groups; `signal_number` is the one that lets them write their stacks."""
    parent, uid = wsgi_daemon.httpd_pid(PID_FILE), wsgi_daemon.account(user)
    if parent is None or uid is None:
        return []
    found = []
    # The last one counts, so the first group of a title.
    first = {group.title: group for group in reversed(list(groups))}
    for group in first.values():
        kind, _, application = group.title.strip("()").partition(":")
        for process in wsgi_daemon.processes(parent, application, uid, [kind]):
            fields = status_of(process.pid)
            memory = fields.get("VmRSS", "0").split()[0]
            caught = fields.get("SigCgt", "0")
            found.append(
                Daemon(
                    process,
                    group.name,
                    group.title,
                    uptime() - process.started / os.sysconf("SC_CLK_TCK"),
                    int(memory) * 1024 if memory.isdecimal() else 0,
                    bool(int(caught, 16) >> (signal_number - 1) & 1),
                )
            )
    return found


def number_in(path: str, key: str = "") -> int | None:
    """A number that a file of a control group has, for a key or alone; None for "max" and where there is none."""
    try:
        lines = read_bounded(path).decode("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words[:-1] == ([key] if key else []) and words and words[-1].isdecimal():
            return int(words[-1])
    return None


def limits(folder: str) -> dict[str, int | None]:
    """What the processes of a control group have, and may have; None is no limit."""
    found = {name: number_in(f"{folder}/{name.replace('_', '.')}") for name in ("memory_current", "memory_max")}
    tasks = {f"tasks_{end}": number_in(f"{folder}/pids.{end}") for end in ("current", "max")}
    return {**found, **tasks, "killed": number_in(f"{folder}/memory.events", "oom_kill")}


def sockets(group: Group, count: int) -> Sockets:
    """The connections to the socket of a group, of which httpd's configuration has `count`.

    Raises UnreadableError when httpd has another number of them: then nobody knows which socket is whose.
    """
    taken, waiting, numbers = set(), 0, set()
    parent = wsgi_daemon.httpd_pid(PID_FILE)
    try:
        with open(UNIX_SOCKETS, encoding="utf-8", errors="replace") as stream:
            lines = stream.read(4 * LARGEST_FILE).splitlines()
    except OSError:
        lines = []
    for line in lines:
        words = line.split(None, 7)
        match = SOCKET.search(words[7]) if len(words) == 8 else None
        if not match or match["httpd"] != str(parent):
            continue
        numbers.add(int(match["number"][:9]))
        if int(match["number"][:9]) != group.number:
            continue
        if words[5] == CONNECTED and words[6] != "0":
            taken.add(words[6])
        elif words[5] in {CONNECTING, CONNECTED}:
            waiting += 1  # no thread has taken it up, so it has no number yet
    if numbers and max(numbers) != count:
        raise UnreadableError(f"the queue of {group.name}, since httpd has {max(numbers)} groups and not {count}")
    return Sockets(frozenset(taken), waiting)


def loading(state: str, group: str, pid: int) -> bool:
    """Whether a process has noted that it loads the application, and not that it has done so (loading.py)."""
    return os.path.lexists(os.path.join(state, ".wsgi-loading", f"{group}.{pid}"))


# ---------------------------------------------------------------- the server


def workers(port: int) -> dict[str, int]:
    """Busy and idle workers of httpd. Raises UnreadableError."""
    try:
        text = httpd_status.read(port, "auto", STATUS_SECONDS)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"httpd's status cannot be read ({wsgi_log.printable(str(error))[:200]})") from None
    told = dict(line.partition(": ")[::2] for line in text.splitlines())
    names = {"BusyWorkers": "busy", "IdleWorkers": "idle"}
    return {key: int(told[name]) for name, key in names.items() if told.get(name, "").isdecimal()}


def leftovers(port: int) -> set[str]:
    """Numbers of httpd's processes that a reload has left behind, without a request or a connection."""
    try:
        page = httpd_status.read(port, "", STATUS_SECONDS)
    except (OSError, ValueError):
        return set()
    rows = [CELL.findall(row) for row in ROW.findall(page)]
    return {
        cells[1]
        for cells in rows
        if cells[1].isdecimal() and cells[2] == "yes (old gen)" and cells[3] == "0" and cells[5] == "0"
    }


# ---------------------------------------------------------------- disk, certificates, deployment


def space(path: str) -> tuple[float, float] | None:
    """Shares of a file system that are free for others than root: of its bytes, and of its inodes."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    share = found.f_bavail / found.f_blocks if found.f_blocks else 1.0
    return share, found.f_favail / found.f_files if found.f_files else 1.0


def days_left(certificate: str) -> float | None:
    """Days until a certificate expires; None when that cannot be told."""
    try:
        text = output_of("openssl", "x509", "-noout", "-enddate", "-in", certificate)
        return (ssl.cert_time_to_seconds(text.strip().partition("=")[2]) - time.time()) / 86400
    except (UnreadableError, ValueError):
        return None


def deployed(name: str) -> list[str]:
    """What of an application is not as it was deployed, in words."""
    folder = os.path.join(CODE_ROOT, name)
    record = json_of(os.path.join(folder, "deployment.json"))
    if not record:
        return [f"{folder}/deployment.json is not there, or damaged"]
    wrong = []
    for link, kind, key in (("current", "releases", "release"), ("venv", "venvs", "venv")):
        target = os.path.join(folder, kind, str(record.get(key, "")))
        if os.path.realpath(os.path.join(folder, link)) != os.path.realpath(target):
            wrong.append(f"{folder}/{link} does not lead to {kind}/{record.get(key)}, which was deployed last")
    return [wsgi_log.printable(each)[:500] for each in wrong]


def python_mismatch(venv: str) -> str:
    """Why the virtual environment is not one for httpd's Python; empty when it is, or nobody knows."""
    expected = str(json_of(FACTS).get("interpreter", {}).get("version", ""))
    settings = {
        name.strip(): value.strip()
        for name, _, value in (line.partition("=") for line in text_of(f"{venv}/pyvenv.cfg").splitlines())
    }
    found = ".".join(settings.get("version", "").split(".")[:2])
    if expected and found and found != expected:
        return f"{venv} is for Python {wsgi_log.printable(found)[:20]}, and httpd runs {expected}"
    if os.path.isdir(venv) and not os.path.exists(f"{venv}/bin/python"):
        return f"the Python of {venv} is gone"
    return ""
