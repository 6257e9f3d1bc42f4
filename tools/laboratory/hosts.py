# SPDX-License-Identifier: Apache-2.0
"""Test hosts: containers that molecule/shared/create.yml makes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence

from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.images import CLONE_LABEL
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
    _play(lab, "create", ["--inventory", f"{name},", "--extra-vars", variables])


def _play(lab: Lab, playbook: str, arguments: Sequence[str]) -> None:
    programs = lab.environment / "bin"
    command = [str(programs / "ansible-playbook"), *arguments, f"molecule/shared/{playbook}.yml"]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ.get('PATH', '')}"}
    if subprocess.run(command, cwd=lab.repository, env=environment, check=False).returncode != 0:
        raise LabError(f"The play molecule/shared/{playbook}.yml failed; it says why above.")


def destroy(console: Console, hosts: Sequence[str]) -> None:
    """Removes hosts."""
    if hosts:
        docker(["rm", "--force", "--volumes", *hosts])
        console.report(f"Hosts removed: {', '.join(hosts)}")
