# SPDX-License-Identifier: Apache-2.0
"""The part of mod_wsgi_wheel that runs on the control node: the wheel is fetched, looked at and kept."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError, built_wheel
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.wheel_cache import (
    LARGEST_WHEEL,
    Planned,
    WheelError,
    arriving,
    keep,
    limited_files,
)

MODULE = "modwsgi.deploy.mod_wsgi_wheel"


class ActionModule(ActionBase):
    """Run the module, and keep what it has built."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of the module, its names and checksums checked."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        answer = self._execute_module(MODULE, arguments, task_vars=task_vars or {})
        result.update(answer)
        nothing_kept = arguments.get("only_kept") and not result.get("wheel")
        if result.get("failed") or result.get("skipped"):
            return result
        if nothing_kept or (self._task.check_mode and "wheel" not in result):
            result.update(wheel="", wheel_sha256="")
            return result
        host, name = str(arguments["host"]), str(arguments["name"])
        path = os.path.join(str(arguments["destination"]), name)
        try:
            checksum = built_wheel(answer, name, host)
            if arguments.get("keep"):
                checksum = self._kept(path, arguments, host)
        except (AnswerError, WheelError) as error:
            raise AnsibleActionFail(str(error)) from error
        # Where it was told to be, and not where the host says that it is.
        result.update(wheel=path, wheel_sha256=checksum)
        return result

    def _kept(self, path: str, arguments: dict[str, Any], host: str) -> str:
        """Fetch the wheel into the cache of the control node; the SHA-256 of what has arrived."""
        planned = Planned(
            path=str(arguments["keep"]),
            version=str(arguments["version"]),
            python=str(arguments["python"]),
            module=str(arguments["module"]),
            builder=f"host {host}",
        )
        with arriving(planned) as arrived:
            try:
                with limited_files():
                    self._connection.fetch_file(path, str(arrived))
            except (AnsibleError, OSError) as error:
                raise WheelError(
                    f"{planned.name} was not fetched from host {host}, which may send {LARGEST_WHEEL} bytes at most "
                    f"({str(error)[:300]}); see what is wrong with {path} there, then run again."
                ) from None
            second, second_host = (str(arguments.get(key) or "") for key in ("second", "second_host"))
            return keep(arrived, planned, second, second_host)
