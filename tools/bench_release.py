#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the switch to another release and the way back, under load, beside gunicorn's HUP behind nginx.

One host container of its own has all, with the same application and the same Python: ours on port 80, once for each
strategy, nginx with gunicorn on 8081. A client on this machine asks 40 times a second, whatever comes back, and every
other request takes a second. Each round measures all cases one after the other, so that a busy machine is busy for all
of them.

`--write` puts the table into docs/performance.md. The host is removed again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.visitor import Answer, Visitor, longest_gap, visiting  # noqa: E402

PROGRAMS = ROOT / ".lab/venv/bin"
PAGE = Path("docs/performance.md")
BEGIN = "<!-- From tools/bench_release.py --write: begin. -->"
END = "<!-- From tools/bench_release.py: end. -->"

HOST = "modwsgi-bench-release"
STRATEGIES = ("rolling", "blue_green")
"""Each has an application of its own, of this name but for the _."""
NAME = "rolling"
"""The one whose releases, account and virtual environment gunicorn has, too."""
GUNICORN = "gunicorn==27.0.1"
PROCESSES, THREADS, GRACEFUL = 2, 15, 15
OURS, GUNICORNS = 80, 8081

PAUSE = 0.025
"""Seconds between the begins of two requests."""
SLOW = 1.0
"""Seconds that every other request takes."""
BEFORE, AFTER = 2.0, 2.0
"""Seconds of load before a switch, and without an answer of the old release at its end."""
LONGEST = 120.0
"""Seconds in which a switch has to be over."""
HANGS = 1800.0
"""Seconds after which a command is given up."""

APPLICATION = """import os, time
HERE = os.path.dirname(__file__)
with open(os.path.join(HERE, "version")) as file:
    VERSION = file.read().encode()
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(SLOW)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(VERSION)))])
    return [VERSION]
""".replace("SLOW", str(SLOW))

NGINX = f"""upstream gunicorn {{ server unix:/run/bench/socket; }}
server {{
    listen {GUNICORNS};
    location / {{ proxy_pass http://gunicorn; proxy_set_header Host $host; }}
}}
"""


class Target(NamedTuple):
    """Whom a client asks."""

    address: str
    port: int
    host: str


@dataclass(frozen=True)
class Switch:
    """What a switch was to visitors; times in seconds."""

    case: str
    requests: int
    lost: int
    command: float
    """How long the command took."""
    first: float
    """From the command to the first answer of the other release."""
    both: float
    """From then until the last request was accepted that the former one has answered."""
    gap: float
    """The longest time between two answers, from the command on."""
    slowest: float
    """The longest time that a request took beyond what it has to."""
    problems: tuple[str, ...] = ()
    """Why requests were lost."""


def judged(case: str, answers: Sequence[Answer], told: float, command: float, wanted: str) -> Switch:
    """What a client has seen of a switch that was commanded at ``told``. ``wanted`` is what the other release answers.

    Raises ValueError where that has never answered.
    """
    answered = sorted((answer for answer in answers if not answer.problem), key=lambda answer: answer.ended)
    new = [answer.ended for answer in answered if answer.text == wanted and answer.ended >= told]
    if not new:
        raise ValueError(f"{case}: the other release never answered")
    old = [answer.begun for answer in answered if answer.text != wanted]
    return Switch(
        case,
        len(answers),
        len(answers) - len(answered),
        command,
        new[0] - told,
        max(0.0, max(old, default=0.0) - new[0]),
        longest_gap(answers, told),
        max(answer.ended - answer.begun for answer in answered) - SLOW,
        tuple(sorted(answer.problem for answer in answers if answer.problem)),
    )


def under_load(case: str, target: Target, command: Callable[[], None], wanted: str) -> Switch:
    """Command a switch while clients ask."""
    client = Visitor(target.address, {target.host: b""}, ("/", "/slow"), PAUSE, target.port)
    with visiting(client):
        time.sleep(BEFORE)
        told = time.monotonic()
        command()
        took = time.monotonic() - told
        while time.monotonic() - told < LONGEST:
            last = max((each.ended for each in list(client.answers) if each.text != wanted), default=0.0)
            if time.monotonic() - max(last, told + took) > AFTER:
                break
            time.sleep(PAUSE)
    return judged(case, client.answers, told, took, wanted)


# ---------------------------------------------------------------- the host


def run(*command: str, text: str = "") -> str:
    """What a command prints; ends the benchmark when it fails."""
    try:
        done = subprocess.run(
            command, input=text, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=HANGS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"bench-release: {' '.join(command)} did not end within {HANGS:g} s.") from None
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}\nbench-release: {' '.join(command)} failed; it says why above.")
    return done.stdout


def environment() -> dict[str, str]:
    """With the programs of the lab."""
    return {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}


class Host:
    """The host container, with both servers."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.inventory = folder / "hosts.json"
        self.application = folder / "application"
        self.application.mkdir()
        (self.application / "wsgi.py").write_text(APPLICATION, encoding="utf-8")
        (self.application / "requirements.txt").write_text(f"{GUNICORN}\n", encoding="utf-8")
        host = {"ansible_connection": "community.docker.docker", "lab_mod_wsgi": True}
        applications = [
            {
                "name": strategy.replace("_", "-"),
                "source": {"directory": str(self.application)},
                "requirements": "requirements.txt",
                "server_name": f"{strategy.replace('_', '-')}.example",
                "processes": PROCESSES,
                "threads": THREADS,
                "graceful_timeout": GRACEFUL,
                "health": {"path": "/"},
                "releases": {"strategy": strategy},
            }
            for strategy in STRATEGIES
        ]
        variables = {"mod_wsgi_python": "3.11", "mod_wsgi_build_on": "each", "wsgi_apps": applications}
        self.inventory.write_text(json.dumps({"wsgi": {"hosts": {name: host}, "vars": variables}}), encoding="utf-8")

    def play(self, playbook: str) -> None:
        """Run a playbook on it."""
        run("ansible-playbook", "--inventory", str(self.inventory), "--extra-vars", f"lab_repository={ROOT}", playbook)

    def inside(self, *command: str, text: str = "") -> str:
        """What a command on it prints."""
        return run("docker", "exec", "--interactive", self.name, *command, text=text)

    def release(self, version: str) -> str:
        """Deploy a release; its name."""
        (self.application / "version").write_text(version, encoding="utf-8")
        self.play("site.yml")
        return str(json.loads(self.inside("wsgi-release", "--json", NAME, "status"))["release"])

    @property
    def address(self) -> str:
        """Where it is."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return run("docker", "inspect", "--format", template, self.name).strip()

    def start_gunicorn(self, release: str) -> None:
        """Start nginx and gunicorn beside ours."""
        self.inside("apt-get", "update")
        self.inside("apt-get", "install", "--yes", "--no-install-recommends", "nginx-light")
        self.inside("rm", "-f", "/etc/nginx/sites-enabled/default")
        self.inside("tee", "/etc/nginx/conf.d/bench.conf", text=NGINX)
        self.lead_to(release)
        self.inside("systemctl", "restart", "nginx")
        user = f"wsgi-{NAME}"
        options = ["--unit=bench-gunicorn", f"--uid={user}", f"--gid={user}", "-p", "RuntimeDirectory=bench"]
        sizes = ["--workers", str(PROCESSES), "--threads", str(THREADS), "--graceful-timeout", str(GRACEFUL)]
        place = ["--pythonpath", "/opt/bench", "--umask", "0", "--bind", "unix:/run/bench/socket"]
        program = f"/srv/wsgi/{NAME}/venv/bin/gunicorn"
        self.inside("systemd-run", *options, program, "--worker-class", "gthread", *sizes, *place, "wsgi:application")

    def lead_to(self, release: str) -> None:
        """Let gunicorn's link lead to a release of ours, at once."""
        self.inside("ln", "-sfn", f"/srv/wsgi/{NAME}/releases/{release}", "/opt/bench.new")
        self.inside("mv", "-T", "/opt/bench.new", "/opt/bench")

    def hup(self, release: str) -> None:
        """Switch gunicorn."""
        self.lead_to(release)
        self.inside("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "bench-gunicorn")

    def switch(self, strategy: str, release: str) -> None:
        """Switch ours."""
        self.inside("wsgi-release", strategy.replace("_", "-"), "rollback", release)

    def versions(self) -> str:
        """What has been measured."""
        status = "${Version}"
        httpd, nginx = (
            self.inside("dpkg-query", "-W", "-f", status, package).partition("-")[0]
            for package in ("apache2", "nginx-light")
        )
        facts = json.loads(self.inside("cat", "/etc/ansible/facts.d/mod_wsgi.fact"))
        python = self.inside("python3", "--version").split()[1]
        debian = self.inside("cat", "/etc/debian_version").strip()
        return (
            f"Debian {debian}, Python {python}, Apache {httpd}, mod_wsgi {facts['version']}, nginx {nginx}, "
            f"{GUNICORN.replace('==', ' ')}"
        )


def measure(host: Host, rounds: int, say: Callable[[str], None]) -> list[Switch]:
    """All cases, as often as there are rounds, side by side."""
    # The same source, so the releases of all applications have the same names.
    one, two = host.release("one"), host.release("two")
    for strategy in STRATEGIES:
        host.switch(strategy, one)
    host.start_gunicorn(one)
    address, found = host.address, []
    servers: list[tuple[str, Target, Callable[[str], None]]] = [
        *(
            (strategy, Target(address, OURS, f"{strategy.replace('_', '-')}.example"), partial(host.switch, strategy))
            for strategy in STRATEGIES
        ),
        ("gunicorn", Target(address, GUNICORNS, "gunicorn.example"), host.hup),
    ]
    for number in range(rounds):
        for case, release, version in (("switch", two, "two"), ("way back", one, "one")):
            for server, target, command in servers:
                found.append(under_load(f"{server}: {case}", target, partial(command, release), version))
                say(f"{number + 1}/{rounds} {found[-1]}")
    return found


# ---------------------------------------------------------------- the table

NAMES = {
    "blue_green: switch": "**ours**, `blue_green`: to another release",
    "rolling: switch": "**ours**, `rolling`: to another release",
    "gunicorn: switch": "nginx and gunicorn: HUP",
    "blue_green: way back": "**ours**, `blue_green`: back",
    "rolling: way back": "**ours**, `rolling`: back",
    "gunicorn: way back": "nginx and gunicorn: HUP, back",
}


def table(switches: Sequence[Switch]) -> Iterator[str]:
    """A row for each case: the median of its rounds, and the worst of what visitors notice."""
    yield "| | requests lost | longest gap between two answers | first new answer after | both answer for | command |"
    yield "|---|---|---|---|---|---|"
    for case, name in NAMES.items():
        of_case = [each for each in switches if each.case == case]
        lost, requests = sum(each.lost for each in of_case), sum(each.requests for each in of_case)
        gap, worst = median(each.gap for each in of_case), max(each.gap for each in of_case)
        first, both, command = (median(getattr(each, key) for each in of_case) for key in ("first", "both", "command"))
        yield (
            f"| {name} | {lost} of {requests:,} | {gap:.2f} s (worst {worst:.2f}) | {first:.1f} s | {both:.1f} s | "
            f"{command:.1f} s |"
        )


def report(switches: Sequence[Switch], rounds: int, versions: str, day: dt.date) -> str:
    """The table with what it holds for."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        [
            f"Measured on {day.isoformat()}, {rounds} rounds, {os.cpu_count()} cores, {memory:.0f} GiB of memory:",
            f"{versions}.",
            "",
            *table(switches),
        ]
    )


def page(text: str, part: str) -> str:
    """The text of the page with the part between the marks renewed. Raises ValueError when they are not there."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{PAGE} lacks the marks {BEGIN!r} and {END!r}; put them there")
    return "\n".join([before + BEGIN, "", part, "", END + after])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the table, and writes it where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--host", default=HOST, help=f"name of the container (default: {HOST})")
    parser.add_argument("--write", action="store_true", help=f"write the table of {PAGE}")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="modwsgi-bench-") as folder:
        host = Host(options.host, Path(folder))
        host.play("molecule/shared/create.yml")
        try:
            found = measure(host, options.rounds, lambda line: print(line, file=sys.stderr, flush=True))
            part = report(found, options.rounds, host.versions(), dt.datetime.now(dt.UTC).date())
        finally:
            host.play("molecule/shared/destroy.yml")
    print(part)
    if options.write:
        file = ROOT / PAGE
        file.write_text(page(file.read_text(encoding="utf-8"), part), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
