# SPDX-License-Identifier: Apache-2.0
"""Running programs, and knowing a process again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.laboratory.console import LabError


def run(
    command: Sequence[str | Path],
    *,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a program without input and captures its output; `timeout` in seconds.

    A program that is missing or takes too long gives the exit status of a shell (127) or of timeout(1) (124).
    """
    try:
        return subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            cwd=directory,
            check=False,
        )
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(list(command), 127, "", str(error))
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(list(command), 124, "", f"no answer within {timeout:.0f} s")


def require(result: subprocess.CompletedProcess[str], failure: str) -> str:
    """The standard output of a program that succeeded.

    Raises:
        LabError: it failed; the sentence is `failure` and the end of what the program said.
    """
    if result.returncode == 0:
        return result.stdout
    raise LabError(f"{failure}: {last_words(result.stderr or result.stdout)}")


def last_words(output: str, lines: int = 3) -> str:
    """The last lines that say something, as one line."""
    said = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or "it said nothing"


def runs(pid: int, name: str) -> bool:
    """Whether a process of that number and name runs (Linux); the remains of one, not yet waited for, do not."""
    try:
        found = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return found == name and start_time(pid) is not None


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot (Linux); None when there is none, or only its remains.

    A process number is used again, the pair of number and start time is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[18])
