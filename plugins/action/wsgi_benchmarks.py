# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_benchmarks that runs on the control node: it has the table of items, and makes the reports."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import DEFAULT_INSTANCE
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import evidence
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.asking import AskingAction
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import PreflightError


class ActionModule(AskingAction):
    """Asks the host once for all items."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The report of the host, as data and for people."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname"))
        # No other variable is looked at, so none has to be right.
        given = self._task.args.get("instance") or variables.get("httpd_instance") or DEFAULT_INSTANCE
        try:
            report = evidence.gather(host, self.asker(variables), str(self._templar.template(given)))
        except (PreflightError, AnswerError) as error:
            raise AnsibleActionFail(f"{host}: {error}") from error
        texts = {"markdown": evidence.markdown(host, report), "told": evidence.told(host, report)}
        return {**result, "report": report, **texts, "changed": False}
