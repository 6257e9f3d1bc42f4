# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_release that runs on the control node: digest, pack and transfer."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import Entry, SourceError, examine_all, pack
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError, names_among
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import WrittenAction


class ActionModule(WrittenAction):
    """Ask the host which releases it lacks, and bring those."""

    MODULE = "modwsgi.deploy.wsgi_release"
    NEEDS = ("credentials",)

    def execute(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Run the module once, and a second time with archives when releases are missing."""
        try:
            applications, listed = examine_all(options.get("applications") or [])
        except SourceError as error:
            raise AnsibleActionFail(str(error)) from error
        result = super().execute({**options, "applications": applications}, variables)
        if result.get("failed") or self._task.check_mode or not result.get("missing"):
            return result
        try:
            names = [application["name"] for application in applications]
            missing = names_among(result["missing"], names, "missing", str(variables.get("inventory_hostname")))
        except AnswerError as error:
            raise AnsibleActionFail(str(error)) from error
        lacking = [application for application in applications if application["name"] in missing]
        try:
            for application in lacking:
                application["archive"] = self._transfer(application, listed[application["name"]])
            second = super().execute({**options, "applications": lacking}, variables)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        releases = {**result["releases"], **second.get("releases", {})}
        warnings = [*result.get("warnings", []), *second.get("warnings", [])]
        result.update(second)
        if warnings:
            result["warnings"] = warnings
        result["releases"] = releases
        return result

    def _transfer(self, application: dict[str, Any], entries: list[Entry]) -> str:
        """Pack the source and put it into the remote temporary folder; its path there."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        name = f"{application['name']}.tar.gz"
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, name)
        with tempfile.TemporaryDirectory(prefix="wsgi_release-") as folder:
            archive = os.path.join(folder, name)
            pack(application["source"]["directory"], entries, archive)
            self._transfer_file(archive, remote)
        return str(remote)
