# SPDX-License-Identifier: Apache-2.0
"""Requests that prove where applications run, and that they are healthy. Runs on the managed host."""

from __future__ import annotations

import html
import http.client
import io
import json
import os
import re
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import (
    LoggedError,
    LogTail,
    printable,
    traceback,
    without_prefix,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import asking, status

PYTHON_SECONDS = 5
"""Beyond startup_timeout, for Python itself, which starts before the application is loaded."""

RETRY_SECONDS = 0.2
NOT_YET = (502, 503, 504)
"""What httpd answers while a daemon process group starts."""

LOG_TIMEOUT = 2
"""Seconds until a traceback has to be in the log; a log in JSON is written by a program behind httpd, so later."""

SILENT = " It has logged nothing; let it log to standard error (Django: LOGGING, docs/django.md)."
READ_ONLY = "Read-only file system"
READ_ONLY_HINT = (
    " It writes where the service may not: write below WSGI_STATE_DIRECTORY, or name the folder in "
    "httpd_writable_paths."
)
LAST_LINES = 12
ORDINARY = re.compile(
    r"(?:mod_wsgi \([^)]*\): )?(?:Starting (?:daemon )?process |Python home |Initializing Python|Attach|Loading |"
    r"Application startup timer |.*deregistered and will no longer be monitored)"
)
"""What mod_wsgi logs at each start of a process, and so often that nothing else would be left of the last lines."""

BODY_LENGTH = 200
LARGEST_ANSWER = 1 << 20
"""Bytes of an answer's body that are read. As much again is taken for headers, and for the marks of chunks."""

LONGEST_TEXT = 4096
"""Characters of a text in a probe's answer; the longest path."""

MOST_DIGITS = 20
VERSIONS = ("version_info", "mod_wsgi_version")
TITLE = re.compile(r"<title[^>]*>([^<]*)</title>", re.IGNORECASE)
# httpd's own pages are called by their status, which the message has already.
OWN_TITLE = re.compile(r"\d{3} ")
NO_TEXT = re.compile(r"<!--.*?(?:-->|\Z)|<(head|script|style|svg)\b.*?(?:</\1\s*>|\Z)|<[^>]*(?:>|\Z)", re.IGNORECASE)
"""What of a page no browser shows as text."""
TEXTS = ("prefix", "process_group", "application_group", "release", "venv")

SITE_OPTIONS: dict[str, Any] = {
    "applications": {"type": "list", "elements": "dict", "required": True},
    "private_port": {"type": "int", "required": True},
    "python_version": {"type": "str", "required": True},
    "python_prefix": {"type": "str", "required": True},
    "mod_wsgi_version": {"type": "str", "default": ""},
    "log_directory": {"type": "path", "required": True},
}
"""By what a site is proven, as options of a module."""


class ProbeError(LoggedError):
    """An application is not as it should be; the text is one sentence."""


class Bounded(io.RawIOBase):
    """What a server sends, until a moment and no more than some bytes; headers and all."""

    def __init__(self, connected: socket.socket, deadline: float, size: int) -> None:
        """`deadline` is one of the monotonic clock, `size` the number of bytes."""
        self.connected = connected
        self.deadline = deadline
        self.left = size

    def readable(self) -> bool:
        """As a file is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is. Raises TimeoutError after the deadline, http.client.HTTPException after the size."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        if self.left == 0:
            raise http.client.HTTPException(f"the answer has more than {2 * LARGEST_ANSWER} bytes")
        self.connected.settimeout(remaining)
        received = self.connected.recv_into(buffer[: self.left])
        self.left -= received
        return received


class BoundedSocket:
    """A socket as far as http.client needs it; the timeout counts for the whole request, not for each read."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        """`deadline` is one of the monotonic clock."""
        self.connected = connected
        self.deadline = deadline

    def sendall(self, content: bytes) -> None:
        """Send all of it."""
        self.connected.settimeout(max(self.deadline - time.monotonic(), 0.001))
        self.connected.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the server sends."""
        return io.BufferedReader(Bounded(self.connected, self.deadline, 2 * LARGEST_ANSWER))

    def close(self) -> None:
        """Stay open: http.client closes it when the headers are read, and the file goes on."""


class TLSConnection(http.client.HTTPSConnection):
    """A connection over TLS to an address, for a host name.

    The certificate is not checked: the host asks itself, and the module httpd_certificates has looked at the file.
    """

    def __init__(self, address: str, port: int, host: str, timeout: float) -> None:
        self.context = asking.any_certificate()
        super().__init__(address, port, timeout=timeout, context=self.context)
        self.wanted = host.partition(":")[0]

    def connect(self) -> None:
        """Connect, and name the host, so that httpd chooses its vhost."""
        http.client.HTTPConnection.connect(self)
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.wanted)


class Answer(NamedTuple):
    """What a request got."""

    status: int
    body: bytes
    """LARGEST_ANSWER bytes and one more at most."""
    location: str = ""
    """Where a redirection leads."""


class Question(NamedTuple):
    """What is asked, and whom: a host by an address of its own."""

    address: str
    port: int
    path: str
    host: str
    tls: bool = False
    headers: Mapping[str, str] = {}
    """Further ones; Host is not among them."""


def get(asked: Question, timeout: float) -> Answer:
    """One request.

    All of it takes no more than `timeout` seconds. Nothing is followed. Raises OSError or http.client.HTTPException.
    """
    deadline = time.monotonic() + timeout
    connection = (
        TLSConnection(asked.address, asked.port, asked.host, timeout)
        if asked.tls
        else http.client.HTTPConnection(asked.address, asked.port, timeout=timeout)
    )
    try:
        connection.connect()
        connected = connection.sock
    except OSError:
        connection.close()
        raise
    try:
        connection.sock = BoundedSocket(connected, deadline)
        connection.request("GET", asked.path, headers=request_headers(asked.host, asked.headers))
        response = connection.getresponse()
        location = response.getheader("Location") or ""
        return Answer(response.status, response.read(LARGEST_ANSWER + 1), location)
    except ValueError as error:
        raise http.client.HTTPException(f"the answer is no HTTP: {error}") from None
    finally:
        connected.close()


def request_headers(host: str, further: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request; ``further`` names none of the first two, and wins over the last."""
    own = {"Host": host, "Connection": "close"}
    if "user-agent" not in map(str.lower, further):
        own["User-Agent"] = asking.USER_AGENT
    return {**own, **further}


def get_until(asked: Question, timeout: float) -> Answer:
    """Repeat a request until an application answers it; the last answer, or the last error.

    A request that hangs ends with the deadline. Raises OSError or http.client.HTTPException.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            answer = get(asked, left)
            if answer.status not in NOT_YET or time.monotonic() + RETRY_SECONDS >= deadline:
                return answer
        except (OSError, http.client.HTTPException):
            if time.monotonic() + RETRY_SECONDS >= deadline:
                raise
        time.sleep(RETRY_SECONDS)


def parse(body: bytes) -> dict[str, Any]:
    """What a probe has answered; only what it can answer. Raises ValueError with what is wrong, in a few words."""
    if len(body) > LARGEST_ANSWER:
        raise ValueError(f"it has more than {LARGEST_ANSWER} bytes")
    try:
        answer = json.loads(body.decode("utf-8"), parse_int=whole_number)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON, or too deep") from None
    if not isinstance(answer, dict):
        raise ValueError("it is no object")
    for key in VERSIONS:
        parts = answer.get(key)
        if not isinstance(parts, list) or len(parts) < 3 or any(type(part) is not int for part in parts[:3]):
            raise ValueError(f"{key} is no version")
    for key in TEXTS:
        text = answer.get(key)
        if not isinstance(text, str) or len(text) > LONGEST_TEXT or not text.isprintable():
            raise ValueError(f"{key} is no text of one line")
    if type(answer.get("pid")) is not int:
        raise ValueError("pid is no number")
    versions = {key: answer[key][:3] for key in VERSIONS}
    return {**versions, **{key: answer[key] for key in (*TEXTS, "pid")}}


def whole_number(digits: str) -> int:
    """A number of JSON. Raises ValueError for one that takes long to read."""
    if len(digits) > MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def version(parts: list[Any]) -> str:
    """A version as people write it."""
    return ".".join(str(part) for part in parts[:3])


def mismatches(answer: dict[str, Any], expected: dict[str, Any]) -> list[Any]:
    """What of a probe's answer is not as expected, in words that name both sides."""
    found = {
        "Python": version(answer["version_info"]),
        "prefix": answer["prefix"],
        "virtual environment": answer["venv"],
        "mod_wsgi": version(answer["mod_wsgi_version"]),
        "daemon process group": answer["process_group"],
        "application group": answer["application_group"] or "%{GLOBAL}",
        "release": answer["release"],
    }
    return [
        f"{what} is {found[what] or 'none'} and should be {value or 'none'}"
        for what, value in expected.items()
        if value is not None and found[what] != value
    ]


def groups_of(application: dict[str, Any], colour: str = "") -> list[Any]:
    """The daemon process groups to ask, the application's own first; of two colours, the one that is given.

    A record that an earlier version has kept names none: then the first.
    """
    if colour:
        return [group for group in application["probed_groups"] if colours.colour_of(group) == colour]
    return application.get("probed_groups") or [application["name"]]


def asked_colour(application: dict[str, Any], resting: bool) -> str:
    """The colour that serves, or the resting one; empty where an application has one process group for all releases."""
    if not colours.has(application):
        return ""
    active = colours.active(application["paths"])
    return colours.other(active) if resting else active


def probe_limit(application: dict[str, Any], group: str) -> tuple[Any, ...]:
    """Seconds until a daemon process group has to answer the probe, and in words which setting says so."""
    # A record that an earlier version has kept has none for each group; an embedded application has none at all.
    limits = application.get("startup_timeouts") or {group: application.get("startup_timeout", 0)}
    seconds = limits.get(group, 0)
    if application["mode"] != "embedded" and seconds:
        return seconds + PYTHON_SECONDS, f"startup_timeout is {seconds} s, and Python itself has {PYTHON_SECONDS} s"
    timeout = application["health"]["timeout"]
    return timeout + PYTHON_SECONDS, f"health.timeout is {timeout} s, and Python itself has {PYTHON_SECONDS} s"


def expectation(
    application: dict[str, Any], parameters: dict[str, Any], group: str, colour: str = ""
) -> dict[str, Any]:
    """What the probe has to answer in a daemon process group."""
    paths = application["paths"]
    if colour:
        paths = {**paths, **colours.paths_of(paths, colour)}
    embedded = application["mode"] == "embedded"
    return {
        "Python": parameters["python_version"],
        "prefix": parameters["python_prefix"] if embedded else paths["venv"],
        "virtual environment": os.path.realpath(paths["venv"]),
        "mod_wsgi": parameters["mod_wsgi_version"] or None,
        "daemon process group": "" if embedded else group,
        "application group": application["application_group"],
        "release": os.path.realpath(paths["current"]),
    }


class Check:
    """Probe and health check of one application."""

    def __init__(self, application: dict[str, Any], parameters: dict[str, Any], resting: bool = False) -> None:
        """``resting``: the daemon process group is asked that does not serve, through the private listener."""
        self.application = application
        self.resting = resting
        self.colour = asked_colour(application, resting)
        self.name = application["name"]
        self.parameters = parameters
        folder = parameters["log_directory"]
        self.logs = [
            LogTail(os.path.join(folder, f"{application.get('site', self.name)}-error.log")),
            LogTail(os.path.join(folder, "error.log")),
        ]
        self.result: dict[str, Any] = {}
        self.problem = ""
        self.lines: list[str] = []
        """What the log has to say about the problem."""

    def run(self) -> None:
        """Ask all; the problem is kept, since other applications are asked too."""
        try:
            first, *others = groups_of(self.application, self.colour)
            self.result["probe"] = self.probe(first)
            answers = {group: self.probe(group) for group in others}
            if answers:
                self.result["daemon_groups"] = answers
            self.health()
        except ProbeError as error:
            self.problem, self.lines = str(error), error.lines

    def probe(self, group: str) -> dict[str, Any]:
        """Ask a daemon process group about itself, under its site's name, since it answers no other."""
        port = self.parameters["private_port"]
        path = f"/probe/{group}"
        limit, setting = probe_limit(self.application, group)
        try:
            key = {status.KEY_HEADER: status.key()}
            asked = Question("127.0.0.1", port, path, self.application["health"]["host"], headers=key)
            answer = get_until(asked, limit)
        except (OSError, http.client.HTTPException) as error:
            raise ProbeError(
                f"The processes of {group} gave no answer within {limit} s ({setting}; {describe(error)}); "
                f"see {self.logs[1].path}.",
                self.evidence(),
            ) from error
        if answer.status != 200:
            until = f" until {limit} s were over ({setting})" if answer.status in NOT_YET else ""
            raise ProbeError(
                f"The probe of {group} got status {answer.status} from http://127.0.0.1:{port}{path}{until}; "
                f"see {self.logs[1].path}.",
                self.evidence(),
            )
        try:
            told = parse(answer.body)
        except ValueError as error:
            raise ProbeError(
                f"The probe of {group} got an answer that is not the probe's ({error}): the code of the application "
                f"{self.name} has changed what runs in its interpreter; look at what it does there, and see "
                f"{self.logs[0].path}.",
                self.evidence(),
            ) from None
        wrong = mismatches(told, expectation(self.application, self.parameters, group, self.colour))
        if wrong:
            raise ProbeError(
                f"{group} does not run as it was deployed: {'; '.join(wrong)}; restart httpd and run again."
            )
        return told

    def health(self) -> None:
        """Ask the application whether it is well."""
        health = self.health_check()
        tls = bool(health.get("tls"))
        where = f"http{'s' if tls else ''}://{health['host']}{health['path']}"
        # A record that an earlier version has kept has no headers.
        further = {**(health.get("headers") or {}), **({status.KEY_HEADER: status.key()} if self.resting else {})}
        asked = Question(health["address"], health["port"], health["path"], health["host"], tls, further)
        began = time.monotonic()
        try:
            found = get_until(asked, health["timeout"])
        except (OSError, http.client.HTTPException) as error:
            raise ProbeError(
                f"The application {self.name} gave no answer to {where} within {health['timeout']} s "
                f"(health.timeout; {describe(error)}); see {self.logs[0].path}.",
                self.evidence(),
            ) from error
        self.result.update(status=found.status, seconds=round(time.monotonic() - began, 3))
        if found.status != health["status"]:
            to = f" (to {printable(found.location).strip()[:BODY_LENGTH]})" if found.location else ""
            # It may be well, and asked the wrong question.
            lines = self.evidence()
            hint = SILENT if found.status >= 500 and not lines else advice(found, where)
            hint += READ_ONLY_HINT if any(READ_ONLY in line for line in lines) else ""
            raise ProbeError(
                f"The application {self.name} answered {where} with status {found.status}{to} instead of "
                f"{health['status']}{excerpt(found.body)}; see {self.logs[0].path}.{hint}",
                lines,
            )

    def health_check(self) -> dict[str, Any]:
        """What is asked: the application's own vhost, or the private one while httpd waits for a certificate."""
        health: dict[str, Any] = self.application["health"]
        if not awaits_certificate(health) and not self.resting:
            return health
        if not self.resting:
            self.result["awaited"] = True
        return {**health, "address": "127.0.0.1", "port": self.parameters["private_port"], "tls": False}

    def evidence(self) -> list[str]:
        """The application's traceback, or else the last lines of its log, written since the check began."""
        found = self.settled_traceback()
        if found:
            return list(map(printable, found))
        new = [without_prefix(line) for log in self.logs for line in log.read()]
        lines = [line for line in new if not ORDINARY.match(line)][-LAST_LINES:]
        return list(map(printable, lines))

    def settled_traceback(self) -> list[Any]:
        """The application's traceback, once nothing more is added to it; what there is of it when the time is over."""
        deadline = time.monotonic() + LOG_TIMEOUT
        before: list[Any] = []
        while True:
            found = next(filter(None, (traceback(log.read()) for log in self.logs)), [])
            if (found and found == before) or time.monotonic() >= deadline:
                return found
            before = found
            time.sleep(RETRY_SECONDS)


def advice(found: Answer, where: str) -> str:
    """What to do about an answer of an application that may be well, and was asked the wrong question."""
    if not 300 <= found.status < 500:
        return ""
    secure = where.replace("http://", "https://", 1)
    if found.location and where.startswith("http://") and same_place(found.location, secure):
        return (
            " It sends what did not come over https elsewhere: set health.headers to {X-Forwarded-Proto: https}, as "
            "your proxy says it, or set health.path to one that it does not redirect."
        )
    told = " It may refuse the name in Host (Django: ALLOWED_HOSTS)." if found.status == 400 else ""
    return f"{told} If that is right, set health.path or health.status."


def same_place(location: str, wanted: str) -> bool:
    """Whether a redirect leads to this URL, with or without the port of https."""
    return location.replace(":443/", "/", 1).rstrip("/") == wanted.rstrip("/")


def awaits_certificate(health: dict[str, Any]) -> bool:
    """Whether httpd has not yet got the certificate of the site, so that it answers 503 over TLS."""
    file = str(health.get("certificate") or "")
    return bool(file) and not os.path.exists(file)


def awaited(checks: list[Any]) -> list[Any]:
    """One sentence for each site whose certificate is not there yet."""
    hosts = {check.application["health"]["host"] for check in checks if check.result.get("awaited")}
    return [
        f"httpd has no certificate for {host} yet and answers 503 there over TLS; it asks the authority in the "
        "background, and its error log says what is wrong when that does not succeed in some minutes."
        for host in sorted(hosts)
    ]


def one_line(text: str) -> str:
    """A text of others as one line that acts on no terminal."""
    return " ".join(printable(text).split())


def excerpt(body: bytes) -> str:
    """The beginning of an answer, for a message; of a page made for browsers, its title and what they show of it."""
    text = one_line(body[: 16 * BODY_LENGTH].decode("utf-8", "replace"))
    if text.startswith("<"):
        text = page_text(text)
    return f" ({text[:BODY_LENGTH].rstrip()})" if text else ""


def page_text(page: str) -> str:
    """The title and the text of a page for browsers; nothing of httpd's own pages."""
    found = TITLE.search(page)
    title = one_line(html.unescape(found[1])) if found else ""
    if OWN_TITLE.match(title):
        return ""
    without_title = page.replace(found[0], " ", 1) if found else page
    shown = one_line(html.unescape(NO_TEXT.sub(" ", without_title)))
    # Many pages repeat their title as the first heading.
    shown = shown[len(title) :].lstrip() if title and shown.startswith(title) else shown
    return ": ".join(filter(None, (title, shown)))


def describe(error: Exception) -> str:
    """An exception in words."""
    if isinstance(error, TimeoutError):
        return "the request hangs"
    return printable(str(error))[:BODY_LENGTH] or type(error).__name__


class Findings:
    """What is wrong with some applications."""

    def __init__(self, problems: Mapping[str, str], lines: Mapping[str, list[str]]) -> None:
        """A sentence for each that is not well, by its name, and what the logs have to say about some of these."""
        self.problems = dict(problems)
        self.problem = "\n".join(self.problems.values())
        """All of the sentences."""
        self.lines = dict(lines)


class Proof(Findings):
    """The answers of all applications."""

    def __init__(self, applications: list[Any], parameters: dict[str, Any], resting: bool = False) -> None:
        """Ask them, side by side; ``parameters`` are the option ``site`` of the module wsgi_go_live.

        ``resting``: those daemon process groups are asked that do not serve.
        """
        checks = [Check(application, parameters, resting) for application in applications]
        if checks:
            with ThreadPoolExecutor(max_workers=len(checks)) as pool:
                list(pool.map(Check.run, checks))
        self.results = {check.name: check.result for check in checks}
        unwell = [check for check in checks if check.problem]
        super().__init__(
            {check.name: check.problem for check in unwell},
            {check.name: check.lines for check in unwell if check.lines},
        )
        self.awaited = awaited(checks)

    def add(self, problems: Mapping[str, tuple[str, list[str]]]) -> None:
        """What somebody else has found, with what the logs say, by application."""
        self.problems |= {name: problem for name, (problem, _) in problems.items()}
        self.problem = "\n".join(self.problems.values())
        self.lines |= {name: lines for name, (_, lines) in problems.items() if lines}
