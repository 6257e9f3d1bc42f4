# SPDX-License-Identifier: Apache-2.0
"""The part of wsgi_go_live that runs on the control node: the files are rendered, secrets of the applications added."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import files
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import WrittenAction, caller

UNCHANGED: dict[str, Any] = {"changed": False, "unproven": False, "changes": [], "switched": {}, "actions": []}
"""What the module returns of a run without a change, beside the answers of the applications."""


class ActionModule(WrittenAction):
    """Renders what goes live."""

    MODULE = "modwsgi.deploy.wsgi_go_live"
    NEEDS = ("environments", "sensitive_files")

    def answer(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What the module returned; the proof, where the preflight has it already."""
        proven = options.pop("proven", None)
        return {**UNCHANGED, **proven} if proven else super().answer(options, variables)

    def complete(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of the module; ``certificates`` and ``logging`` become files."""
        certificates, logging = options.pop("certificates", None), options.pop("logging", None)
        options = {"by": caller(), **super().complete(options)}
        if "files" in options:
            return options
        try:
            described = instance(options.get("instance", "apache2"))
            port = int(options["site"]["private_port"])
            everything = sorted([*options["applications"], *options.get("others", [])], key=lambda each: each["name"])
            made = files(everything, described, certificates, logging, port, options.get("foreign"))
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from error
        return {**options, "files": made}
