# SPDX-License-Identifier: Apache-2.0
"""What an operator types to run a command on a host with a terminal. Runs on the control node only."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
CONTAINERS = {"docker": "docker", "docker_api": "docker", "podman": "podman"}
"""The container engines' commands, by the short names of the connections."""

DEFAULT_CONNECTION = "ssh"


def terminal_command(command: str, host: str, variables: Mapping[str, Any]) -> str:
    """One line for the operator's shell that runs `command` as root on `host`, as Ansible reaches it.

    `variables` are those of the host. When its connection is none of SSH, containers and local, the line is in words.
    """
    connection = str(variables.get("ansible_connection") or DEFAULT_CONNECTION).rpartition(".")[2]
    user = str(variables.get("ansible_user") or "")
    words = shlex.split(command) if user == "root" else ["sudo", *shlex.split(command)]
    if connection in SSH:
        return shlex.join([*_ssh(host, user, variables), *words])
    if connection in CONTAINERS:
        enter = [CONTAINERS[connection], "exec", "-it"]
        name = str(variables.get("ansible_host") or host)
        if not user:  # that of the container's image, which is root as a rule
            return shlex.join([*enter, name, *shlex.split(command)])
        return shlex.join([*enter, "--user", user, name, *words])
    if connection == "local":
        return shlex.join(words)
    return f"as root, in a terminal of {host}: {command}"


def _ssh(host: str, user: str, variables: Mapping[str, Any]) -> list[str]:
    options = ["-t"]
    for key in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        options += shlex.split(str(variables.get(key) or ""))
    if variables.get("ansible_port"):
        options += ["-p", str(variables["ansible_port"])]
    if variables.get("ansible_ssh_private_key_file"):
        options += ["-i", str(variables["ansible_ssh_private_key_file"])]
    address = str(variables.get("ansible_host") or host)
    return ["ssh", *options, f"{user}@{address}" if user else address]
