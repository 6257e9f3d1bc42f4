# SPDX-License-Identifier: Apache-2.0
"""Commands in a host container without a start of the engine's client for each: that takes 0.1 s of a processor.

A small program in the container takes commands one after the other, and says how each has ended. Who asks at the same
time gets a second one.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Sequence

# What a command prints goes to memory, not to a pipe: a process that it leaves behind does not keep anybody waiting.
# Its output comes as `subprocess` gives text.
AGENT = """
import json, os, subprocess, sys

def memory(content=b""):
    descriptor = os.memfd_create("command")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.fdopen(descriptor, "r+b")

def text(stream):
    stream.seek(0)
    return stream.read().decode(errors="replace").replace("\\r\\n", "\\n").replace("\\r", "\\n")

def ended(command, given, limit):
    with memory(given.encode()) as stdin, memory() as stdout, memory() as stderr:
        try:
            running = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
        except OSError as error:
            return [127, "", f"{command[0]}: {error.strerror}"]
        try:
            status = running.wait(limit)
        except subprocess.TimeoutExpired:
            running.kill()
            return None
        return [status if status >= 0 else 128 - status, text(stdout), text(stderr)]

for line in sys.stdin:
    print(json.dumps(ended(*json.loads(line))), flush=True)
"""

LIMIT = 120
"""Seconds that a command may take."""


class Shell:
    """The program in one container, or in what is within it; it ends with its standard input."""

    def __init__(self, container: str, within: Sequence[str]) -> None:
        self._running = subprocess.Popen(
            ["docker", "exec", "-i", container, *within, "/usr/bin/python3", "-I", "-c", AGENT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def attempt(self, command: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
        """How a command has ended, also one that ended the container; TimeoutExpired when it does not end."""
        stdin, stdout = self._running.stdin, self._running.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print(json.dumps([command, text, LIMIT]), file=stdin, flush=True)
            answer = stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            _, said = self._running.communicate()
            return subprocess.CompletedProcess(command, self._running.returncode or 137, "", said)
        if (found := json.loads(answer)) is None:
            raise subprocess.TimeoutExpired(command, LIMIT)
        return subprocess.CompletedProcess(command, *found)

    def is_there(self) -> bool:
        """Whether it can be asked."""
        return self._running.poll() is None

    def end(self) -> None:
        """Let it go."""
        self._running.communicate()


class Shells:
    """Those of all containers that nobody is asking."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, tuple[str, ...]], list[Shell]] = defaultdict(list)
        self._lock = threading.Lock()

    def attempt(
        self, container: str, command: Sequence[str], text: str, within: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """How a command has ended in a container, or where the program `within` leads to."""
        place = (container, within)
        with self._lock:
            idle = self._idle[place]
            shell = idle.pop() if idle else None
        shell = shell or Shell(container, within)
        done = shell.attempt(command, text)
        if shell.is_there():
            with self._lock:
                self._idle[place].append(shell)
        return done

    def end(self, container: str) -> None:
        """End those of a container that is about to stop."""
        with self._lock:
            idle = [shell for place in list(self._idle) if place[0] == container for shell in self._idle.pop(place)]
        for shell in idle:
            shell.end()


SHELLS = Shells()
