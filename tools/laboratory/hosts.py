# SPDX-License-Identifier: Apache-2.0
"""Test hosts: containers that molecule/shared/create.yml makes."""

from __future__ import annotations

from collections.abc import Sequence

from tools.laboratory.console import Console
from tools.laboratory.engine import docker
from tools.laboratory.images import CLONE_LABEL
from tools.laboratory.state import Lab


def names(lab: Lab) -> list[str]:
    """The hosts of this clone that exist."""
    label = f"label={CLONE_LABEL}={lab.repository}"
    return sorted(docker(["ps", "--all", "--filter", label, "--format", "{{.Names}}"]).split())


def destroy(console: Console, hosts: Sequence[str]) -> None:
    """Removes hosts."""
    if hosts:
        docker(["rm", "--force", "--volumes", *hosts])
        console.report(f"Hosts removed: {', '.join(hosts)}")
