# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_releases that runs on the control node: it checks what the host says, and names the host."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_answers
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError

MODULE = "modwsgi.deploy.wsgi_releases"
EMPTY = {"application": "", "release": "", "source": "", "since": "", "by": ""}


class ActionModule(ActionBase):
    """Never fails for what a host is like: a table names all hosts, also those that cannot be reached."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """A row for each application, or one that says why there is none."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname"))
        rows = [{"host": host, **row} for row in self._rows(host, variables)]
        return {**result, "releases": rows, "changed": False}

    def _rows(self, host: str, variables: dict[str, Any]) -> list[dict[str, str]]:
        try:
            answer = self._execute_module(MODULE, dict(self._task.args), task_vars=variables)
            if answer.get("failed"):
                said = str(answer.get("msg") or answer.get("module_stderr") or "The module has failed.")
                return [{**EMPTY, "health": " ".join(said.split())}]
            found = host_answers.releases_answer(answer, host)
        except AnsibleConnectionFailure as error:
            return [{**EMPTY, "health": f"The host cannot be reached: {' '.join(str(error).split())}"}]
        except AnswerError as error:
            return [{**EMPTY, "health": str(error)}]
        return found or [{**EMPTY, "health": "No application was deployed to this host."}]
