# SPDX-License-Identifier: Apache-2.0
"""A host as the preflight knows it, and the base configuration for it."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.base import Base

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
