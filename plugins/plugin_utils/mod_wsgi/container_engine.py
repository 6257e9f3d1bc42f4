# SPDX-License-Identifier: Apache-2.0
"""The container engine of the control node, by its command: docker, or podman. Runs on the control node only."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

COMMANDS = ("docker", "podman")
SECONDS_TO_ANSWER = 20


@cache
def find() -> tuple[str, str]:
    """The command of an engine that answers, and "" ; or "", and why there is none."""
    there = [command for command in COMMANDS if shutil.which(command)]
    if not there:
        return "", f"the control node has neither {' nor '.join(COMMANDS)}"
    reasons = []
    for command in there:
        reason = _refusal(command)
        if not reason:
            return command, ""
        reasons.append(f"{command} does not answer there ({reason})")
    return "", " and ".join(reasons)


def problem() -> str:
    """Why no container can be run, as a part of a sentence; "" when one can."""
    return find()[1]


def _refusal(command: str) -> str:
    try:
        answer = subprocess.run(
            [command, "version" if command == "docker" else "info"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (answer.stderr.strip().splitlines() or ["no reason given"])[-1] if answer.returncode else ""
