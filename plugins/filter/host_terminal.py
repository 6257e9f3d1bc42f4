# SPDX-License-Identifier: Apache-2.0
"""Filters for plays that tell the operator what to type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_terminal


def terminal_command(command: str, host: str, variables: Mapping[str, Any]) -> str:
    """One line that runs the command as root on the host, with a terminal; see plugin_utils/host_terminal.py."""
    return host_terminal.terminal_command(command, host, variables)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"terminal_command": terminal_command}
