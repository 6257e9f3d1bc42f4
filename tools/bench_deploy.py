#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the deployment of the examples to hosts of its own: cold, without a change, and with one changed file.

It tells the seconds of each run, and for the run without a change where they go. Several hosts begin with httpd and
mod_wsgi, so that their cold run is that of the applications. A copy of this clone is deployed, so that the changed file
is not the clone's; the hosts and the copy are removed again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / ".lab/venv/bin"

HOST = "modwsgi-bench"
NO_CHANGE = "no change"
#: How many of the tasks that take longest are told.
SLOWEST = 10
#: The file that the third run changes: code of the Django example.
CHANGED_FILE = Path("examples/django/guestbook/views.py")


@dataclass(frozen=True)
class Measurement:
    """One run of site.yml."""

    name: str
    #: Wall clock of the whole command.
    seconds: float
    tasks: int
    changed: int
    #: Seconds by the name of a task; with several hosts, those of the slowest.
    spent: Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1, help="on how many hosts (default: 1)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="modwsgi-bench-") as folder:
        clone = Path(folder) / "clone"
        copy_clone(clone)
        (clone / "inventory/local/hosts.yml").write_text(inventory(options.hosts), encoding="utf-8")
        # As a host of this clone `make clean` finds it, should the benchmark be killed.
        play(clone, "molecule/shared/create.yml", "--extra-vars", f"lab_repository={ROOT}")
        try:
            measured = [measure(clone, name) for name in ("cold", NO_CHANGE, "one file changed")]
            print(table(measured), *(where(one) for one in measured if one.name == NO_CHANGE), sep="\n\n")
        finally:
            play(clone, "molecule/shared/destroy.yml")
    return 0


def inventory(hosts: int) -> str:
    """As many hosts; several begin with httpd and the module, which each would compile for minutes on these cores."""
    names = [HOST, *(f"{HOST}-{number}" for number in range(2, hosts + 1))]
    lines = [f"    {name}:\n      ansible_connection: community.docker.docker\n" for name in names]
    return "".join(["wsgi:\n  hosts:\n", *lines, *(["  vars:\n    lab_mod_wsgi: true\n"] if hosts > 1 else [])])


def copy_clone(target: Path) -> None:
    """Copies what is, or would be, under version control; the lab is shared."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if os.path.lexists(ROOT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    (target / ".lab").symlink_to(ROOT / ".lab")


def play(clone: Path, playbook: str, *arguments: str, report: Path | None = None) -> str:
    """Runs a playbook, and ends the benchmark when it fails. Ansible says in a report how long each task took."""
    command = [str(PROGRAMS / "ansible-playbook"), "--inventory", "inventory/local", *arguments, playbook]
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
    if report:
        environment |= {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit", "JUNIT_OUTPUT_DIR": str(report)}
        environment["JUNIT_HIDE_TASK_ARGUMENTS"] = "true"
    done = subprocess.run(
        command, cwd=clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}\nbench-deploy: {playbook} failed; it says why above.")
    return done.stdout


def measure(clone: Path, name: str) -> Measurement:
    """Deploys once."""
    if name == "one file changed":
        with (clone / CHANGED_FILE).open("a", encoding="utf-8") as file:
            file.write("# Changed by the benchmark.\n")
    with tempfile.TemporaryDirectory(prefix="modwsgi-bench-") as report:
        began = time.monotonic()
        # The host compiles for itself, so no wheel of an earlier run makes the cold run a warm one.
        output = play(clone, "site.yml", "--extra-vars", "mod_wsgi_build_on=each", report=Path(report))
        seconds = time.monotonic() - began
        return Measurement(name, seconds, *recap(output), spent(Path(report)))


def spent(report: Path) -> dict[str, float]:
    """Seconds by the name of a task, out of Ansible's report."""
    found: dict[str, float] = defaultdict(float)
    for file in report.glob("*.xml"):
        # What our own Ansible has written is no hostile XML.
        for case in ET.parse(file).getroot().iter("testcase"):  # noqa: S314
            # "[host] play: role : task"
            name = case.get("name", "").partition("] ")[2].partition(": ")[2]
            found[name] = max(found[name], float(case.get("time", "0")))
    return dict(found)


def recap(output: str) -> tuple[int, int]:
    """How many tasks ran, and how many changed something."""
    line = re.search(rf"^{HOST}\s+: ok=(\d+)\s+changed=(\d+)", output, re.MULTILINE)
    if not line:
        raise SystemExit(f"{output}\nbench-deploy: the play did not reach {HOST}.")
    return int(line[1]), int(line[2])


def table(measurements: list[Measurement]) -> str:
    """The measurements as a Markdown table."""
    rows = [f"| {m.name} | {m.seconds:.1f} | {m.tasks} | {m.changed} |" for m in measurements]
    return "\n".join(["| run | seconds | tasks | changed |", "|-|-|-|-|", *rows])


def where(measurement: Measurement) -> str:
    """Where the seconds of a run went, as a Markdown table."""
    ordered = sorted(measurement.spent.items(), key=lambda item: -item[1])
    rows = [f"| {name} | {seconds:.1f} |" for name, seconds in ordered[:SLOWEST]]
    rest = sum(seconds for _, seconds in ordered[SLOWEST:])
    rows.append(f"| {len(ordered[SLOWEST:])} further tasks | {rest:.1f} |")
    rows.append(f"| Ansible itself | {measurement.seconds - sum(measurement.spent.values()):.1f} |")
    return "\n".join([f"| {measurement.name}: task | seconds |", "|-|-|", *rows])


if __name__ == "__main__":
    sys.exit(main())
