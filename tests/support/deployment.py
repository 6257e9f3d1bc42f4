# SPDX-License-Identifier: Apache-2.0
"""A run of a real playbook, as a rule site.yml, against the scenario's inventory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import breadth
from support.scripts import ROOT

PATIENCE = 600
"""Seconds until a run hangs."""


@dataclass(frozen=True)
class Deployment:
    """How a run ended."""

    status: int
    output: str

    def recap(self, host: str) -> dict[str, int]:
        """The counts of one host: ok, changed, failed..."""
        line = re.search(rf"^{re.escape(host)}\s+:(.*)$", self.output, re.MULTILINE)
        assert line, f"no recap of {host}:\n{self.output}"
        return {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", line[1])}

    def failures(self, host: str) -> list[dict[str, Any]]:
        """What each task, or item of a loop, that failed on one host has returned, in their order."""
        begins = re.compile(rf"^(?:fatal|failed): \[{re.escape(host)}(?: -> [^\]]+)?\].*? => (?={{)", re.MULTILINE)
        decode = json.JSONDecoder().raw_decode
        return [decode(self.output, found.end())[0] for found in begins.finditer(self.output)]

    def about(self, host: str) -> str:
        """The lines of the output that name one host, each below its task."""
        named = re.compile(rf"[a-z]+: \[{re.escape(host)}[ \]]|{re.escape(host)}\s+:")
        lines: list[str] = []
        heading = ""
        for line in self.output.splitlines():
            if line.startswith(("PLAY ", "TASK ", "RUNNING HANDLER ")):
                heading = line
            elif named.match(line):
                lines += [heading, line] if heading else [line]
                heading = ""
        return "\n".join(lines)

    @property
    def message(self) -> str:
        """The output with the quotes of its JSON undone, so that a sentence reads as the user sees it."""
        return self.output.replace('\\"', '"')


def deploy(
    *arguments: str, variables: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Deployment:
    """Run site.yml on the scenario's hosts; the variables win over the inventory's, and may hold templates."""
    return play("site.yml", *arguments, variables=variables, environment=environment)


def play(
    playbook: str,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Deployment:
    """Run a playbook on the scenario's hosts; the variables win over the inventory's, and may hold templates."""
    with begun(playbook, *arguments, variables=variables, environment=environment) as running:
        return ended(running)


@contextmanager
def begun(
    playbook: str,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Begin to run a playbook, as the leader of a process group of its own; with these environment variables, too."""
    # The scenario's own hosts and variables, and how the lab reaches them.
    inventories = breadth.inventories(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]))
    inventories.append(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory")
    more = environment or {}
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="extra-vars-") as file:
        json.dump(variables or {}, file)
        file.flush()
        command = ["ansible-playbook", playbook, "--extra-vars", f"@{file.name}", *arguments]
        for inventory in inventories:
            command += ["--inventory", str(inventory)]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            # JSON: a sentence stays on one line.
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as running:
            yield running


def ended(running: subprocess.Popen[str]) -> Deployment:
    """Wait for the end of a run."""
    try:
        output, _ = running.communicate(timeout=PATIENCE)
    except BaseException:
        os.killpg(running.pid, signal.SIGKILL)
        raise
    return Deployment(running.returncode, output)


def failures_of(host: str, *tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each of these tasks returns that fails, done one after the other on a host of the scenario.

    For what a module decides alone; each costs about a tenth of a run of site.yml.
    """
    play_of_tasks = {
        "name": "Call modules",
        "hosts": host,
        "gather_facts": False,
        "ignore_errors": True,
        "tasks": [{"name": f"Task {number}", **task} for number, task in enumerate(tasks, start=1)],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="play-") as file:
        json.dump([play_of_tasks], file)
        file.flush()
        return play(file.name).failures(host)
