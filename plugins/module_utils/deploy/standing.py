# SPDX-License-Identifier: Apache-2.0
"""Whether a deployment stands as it is to be, and is well. Reads only. Runs on the managed host.

A run that has nothing to do is proven here, as a part of the module wsgi_inspect, since each module costs more than the
proof itself. What is not so is nothing to report: the module wsgi_go_live then does it, or says what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import SITE_OPTIONS, Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config, log_files, pending, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import service as httpd_service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError, Service, manager_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError, checked_sets
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.plan import Comparison
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError

OWNER = "wsgi_app"

OPTIONS: dict[str, Any] = {
    "files": {"type": "list", "elements": "dict", "required": True},
    "sensitive_files": {"type": "str", "no_log": True},
    "foreign": {"type": "dict", "default": {}},
    "certificates": {"type": "dict", "default": {}},
    "manage_service": {"type": "bool", "default": True},
    "reap_stuck_children": {"type": "bool"},
    "site": {"type": "dict", "required": True, "options": SITE_OPTIONS},
}
"""What is to stand, and by what it is proven, as options of a module; as those of the module wsgi_go_live."""

PATIENCE_SECONDS = 5
"""For each answer. The module wsgi_go_live, which comes when one is late, has all the patience that was asked for."""


def proof(
    live: Mapping[str, Any], configuration: Mapping[str, Any], described: Mapping[str, str], ask: bool
) -> dict[str, Any] | None:
    """The answers of the applications where nothing is left to do and all are well, else None.

    ``live`` has the values of ``OPTIONS``, ``configuration`` the sets of files of the other owners, ``described`` is
    the instance. Nobody is asked without ``ask`` (check mode), nor where httpd is somebody else's to run.
    """
    try:
        applications = live["site"]["applications"]
        if not (
            files_stand(live, configuration, described)
            and colours_stand(applications)
            and service_stands(live, described)
        ):
            return None
        site = {**live["site"], "applications": [impatient(each) for each in applications]}
        proven = Proof(site["applications"] if ask and live["manage_service"] else [], site)
        # Another run may have begun meanwhile, and what was looked at first may be another's now.
        if proven.problem or transaction.journal_of(described).open:
            return None
    except (ControlError, JournalError, OSError, TransactionError):
        return None
    return {"applications": proven.results, "awaited_certificates": proven.awaited}


def files_stand(live: Mapping[str, Any], configuration: Mapping[str, Any], described: Mapping[str, str]) -> bool:
    """Whether files and logs are as they are to be, and the running httpd has read them. Raises TransactionError."""
    found, logs = comparison(live, configuration, described)
    unread = pending.read(described) != pending.NONE
    return not (found.changes or unread or log_files.to_mend(logs, predict=True))


def comparison(
    live: Mapping[str, Any], configuration: Mapping[str, Any], described: Mapping[str, str]
) -> tuple[Comparison, list[Mapping[str, Any]]]:
    """All files that are to be there beside those that are, and the logs. Raises TransactionError."""
    given = [*live["files"], *config.sensitive(live["sensitive_files"], described["group"])]
    sets, logs = log_files.separate(checked_sets({**configuration, OWNER: given}))
    return Comparison(described, sets, predict=True, foreign=live["foreign"].get("files", [])), logs


def colours_stand(applications: Iterable[Mapping[str, Any]]) -> bool:
    """Whether httpd can read which of two releases serves; it refuses a configuration without that file."""
    return all(os.path.lexists(colours.active_file(each["paths"])) for each in applications if colours.has(each))


def service_stands(live: Mapping[str, Any], described: Mapping[str, str]) -> bool:
    """Whether httpd runs, now and after a boot. Raises ControlError."""
    if not live["manage_service"]:
        return True
    httpd = Service(described, manager_of(described))
    return not httpd_service.needed(httpd, "applied", True, live["reap_stuck_children"])


def impatient(application: Mapping[str, Any]) -> dict[str, Any]:
    """An application that is given PATIENCE_SECONDS at most for an answer."""
    health = {**application["health"], "timeout": min(application["health"]["timeout"], PATIENCE_SECONDS)}
    # Where they are given, the limits of a start count for the probe: nothing starts now.
    return {**application, "health": health, "startup_timeouts": {}, "startup_timeout": 0}
