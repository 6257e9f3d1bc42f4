# SPDX-License-Identifier: Apache-2.0
"""The first processes of a new release are asked while those of the earlier one still serve. Runs on the managed host.

Nobody can ask one daemon process of a group, since all take requests from one socket. So the health path is asked
several times for each process. A release that does not load, or is not healthy, then ends its way at the first
processes, and the others go on to serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Check, ProbeError

QUESTIONS = 4
"""For each process. Those that wait get requests in turn, so that with two of them, a miss needs bad luck."""
MOST_QUESTIONS = 40
SHORT_SECONDS = 2
"""For the question whether the application was well before."""


class FirstLook:
    """Looks at the first new processes of one application."""

    def __init__(self, application: Mapping[str, Any], site: dict[str, Any]) -> None:
        """Before a process goes; ``site`` is the option of that name of the module wsgi_go_live.

        An application that is not well before its processes go is not asked: what is new may be the remedy.
        """
        self.check = Check(dict(application), site)
        self.questions = min(MOST_QUESTIONS, QUESTIONS * (application["all_processes"] or 1))
        quick = {**application, "health": {**application["health"], "timeout": SHORT_SECONDS}}
        self.was_well = not self._ask(Check(quick, site))[0]

    @staticmethod
    def _ask(check: Check) -> tuple[str, list[str]]:
        try:
            check.health()
        except ProbeError as error:
            return str(error), error.lines
        return "", []

    def problem(self, has_ended: bool) -> tuple[str, list[str]]:
        """What is wrong, empty when nothing is, and what the log says. ``has_ended``: a new process is gone already."""
        if has_ended:
            name, log = self.check.name, self.check.logs[0].path
            return f"A new process of {name} ended while it loaded the application; see {log}.", self.check.evidence()
        for _ in range(self.questions if self.was_well else 0):
            found = self._ask(self.check)
            if found[0]:
                return found
        return "", []
