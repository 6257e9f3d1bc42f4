# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_inspect that runs on the control node: the digests of the sources there."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_source import SourceError, examine_all

MODULE = "modwsgi.deploy.wsgi_inspect"


class ActionModule(ActionBase):
    """Tell the module which releases are wanted."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Digest the sources, and run the module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            applications, _ = examine_all(self._task.args.get("applications") or [])
        except SourceError as error:
            raise AnsibleActionFail(str(error)) from error
        arguments = {**self._task.args, "applications": applications}
        result.update(self._execute_module(MODULE, arguments, task_vars=task_vars or {}))
        return result
