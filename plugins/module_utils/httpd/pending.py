# SPDX-License-Identifier: Apache-2.0
"""The pending action: what a change of the configuration still needs until httpd serves it.

It is kept in a file, so that a run which was aborted between the change and the action is finished by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import ACTIONS, PENDING
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import httpd_main_process

NONE, RELOAD, RESTART = ACTIONS


def strongest(*actions: str) -> str:
    """The action that does what all of them do."""
    return max(actions, key=ACTIONS.index, default=NONE)


def _file(instance: Mapping[str, str]) -> Path:
    return Path(instance["state_directory"]) / PENDING


def read(instance: Mapping[str, str]) -> str:
    """The action which the running httpd still needs; none when another process was started since."""
    try:
        record = json.loads(_file(instance).read_text(encoding="utf-8"))
        action, recorded_for = record["action"], (record["pid"], record["start_ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return NONE
    return action if action in ACTIONS and httpd_main_process(instance) == recorded_for else NONE


def add(instance: Mapping[str, str], action: str) -> None:
    """Record an action, before the change that needs it; a server that does not run needs none."""
    main = httpd_main_process(instance)
    action = strongest(read(instance), action)
    if main is None or action == NONE:
        return
    file = _file(instance)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    record = {"action": action, "pid": main.pid, "start_ticks": main.start_ticks}
    temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
    temporary.replace(file)


def restore(instance: Mapping[str, str], action: str) -> None:
    """Let it be what it was, whatever was added since."""
    clear(instance)
    add(instance, action)


def clear(instance: Mapping[str, str]) -> None:
    """The action is done."""
    _file(instance).unlink(missing_ok=True)
