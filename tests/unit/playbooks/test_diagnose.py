# SPDX-License-Identifier: Apache-2.0
"""diagnose.yml is green when the host could look, and only then."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.scripts import ROOT


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
    doctor = tmp_path / "wsgi-doctor"
    if program:
        doctor.write_text(f"#!/bin/sh\n{program}\n")
        doctor.chmod(0o755)
    (tmp_path / "hosts.yml").write_text("wsgi: {hosts: {web1: {ansible_connection: local, ansible_become: false}}}\n")
    text = (ROOT / "playbooks/diagnose.yml").read_text(encoding="utf-8")
    assert "/usr/local/bin/wsgi-doctor" in text
    (tmp_path / "diagnose.yml").write_text(text.replace("/usr/local/bin/wsgi-doctor", str(doctor)))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "hosts.yml", "--extra-vars", "app=shop", "diagnose.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
