# SPDX-License-Identifier: Apache-2.0
"""A host as the preflight knows it, and the base configuration for it."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd_base import Base

DESCRIPTION: dict[str, Any] = {
    "distribution": "debian",
    "codename": "bookworm",
    "release": "12",
    "python_version": "3.11",
    "architecture": "x86_64",
    "service_manager": "systemd",
    "cores": 2,
    "memory_mebibytes": 2048,
    "foreign": {},
}
"""The fact `httpd_host`."""


def base(applications: tuple[dict[str, Any], ...] = (), host: dict[str, Any] | None = None, **variables: Any) -> Base:
    """The base configuration with these variables of the role httpd."""
    return Base(settings.checked("httpd", variables), applications, {**DESCRIPTION, **(host or {})})
