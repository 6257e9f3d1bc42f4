#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Let a server leave HAProxy's backends, or join them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_haproxy
short_description: Let a server leave HAProxy's backends, or join them
version_added: 0.3.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Runs on the host of HAProxy, and speaks to its runtime socket (C(stats socket), with C(level admin)).
  - A server that leaves gets no new requests, and the module waits until it has none. One that joins has to be found
    well by HAProxy's checks.
options:
  socket:
    description: Path of the socket.
    type: path
    default: /run/haproxy/admin.sock
  backends:
    description: The backends that have the server.
    type: list
    elements: str
    required: true
  server:
    description: Name of the server in these backends.
    type: str
    required: true
  state:
    description: C(drain) to leave, C(ready) to join.
    type: str
    choices: [drain, ready]
    required: true
  seconds:
    description: How long the server may take until it has left or joined.
    type: int
    default: 60
extends_documentation_fragment:
  - modwsgi.deploy.deployment.no_diff
  - modwsgi.deploy.deployment.predicts
"""

EXAMPLES = r"""
- name: HAProxy sends nobody to the host
  modwsgi.deploy.wsgi_haproxy:
    backends: [shop]
    server: "{{ inventory_hostname }}"
    state: drain
  delegate_to: balancer.example.com
  become: true
"""

RETURN = r"""
status:
  description: What HAProxy says of the server, by backend.
  returned: success
  type: dict
  sample: {"shop": "DRAIN"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.haproxy import STATES, HaproxyError, Server


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "backends": {"type": "list", "elements": "str", "required": True},
            "server": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(STATES), "required": True},
            "seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        server = Server(given["socket"], given["backends"], given["server"])
        changed = server.become(given["state"], given["seconds"], module.check_mode)
        status = {backend: row["status"] for backend, row in server.found().items()}
    except HaproxyError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, status=status)


if __name__ == "__main__":
    main()
