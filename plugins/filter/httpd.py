# SPDX-License-Identifier: Apache-2.0
"""Filters of the role httpd; others use them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils import (
    httpd_instance,
    httpd_listeners,
    httpd_quoting,
    httpd_sizing,
)


def instance(name: str) -> dict[str, str]:
    """The description of an httpd instance."""
    try:
        return httpd_instance.instance(name)
    except httpd_instance.UnknownInstanceError as error:
        raise AnsibleFilterError(str(error)) from error


def quote(value: object, key: str = "") -> str:
    """One argument of an httpd directive."""
    try:
        return httpd_quoting.quote(value, key)
    except httpd_quoting.QuotingError as error:
        raise AnsibleFilterError(str(error)) from error


def sizes(
    host: Mapping[str, Any],
    applications: Iterable[Mapping[str, Any]] = (),
    overrides: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """Sizes for the host that ``httpd_host`` describes."""
    try:
        return httpd_sizing.sizes(int(host["cores"]), int(host["memory_mebibytes"]), applications, overrides)
    except httpd_sizing.SizingError as error:
        raise AnsibleFilterError(str(error)) from error


def listeners(listen: Iterable[int | str], private_port: int) -> list[dict[str, Any]]:
    """The listen addresses, split; the private one comes last."""
    try:
        return [
            {"address": listener.address, "port": listener.port, "directive": listener.directive}
            for listener in httpd_listeners.listeners(listen, private_port)
        ]
    except httpd_listeners.ListenerError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "httpd_instance": instance,
            "httpd_quote": quote,
            "httpd_sizes": sizes,
            "httpd_listeners": listeners,
        }
