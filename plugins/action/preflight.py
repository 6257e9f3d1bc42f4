# SPDX-License-Identifier: Apache-2.0
"""preflight: it runs on the control node, and asks the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.asking import AskingAction
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import ROLES, Preflight, PreflightError, prepare

RESULT = "modwsgi_preflight"
"""The variable in which the roles register what they get from here."""

# Ansible imports an action before it forks for the hosts.
prepare()


class ActionModule(AskingAction):
    """Check, ask, plan."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What is known and planned; see the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        roles = [str(role) for role in self._task.args.get("roles") or []]
        if not roles or not set(roles) <= set(ROLES):
            raise AnsibleActionFail(f"The option roles of preflight takes a list of {', '.join(ROLES)}; correct it.")
        known = self._known(variables)
        installed = self._task.args.get("installed_wheel")
        if installed is None and known.get("hold") and set(roles) <= set(known["roles"]):
            return {**result, **known, "changed": False}
        host = str(variables.get("inventory_hostname"))
        prove = boolean(self._task.args.get("prove", False))
        preflight = Preflight(roles, host, self.templated(variables), self.asker(variables), known, prove)
        if installed is not None:
            return {**result, **preflight.installed(str(installed), self._task.check_mode), "changed": False}
        try:
            found = preflight.run()
        except PreflightError as error:
            # Not raised: Ansible would put words of its own before it.
            return {**result, "failed": True, "msg": str(error)}
        hold = boolean(self._task.args.get("hold", False))
        if self.warnings:
            result["warnings"] = self.warnings
        return {**result, **found, "play": self._play(), "hold": hold, "changed": False}

    def _known(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What an earlier preflight of this play has found. Another play may have changed the host, or want more."""
        found = variables.get(RESULT)
        if not isinstance(found, Mapping) or found.get("play") != self._play() or found.get("failed"):
            return {}
        own = ("changed", "failed", "invocation", "exception", "warnings", "deprecations", "msg")
        return {key: value for key, value in found.items() if key not in own}

    def _play(self) -> str:
        """What tells this play from others of the same run."""
        block = self._task._parent
        return str(block._play._uuid)
