# SPDX-License-Identifier: Apache-2.0
"""Filters of the role httpd; others use them too."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils import instance as httpd_instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import quoting


def instance(name: str) -> dict[str, str]:
    """The description of an httpd instance."""
    try:
        return httpd_instance.instance(name)
    except httpd_instance.UnknownInstanceError as error:
        raise AnsibleFilterError(str(error)) from error


def quote(value: object, key: str = "") -> str:
    """One argument of an httpd directive."""
    try:
        return quoting.quote(value, key)
    except quoting.QuotingError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "httpd_instance": instance,
            "httpd_quote": quote,
        }
