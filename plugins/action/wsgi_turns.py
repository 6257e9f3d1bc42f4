# SPDX-License-Identifier: Apache-2.0
"""wsgi_turns: it runs on the control node alone, and says which hosts of a play change next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.fleet import AT_ONCE, Fleet, size_problems

RESULT = "__wsgi_app_turns"
"""The variable in which the role registers what it gets from here."""
LIVE = "__wsgi_app_live"
"""Likewise, what wsgi_go_live has returned."""
REACHED = ("modwsgi_preflight", "__wsgi_app_reached")
"""Likewise, what the first question to a host has returned."""
FREE = ("free", "host_pinned")
"""Strategies of Ansible that let a host go on without the others."""


class ActionModule(ActionBase):
    """The next turn."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Whose turn it is; see the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        play = self._task._parent._play
        if str(play.strategy).rpartition(".")[2] in FREE:
            raise AnsibleActionFail(
                f"The play has the strategy {play.strategy}, which keeps no order between hosts, and wsgi_serial asks "
                "for one; use linear, or set wsgi_serial to 100%."
            )
        serial, at_most = self._task.args.get("serial"), self._task.args.get("at_most", AT_ONCE)
        problems = size_problems(serial, at_most)
        if problems:  # of a play without a preflight
            raise AnsibleActionFail(" ".join(problems))
        hostvars = variables["hostvars"]
        everyone, alive = variables["ansible_play_hosts_all"], variables["ansible_play_hosts"]
        unreached = [host for host in everyone if host not in alive and _is_unreached(hostvars[host])]
        fleet = Fleet(serial, everyone, alive, unreached, at_most)
        before = variables.get(RESULT) or {}
        if before.get("play") != str(play._uuid):
            held = [host for host in variables["ansible_play_batch"] if self._changes(hostvars[host])]
            new = [host for host in held if not (hostvars[host].get(LIVE) or {}).get("serving", True)]
            before = {"turns": fleet.plan(held, new), "done": 0}
        return {**result, **fleet.next(before["turns"], before["done"]), "play": str(play._uuid), "changed": False}

    def _changes(self, variables: Mapping[str, Any]) -> bool:
        """Whether a host changes in this play."""
        if self._task.args.get("all_hosts"):
            return True
        return bool((variables.get(LIVE) or {}).get("held"))


def _is_unreached(variables: Mapping[str, Any]) -> bool:
    return any((variables.get(name) or {}).get("unreachable") for name in REACHED)
