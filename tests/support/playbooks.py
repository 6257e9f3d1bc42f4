# SPDX-License-Identifier: Apache-2.0
"""Playbooks that call a program of the hosts, run here with another program in its place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def ansible_playbook(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook in a folder, with further environment variables."""
    return subprocess.run(
        ["ansible-playbook", *words],
        cwd=folder,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def run_with_program(
    playbook: str,
    program: str,
    script: str,
    folder: Path,
    hosts: Sequence[str] = ("web1",),
    options: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a playbook for the application `shop` on hosts that are this machine.

    ``script`` is a text for sh in place of ``program``, the path that the playbook calls; empty: there is none.
    Nobody reaches a host called ``lost``.
    """
    other = folder / Path(program).name
    if script:
        other.write_text(f"#!/bin/sh\n{script}\n")
        other.chmod(0o755)
    local = "{ansible_connection: local, ansible_become: false}"
    lost = "{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}"
    entries = ", ".join(f"{host}: {lost if host == 'lost' else local}" for host in hosts)
    (folder / "hosts.yml").write_text(f"wsgi: {{hosts: {{{entries}}}}}\n")
    text = (ROOT / "playbooks" / playbook).read_text(encoding="utf-8")
    assert program in text
    (folder / playbook).write_text(text.replace(program, str(other)))
    return ansible_playbook(folder, "--inventory=hosts.yml", "--extra-vars=app=shop", *options, playbook)
