# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_venv that runs on the control node: secrets of the applications are added."""

from __future__ import annotations

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import WrittenAction


class ActionModule(WrittenAction):
    """Adds the credentials, and the environment variables that requirements may name."""

    MODULE = "modwsgi.deploy.wsgi_venv"
    NEEDS = ("credentials", "environments")
