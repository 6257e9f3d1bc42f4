# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_verify that runs on the control node: it plans, asks the host, and puts into words what it says."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import verify
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.asking import AskingAction


class ActionModule(AskingAction):
    """Never fails for what a host is like: a report names all hosts, also those that cannot be reached."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What is wrong with the host, and what is well."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host, days = str(variables.get("inventory_hostname")), self._days()
        try:
            found = verify.verify(host, self.templated(variables), self.asker(variables), days)
        except AnsibleConnectionFailure as error:
            found = verify.only("reach", f"The host cannot be reached: {error}; look at the host and the network.")
        except AnsibleError as error:
            found = verify.only("preflight", f"site.yml would refuse this host: {error}; correct the inventory.")
        return {**result, "report": found, "told": verify.told(host, found), "changed": False}

    def _days(self) -> int:
        days = str(self._task.args.get("certificate_days", 14))
        if not days.isdecimal():
            raise AnsibleActionFail(f"verify_certificate_days is {days!r}, which is no number of days; correct it.")
        return int(days)
