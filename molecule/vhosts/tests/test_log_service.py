# SPDX-License-Identifier: Apache-2.0
"""Wherever the logs go: systemd knows httpd, ends it without force and in the same time, and no line is lost."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.logs import FILES, JOURNAL, JSON, TEXT, target
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

LOGS = "/var/log/apache2"
PID_FILE = "/run/apache2/apache2.pid"
PIPED = re.compile(r'"\|\S+ -I \S+ (access|error) json (/\S+)"')
LAST_WORDS = "the last words of a process"
OWN_LAST_WORDS = "caught SIGTERM, shutting down"

Logging = dict[str, str]
TEXT_IN_FILES: Logging = {"format": TEXT, "destination": FILES}
JSON_IN_JOURNAL: Logging = {"format": JSON, "destination": JOURNAL}
WAYS: dict[str, dict[str, Logging]] = {
    "text in files": {},
    "programs": {
        "plain": {"format": JSON, "destination": FILES},
        "shop": {"format": TEXT, "destination": JOURNAL},
        "guestbook": JSON_IN_JOURNAL,
        "": JSON_IN_JOURNAL,
    },
}
"""By site, how its logs are written, where that differs from text in files; "" is the server itself."""
SITES = ("plain", "shop", "guestbook")

# Prints the files of the configuration that name a log, with their content.
READ = """
import json, pathlib
files = [file.resolve() for file in pathlib.Path("/etc/apache2").glob("*-enabled/*.conf")]
print(json.dumps({str(file): file.read_text() for file in files if "log_writer.py" in file.read_text()}))
"""
SERVE = """
import json, pathlib, subprocess, sys
for name, content in json.loads(sys.argv[1]).items():
    pathlib.Path(name).write_text(content)
subprocess.run(["systemctl", "reset-failed", "apache2"], check=True)
subprocess.run(["systemctl", "restart", "apache2"], check=True)
print("null")
"""

# Does a step of the service. Prints its status, what systemd says of httpd before and after it, httpd's number, and,
# where httpd ends, the longest time in which no process ended that serves. Such a process needs a moment to end; what
# is beyond it is a wait for the logs.
ACT = f"""
import json, os, pathlib, subprocess, sys, time

def known():
    shown = subprocess.run(
        ["systemctl", "show", "apache2",
         "--property=MainPID,Result,ActiveState,NRestarts,InactiveEnterTimestampMonotonic"],
        check=True, capture_output=True, text=True,
    ).stdout
    return dict(line.split("=", 1) for line in shown.splitlines())

def serving(parent):
    '''The children of this httpd that run and are no programs for its logs.'''
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, above = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            if above == parent and state != "Z" and b"log_writer.py" not in (process / "cmdline").read_bytes():
                found.add(process.name)
        except OSError:
            continue  # it has ended
    return found

subprocess.run(["systemctl", "reset-failed", "apache2"], check=True)  # the limit of starts is not what is asked here
before, began = known(), time.monotonic()
step = subprocess.Popen(["systemctl", sys.argv[1], "apache2"])
ends, last = [began], serving(before["MainPID"])
while sys.argv[1] != "reload" and os.path.exists("/proc/" + before["MainPID"]):
    now = serving(before["MainPID"])
    if last - now:
        ends.append(time.monotonic())
    last = now
    time.sleep(0.02)
status = step.wait()
number = open({PID_FILE!r}).read().strip() if os.path.exists({PID_FILE!r}) else "0"
after = known()
ends.append(int(after["InactiveEnterTimestampMonotonic"]) / 1e6)
print(json.dumps({{
    "status": status, "waited": max(later - end for end, later in zip(ends, ends[1:])),
    "before": before, "after": after, "number": number,
}}))
"""

BEYOND_TEXT = 2.0
"""Seconds. httpd waits for 3 s, for each group of its logs, where a program does not end by itself."""
text_seconds: dict[str, float] = {}
"""What each step waits with text in files, where no program is: the first case."""


@pytest.fixture(name="configuration", scope="module")
def fixture_configuration(machine: ManagedHost) -> Iterator[dict[str, str]]:
    """The files that name logs. They are put back, and so is the server."""
    files = machine.python(READ)
    assert len(PIPED.findall("".join(files.values()))) >= 4, "the server and its sites have logs in JSON"
    yield files
    machine.run("systemctl", "stop", "apache2")
    machine.run("sh", "-c", f"truncate --size=0 {LOGS}/*.log")  # other tests want nothing but JSON there
    machine.python(SERVE, json.dumps(files))
    Site(machine.address(), "plain.example").wait_until_it_answers()


class Served:
    """The server, and the requests that its logs have to have."""

    def __init__(self, machine: ManagedHost, way: dict[str, Logging]) -> None:
        self.machine, self.way = machine, way
        self.sites = {name: Site(machine.address(), f"{name}.example") for name in SITES}
        for site in self.sites.values():
            site.session.headers["Connection"] = "close"  # a stop waits for idle clients, too
        self.marks = (f"/mark-{time.time_ns()}-{number}" for number in itertools.count())
        self.began = machine.run("date", "+@%s.%N").strip()

    def logging(self, name: str) -> Logging:
        """How a log is written, by the name of its file."""
        site, _, _ = name.rpartition("-")
        return self.way.get(site, TEXT_IN_FILES)

    def journal(self, word: str) -> str:
        """What the journal has since the beginning."""
        asked = f"journalctl --sync; journalctl --no-pager --output=cat --since={self.began} {word}"
        return self.machine.run("sh", "-c", asked)

    def written(self, name: str) -> str:
        """The content of a log."""
        if self.logging(name)["destination"] == JOURNAL:
            return self.journal(f"--identifier=httpd-{name}")
        return self.machine.run("cat", f"{LOGS}/{name}.log")

    def last_words(self) -> dict[str, int]:
        """How often a process of each site has said its own, and the server."""
        said = {name: self.written(f"{name}-error").count(LAST_WORDS) for name in SITES}
        return {**said, "": self.written("error").count(OWN_LAST_WORDS)}

    def asked(self) -> str:
        """Ask each site once, as soon as the server answers; the path, which no request had before."""
        self.sites["plain"].wait_until_it_answers()
        mark = next(self.marks)
        # Those over TLS have a redirect here, which is in the same log.
        found = {name: site.get(mark, allow_redirects=False).status_code for name, site in self.sites.items()}
        assert found == {"plain": 200, "shop": 308, "guestbook": 308}
        return mark

    def wait_for_line(self, mark: str, before: str) -> None:
        """Return when the log of each site has the request."""
        for name in SITES:
            wait_for(lambda: mark in self.written(f"{name}-access"), f"{name}'s request before {before} is in the log")  # noqa: B023

    def act(self, step: str) -> float:
        """Do it right after requests, of which the lines have to be there.

        The longest time, in seconds, that its stop waited for a process to end.
        """
        mark = self.asked()
        done = self.machine.python(ACT, step)
        after = done["after"]
        expected = ("0", "inactive") if step == "stop" else (done["number"], "active")
        assert (after["MainPID"], after["ActiveState"], after["Result"]) == (*expected, "success"), step
        assert after["NRestarts"] == done["before"]["NRestarts"], step
        assert (after["MainPID"] == done["before"]["MainPID"]) == (step == "reload")
        assert done["status"] == 0, step
        self.wait_for_line(mark, f"the {step}")
        waited: float = done["waited"]
        return waited


@pytest.mark.parametrize("way", WAYS)
def test_systemd_knows_httpd_and_no_line_is_lost(machine: ManagedHost, configuration: dict[str, str], way: str) -> None:
    served = Served(machine, WAYS[way])

    def argument(match: re.Match[str]) -> str:
        name = match[2].rpartition("/")[2].removesuffix(".log")
        return json.dumps(target(served.logging(name), match[1], match[2], instance("apache2")))

    machine.python(SERVE, json.dumps({name: PIPED.sub(argument, text) for name, text in configuration.items()}))
    served.act("reload")
    seen = {"restart": served.act("restart")}
    before = served.last_words()
    seen["stop"] = served.act("stop")
    after = served.last_words()
    # Two of the shop's; of the guestbook the application under its path says something.
    assert {name: after[name] - before[name] for name in after} == {"plain": 1, "shop": 2, "guestbook": 1, "": 1}
    assert not machine.httpd_processes()
    assert not machine.processes("log_writer.py")

    said = served.journal("--unit=apache2")
    assert "Killing process" not in said
    assert "timed out" not in said
    machine.run("systemctl", "start", "apache2")
    if not WAYS[way]:
        text_seconds.update(seen)
    print(way, {step: f"{seconds:.3f} s" for step, seconds in seen.items()})
    assert text_seconds, "text in files comes first"
    assert all(seconds < text_seconds[step] + BEYOND_TEXT for step, seconds in seen.items()), (seen, text_seconds)

    mark = served.asked()
    orphans = {process.pid for process in machine.httpd_processes()}
    crashed = machine.run("cat", PID_FILE).strip()
    machine.run("kill", "-KILL", crashed)
    wait_for(
        lambda: main_process(machine) not in ("0", crashed),
        "systemd has noticed the crash, and started httpd again",
    )
    served.asked()
    assert main_process(machine) == machine.run("cat", PID_FILE).strip()
    assert not orphans & {process.pid for process in machine.processes()}, "no process of the crashed httpd serves"
    served.wait_for_line(mark, "the crash")
    assert "nclean shutdown" not in served.written("error")


def main_process(machine: ManagedHost) -> str:
    """The number of httpd, as systemd knows it."""
    return machine.run("systemctl", "show", "--value", "--property=MainPID", "apache2").strip()
