# SPDX-License-Identifier: Apache-2.0
"""One run of a playbook, as a rule site.yml, on one host under many names, each with variables of its own.

For what ends before anything is changed: it costs a run, not one for each case. Whatever would be changed would be
changed side by side, so a test looks at each name's recap.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from typing import Any

from support.deployment import Deployment, play

GROUP = "side_by_side"
FORKS = 4
"""Twice the cores of a small machine: each fork waits half of its time for the host."""


def name_of(case: str) -> str:
    """What a case is called as a host of the inventory."""
    return re.sub(r"[^a-z0-9]+", "-", case.lower()).strip("-")


def inventory(container: str, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An inventory beside the scenario's: each name is that container. The variables may hold templates."""
    reached = {
        "ansible_connection": "community.docker.docker",
        "ansible_host": container,
        "wsgi_serial": "100%",  # they are no fleet: what one is refused is nothing to the others
        "lab_image": f"{{{{ hostvars['{container}'].lab_image }}}}",
    }
    hosts = {name: dict(variables) for name, variables in cases.items()}
    return {"wsgi": {"children": {GROUP: {"hosts": hosts, "vars": reached}}}}


def deploy_side_by_side(container: str, cases: Mapping[str, Mapping[str, Any]]) -> Deployment:
    """Run site.yml on the names alone; their variables win over those of the scenario's group."""
    return play_side_by_side("site.yml", container, cases)


def play_side_by_side(playbook: str, container: str, cases: Mapping[str, Mapping[str, Any]]) -> Deployment:
    """Run a playbook on the names alone; their variables win over those of the scenario's group."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="side-by-side-") as file:
        json.dump(inventory(container, cases), file)
        file.flush()
        return play(playbook, "--inventory", file.name, "--limit", GROUP, "--forks", str(FORKS))
