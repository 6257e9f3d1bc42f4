# SPDX-License-Identifier: Apache-2.0
"""Filters of the role wsgi_app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import preflight
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import source


def credentials(value: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What gives builds access, by the application's name: for the option ``credentials`` of modules."""
    return source.credentials(value)


def files(
    value: Sequence[Mapping[str, Any]],
    instance: Mapping[str, str],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    logging: Mapping[str, str] | None = None,
    private_port: int | str = 0,
    foreign: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The files of the role for ``httpd_config``, from the complete applications.

    ``certificates`` is what ``httpd_certificates`` returned; ``logging`` has ``format`` and ``destination``;
    ``private_port`` is ``httpd_private_port``, else the default of the instance; ``foreign`` is ``httpd_host.foreign``.
    """
    try:
        return wsgi_files.files(value, instance, certificates, logging, int(private_port), foreign)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "wsgi_apps_environments": preflight.environments,
            "wsgi_apps_credentials": credentials,
            "wsgi_apps_files": files,
            "wsgi_apps_user_files": preflight.user_files,
        }
