# SPDX-License-Identifier: Apache-2.0
"""Filters of the role mod_wsgi: the decisions that are made on the control node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan


def _plans(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The plan of each host, as its preflight has made it."""
    found = {host: hostvars[host].get("modwsgi_preflight", {}) for host in hosts if host in hostvars}
    return {host: preflight.get("mod_wsgi_plan", {}) for host, preflight in found.items()}


def mod_wsgi_orderer(wheel: str, hosts: Iterable[str], hostvars: Mapping[str, Any]) -> str:
    """The host for whose sake a wheel is built."""
    plans = _plans(hosts, hostvars)
    return plan.orderer(wheel, plans, plans)


def mod_wsgi_verification_problem(host: str, hosts: Iterable[str], hostvars: Mapping[str, Any]) -> str:
    """Why the wheel of a host cannot be built a second time; "" when it can, or need not."""
    plans = _plans(hosts, hostvars)
    return plan.verification_problem(host, plans, plans)


def mod_wsgi_build_host_problem(
    inspection: Mapping[str, Any], settings: Mapping[str, Any], builder: Mapping[str, Any]
) -> str:
    """Why the host that mod_wsgi_build_on names cannot build for the one that was inspected; "" when it can."""
    try:
        return plan.build_host_problem(settings, inspection, builder)
    except AnswerError as error:
        raise AnsibleFilterError(str(error)) from error


def mod_wsgi_cached_wheel(path: str) -> str:
    """SHA-256 of a verified wheel on the control node, "" when it is not there."""
    try:
        return plan.cached_wheel(path)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def mod_wsgi_files(
    installation: Mapping[str, Any],
    instance: Mapping[str, str],
    destroy_interpreter: bool = True,
    directives: Mapping[str, Any] | None = None,
    reload_drain_timeout: float = plan.DEFAULT_RELOAD_DRAIN,
    beside_others: bool = False,
) -> list[dict[str, Any]]:
    """The files for the configuration transaction.

    Raises AnsibleFilterError when a value cannot stand in httpd's configuration.
    """
    try:
        return plan.files(installation, instance, destroy_interpreter, directives, reload_drain_timeout, beside_others)
    except QuotingError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "mod_wsgi_orderer": mod_wsgi_orderer,
            "mod_wsgi_verification_problem": mod_wsgi_verification_problem,
            "mod_wsgi_build_host_problem": mod_wsgi_build_host_problem,
            "mod_wsgi_cached_wheel": mod_wsgi_cached_wheel,
            "mod_wsgi_files": mod_wsgi_files,
        }
