# SPDX-License-Identifier: Apache-2.0
"""restart.yml goes from host to host, and ends at the first one whose new processes are not well."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.scripts import ROOT

PROGRAM = "/usr/local/bin/wsgi-restart"


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
    restart, asked = tmp_path / "wsgi-restart", tmp_path / "asked"
    if program:
        restart.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n{program}\n')
        restart.chmod(0o755)
    local = "{ansible_connection: local, ansible_become: false}"
    (tmp_path / "hosts.yml").write_text(f"wsgi: {{hosts: {{web1: {local}, web2: {local}}}}}\n")
    text = (ROOT / "playbooks/restart.yml").read_text(encoding="utf-8")
    assert PROGRAM in text
    (tmp_path / "restart.yml").write_text(text.replace(PROGRAM, str(restart)))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "hosts.yml", "--extra-vars", "app=shop", "restart.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
    if program:
        assert asked.read_text() == "-- shop\n" * hosts
