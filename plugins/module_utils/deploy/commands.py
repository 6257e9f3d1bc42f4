# SPDX-License-Identifier: Apache-2.0
"""A command of an application: it runs as that one, and what it says is told without secrets. Runs on a managed host.

Without what releases need: a module that goes live brings this along for a way back by command.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import failure_log, log, run
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import Ended, run_confined
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import application_file

LAST_LINES = 20
LONGEST_REASON = 500
"""Characters."""
SHORTEST_SECRET = 8
"""Characters from which on a value of an environment variable is blotted out of a command's output."""

LONGEST_MESSAGE = 10
"""Lines of an exception that has ended a command."""
EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:: .*|$)")


def without_secrets(output: str, variables: dict[str, Any]) -> str:
    """What a command said, without the values of its environment variables and what acts on a terminal."""
    for value in sorted(variables.values(), key=len, reverse=True):
        if len(value) >= SHORTEST_SECRET:
            output = output.replace(value, "********")
    return failure_log.plain(output).rstrip()


def essential(output: str) -> tuple[str, list[str]]:
    """Why a command has failed, in one line, and its last lines, which are those of a traceback where it has one."""
    lines = [line for line in output.splitlines() if line.strip()]
    begin = max((index for index, line in enumerate(lines) if line.strip() == log.TRACEBACK), default=0)
    raised = [index for index in range(begin + 1, len(lines)) if EXCEPTION.match(lines[index])][:1]
    if not raised or raised[0] < len(lines) - LONGEST_MESSAGE:  # or one that the command only told of
        return (lines[-1].strip() if lines else "no output")[:LONGEST_REASON], lines[-LAST_LINES:]
    return lines[raised[0]][:LONGEST_REASON], lines[begin:][-LAST_LINES:]


def run_as_application(
    application: dict[str, Any], variables: dict[str, Any], release: str, venv: str, command: list[Any]
) -> Ended:
    """Run one command as wsgi-run does, for as long as it takes, and end what it leaves running.

    Raises ConfinementError.
    """

    def execute() -> NoReturn:
        run.execute(application_file(application), variables, release, venv, command)

    return run_confined(execute)
