# SPDX-License-Identifier: Apache-2.0
"""The part of mod_wsgi_interpreter that runs on the control node: nothing that the host answers is used unchecked."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError, interpreter_answer
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.plan import build_host_problem

MODULE = "modwsgi.deploy.mod_wsgi_interpreter"


class ActionModule(ActionBase):
    """Run the module, and check what it returned."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The checked answer."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        builds_for = arguments.pop("builds_for", None)
        answer = self._execute_module(MODULE, arguments, task_vars=task_vars or {})
        # It has no facts to tell, so none that somebody has put there become variables.
        result.update({key: value for key, value in answer.items() if key != "ansible_facts"})
        if result.get("failed") or result.get("skipped"):
            return result
        try:
            result.update(interpreter_answer(answer, str(arguments.get("host"))))
            problem = build_host_problem(builds_for["settings"], builds_for["inspection"], answer) if builds_for else ""
        except AnswerError as error:
            raise AnsibleActionFail(str(error)) from error
        if problem:
            # Not raised: Ansible would put words of its own before it.
            return {**result, "failed": True, "msg": problem}
        return result
