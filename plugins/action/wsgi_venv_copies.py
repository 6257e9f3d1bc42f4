# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_venv_copies that runs on the control node: who builds for whom, and the archives pass here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import SIZE
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import sha256_of
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import venv_builder
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError, venv_names
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.wheel_cache import limited_files

MODULE = "modwsgi.deploy.wsgi_venv_copies"
PREFLIGHT = "modwsgi_preflight"
"""The variable in which the roles register what they know of a host."""


class CopiesError(Exception):
    """A virtual environment does not come here; the text is one sentence for the user."""


class ActionModule(ActionBase):
    """Look whether the builder can build for this host, and let archives come from there."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The archives; see the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            return {**result, "copies": self._copies(variables), "changed": False}
        except (AnswerError, CopiesError) as error:
            # Not raised: Ansible would put words of its own before it.
            return {**result, "failed": True, "msg": str(error)}

    def _copies(self, variables: dict[str, Any]) -> dict[str, Any]:
        host, hostvars = str(variables["inventory_hostname"]), variables["hostvars"]
        own: Mapping[str, Any] = hostvars[host][PREFLIGHT]
        builder = str(own["wsgi_app_builder"])
        everyone = variables["ansible_play_hosts_all"]
        preflights = {each: hostvars[each].get(PREFLIGHT) or {} for each in (host, builder) if each in everyone}
        problem = venv_builder.problem(host, preflights, everyone, variables["ansible_play_hosts"])
        if problem:
            raise CopiesError(problem)
        if boolean(self._task.args.get("only_check", False)):
            return {}
        names = [str(application["name"]) for application in own["wsgi_app_applications"]]
        wanted = venv_names(self._task.args.get("wanted"), names, host)
        temporary = constants.DEFAULT_LOCAL_TMP  # the run's own; Ansible removes it at the end
        places = {name: venv_builder.place(temporary, builder, name, identity) for name, identity in wanted.items()}
        lacking = {name: path for name, path in places.items() if not path.exists()}
        if lacking:
            self._bring({name: wanted[name] for name in lacking}, lacking, (builder, host), variables)
        return {
            name: {"id": wanted[name], "file": str(path), "sha256": sha256_of(path), "builder": builder}
            for name, path in places.items()
        }

    def _bring(
        self, wanted: Mapping[str, str], places: Mapping[str, Path], hosts: tuple[str, str], variables: dict[str, Any]
    ) -> None:
        """Have the builder pack what is wanted, and fetch it. Raises CopiesError."""
        builder, host = hosts
        self._make_tmp_path()
        folder = str(self._connection._shell.tmpdir)
        try:
            told = self._execute_module(
                MODULE,
                {"wanted": dict(wanted), "folder": folder, "builder": builder, "host": host},
                task_vars=variables,
            )
            if told.get("failed"):
                raise CopiesError(str(told.get("msg")))
            for name, path in places.items():
                self._fetch(self._connection._shell.join_path(folder, f"{name}.tar.gz"), path, builder)
        finally:
            self._remove_tmp_path(folder)

    def _fetch(self, remote: str, path: Path, builder: str) -> None:
        """Fetch one archive to its place; it is there when it is whole."""
        size = int(self._task.args.get("build_size") or SIZE)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(dir=path.parent), "arriving")
        try:
            with limited_files(size):
                self._connection.fetch_file(remote, str(arriving))
        except (AnsibleError, OSError) as error:
            raise CopiesError(
                f"{path.name} was not fetched from host {builder}, which may send {size} bytes at most "
                f"(wsgi_app_build_size): {str(error)[:300]}."
            ) from None
        if arriving.is_symlink() or not arriving.is_file():
            raise CopiesError(f"{path.name} from host {builder} is no file; look at that host before you go on.")
        os.replace(arriving, path)
