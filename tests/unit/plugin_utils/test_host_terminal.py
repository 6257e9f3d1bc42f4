# SPDX-License-Identifier: Apache-2.0
"""The line that an operator types for a terminal on a host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_terminal import terminal_command


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "ssh -t web1 sudo wsgi-debug shop"),
        ({"ansible_user": "deployer"}, "ssh -t deployer@web1 sudo wsgi-debug shop"),
        ({"ansible_connection": "ansible.builtin.ssh", "ansible_user": "root"}, "ssh -t root@web1 wsgi-debug shop"),
        (
            {
                "ansible_host": "192.0.2.1",
                "ansible_port": 2222,
                "ansible_user": "deployer",
                "ansible_ssh_private_key_file": "/home/deployer/a key",
                "ansible_ssh_common_args": "-o ProxyJump=bastion -o 'UserKnownHostsFile=/a b'",
            },
            "ssh -t -o ProxyJump=bastion -o 'UserKnownHostsFile=/a b' -p 2222 -i '/home/deployer/a key' "
            "deployer@192.0.2.1 sudo wsgi-debug shop",
        ),
        ({"ansible_connection": "community.docker.docker"}, "docker exec -it web1 wsgi-debug shop"),
        (
            {"ansible_connection": "docker", "ansible_host": "a-container", "ansible_user": "root"},
            "docker exec -it --user root a-container wsgi-debug shop",
        ),
        (
            {"ansible_connection": "community.docker.docker_api", "ansible_user": "deployer"},
            "docker exec -it --user deployer web1 sudo wsgi-debug shop",
        ),
        ({"ansible_connection": "containers.podman.podman"}, "podman exec -it web1 wsgi-debug shop"),
        ({"ansible_connection": "local"}, "sudo wsgi-debug shop"),
        ({"ansible_connection": "community.general.lxd"}, "as root, in a terminal of web1: wsgi-debug shop"),
    ],
)
def test_the_line_fits_the_connection(variables: dict[str, Any], line: str) -> None:
    assert terminal_command("wsgi-debug shop", "web1", variables) == line


def test_options_are_kept() -> None:
    line = terminal_command("wsgi-debug --port 8000 shop", "web1", {"ansible_connection": "local"})
    assert line == "sudo wsgi-debug --port 8000 shop"
