# SPDX-License-Identifier: Apache-2.0
"""The rollback commands of an application: what it undoes itself before an earlier release serves again.

They run as release commands do, in the release that is left, which knows what it has done: its migrations, say. It
serves meanwhile. Runs on the managed host.
"""

from __future__ import annotations

import grp
import json
import os
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import failure_log
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.commands import (
    essential,
    run_as_application,
    without_secrets,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import ConfinementError, Ended
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import LoggedError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record, write_record

KIND = "rollback-command"
"""Of the file with the output of a command that has failed."""
KEY = "rollback_commands"


class UndoError(LoggedError):
    """A command has failed, and the earlier release does not serve; the text is for the user."""


class Undoing:
    """The rollback commands of the release that is left."""

    def __init__(self, application: Mapping[str, Any], paths: Mapping[str, str], target: Mapping[str, str]) -> None:
        """``application`` is what serves, ``target`` the ``id`` and the ``path`` of the earlier release."""
        self.application = {**application, "paths": dict(paths)}
        self.paths = paths
        # An earlier version has recorded none.
        self.commands: list[list[str]] = application.get(KEY, [])
        self.told_of_target = {"WSGI_ROLLBACK_RELEASE": target["id"], "WSGI_ROLLBACK_DIRECTORY": target["path"]}
        self.begun: list[str] = []
        """The commands that were started, as one would type them."""
        self.warnings: list[str] = []

    def run(self) -> None:
        """Run them one after the other. Raises UndoError at the first that fails."""
        try:
            with open(self.paths["environment"], encoding="utf-8") as file:
                variables = json.load(file)
        except (OSError, ValueError) as error:
            raise UndoError(
                f"The environment variables of {self._name} cannot be read ({error}); run site.yml."
            ) from error
        for command in self.commands:
            self._run(command, variables)
        failure_log.forget(self._name, KIND)

    @property
    def _name(self) -> str:
        return str(self.application["name"])

    def _run(self, command: list[str], variables: dict[str, str]) -> None:
        release, venv = (os.path.realpath(self.paths[key]) for key in ("current", "venv"))
        self.begun.append(shlex.join(command))
        where = f"wsgi_apps: application {self._name!r}, key {KEY}: {self.begun[-1]}"
        try:
            ended = run_as_application(self.application, {**variables, **self.told_of_target}, release, venv, command)
        except ConfinementError as error:
            raise UndoError(f"{where}: {error}; look at the host's processes. {self._serves_on()}") from error
        if ended.status != 0 or ended.reason:
            raise self._failure(where, ended, without_secrets(ended.output, variables))
        if ended.left:
            self.warnings.append(f"{where} left processes running ({ended.left}), which were ended with it.")

    def _failure(self, where: str, ended: Ended, output: str) -> UndoError:
        end = ended.reason or (f"exit status {ended.status}" if ended.status > 0 else f"signal {-ended.status}")
        reason, lines = essential(output)
        gid = grp.getgrnam(self.application["group"]).gr_gid
        kept = failure_log.keep(self._name, KIND, output, gid) if lines else ""
        return UndoError(f"{where} ended with {end}: {reason}{kept}. {self._serves_on()}", lines)

    def _serves_on(self) -> str:
        before = f", after {', '.join(self.begun[:-1])}" if self.begun[1:] else ""
        return (
            f"The release that serves stays as it is{before}; correct the cause, or go back without these commands "
            f"(wsgi-release {self._name} rollback --without-commands)."
        )

    def again(self) -> str:
        """Let the next deployment run the release commands of the release that serves on; what that means.

        Some of what they did is undone, perhaps. Empty when no rollback command was started, and nothing is to be done.
        """
        if not self.begun or not self.application["release_commands"]:
            return ""
        record = read_record(self.paths["deployment"])
        write_record(self.paths["deployment"], {**record, "commands": ""})
        return f"As rollback commands have begun, the next run of site.yml runs release_commands of {self._name} again."
