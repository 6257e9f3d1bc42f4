#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Say which host runs what its fleet runs once."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_once
short_description: Say which host runs the release commands that its fleet runs once
version_added: 0.3.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Runs on the control node and asks no host. It reads what M(modwsgi.deploy.wsgi_prepare) has told with C(only_ask)
    on each host, registered as C(__wsgi_app_asked), and what M(modwsgi.deploy.wsgi_inspect) knows of earlier runs.
  - Of each application, the first host of the play that prepares it runs these commands. Nobody does what some host of
    the play has done for the same release, virtual environment, environment variables and commands.
options: {}
extends_documentation_fragment:
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: The hosts that run what their fleet runs once are known
  modwsgi.deploy.wsgi_once:
  run_once: true
  register: __wsgi_app_leaders
"""

RETURN = r"""
leaders:
  description: The host of each application.
  returned: success
  type: dict
  sample: {"shop": "web1"}
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that a host is the wrong place: the action of the same name is what runs."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.fail_json(msg="wsgi_once runs on the control node; call it by its full name, modwsgi.deploy.wsgi_once.")


if __name__ == "__main__":
    main()
