# SPDX-License-Identifier: Apache-2.0
"""What the template of a vhost lays out: what all its subjects give, and its applications in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import pages
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.apps import SUBJECTS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Certificates, Vhost

Members = Sequence[Mapping[str, Any]]


def site_values(site: App, members: Members, certificates: Certificates) -> dict[str, Any]:
    """The values for a vhost with its applications."""
    ordered = sorted(members, key=lambda member: (-len(member["application"]["path"]), member["application"]["path"]))
    ordered = [{**member, **pages.condition(member, ordered)} for member in ordered]
    vhost = Vhost(site, ordered, certificates)
    return {
        "site": site,
        "members": ordered,
        "launchers": list(dict.fromkeys((m["launcher_directory"], m["launcher_file"]) for m in ordered)),
        **{name: value for subject in SUBJECTS for name, value in subject.values(vhost).items()},
    }
