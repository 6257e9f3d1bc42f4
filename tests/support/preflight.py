# SPDX-License-Identifier: Apache-2.0
"""A host as the preflight knows it, and the base configuration for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.base import Base
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import Preflight

DESCRIPTION: dict[str, Any] = {
    "distribution": "debian",
    "codename": "bookworm",
    "release": "12",
    "python_version": "3.11",
    "architecture": "x86_64",
    "service_manager": "systemd",
    "control_groups": False,
    "apparmor": False,
    "apparmor_ready": False,
    "cores": 2,
    "memory_mebibytes": 2048,
    "php": "",
    "foreign": {},
    "blue_green": [],
}
"""The fact `httpd_host`."""

INTERPRETER: dict[str, Any] = {
    "executable": "/usr/bin/python3.11",
    "version": "3.11",
    "full_version": "3.11.2",
    "prefix": "/usr",
    "abi": "cp311",
    "libpython": "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",
    "extension_suffix": ".cpython-311-x86_64-linux-gnu.so",
    "headers": False,
    "installed": True,
    "from_distribution": True,
}
"""The fact `mod_wsgi_interpreter`."""
INSPECTION: dict[str, Any] = {
    "interpreter": INTERPRETER,
    "distribution": "debian12",
    "architecture": "x86_64",
    "httpd_api": 20120211,
    "missing_packages": [],
    "installation": {},
    "build_tools_recorded": False,
}
"""What the module `mod_wsgi_interpreter` answers where nothing is installed."""

MODULE_SETTINGS: dict[str, Any] = {
    "host": "web1",
    "python": "3.11",
    "version": "6.1.1",
    "install_method": "source",
    "source": "",
    "source_sha256": "",
    "wheel": "",
    "wheel_sha256": "",
    "build_on": "host:build1",
    "build_host_known": True,
    "verify_wheel": False,
    "allow_known_bad": [],
    "destroy_interpreter": True,
    "reload_drain_timeout": 2.0,
    "directives": {},
}
"""The settings of the role mod_wsgi, but for its folder of wheels."""


def base(applications: tuple[dict[str, Any], ...] = (), host: dict[str, Any] | None = None, **variables: Any) -> Base:
    """The base configuration with these variables of the role httpd."""
    return Base(
        settings.checked("httpd", variables), settings.applications(applications), {**DESCRIPTION, **(host or {})}
    )


class Machine:
    """Answers as the modules do on a host where nothing is due, and keeps what it was asked; raises an exception."""

    def __init__(self) -> None:
        planned = {"steps": [], "due": [], "git": True, "once": {}, "releases": {}, "venvs": {}, "certificates": {}}
        self.answers: dict[str, Any] = {
            "httpd_preflight": {"host": copy.deepcopy(DESCRIPTION), "missing_packages": []},
            "mod_wsgi_interpreter": copy.deepcopy(INSPECTION),
            "wsgi_inspect": planned,
        }
        self.asked: list[str] = []
        self.arguments: dict[str, dict[str, Any]] = {}

    def ask(self, module: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        """What a module would say."""
        self.asked.append(module)
        self.arguments[module] = arguments
        answer = self.answers[module]
        if isinstance(answer, Exception):
            raise answer
        if "mod_wsgi" in arguments:
            answer = {"mod_wsgi": {"answer": self.answers["mod_wsgi_interpreter"]}, **answer}
        return {**answer, "changed": False}


def variables_of(folder: Path, **shop: Any) -> dict[str, Any]:
    """Variables of a host with one application, whose source is in the folder."""
    (folder / "source").mkdir()
    (folder / "source" / "wsgi.py").touch()
    own = {"name": "shop", "server_name": "shop.example", "source": {"directory": str(folder / "source")}}
    return {
        "groups": {"all": ["web1"]},
        "inventory_hostname": "web1",
        "wsgi_apps": [{**own, "environment": {"SECRET": "wisdom"}, **shop}],
        "mod_wsgi_wheel_cache": str(folder / "wheels"),
    }


def plan_module(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the plan of the module says from now on: that the module is there. It may be changed."""
    planned = {"action": "none"}
    plan = Preflight._mod_wsgi

    def with_module(preflight: Any) -> None:
        plan(preflight)
        preflight.result["mod_wsgi_plan"] = {**preflight.result["mod_wsgi_plan"], **planned}

    monkeypatch.setattr(Preflight, "_mod_wsgi", with_module)
    return planned
