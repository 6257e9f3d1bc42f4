# SPDX-License-Identifier: Apache-2.0
"""The way of applications from the deployment in use to the wanted one. Runs on the managed host."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import httpd_pid, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    PARTS,
    application_file,
    differing,
    leads_to,
    new_record,
    read_record,
    record_text,
    wanted,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, locked

APPLICATION_MODE = 0o644
ENVIRONMENT_MODE = 0o640


def as_json(value: dict[str, Any]) -> str:
    """A configuration file's text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def file_differs(path: str, content: str, mode: int, group: str) -> bool:
    """Whether a file has to be written, because of its content, its mode or its group."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            owner = (found.st_uid, grp.getgrgid(found.st_gid).gr_name, stat.S_IMODE(found.st_mode))
            return stream.read() != content or owner != (0, group, mode)
    except (OSError, KeyError, UnicodeDecodeError):
        return True


class Switch:
    """One application's way from the deployment in use to the wanted one."""

    def __init__(
        self,
        application: dict[str, Any],
        variables: dict[str, Any],
        parameters: Mapping[str, Any],
        described: Mapping[str, str],
    ) -> None:
        name = application["name"]
        self.application = application
        self.paths = application["paths"]
        self.variables = variables
        self.release, self.venv = parameters["releases"][name], parameters["venvs"][name]
        self.instance = described
        self.deployment = wanted(application, variables, self.release["id"], self.venv["id"], parameters["launcher"])
        self.record = read_record(self.paths["deployment"])
        group = application["group"]
        self.files = [
            (self.paths["environment"], as_json(variables), ENVIRONMENT_MODE, group),
            (self.paths["application"], as_json(application_file(application)), APPLICATION_MODE, "root"),
        ]
        self.links = [
            (self.paths["venv"], self.venv["path"]),
            (self.paths["current"], self.release["path"]),
        ]

    def changes(self) -> list[Any]:
        """The parts that are not as wanted, on disk or in the record."""
        found = differing(self.deployment, self.record)
        if any(file_differs(*file) for file in self.files) or not all(leads_to(*link) for link in self.links):
            found = found or ["files"]
        return found

    @property
    def action(self) -> str:
        """What httpd needs to serve it."""
        return pending.RELOAD if self.application["mode"] == "embedded" else pending.NONE

    def edits(self) -> list[Any]:
        """What makes the switch; the record comes last."""
        found = [
            Edit(path, journal.WRITE, content.encode(), "", mode, 0, grp.getgrnam(group).gr_gid)
            for path, content, mode, group in self.files
            if file_differs(path, content, mode, group)
        ]
        found += [
            Edit(link, journal.LINK, target=os.path.relpath(target, os.path.dirname(link)))
            for link, target in self.links
            if not leads_to(link, target)
        ]
        record = record_text(new_record(self.deployment, self.record, self._running()))
        return [*found, Edit(self.paths["deployment"], journal.WRITE, record.encode(), "", 0o600, 0, 0)]

    def note(self) -> dict[str, Any]:
        """What a return has to know."""
        application = self.application
        return {"name": application["name"], "user": application["user"], "record": self.paths["deployment"]}

    def _running(self) -> list[Any]:
        parent = httpd_pid(self.instance["pid_file"])
        if parent is None:
            return []
        uid = pwd.getpwnam(self.application["user"]).pw_uid
        return [list(process) for process in processes(parent, self.application["name"], uid)]

    def describe(self) -> tuple[Any, ...]:
        """What is in use and what is wanted, without a secret."""
        before = {part: self.record.get(part, "") for part in PARTS if part != "environment"}
        after = {part: self.deployment[part] for part in PARTS if part != "environment"}
        return before, after


class Switching:
    """The way of all applications whose deployment is not as wanted, as one step of the journal."""

    def __init__(
        self,
        applications: list[Any],
        environments: Mapping[str, Any],
        parameters: Mapping[str, Any],
        described: Mapping[str, str],
    ) -> None:
        """``parameters`` has ``releases``, ``venvs`` and ``launcher``."""
        self.instance = described
        switches = [Switch(each, environments.get(each["name"], {}), parameters, described) for each in applications]
        self.changes = {switch.application["name"]: switch.changes() for switch in switches}
        """The parts that differ, by application; empty lists where nothing does."""
        self.due = [switch for switch in switches if self.changes[switch.application["name"]]]
        self.activation = bool(self.due) or any(switch.record.get("stale_processes") for switch in switches)
        """Whether daemon processes of an earlier deployment may have to go, from this run or from an earlier one."""

    def perform(self) -> None:
        """Switch. Raises ControlError, JournalError, OSError; then nothing is switched."""
        if not self.due:
            return
        action = pending.strongest(*(switch.action for switch in self.due))
        with locked(self.instance["state_directory"]):
            transaction.recover(self.instance)
            transaction.begin(self.instance)
            pending.add(self.instance, action)
            edits = [edit for switch in self.due for edit in switch.edits()]
            notes = {"applications": [switch.note() for switch in self.due]}
            try:
                transaction.journal_of(self.instance).apply(edits, action, notes)
            except BaseException:
                transaction.forget_unless_steps(self.instance)
                raise

    def diff(self) -> list[Any]:
        """Which parts of the deployments change, for --diff; names of environment variables, never their values."""
        return [self._difference(switch) for switch in self.due]

    def _difference(self, switch: Switch) -> dict[str, Any]:
        before, after = switch.describe()
        header = switch.paths["deployment"]
        changed = self.changes[switch.application["name"]]
        return {
            "before_header": header,
            "after_header": header,
            "before": as_json(before),
            "after": as_json({**after, "changed": changed}),
        }
