#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Say what is wrong with an application on this host, why, and what to do: from the symptom to the setting.

It looks at what wsgi_evidence.py finds on the host, for what the table in wsgi_diagnoses.py says. It changes nothing.
With --stacks, it sends the application's daemon processes SIGURG, upon which they write the stacks of their threads to
their error log (launcher.py). The kernel ignores that signal in a process that does not know it.

The role wsgi_app installs this file, to which /usr/local/bin/wsgi-doctor is a link. It needs nothing but Python's
standard library and the files beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
import json
import os
import re
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import wsgi_daemon
import wsgi_diagnoses
import wsgi_evidence
import wsgi_log
import wsgi_run

NOTHING, SOMETHING, FAILED = 0, 1, 2
"""The exit status."""
STACK_SIGNAL = signal.SIGURG
STACK_SECONDS = 5.0
STACK_LINE = re.compile(r"(?:Current t|T)hread 0x[0-9a-f]+|  File \"|  <no Python frame>|  \.\.\.\Z")
NO_FRAME = "  <no Python frame>"
LOOK_SECONDS = 0.5
"""Between two looks at something that may change."""

NEAR_SECONDS = 10.0
"""How far the reason may be from what it explains: mod_wsgi tells of the end of a process a second later."""
TOGETHER_SECONDS = 1.0
OFTEN, OFTEN_SECONDS = 5, 600.0
"""How many processes that end within how many seconds are too many."""

SCARCE = 0.03
"""The share of a disk that is left when it counts as full."""
SOON_DAYS = 21
MOST_LINES = 3
"""Lines of the log that are shown for a diagnosis."""
LONGEST_SHOWN = 400
TRACED = (
    *(
        "import-exception", "exception", "import-timeout", "populate", "module-missing", "sub-interpreter",
        "wrong-python",
    ),
    *("cannot-write", "disk-full", "files-open", "memory-limit", "locale", "authorization"),
)  # fmt: skip
"""Diagnoses that are shown with their traceback."""
TRACE_LINES = 10
TRACE_AROUND = 200
"""Lines before and after another one in which its traceback is looked for."""
RELEASED = re.compile(r"Graceful restart requested; |Process eviction requested, ")

DESCRIPTION = """\
Say what is wrong with the WSGI application APP on this host: what the logs, the processes and the host tell, why that
is so, and which setting or step helps. Nothing is changed.
"""
EPILOG = """\
The exit status is 0 when nothing is found, 1 when something is, and 2 when it cannot look.
What it knows: docs/troubleshooting.md of the collection.

Examples: wsgi-doctor shop
          wsgi-doctor --since 1440 --json shop
          wsgi-doctor --stacks shop
"""

Line = wsgi_evidence.Line


class Hit(NamedTuple):
    """A line of a log that matches a diagnosis."""

    name: str
    line: Line
    place: int
    """Where it is among the lines of the same log."""
    pid: str
    """That of the process that the line tells about; empty when it does not say."""
    is_own: bool
    """Whether the line names a group of the application, or a pid that one of its processes had."""

    @property
    def thread(self) -> str:
        """Who has written the line."""
        return wsgi_log.thread_of(self.line.text)


class Finding:
    """A diagnosis that holds here."""

    def __init__(self, name: str) -> None:
        self.diagnosis = wsgi_diagnoses.BY_NAME[name]
        self.lines: list[str] = []
        """What shows it: lines of logs, or sentences about the host."""
        self.trace: list[str] = []
        self.times: list[float] = []
        self.consequences: dict[str, int] = {}
        """Other diagnoses that it explains, and how often."""

    def as_json(self, application: str) -> dict[str, Any]:
        """All of it."""
        diagnosis = self.diagnosis
        return {
            "id": diagnosis.name,
            "title": diagnosis.title,
            "count": max(len(self.times), 1),
            "first": moment(min(self.times)) if self.times else None,
            "last": moment(max(self.times)) if self.times else None,
            "lines": self.lines,
            "traceback": self.trace,
            "explains": self.consequences,
            "visitors": diagnosis.visitors,
            "cause": named(diagnosis.cause, application),
            "remedy": named(diagnosis.remedy, application),
            "settings": list(diagnosis.settings),
            "link": f"docs/{diagnosis.link}",
        }


def moment(seconds: float) -> str:
    """A time as the host's clock has it."""
    try:
        return dt.datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def named(text: str, application: str) -> str:
    """A text of the table for this application."""
    return re.sub(r"\bAPP\b", application, text)


# ---------------------------------------------------------------- from lines to findings


def group_of(match: re.Match[str]) -> str:
    """The daemon process group, or application, that a line names; empty when it names none."""
    found = [value for key, value in match.groupdict().items() if key.startswith("group") and value]
    return found[0].strip("'") if found else ""


def pid_of(match: re.Match[str]) -> str:
    """The pid that a line tells about."""
    return next((value for key, value in match.groupdict().items() if key.startswith("pid") and value), "")


def owners(lines: Iterable[Line]) -> dict[str, str]:
    """The groups of daemon processes that have ended, by their pids."""
    matches = (wsgi_diagnoses.DIED.search(line.text) for line in lines)
    return {pid_of(match): group_of(match) for match in matches if match}


def hits(application: str, lines: Sequence[Line], of_pid: dict[str, str]) -> list[Hit]:
    """What lines of one log say of this application, and of the server. `of_pid` is what owners says."""
    found = []
    for index, line in enumerate(lines):
        for name, pattern in wsgi_diagnoses.PATTERNS.items():
            if wsgi_diagnoses.BY_NAME[name].kernel != (line.source == "kernel"):
                continue
            match = pattern.search(line.text)
            if not match:
                continue
            pid = pid_of(match)
            group = group_of(match) or of_pid.get(pid, "")
            if not group or group.partition(":")[0] == application:
                found.append(Hit(name, line, index, pid, bool(group)))
    return found


def explains(cause: Hit, hit: Hit) -> bool:
    """Whether one line is the reason of another."""
    apart, written_by = abs(cause.line.time - hit.line.time), wsgi_diagnoses.BY_NAME[hit.name].written_by
    if written_by == "thread":
        return apart <= TOGETHER_SECONDS and cause.thread == hit.thread
    if written_by == "process":
        return apart <= NEAR_SECONDS and cause.thread.partition(":")[0] == hit.thread.partition(":")[0]
    of_same = cause.pid == hit.pid if hit.pid else cause.is_own
    return apart <= NEAR_SECONDS and (of_same or not cause.pid)


def reason_of(hit: Hit, by_name: dict[str, list[Hit]]) -> Hit | None:
    """The line that explains another one, the nearest of them."""
    names = wsgi_diagnoses.BY_NAME[hit.name].because
    causes = [cause for name in names for cause in by_name.get(name, []) if explains(cause, hit)]
    return min(causes, key=lambda cause: abs(cause.line.time - hit.line.time), default=None)


def first_reason(hit: Hit, reasons: dict[int, Hit | None]) -> Hit:
    """The reason of the reason, and so on; the line itself when it has none."""
    seen = {hit.name}
    while (reason := reasons[id(hit)]) and reason.name not in seen:
        seen.add(reason.name)
        hit = reason
    return hit


def diagnosed(found: Sequence[Hit], logs: dict[str, Sequence[Line]]) -> list[Finding]:
    """Findings from what the lines say; what another one explains is told there."""
    by_name: dict[str, list[Hit]] = {}
    for hit in found:
        by_name.setdefault(hit.name, []).append(hit)
    reasons = {id(hit): reason_of(hit, by_name) for hit in found}
    first = {id(hit): first_reason(hit, reasons) for hit in found}
    # Ordinary lines are told when they explain something.
    used = {id(first[id(hit)]) for hit in found if first[id(hit)] is not hit}
    findings: dict[str, Finding] = {}
    for hit in found:
        if first[id(hit)] is hit and (wsgi_diagnoses.BY_NAME[hit.name].alone or id(hit) in used):
            take(findings.setdefault(hit.name, Finding(hit.name)), hit, logs)
    for hit in found:
        reason = first[id(hit)]
        is_the_same = hit.pid and hit.pid == reason.pid  # two lines about one end of a process
        if reason is not hit and wsgi_diagnoses.BY_NAME[hit.name].alone and not is_the_same:
            told = findings.setdefault(reason.name, Finding(reason.name)).consequences
            told[hit.name] = told.get(hit.name, 0) + 1
    return list(findings.values())


def take(finding: Finding, hit: Hit, logs: dict[str, Sequence[Line]]) -> None:
    """Add a line to a finding. The first lines are kept, since what came later often follows from them."""
    finding.times.append(hit.line.time)
    if len(finding.lines) < MOST_LINES:
        finding.lines.append(hit.line.text[:LONGEST_SHOWN])
    if hit.name in TRACED and not finding.trace:
        finding.trace = trace_of(hit, logs[hit.line.source])


def trace_of(hit: Hit, lines: Sequence[Line]) -> list[str]:
    """The traceback that a line belongs to; mod_wsgi says what it makes of an exception before the traceback."""
    begin = max(0, hit.place - TRACE_AROUND)
    near = [line.text for line in lines[begin : hit.place + TRACE_AROUND]]
    texts = [text for text in near if is_of_error(text)]
    if not is_of_error(hit.line.text):
        return []
    here = next(index for index, text in enumerate(texts) if text is hit.line.text)
    mine = [
        index
        for index, text in enumerate(texts)
        if wsgi_log.TRACEBACK in text and wsgi_log.thread_of(text) == hit.thread
    ]
    announced = wsgi_diagnoses.BY_NAME[hit.name].written_by == "thread"
    begins = [index for index in mine if index > here][:1] if announced else [index for index in mine if index < here]
    found = wsgi_log.traceback(texts[begins[-1] :], TRACE_LINES) if begins else []
    return [text[:LONGEST_SHOWN] for text in found]


def is_of_error(text: str) -> bool:
    """Whether a line is an error, or has no level: what mod_wsgi says beside it ends no traceback."""
    return ":error] " in text[:100] or not text.startswith("[")


def too_often(application: str, lines: Iterable[Line], of_site: Iterable[Line]) -> list[Line]:
    """The ends of processes, where there were too many: not those for a release."""
    released = {
        wsgi_log.thread_of(line.text).partition(":")[0].strip("[]").replace("pid ", "")
        for line in of_site
        if RELEASED.search(line.text)
    }
    matches = [(line, wsgi_diagnoses.DIED.search(line.text)) for line in lines]
    ended = [
        line
        for line, match in matches
        if match and group_of(match).partition(":")[0] == application and pid_of(match) not in released
    ]
    for first, last in zip(ended, ended[OFTEN - 1 :]):
        if last.time - first.time <= OFTEN_SECONDS:
            return ended
    return []


# ---------------------------------------------------------------- the examination


class Examination:
    """One look at an application."""

    def __init__(self, name: str, minutes: float, hung: float, say: Callable[[str], None]) -> None:
        """Raises wsgi_run.RunError when there is no such application here. `say` tells somebody who waits."""
        self.deployment = wsgi_run.deployment(name)
        self.application = self.deployment.application
        self.name = name
        self.since = time.time() - 60 * minutes
        self.hung = hung
        self.say = say
        self.site = wsgi_evidence.Site(name)
        self.daemons = wsgi_evidence.daemons(self.site.groups, self.application["user"], STACK_SIGNAL)
        self.findings: list[Finding] = []
        self.state: dict[str, Any] = {}
        self.unseen: list[str] = []
        """What could not be looked at."""
        self.logs: dict[str, Sequence[Line]] = {}

    def run(self) -> None:
        """Look at all of it. Raises UnreadableError when no log can be read."""
        self.read_logs()
        self.state["processes"] = [
            {"pid": each.process.pid, "group": each.group, "seconds": round(each.seconds), "bytes": each.memory}
            for each in self.daemons
        ]
        for look in (self.look_at_httpd, self.look_at_processes, self.look_at_limits):
            look()
        for look in (self.look_at_disks, self.look_at_certificates):
            look()
        self.look_at_deployment()
        self.look_at_logs()
        order = list(wsgi_diagnoses.BY_NAME)
        there = {finding.diagnosis.name for finding in self.findings}
        # The state of a host has no times, so what is found explains what follows from it.
        kept = [each for each in self.findings if each.times or not there.intersection(each.diagnosis.because)]
        self.findings = sorted(kept, key=lambda finding: order.index(finding.diagnosis.name))

    def found(self, name: str, *lines: str) -> None:
        """Note a diagnosis; where the logs have it as well, it is told once."""
        finding = next((each for each in self.findings if each.diagnosis.name == name), None)
        if finding is None:
            finding = Finding(name)
            self.findings.append(finding)
        finding.lines += [wsgi_log.printable(line)[:LONGEST_SHOWN] for line in lines]

    def read_logs(self) -> None:
        """Read the two error logs, and the kernel's."""
        zones = wsgi_evidence.time_zones(self.deployment.variables)
        wanted = (("site", self.site.error_log, zones), ("server", self.site.server_log, [None]))
        for source, argument, known in wanted:
            if argument:
                self.read(source, functools.partial(wsgi_evidence.log_lines, argument, self.since, source, known))
        if not self.logs:
            raise wsgi_evidence.UnreadableError("; ".join(self.unseen) or f"httpd has no vhost for {self.name}")
        self.read("kernel", lambda: wsgi_evidence.kernel_lines(self.since))

    def read(self, source: str, reader: Callable[[], Sequence[Line]]) -> None:
        """Read a log, or say why that is not possible."""
        try:
            self.logs[source] = reader()
        except wsgi_evidence.UnreadableError as error:
            self.unseen.append(f"{source} log: {error}")

    def look_at_logs(self) -> None:
        """What the logs say."""
        of_pid = owners(self.logs.get("server", ()))
        found = [hit for lines in self.logs.values() for hit in hits(self.name, lines, of_pid)]
        for finding in diagnosed(found, self.logs):
            known = next((each for each in self.findings if each.diagnosis is finding.diagnosis), None)
            if known:
                finding.lines = known.lines + finding.lines
                self.findings.remove(known)
            self.findings.append(finding)
        ended = too_often(self.name, self.logs.get("server", ()), self.logs.get("site", ()))
        if ended:
            self.found("respawning", f"{len(ended)} processes have ended, the last of them:", ended[-1].text)

    def look_at_httpd(self) -> None:
        """The server itself."""
        if wsgi_daemon.httpd_pid(wsgi_evidence.PID_FILE) is None:
            lines = [line.text for line in self.logs.get("server", ())][-MOST_LINES:]
            self.found("httpd-down", f"{wsgi_evidence.PID_FILE} names no process that runs.", *lines)
            return
        port = self.site.private_port
        try:
            self.state["workers"] = found = wsgi_evidence.workers(port)
        except wsgi_evidence.UnreadableError as error:
            self.unseen.append(str(error))
            return
        if found.get("idle") == 0:
            self.found("workers-full", f"All {found.get('busy', 0)} workers of httpd are busy now.")
        left = wsgi_evidence.leftovers(port)
        if left:
            time.sleep(STACK_SECONDS)  # one that ends by itself takes a moment
            left &= wsgi_evidence.leftovers(port)
        if left:
            self.found("stuck-child", f"Left behind by a reload, idle, and still there: {', '.join(sorted(left))}.")

    def look_at_processes(self) -> None:
        """The daemon processes: whether they run, still load, and have threads left."""
        if not self.site.file:
            self.found("no-process", f"httpd's configuration has no vhost with {self.name}.")
        for group in self.site.groups:
            own = [each for each in self.daemons if each.title == group.title]
            if not own:
                self.found("no-process", f"No process has the title {group.title}.")
            for each in own:
                if each.seconds > self.hung and wsgi_evidence.loading(
                    self.application["state"], group.name, each.process.pid
                ):
                    since = f"for {duration(each.seconds)}"
                    self.found("loading-hangs", f"Process {each.process.pid} of {group.name} loads {since}.")
            self.look_at_queue(group)

    def look_at_limits(self) -> None:
        """The control group of the application, and whether all its processes are there."""
        if not self.application.get("control_group"):
            return
        folders = {each.process.pid: wsgi_daemon.own_group(each.process.pid) for each in self.daemons}
        free = [str(pid) for pid, folder in folders.items() if not folder and wsgi_evidence.status_of(pid)]
        if free:
            self.found("limits-off", f"Process {', '.join(free)} is in no control group of the application.")
        for folder in {folder for folder in folders.values() if folder}:
            self.state["limits"] = wsgi_evidence.limits(folder)

    def look_at_queue(self, group: Any) -> None:
        """Whether requests wait, and whether all threads have had the same ones for a time."""
        try:
            now, most = wsgi_evidence.sockets(group, self.site.count), group.processes * group.threads
        except wsgi_evidence.UnreadableError as error:
            self.unseen.append(str(error))
            return
        queues = self.state.setdefault("queues", {})
        queues[group.name] = {"busy": len(now.taken), "threads": most, "waiting": now.waiting}
        if now.waiting:
            self.found("waiting", f"{now.waiting} requests wait for a thread of {group.name} now.")
        if len(now.taken) < most or not self.hung:
            return
        self.say(f"All {most} threads of {group.name} are busy; looking for {self.hung:g} s whether that changes.")
        deadline, same = time.monotonic() + self.hung, now.taken
        while len(same) >= most:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self.found("hung", f"All {most} threads of {group.name} have had the same request for {self.hung:g} s.")
                return
            time.sleep(min(LOOK_SECONDS, remaining))
            same &= wsgi_evidence.sockets(group, self.site.count).taken

    def look_at_disks(self) -> None:
        """Free space and inodes where the application, its releases and the logs are."""
        disks = self.state["disks"] = {}
        for path in (self.application["state"], wsgi_evidence.CODE_ROOT, wsgi_evidence.LOG_DIRECTORY, "/tmp"):  # noqa: S108
            shares = wsgi_evidence.space(path)
            if shares is None:
                continue
            disks[path] = {"bytes": round(shares[0], 3), "inodes": round(shares[1], 3)}
            for share, what in zip(shares, ("space", "inodes")):
                if share < SCARCE:
                    self.found("disk-full", f"{path} has {100 * share:.1f} % of its {what} left.")

    def look_at_certificates(self) -> None:
        """Days until the certificates of the site expire."""
        known = self.state["certificates"] = {}
        for path in dict.fromkeys(self.site.certificates):
            days = wsgi_evidence.days_left(path)
            if days is None:
                self.unseen.append(f"the certificate {path}")
                continue
            known[path] = round(days, 1)
            if days < 0:
                self.found("certificate-expired", f"{path} has expired {-days:.0f} days ago.")
            elif days < SOON_DAYS:
                self.found("certificate-expires", f"{path} expires in {days:.0f} days.")

    def look_at_deployment(self) -> None:
        """What was deployed last, and a maintenance page."""
        self.state["release"] = os.path.basename(self.deployment.release)
        wrong = wsgi_evidence.deployed(self.name)
        if wrong:
            self.found("changed-by-hand", *wrong)
        mismatch = wsgi_evidence.python_mismatch(self.deployment.venv)
        if mismatch:
            self.found("wrong-python", mismatch)
        page = os.path.join(wsgi_evidence.CODE_ROOT, self.name, "maintenance")
        if os.path.lexists(page):
            self.found("maintenance", f"{page} is there.")

    # ------------------------------------------------------------ stacks

    def stacks(self) -> dict[int, list[str]]:
        """The stacks of the threads of each daemon process. Raises UnreadableError."""
        if not self.site.groups:
            raise wsgi_evidence.UnreadableError(
                f"{self.name} runs inside httpd's own processes (mode: embedded), which have no handler for --stacks"
            )
        deaf = [str(each.process.pid) for each in self.daemons if not each.can_tell]
        if deaf:
            self.unseen.append(
                f"stacks of process {', '.join(deaf)}, which has no handler: it starts, or it is of an earlier "
                "launcher (`systemctl restart apache2`)"
            )
        return {each.process.pid: self.stacks_of(each) for each in self.daemons if each.can_tell}

    def stacks_of(self, daemon: Any) -> list[str]:
        """What one process says of its threads."""
        kind, where = wsgi_evidence.log_target(self.site.error_log)
        began = time.time()
        tail = wsgi_log.LogTail(where)

        def new() -> list[str]:
            if kind == "journal":
                return [line.text for line in wsgi_evidence.journal_lines(where, began, "site")]
            return tail.read()

        if not wsgi_daemon.alive(daemon.process):
            return []
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.process.pid, STACK_SIGNAL)
        deadline = time.monotonic() + STACK_SECONDS
        before: list[str] = []
        while True:
            texts = [wsgi_log.printable(wsgi_log.without_prefix(line)) for line in new()]
            found = [text[:LONGEST_SHOWN] for text in texts if STACK_LINE.match(text)]
            if (found and found == before) or time.monotonic() >= deadline:
                return with_frames(found)
            before = found
            time.sleep(LOOK_SECONDS)


def with_frames(lines: Sequence[str]) -> list[str]:
    """The stacks of those threads that run Python; the others wait for a request."""
    kept: list[str] = []
    for line in lines:
        if line == NO_FRAME:
            kept = kept[:-1]
        else:
            kept.append(line)
    return kept


# ---------------------------------------------------------------- the report


def duration(seconds: float) -> str:
    """A time span in two words."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def share(limits: dict[str, Any], kind: str, size: int) -> str:
    """What there is of memory or tasks and what there may be, in units of a size."""
    now, most = limits[f"{kind}_current"] or 0, limits[f"{kind}_max"]
    return f"{now // size} of {'any' if most is None else most // size}"


def limits_line(limits: dict[str, Any]) -> str:
    """What the application has of its limits."""
    killed = limits["killed"]
    ended = f"; processes that the kernel has ended there since httpd's start: {killed}" if killed else ""
    memory, tasks = share(limits, "memory", 1 << 20), share(limits, "tasks", 1)
    return f"its control group: {memory} MiB of memory, {tasks} processes and threads{ended}"


def overview(look: Examination) -> list[str]:
    """The state in some lines, whether it is well or not."""
    lines = []
    for group in look.site.groups:
        own = [each for each in look.daemons if each.title == group.title]
        processes = sum(each.processes for each in look.site.groups if each.title == group.title)
        queue = look.state.get("queues", {}).get(group.name, {})
        ages = ", ".join(f"{each.process.pid} for {duration(each.seconds)}" for each in own[:8])
        memory = max((each.memory for each in own), default=0) >> 20
        lines.append(
            f"{group.name}: {len(own)} of {processes} processes run ({ages or 'none'}; up to {memory} MiB); "
            f"{queue.get('busy', 0)} of {queue.get('threads', 0)} threads busy, {queue.get('waiting', 0)} requests wait"
        )
    if "limits" in look.state:
        lines.append(limits_line(look.state["limits"]))
    if not look.site.groups and look.site.file:
        lines.append(f"{look.name} runs inside httpd's own processes (mode: embedded)")
    workers = look.state.get("workers")
    if workers:
        lines.append(f"httpd: {workers.get('busy', 0)} workers busy, {workers.get('idle', 0)} idle")
    shares = [share for disk in look.state.get("disks", {}).values() for share in disk.values()]
    if shares:
        lines.append(f"disks: {100 * min(shares):.0f} % free at the least")
    lines += [f"certificate {path}: {days:.0f} days left" for path, days in look.state.get("certificates", {}).items()]
    return lines


def paragraph(label: str, text: str) -> str:
    """A labelled text, wrapped."""
    return textwrap.fill(
        f"{label} {text}", 100, initial_indent="   ", subsequent_indent="     ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def shown(number: int, finding: Finding, application: str) -> list[str]:
    """A finding in lines."""
    diagnosis = finding.diagnosis
    count = len(finding.times)
    often = f": {count} times, last {moment(max(finding.times))}" if count > 1 else ""
    title = diagnosis.title if diagnosis.title.startswith("httpd") else diagnosis.title[0].upper() + diagnosis.title[1:]
    lines = [
        f"{number}. {title}{often}",
        *(f"   {each}" for each in finding.lines),
    ]
    lines += [f"   | {each}" for each in finding.trace]
    for name, times in finding.consequences.items():
        lines.append(paragraph("It explains:", f"{wsgi_diagnoses.BY_NAME[name].title} ({times})"))
    if diagnosis.visitors:
        lines.append(paragraph("Visitors get:", diagnosis.visitors))
    lines.append(paragraph("Why:", named(diagnosis.cause, application)))
    lines.append(paragraph("What to do:", named(diagnosis.remedy, application)))
    lines.append(f"   See: docs/{diagnosis.link}")
    return lines


def report(look: Examination, minutes: float, stacks: dict[int, list[str]] | None) -> str:
    """All of it as text."""
    lines = overview(look)
    for number, finding in enumerate(look.findings, 1):
        lines += ["", *shown(number, finding, look.name)]
    if not look.findings:
        lines += ["", f"Nothing wrong is found in the last {minutes:g} minutes."]
    for pid, stack in (stacks or {}).items():
        lines += ["", f"Stacks of process {pid}:", *(stack or ["no thread of it runs Python: all wait for requests"])]
    lines += ["", *(f"Not looked at: {each}." for each in look.unseen)] if look.unseen else []
    return "\n".join(lines) + "\n"


def as_json(look: Examination, minutes: float, stacks: dict[int, list[str]] | None) -> str:
    """All of it as one object."""
    found = {
        "application": look.name,
        "since_minutes": minutes,
        "findings": [finding.as_json(look.name) for finding in look.findings],
        "state": look.state,
        "not_looked_at": look.unseen,
    }
    if stacks is not None:
        found["stacks"] = stacks
    return json.dumps(found, indent=2) + "\n"


def seconds(text: str) -> float:
    """The value of --hung and --since."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1000000")
    return number


def arguments(words: list[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="wsgi-doctor",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("app", metavar="APP", help="name of the application, as in wsgi_apps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--since", metavar="MINUTES", type=seconds, default=60.0, help="how far back to look (60)")
    parser.add_argument(
        "--hung",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="when all threads are busy, look for so long whether that changes (30; 0: do not)",
    )
    parser.add_argument(
        "--stacks",
        action="store_true",
        help="let the daemon processes write the stacks of their threads, and show them",
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """The command line; the exit status."""
    options = arguments(words)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal without UTF-8

    def say(sentence: str) -> None:
        if sys.stderr.isatty():
            print(sentence, file=sys.stderr)

    try:
        if os.geteuid() != 0:
            raise wsgi_run.RunError("Only root may do this; call it with sudo.")
        look = Examination(options.app, options.since, options.hung, say)
        # First, since the examination may take its time.
        stacks = look.stacks() if options.stacks else None
        look.run()
        text = (as_json if options.json else report)(look, options.since, stacks)
    except wsgi_run.RunError as error:
        print(f"wsgi-doctor: {error}", file=sys.stderr)
        return FAILED
    except wsgi_evidence.UnreadableError as error:
        print(f"wsgi-doctor: {error}.", file=sys.stderr)
        return FAILED
    except Exception:  # Python's own status for it is 1, which means that something is wrong with the application
        traceback.print_exc()
        print("wsgi-doctor: This is a fault of wsgi-doctor; please report it.", file=sys.stderr)
        return FAILED
    sys.stdout.write(text)
    return SOMETHING if look.findings else NOTHING


if __name__ == "__main__":
    sys.exit(main())
