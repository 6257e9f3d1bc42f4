# SPDX-License-Identifier: Apache-2.0
"""The way of applications from the deployment in use to the wanted one. Runs on the managed host."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, previous
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import COLOURS, httpd_pid, processes
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


def public(path: str, content: str) -> Edit:
    """What writes a file that everybody may read."""
    return Edit(path, journal.WRITE, content.encode(), "", APPLICATION_MODE, 0, 0)


def are_as_wanted(files: list[tuple[str, str, int, str]], links: list[tuple[str, str]]) -> bool:
    """Whether all files and links are on the host as they should be."""
    return not any(file_differs(*file) for file in files) and all(leads_to(*link) for link in links)


def apply_step(described: Mapping[str, str], edits: list[Edit], action: str, notes: dict[str, Any]) -> None:
    """Make changes as one step of the journal. Raises ControlError, JournalError, OSError; then nothing is changed."""
    with locked(described["state_directory"]):
        transaction.recover(described)
        transaction.begin(described)
        pending.add(described, action)
        try:
            transaction.journal_of(described).apply(edits, action, notes)
        except BaseException:
            transaction.forget_unless_steps(described)
            raise


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
        self.files, self.links = self._of(self.paths)
        self.is_ready = False
        """Whether the release is loaded, and well, in the daemon process group that does not serve (``StandBy``)."""

    def _of(self, paths: Mapping[str, str]) -> tuple[list[tuple[str, str, int, str]], list[tuple[str, str]]]:
        """The files and the links with which a daemon process group finds the deployment."""
        described = application_file({**self.application, "paths": {**self.paths, **paths}})
        return [
            (paths["environment"], as_json(self.variables), ENVIRONMENT_MODE, self.application["group"]),
            (paths["application"], as_json(described), APPLICATION_MODE, "root"),
        ], [(paths["venv"], self.venv["path"]), (paths["current"], self.release["path"])]

    def has_in(self, colour: str) -> bool:
        """Whether one of two daemon process groups finds the deployment already."""
        return are_as_wanted(*self._of(colours.paths_of(self.paths, colour)))

    @property
    def target(self) -> str:
        """The colour that is to serve: the other one when the release is ready there, else the one that serves."""
        serving = colours.active(self.paths)
        return colours.other(serving) if self.is_ready else serving

    def can_stand_by(self) -> bool:
        """Whether the release can be loaded beside the one that serves."""
        is_there = colours.has(self.application) and colours.is_there(self.paths)
        return is_there and bool(differing(self.deployment, self.record) or not self.has_in(colours.active(self.paths)))

    def is_tried(self) -> bool:
        """Whether a share of the requests is to try the release first."""
        return bool(self.application["releases"]["canary"]["percent"])

    def changes(self) -> list[Any]:
        """The parts that are not as wanted, on disk or in the record."""
        found = differing(self.deployment, self.record)
        if not are_as_wanted(self.files, self.links) or not self._is_coloured_as_wanted():
            found = found or ["files"]
        return found

    def _is_coloured_as_wanted(self) -> bool:
        if not colours.has(self.application):
            return not any(True for _ in colours.removals(self.paths))
        return colours.is_there(self.paths) and self.has_in(colours.active(self.paths))

    @property
    def action(self) -> str:
        """What httpd needs to serve it."""
        return pending.RELOAD if self.application["mode"] == "embedded" else pending.NONE

    def edits(self) -> list[Any]:
        """What makes the switch; the record comes last."""
        if colours.has(self.application):
            turn = [*self.fill(self.target), *self._turn()]
        else:
            turn = list(colours.removals(self.paths))
        record = record_text(new_record(self.deployment, self.record, self._running()))
        kept = Edit(self.paths["deployment"], journal.WRITE, record.encode(), "", 0o600, 0, 0)
        statics = previous.edits(self.application, self.release["path"])
        return [*turn, *statics, *self._edits(self.paths), kept]

    def _edits(self, paths: Mapping[str, str]) -> list[Edit]:
        """What lets a daemon process group find the deployment."""
        files, links = self._of(paths)
        found = [
            Edit(path, journal.WRITE, content.encode(), "", mode, 0, grp.getgrnam(group).gr_gid)
            for path, content, mode, group in files
            if file_differs(path, content, mode, group)
        ]
        return found + [
            Edit(link, journal.LINK, target=os.path.relpath(target, os.path.dirname(link)))
            for link, target in links
            if not leads_to(link, target)
        ]

    def fill(self, colour: str) -> list[Edit]:
        """What gives one colour the deployment; both, where there is nothing yet that the other one could have."""
        filled = (colour,) if colours.is_there(self.paths) else COLOURS
        return [edit for each in filled for edit in self._edits(colours.paths_of(self.paths, each))]

    def _turn(self) -> list[Edit]:
        """What lets httpd ask the other colour; the one that has served holds its release for a while."""
        name, target = self.application["name"], self.target
        turn = public(colours.active_file(self.paths), colours.active_text(name, target))
        if not self.is_ready:
            return [turn]
        left = colours.held_text(name, colours.other(target), self.application["releases"]["keep_warm"])
        return [public(colours.held_file(self.paths), left), turn]

    def note(self) -> dict[str, Any]:
        """What a return has to know."""
        application = self.application
        found = {"name": application["name"], "user": application["user"], "record": self.paths["deployment"]}
        # The processes that a return has to replace; all of them where it is not said.
        if self.is_ready:
            return {**found, "kinds": [self.target]}
        # Those of them that have not gone when something fails run what comes back then.
        return found if colours.has(application) else {**found, "earlier": self._running()}

    def _running(self) -> list[Any]:
        """The processes that are to go, as a record has them."""
        parent = httpd_pid(self.instance["pid_file"])
        if parent is None or self.is_ready:
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
        """Those that are to be switched; ``perform`` takes out what it has switched."""
        self.activation = bool(self.due) or any(switch.record.get("stale_processes") for switch in switches)
        """Whether daemon processes of an earlier deployment may have to go, from this run or from an earlier one."""

    def perform(self, later: Collection[Switch] = ()) -> None:
        """Switch all but those for ``later``. Raises ControlError, JournalError, OSError; then nothing is switched."""
        now = [switch for switch in self.due if switch not in later]
        if not now:
            return
        action = pending.strongest(*(switch.action for switch in now))
        edits = [edit for switch in now for edit in switch.edits()]
        notes = {"applications": [switch.note() for switch in now]}
        apply_step(self.instance, edits, action, notes)
        self.due = list(later)

    def leave(self, names: Collection[str]) -> None:
        """Applications whose release is not well before it serves are not switched."""
        self.due = [switch for switch in self.due if switch.application["name"] not in names]

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
