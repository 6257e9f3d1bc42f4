# SPDX-License-Identifier: Apache-2.0
"""wsgi_once: it runs on the control node alone, and says which host runs what its fleet runs once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.fleet import leaders
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError, digests

ASKED = "__wsgi_app_asked"
"""The variable in which the role registers what wsgi_prepare is to run on a host."""
PREFLIGHT = "modwsgi_preflight"


class ActionModule(ActionBase):
    """Chooses the hosts."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The host of each application; see the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        hostvars, alive = variables["hostvars"], variables["ansible_play_batch"]
        try:
            found = {host: hostvars[host] for host in alive}
            asked = {host: _asked(host, each) for host, each in found.items()}
            chosen = leaders(asked, [done for each in found.values() for done in _done(each)])
        except AnswerError as error:
            raise AnsibleActionFail(str(error)) from error
        return {**result, "leaders": chosen, "changed": False}


def _names(variables: Mapping[str, Any]) -> list[str]:
    preflight = variables.get(PREFLIGHT) or {}
    return [str(application["name"]) for application in preflight.get("wsgi_app_applications") or []]


def _asked(host: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """What is to be prepared on a host, as it says itself; another play may have asked it before."""
    if "preparation" not in _inspection(variables).get("steps", []):
        return {}
    return digests((variables.get(ASKED) or {}).get("once") or {}, _names(variables), host)


def _done(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was prepared there; the preflight has checked it."""
    yield from (_inspection(variables).get("once") or {}).items()


def _inspection(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (variables.get(PREFLIGHT) or {}).get("wsgi_app_inspection") or {}
    return found
