# SPDX-License-Identifier: Apache-2.0
"""The lab's own plays: molecule/shared/*.yml, run by the environment's Ansible."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import IO

from tools.laboratory.state import Lab


def play(lab: Lab, playbook: str, arguments: Sequence[str], output: IO[str] | None = None) -> int:
    """Runs a play and gives its exit status; what it says goes to a file where one is given."""
    programs = lab.environment / "bin"
    command = [str(programs / "ansible-playbook"), *arguments, f"molecule/shared/{playbook}.yml"]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ.get('PATH', '')}"}
    if output:
        environment["ANSIBLE_FORCE_COLOR"] = "0"  # Molecule's plays have colours
    return subprocess.run(
        command, cwd=lab.repository, env=environment, stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.STDOUT if output else None, check=False,
    ).returncode  # fmt: skip
