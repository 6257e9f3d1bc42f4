# SPDX-License-Identifier: Apache-2.0
"""An action that makes a preflight: it has the variables of the roles, and asks the host by modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import ROLES, PreflightError


class AskingAction(ActionBase):
    """What such actions share."""

    _requires_connection = True
    _supports_check_mode = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As Ansible makes it."""
        super().__init__(*arguments, **named)
        self.warnings: list[str] = []
        """What the modules have warned of."""

    def templated(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The variables of the play; those that the roles declare, and they alone, are templated.

        A role that the play does not name has no defaults there yet, so they come from its own file.
        """
        defaults = {name: value for role in ROLES for name, value in settings.specification(role).defaults.items()}
        declared = {name for role in ROLES for name in settings.options(role)}
        own = {name: _trusted(value) for name, value in defaults.items() if name not in variables}
        given = {name: variables[name] for name in declared if name in variables}
        return {**variables, **self._templar.template({**own, **given})}

    def asker(self, variables: dict[str, Any]) -> Any:
        """How the host is asked."""

        def ask(module: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
            answer: dict[str, Any] = self._execute_module(f"modwsgi.deploy.{module}", arguments, task_vars=variables)
            self.warnings += answer.get("warnings") or []
            if answer.get("failed"):
                raise PreflightError(str(answer.get("msg") or answer.get("module_stderr") or f"{module} has failed."))
            return answer

        return ask


def _trusted(value: Any) -> Any:
    """A value of our own defaults, whose template Ansible is to evaluate."""
    return trust_as_template(value) if isinstance(value, str) else value
