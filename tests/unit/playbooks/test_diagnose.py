# SPDX-License-Identifier: Apache-2.0
"""diagnose.yml is green when the host could look, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.playbooks import run_with_program


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("echo found; exit 1", 0, "found"),
        ("echo Fault. >&2; exit 2", 2, "Fault."),
        ("exit 1", 2, "There is no wsgi-doctor on host web1"),
        ("", 2, "There is no wsgi-doctor on host web1"),
    ],
    ids=["something is found", "it cannot look", "it says nothing", "it is not there"],
)
def test_a_doctor_that_could_not_look_ends_the_play(tmp_path: Path, program: str, status: int, said: str) -> None:
    done = run_with_program("diagnose.yml", "/usr/local/bin/wsgi-doctor", program, tmp_path)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
