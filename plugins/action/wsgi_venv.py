# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_venv that runs on the control node: secrets are added, and what another host has built is sent."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import WrittenAction


class ActionModule(WrittenAction):
    """Adds the credentials, and the environment variables that requirements may name."""

    MODULE = "modwsgi.deploy.wsgi_venv"
    NEEDS = ("credentials", "environments")

    def execute(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Run the module, with the archives of RV(modwsgi.deploy.wsgi_venv_copies#module:copies) on the host."""
        copies = options.get("copies") or {}
        sent = {} if self._task.check_mode else {name: self._sent(name, copy) for name, copy in copies.items()}
        return super().execute({**options, **({"copies": sent} if copies else {})}, variables)

    def _sent(self, name: str, copy: dict[str, Any]) -> dict[str, Any]:
        """An archive as the module gets it: by its path on the host."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, f"{name}.tar.gz")
        self._transfer_file(copy["file"], remote)
        return {**{key: value for key, value in copy.items() if key != "file"}, "path": str(remote)}
