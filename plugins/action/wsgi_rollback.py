# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_rollback that runs on the control node: it says who goes back."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import WrittenAction, caller


class ActionModule(WrittenAction):
    """Runs the module."""

    MODULE = "modwsgi.deploy.wsgi_rollback"

    def complete(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of the module."""
        return {"by": caller(), **options}
