# SPDX-License-Identifier: Apache-2.0
"""Filters of the role wsgi_app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils import (
    httpd_foreign,
    httpd_sizing,
    wsgi_apps,
    wsgi_certificates,
    wsgi_directives,
    wsgi_files,
    wsgi_vhost,
)


def problems(
    applications: Sequence[Mapping[str, Any]], listen: Iterable[int | str], environment: str = ""
) -> list[str]:
    """What is wrong with ``wsgi_apps``, one sentence each; empty when all is well.

    ``listen`` is ``httpd_listen``, ``environment`` is ``wsgi_environment``.
    """
    try:
        return wsgi_apps.problems(applications, listen, environment)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def module_problems(applications: Sequence[Mapping[str, Any]], server: Mapping[str, Any]) -> list[str]:
    """What the applications ask of mod_wsgi and httpd that the host will not have, one sentence each.

    ``server``: version and install_method (of mod_wsgi), host (the fact ``httpd_host``), directives
    (``mod_wsgi_directives``).
    """
    version = wsgi_directives.module_version(server["version"], server["install_method"], server["host"])
    beside = httpd_foreign.application_problems(server["host"].get("foreign", {}), applications)
    return wsgi_apps.module_problems(applications, {**server, "version": version}) + beside


def _complete(
    applications: Sequence[Mapping[str, Any]],
    listen: Iterable[int | str],
    host: Mapping[str, Any],
    overrides: Mapping[str, int | None] | None = None,
) -> list[dict[str, Any]]:
    try:
        sizes = httpd_sizing.sizes(int(host["cores"]), int(host["memory_mebibytes"]), applications, overrides)
        return wsgi_apps.normalise(applications, listen, sizes["applications"])
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def applications(
    value: Sequence[Mapping[str, Any]],
    listen: Iterable[int | str],
    host: Mapping[str, Any],
    overrides: Mapping[str, int | None] | None = None,
) -> list[dict[str, Any]]:
    """``wsgi_apps`` in its complete form, without the environment variables, ordered by name.

    ``listen`` is ``httpd_listen``, ``host`` the fact ``httpd_host``, and ``overrides`` the server's sizes that the user
    sets, by the keys of the filter ``httpd_sizes``.
    """
    return wsgi_apps.without_environments(_complete(value, listen, host, overrides))


def user_files(value: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The files of users with their hashed passwords, for the option ``sensitive_files`` of ``wsgi_go_live``."""
    return [{"path": path, "content": text} for path, text in sorted(wsgi_vhost.user_files(value).items())]


def certificates(value: Sequence[Mapping[str, Any]], instance: Mapping[str, str]) -> list[dict[str, Any]]:
    """The certificates for ``httpd_certificates``, from the complete applications."""
    return wsgi_certificates.wanted(value, instance["state_directory"])


def environments(value: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The environment variables of each application, by its name."""
    return {str(application["name"]): dict(application.get("environment") or {}) for application in value}


def credentials(value: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, str]]]:
    """What gives builds access, by the application's name: for the option ``credentials`` of modules."""
    return wsgi_apps.credentials(value)


def files(
    value: Sequence[Mapping[str, Any]],
    instance: Mapping[str, str],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    logging: Mapping[str, str] | None = None,
    private_port: int | str = wsgi_files.PRIVATE_PORT,
    foreign: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The files of the role for ``httpd_config``, from the complete applications.

    ``certificates`` is what ``httpd_certificates`` returned; ``logging`` has ``format`` and ``destination``;
    ``private_port`` is ``httpd_private_port``; ``foreign`` is ``httpd_host.foreign``.
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
            "wsgi_apps": applications,
            "wsgi_apps_problems": problems,
            "wsgi_apps_module_problems": module_problems,
            "wsgi_apps_notes": wsgi_apps.notes,
            "wsgi_apps_environments": environments,
            "wsgi_apps_credentials": credentials,
            "wsgi_apps_files": files,
            "wsgi_apps_user_files": user_files,
            "wsgi_apps_certificates": certificates,
            "wsgi_apps_modules": wsgi_vhost.modules,
            "wsgi_apps_tls_ports": wsgi_vhost.tls_ports,
        }
