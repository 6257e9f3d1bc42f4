#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_order
short_description: Say which host of a play has a wheel built, and which wheel a host gets
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Runs as an action on the control node, which knows the plans of all hosts of the play. Changes nothing.
  - Hosts of one kind share a wheel, and the first of them that lacks it orders it. Fails when a wheel is to be built
    twice, and no second host of its kind is there.
options:
  ready:
    description: Whether builds are over, so that it is an error when there is no wheel for this host.
    type: bool
    default: false
  own:
    description: SHA-256 of the wheel that this host has built itself.
    type: str
    default: ""
extends_documentation_fragment:
  - modwsgi.deploy.deployment.reads_only
"""

EXAMPLES = r"""
- name: The host that orders the wheel is known
  modwsgi.deploy.mod_wsgi_order:
  register: order
"""

RETURN = r"""
orders:
  description: Whether the wheel is built on behalf of this host.
  returned: success
  type: bool
wheel_sha256:
  description: SHA-256 of the wheel for this host; empty while there is none.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that a host is the wrong place: the action of the same name is what runs."""
    module = AnsibleModule(
        argument_spec={"ready": {"type": "bool", "default": False}, "own": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    module.fail_json(msg="modwsgi.deploy.mod_wsgi_order runs on the control node, not on a host.")


if __name__ == "__main__":
    main()
