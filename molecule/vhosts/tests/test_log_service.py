# SPDX-License-Identifier: Apache-2.0
"""Wherever the logs go: systemd knows httpd, ends it without force and in the same time, and no line is lost."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_logs import JOURNAL, target
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

LOGS = "/var/log/apache2"
PID_FILE = "/run/apache2/apache2.pid"
PIPED = re.compile(r'"\|\S+ -I \S+ (access|error) json (/\S+)"')
LAST_WORDS = "the last words of a process"

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
    """The server, and the requests that its log has to have."""

    def __init__(self, machine: ManagedHost, written: Callable[[], str]) -> None:
        self.machine, self.written = machine, written
        self.site = Site(machine.address(), "plain.example")
        self.site.session.headers["Connection"] = "close"  # a stop waits for idle clients, too
        self.marks = (f"/mark-{time.time_ns()}-{number}" for number in itertools.count())

    def asked(self) -> str:
        """Ask once, as soon as it answers; the path, which no request had before."""
        self.site.wait_until_it_answers()
        mark = next(self.marks)
        assert self.site.get(mark).status_code == 200
        return mark

    def act(self, step: str) -> float:
        """Do it right after a request, of which the line has to be there.

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
        wait_for(lambda: mark in self.written(), f"the request before the {step} is in the log")
        waited: float = done["waited"]
        return waited


@pytest.mark.parametrize("destination", ["files", "journal"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_systemd_knows_httpd_and_no_line_is_lost(
    machine: ManagedHost, configuration: dict[str, str], form: str, destination: str
) -> None:
    logging = {"format": form, "destination": destination}
    argument = lambda match: json.dumps(target(logging, match[1], match[2]))  # noqa: E731
    began = machine.run("date", "+@%s.%N").strip()
    machine.python(SERVE, json.dumps({name: PIPED.sub(argument, text) for name, text in configuration.items()}))

    def journal(word: str) -> str:
        return machine.run("sh", "-c", f"journalctl --sync; journalctl --no-pager --output=cat --since={began} {word}")

    def written(name: str = "plain-access") -> str:
        if destination == JOURNAL:
            return journal(f"--identifier=httpd-{name}")
        return machine.run("cat", f"{LOGS}/{name}.log")

    served = Served(machine, written)
    served.act("reload")
    seen = {"restart": served.act("restart")}
    last_words = written("plain-error").count(LAST_WORDS)
    seen["stop"] = served.act("stop")
    assert written("plain-error").count(LAST_WORDS) == last_words + 1, "a process says it at its end"
    assert not machine.httpd_processes()
    assert not machine.processes("log_writer.py")

    said = journal("--unit=apache2")
    assert "Killing process" not in said
    assert "timed out" not in said
    machine.run("systemctl", "start", "apache2")
    if (form, destination) == ("text", "files"):
        text_seconds.update(seen)
    print(logging, {step: f"{seconds:.3f} s" for step, seconds in seen.items()})
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
    wait_for(lambda: mark in written(), "the request before the crash is in the log")
    assert "nclean shutdown" not in written("error")


def main_process(machine: ManagedHost) -> str:
    """The number of httpd, as systemd knows it."""
    return machine.run("systemctl", "show", "--value", "--property=MainPID", "apache2").strip()
