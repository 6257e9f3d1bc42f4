#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the deployment of the examples to a host of its own: cold, without a change, and with one changed file.

A copy of this clone is deployed, so that the changed file is not the clone's; the host and the copy are removed again.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / ".lab/venv/bin"

HOST = "modwsgi-bench"
INVENTORY = f"wsgi:\n  hosts:\n    {HOST}:\n      ansible_connection: community.docker.docker\n"
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


def main() -> int:
    """Measures, and prints a table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory(prefix="modwsgi-bench-") as folder:
        clone = Path(folder) / "clone"
        copy_clone(clone)
        # As a host of this clone `make clean` finds it, should the benchmark be killed.
        play(clone, "molecule/shared/create.yml", "--extra-vars", f"lab_repository={ROOT}")
        try:
            print(table([measure(clone, name) for name in ("cold", "no change", "one file changed")]))
        finally:
            play(clone, "molecule/shared/destroy.yml")
    return 0


def copy_clone(target: Path) -> None:
    """Copies what is, or would be, under version control; the lab is shared, and the inventory has another host."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if os.path.lexists(ROOT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    (target / ".lab").symlink_to(ROOT / ".lab")
    (target / "inventory/local/hosts.yml").write_text(INVENTORY, encoding="utf-8")


def play(clone: Path, playbook: str, *arguments: str) -> str:
    """Runs a playbook, and ends the benchmark when it fails."""
    command = [str(PROGRAMS / "ansible-playbook"), "--inventory", "inventory/local", *arguments, playbook]
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
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
    began = time.monotonic()
    # The host compiles for itself, so no wheel of an earlier run makes the cold run a warm one.
    output = play(clone, "site.yml", "--extra-vars", "mod_wsgi_build_on=each")
    seconds = time.monotonic() - began
    return Measurement(name, seconds, *recap(output))


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


if __name__ == "__main__":
    sys.exit(main())
