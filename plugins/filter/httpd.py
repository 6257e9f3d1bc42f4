# SPDX-License-Identifier: Apache-2.0
"""Filters of the role httpd; others use them too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils import (
    httpd_foreign,
    httpd_instance,
    httpd_listeners,
    httpd_logs,
    httpd_quoting,
    httpd_sizing,
    httpd_stopping,
)

# What a2enmod, a2enconf and a2ensite take: one component of a path.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def instance(name: str) -> dict[str, str]:
    """The description of an httpd instance."""
    try:
        return httpd_instance.instance(name)
    except httpd_instance.UnknownInstanceError as error:
        raise AnsibleFilterError(str(error)) from error


def quote(value: object, key: str = "") -> str:
    """One argument of an httpd directive."""
    try:
        return httpd_quoting.quote(value, key)
    except httpd_quoting.QuotingError as error:
        raise AnsibleFilterError(str(error)) from error


def sizes(
    host: Mapping[str, Any],
    applications: Iterable[Mapping[str, Any]] = (),
    overrides: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """Sizes for the host that ``httpd_host`` describes."""
    try:
        return httpd_sizing.sizes(int(host["cores"]), int(host["memory_mebibytes"]), applications, overrides)
    except httpd_sizing.SizingError as error:
        raise AnsibleFilterError(str(error)) from error


def stop_limits(timeout: int) -> dict[str, int]:
    """The parts of ``httpd_stop_timeout``."""
    try:
        return httpd_stopping.stop_limits(int(timeout))
    except httpd_stopping.StoppingError as error:
        raise AnsibleFilterError(str(error)) from error


def listeners(listen: Iterable[int | str], private_port: int, variables: bool = False) -> list[dict[str, Any]]:
    """The listen addresses, split; the private one comes last; ``variables``: a port may be a variable's."""
    try:
        return [
            {"address": listener.address, "port": listener.port, "directive": listener.directive}
            for listener in httpd_listeners.listeners(listen, private_port, variables)
        ]
    except httpd_listeners.ListenerError as error:
        raise AnsibleFilterError(str(error)) from error


def module_files(
    wanted: Iterable[str], removed: Iterable[str], bare: Iterable[str], foreign: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The files of mods-enabled, for the module httpd_config.

    ``removed`` modules are disabled unless they are wanted; ``bare`` ones go without the distribution's configuration.
    Beside ``foreign`` sites nothing is disabled, and what is there of the configuration of bare ones stays.
    """
    wanted, bare = list(dict.fromkeys(wanted)), set(bare)
    removed = list(removed)
    _check_names([*wanted, *removed], "httpd_modules, httpd_extra_modules or httpd_removed_modules", "rewrite")
    files: list[dict[str, Any]] = []
    for name in wanted:
        files.append(_enabled(name, "load"))
        if name not in bare:
            files.append({**_enabled(name, "conf"), "optional": True})
        elif not foreign:
            files.append(_disabled("mods", name, "conf"))
    for name in removed:
        if name not in wanted and not foreign:
            files += [_disabled("mods", name, "load"), _disabled("mods", name, "conf")]
    return files


def removed_files(names: Iterable[str], kind: str) -> list[dict[str, Any]]:
    """Files of the distribution that are not enabled (``kind``: conf or sites), for the module httpd_config."""
    names = list(names)
    key, example = {
        "conf": ("httpd_removed_configurations", "charset"),
        "sites": ("httpd_removed_sites", "000-default"),
    }[kind]
    _check_names(names, key, example)
    return [_disabled(kind, name, "conf") for name in names]


def _check_names(names: Iterable[str], key: str, example: str) -> None:
    for name in names:
        if not NAME.fullmatch(str(name)):
            raise AnsibleFilterError(f"{key} contains {name!r}, which cannot be a name there; write it like {example}.")


def _enabled(name: str, suffix: str) -> dict[str, Any]:
    # A module is loaded and unloaded safely only by a new process.
    return {
        "path": f"mods-enabled/{name}.{suffix}",
        "link": f"../mods-available/{name}.{suffix}",
        "action": "restart",
    }


def _disabled(kind: str, name: str, suffix: str) -> dict[str, Any]:
    action = "restart" if kind == "mods" else "reload"
    return {"path": f"{kind}-enabled/{name}.{suffix}", "absent": True, "adopt": True, "action": action}


def return_report(
    failed: Mapping[str, Any], returned: Mapping[str, Any], asked: Iterable[Mapping[str, Any]] = ()
) -> str:
    """What has failed, what was done about it, and whether what was before serves again: results of tasks, as text."""
    reason = str(failed.get("msg") or "A task has failed; see above.").rstrip()
    if returned.get("skipped"):
        return f"{reason}\nEverything was left as it is, since httpd_rollback is false."
    if returned.get("msg"):  # the return itself has failed
        return f"{reason}\n{returned['msg']}"
    if not returned.get("done"):
        return reason
    answers = [answer for answer in asked if not answer.get("skipped")]
    problems = [str(answer["msg"]) for answer in answers if answer.get("msg")]
    if problems:
        proof = [f"It was asked, and is not as it was: {' '.join(problems)}"]
    else:
        proof = ["The previous site was asked, and answers."] if answers else []
    return "\n".join([reason, " ".join([*returned["done"], *proof])])


def foreign_problems(
    foreign: Mapping[str, Any], host: str, wanted: Iterable[Mapping[str, Any]], modules: Iterable[str]
) -> list[str]:
    """What of the server's settings cannot go together with the sites of others; see module_utils/httpd_foreign.py."""
    return httpd_foreign.server_problems(foreign, host, wanted, modules)


def uncovered_listeners(
    wanted: Iterable[Mapping[str, Any]], foreign: Mapping[str, Any], modules: Iterable[str]
) -> list[dict[str, Any]]:
    """The listeners that the configuration of others does not have."""
    return httpd_foreign.uncovered(wanted, foreign, modules)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "httpd_instance": instance,
            "httpd_quote": quote,
            "httpd_sizes": sizes,
            "httpd_stop_limits": stop_limits,
            "httpd_listeners": listeners,
            "httpd_logs": httpd_logs.described,
            "httpd_foreign_problems": foreign_problems,
            "httpd_uncovered_listeners": uncovered_listeners,
            "httpd_module_files": module_files,
            "httpd_removed_files": removed_files,
            "httpd_return_report": return_report,
        }
