# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi_container_wheel: all of it runs on the control node."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.container import ContainerError, Request, build
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.wheel_cache import (
    Planned,
    WheelError,
    arriving,
    keep,
)

_TEXTS = (
    "image", "distribution", "architecture", "python", "version", "sha256", "source", "folder", "name", "host",
)  # fmt: skip


class ActionModule(ActionBase):
    """Build in a container, and keep what has come of it."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Path and SHA-256 of the wheel in the cache."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        if self._task.check_mode:
            return {**result, "changed": True}
        request = Request(
            **{name: str(arguments.get(name) or "") for name in _TEXTS},
            companions=tuple(str(path) for path in arguments["companions"]),
            httpd_api=int(arguments["httpd_api"]),
            packages=tuple(str(name) for name in arguments["packages"]),
            environment={str(name): str(value) for name, value in (arguments.get("environment") or {}).items()},
        )
        planned = Planned(
            path=str(arguments["keep"]),
            version=request.version,
            python=request.python,
            module=str(arguments["module"]),
            builder=f"a container of {request.image}",
        )
        try:
            with arriving(planned) as arrived:
                build(request, arrived)
                second, second_host = (str(arguments.get(key) or "") for key in ("second", "second_host"))
                checksum = keep(arrived, planned, second, second_host)
        except (ContainerError, WheelError) as error:
            log = getattr(error, "log", "").splitlines()
            return {**result, "failed": True, "msg": str(error), **({"log": log} if log else {})}
        return {**result, "changed": True, "wheel": planned.path, "wheel_sha256": checksum}
