# SPDX-License-Identifier: Apache-2.0
"""A filter for plays that show which releases serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import release_tool

COLUMNS = {
    "host": "HOST",
    "application": "APPLICATION",
    **release_tool.COLUMNS,
    "health": "HEALTH",
}


def releases_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of a table, its heading first."""
    return release_tool.table(rows, COLUMNS)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"releases_table": releases_table}
