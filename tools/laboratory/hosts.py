# SPDX-License-Identifier: Apache-2.0
"""Test hosts: containers that molecule/shared/create.yml makes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.images import CLONE_LABEL
from tools.laboratory.plays import play
from tools.laboratory.state import Lab


def names(lab: Lab) -> list[str]:
    """The hosts of this clone that exist."""
    label = f"label={CLONE_LABEL}={lab.repository}"
    return sorted(docker(["ps", "--all", "--filter", label, "--format", "{{.Names}}"]).split())


def create(lab: Lab, name: str, suite: str, interpreter: str, ports: Sequence[str]) -> None:
    """Makes a host, or starts it.

    Raises:
        LabError: the play failed; it has said why.
    """
    variables = json.dumps({"lab_suite": suite, "lab_interpreter": interpreter, "lab_published_ports": list(ports)})
    if play(lab, "create", ["--inventory", f"{name},", "--extra-vars", variables]) != 0:
        raise LabError("The play molecule/shared/create.yml failed; it says why above.")


def destroy(console: Console, hosts: Sequence[str]) -> None:
    """Removes hosts."""
    if hosts:
        docker(["rm", "--force", "--volumes", *hosts])
        console.report(f"Hosts removed: {', '.join(hosts)}")
