# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi_order: all of it runs on the control node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan


class ActionModule(ActionBase):
    """Look at the plans of all hosts of the play, and at the wheels that the control node keeps."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Whether this host orders its wheel, and the checksum of the wheel that it gets."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        own, ready = str(self._task.args.get("own") or ""), boolean(self._task.args.get("ready", False))
        try:
            order = plan.order(str(variables["inventory_hostname"]), plans(variables), own, ready)
        except ValueError as error:
            # Not raised: Ansible would put words of its own before it.
            return {**result, "failed": True, "msg": str(error)}
        return {**result, **order, "changed": False}


def plans(variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The plan of each host of the play, in its order, as its preflight has made it."""
    hostvars = variables["hostvars"]
    found = {host: hostvars[host].get("modwsgi_preflight", {}) for host in variables["ansible_play_batch"]}
    return {host: preflight.get("mod_wsgi_plan", {}) for host, preflight in found.items()}
