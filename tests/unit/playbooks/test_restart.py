# SPDX-License-Identifier: Apache-2.0
"""restart.yml goes from host to host, and ends at the first one whose new processes are not well."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.playbooks import run_with_program

PROGRAM = "/usr/local/bin/wsgi-restart"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "status", "said", "hosts"),
    [
        ("echo shop has new processes.", 0, "shop has new processes.", 2),
        ("echo Not well. >&2; exit 1", 2, "Not well.", 1),
        ("echo There is no application. >&2; exit 2", 2, "There is no application.", 1),
        ("", 2, "There is no wsgi-restart on host web1", 1),
    ],
    ids=["it is well", "it is not well", "it is refused", "it is not there"],
)
def test_a_host_that_fails_is_the_last(tmp_path: Path, program: str, status: int, said: str, hosts: int) -> None:
    asked = tmp_path / "asked"
    script = f'echo "$@" >> {asked}\n{program}' if program else ""
    done = run_with_program("restart.yml", PROGRAM, script, tmp_path, hosts=("web1", "web2"))
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
    if program:
        assert asked.read_text() == "-- shop\n" * hosts
