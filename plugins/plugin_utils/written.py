# SPDX-License-Identifier: Apache-2.0
"""What the modules of a deployment get of ``wsgi_apps`` as the inventory has it, secrets included.

Their option ``applications`` has no secrets, so that it may be logged; these travel apart, each as one opaque string,
so that hiding it in messages hides nothing else.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import auth, source


def encoded(value: Any) -> str:
    """One opaque string: what looks like a template in it is none, and hiding it hides nothing else."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def environments(applications: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The environment variables of each application, by its name."""
    return {str(application["name"]): dict(application.get("environment") or {}) for application in applications}


def user_files(applications: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The files of users with their hashed passwords, for the option ``sensitive_files`` of modules."""
    return [{"path": path, "content": text} for path, text in sorted(auth.user_files(applications).items())]


def caller() -> str:
    """Who runs the play, and where, for the records of releases."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


OPTIONS: Mapping[str, Callable[[Sequence[Mapping[str, Any]]], Any]] = {
    "environments": environments,
    "credentials": source.credentials,
    "sensitive_files": user_files,
}
"""What can be made of ``wsgi_apps``, by the option of modules that takes it."""


class WrittenAction(ActionBase):
    """Runs the module of its name on the host, with what the module needs of ``wsgi_apps``."""

    MODULE = ""
    NEEDS: tuple[str, ...] = ()
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self.answer(dict(self._task.args), task_vars or {}))
        return result

    def answer(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What the host says; ``options`` are those of the task, ``variables`` those of the host."""
        return self.execute(self.complete(options), variables)

    def execute(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Run the module with its complete options. An action that brings files to the host does so here."""
        found: dict[str, Any] = self._execute_module(self.MODULE, options, task_vars=variables)
        return found

    def complete(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of the module."""
        written = options.pop("wsgi_apps", None)
        if written is None:
            return options
        typed = settings.applications(written)
        return {**{name: encoded(OPTIONS[name](typed)) for name in self.NEEDS}, **options}
