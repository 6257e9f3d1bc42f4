#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Say which hosts of a play change next."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_turns
short_description: Say which hosts of a play change next
version_added: 0.3.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Runs on the control node and asks no host. The role wsgi_app calls it before each turn, for all hosts at once
    (C(run_once)), and registers the result as C(__wsgi_app_turns), where the next call finds it.
  - The first call divides the hosts of the play that change into turns. Those that serve nobody come first - new ones,
    and those that are away from their balancer.
  - When a host has failed, whose turn or not, nobody changes any more. A host that could not be reached when the play
    began does not count.
options:
  serial:
    description: Numbers of hosts and shares of those that change, as the variable C(wsgi_serial).
    type: raw
    required: true
  at_most:
    description:
      - How many hosts a turn may have of those that serve, whatever O(serial) says - a number, or a share of all hosts
        of the play that could be reached. One at least.
    type: raw
    default: 100%
  all_hosts:
    description: Whether all hosts change; otherwise those for which M(modwsgi.deploy.wsgi_go_live) holds a change.
    type: bool
    default: false
extends_documentation_fragment:
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Changes nothing.
    support: full
notes:
  - Needs a strategy that goes from task to task with all hosts, as C(linear) does.
"""

EXAMPLES = r"""
- name: The hosts whose turn it is are known
  modwsgi.deploy.wsgi_turns:
    serial: [1, "25%", "100%"]
  run_once: true
  register: __wsgi_app_turns
"""

RETURN = r"""
now:
  description: The hosts whose turn it is.
  returned: success
  type: list
  elements: str
later:
  description: Those that come after them, or, after a failure, those whose turn does not come.
  returned: success
  type: list
  elements: str
stopped:
  description: The hosts that have failed, so that nobody changes any more; otherwise empty.
  returned: success
  type: list
  elements: str
turns:
  description: All turns.
  returned: success
  type: list
  elements: list
done:
  description: The number of this turn, from 1 on.
  returned: success
  type: int
told:
  description: The turn in words.
  returned: success
  type: str
play:
  description: What tells this play from others of the same run.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that a host is the wrong place: the action of the same name is what runs."""
    module = AnsibleModule(
        argument_spec={
            "serial": {"type": "raw", "required": True},
            "at_most": {"type": "raw", "default": "100%"},
            "all_hosts": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="wsgi_turns runs on the control node; call it by its full name, modwsgi.deploy.wsgi_turns.")


if __name__ == "__main__":
    main()
