#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Mark a host as away from its load balancer."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_away
short_description: Mark a host as away from its load balancer, or as back
version_added: 0.3.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - While the host is marked, httpd answers 503 on the path of the variable C(httpd_drain_path), so that a balancer
    which asks there sends nobody.
  - The mark outlives a run that fails and a boot. M(modwsgi.deploy.wsgi_go_live) holds the turn of a marked host, also
    where nothing else is to be changed, so that the next run brings it back.
options:
  away:
    description: Whether the host is away.
    type: bool
    required: true
  seconds:
    description: How long to wait after a new mark, until the balancers have asked often enough to see it.
    type: int
    default: 0
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Predicts; does not wait.
    support: full
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: The balancers send nobody to the host
  modwsgi.deploy.wsgi_away:
    away: true
    seconds: 10
  become: true
"""

RETURN = r"""
away:
  description: Whether the host is away now.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.away import mark
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "away": {"type": "bool", "required": True},
            "seconds": {"type": "int", "default": 0},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        changed = mark(instance(given["instance"]), given["away"], given["seconds"], module.check_mode)
    except UnknownInstanceError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The host cannot be marked as away from its balancer: {error}; become root.")
    module.exit_json(changed=changed, away=given["away"])


if __name__ == "__main__":
    main()
