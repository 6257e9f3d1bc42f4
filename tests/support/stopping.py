# SPDX-License-Identifier: Apache-2.0
"""Stop an Ansible module on a host at a given moment, so that the test can kill it there, or let it go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from support.deployment import PATIENCE, Deployment, begun, ended
from support.managed_host import ManagedHost
from support.waiting import wait_for

FOLDER = "/opt/stopping"
PYTHON = f"{FOLDER}/python"
PLAN = f"{FOLDER}/plan.json"
STOPPED = "/run/stopped"
KEEPING = {"ANSIBLE_KEEP_REMOTE_FILES": "1"}
"""Ansible's variable for a run that leaves its modules on the host, with their arguments."""
LEFT = "/root/.ansible/tmp"
"""Where it leaves them."""

INTERPRETER = f"""#!/bin/sh
PYTHONPATH={FOLDER} exec /usr/bin/python3 "$@"
"""

# Python imports it by itself. The audit events (PEP 578) come before what they name is done.
HOOK = f"""
import json, os, signal, sys

with open({PLAN!r}) as file:
    plan = json.load(file)

def audit(event, arguments):
    if event == plan["event"] and plan["part"] in " ".join(map(str, arguments)):
        plan["count"] -= 1
        if plan["count"] == 0:
            with open({STOPPED!r}, "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(audit)
"""


@dataclass(frozen=True)
class Moment:
    """Just before the n-th time that a module does something."""

    name: str
    event: str
    """What Python calls it."""
    part: str
    """Of its arguments, one after the other."""
    count: int = 1


@dataclass(frozen=True)
class Stopped:
    """A piece of work of which one module stands still."""

    machine: ManagedHost
    running: subprocess.Popen[str]
    pid: str
    """Of the module, on the host."""

    def kill_everything(self) -> None:
        """The play and the module, as a power cut does."""
        found = subprocess.run(
            ["pgrep", "--parent", str(self.running.pid)], capture_output=True, text=True, check=False
        )
        # Ansible's workers lead sessions of their own.
        for leader in (self.running.pid, *map(int, found.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
        self.running.wait()
        self._kill("KILL")

    def kill_module(self) -> Deployment:
        """The module alone; how the play ends then."""
        self._kill("KILL")
        return ended(self.running)

    def go_on(self) -> Deployment:
        """Nothing; how the play ends."""
        self._kill("CONT")
        return ended(self.running)

    def _kill(self, name: str) -> None:
        self.machine.run("kill", f"-{name}", self.pid)


Begin = Callable[[str], AbstractContextManager["subprocess.Popen[str]"]]
"""Begins a piece of work, of which a module runs on the host by an interpreter."""


def a_run(variables: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Begin:
    """A run of site.yml."""

    def begin(interpreter: str) -> AbstractContextManager[subprocess.Popen[str]]:
        own = {**variables, "ansible_python_interpreter": interpreter}
        return begun("site.yml", variables=own, environment=environment)

    return begin


@dataclass(frozen=True)
class Call:
    """A module with all that a run of a play has given it: to be called again without the play."""

    machine: ManagedHost
    program: str
    """What Ansible has sent to the host."""

    def perform(self) -> dict[str, Any]:
        """Call it; what it returns."""
        said = self.machine.attempt("/usr/bin/python3", text=self.program)
        found: dict[str, Any] = json.loads(said.stdout or "null")
        return found

    @contextmanager
    def begin(self, interpreter: str) -> Iterator[subprocess.Popen[str]]:
        """Begin to call it."""
        command = ["docker", "exec", "-i", self.machine.container, interpreter]
        with tempfile.TemporaryFile("w+") as file:
            file.write(self.program)
            file.seek(0)
            with subprocess.Popen(
                command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
            ) as running:
                yield running


def last_call(machine: ManagedHost, module: str) -> Call:
    """How the last run that left its modules has called this one; none of them is left afterwards."""
    *_, path = sorted(machine.run("find", LEFT, "-name", f"AnsiballZ_{module}.py").split())  # the folders have the time
    program = machine.run("cat", path)
    machine.run("rm", "-rf", LEFT)
    return Call(machine, program)


@contextmanager
def stopped(machine: ManagedHost, moment: Moment, begin: Begin) -> Iterator[Stopped]:
    """Do a piece of work until the moment."""
    plan = json.dumps({"event": moment.event, "part": moment.part, "count": moment.count})
    for path, text, mode in (
        (PYTHON, INTERPRETER, "755"),
        (f"{FOLDER}/sitecustomize.py", HOOK, "644"),
        (PLAN, plan, "644"),
    ):
        machine.run("install", "-D", "-m", mode, "/dev/stdin", path, text=text)
    machine.run("rm", "-f", STOPPED)
    with begin(PYTHON) as running:
        try:
            wait_for(
                lambda: machine.attempt("test", "-s", STOPPED).returncode == 0 or running.poll() is not None,
                f"the run is stopped: {moment.name}",
                PATIENCE,
            )
            assert running.poll() is None, f"the run never came to: {moment.name}\n{ended(running).output}"
            yield Stopped(machine, running, machine.run("cat", STOPPED).strip())
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
            machine.run("rm", "-rf", FOLDER, STOPPED)
