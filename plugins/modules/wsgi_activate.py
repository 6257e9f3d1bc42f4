#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Replace the daemon processes that still run an earlier deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_activate
short_description: Let the daemon processes of WSGI applications run what was switched to
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Sends SIGUSR1 to the daemon processes that M(modwsgi.deploy.wsgi_go_live) recorded, where a reload of httpd has not
    replaced them already. They finish their requests while their successors serve; no request is lost.
  - Waits until they are gone and their successors are there. A run that was cut off before is caught up with.
  - A process that does not go within C(graceful_timeout), C(shutdown_timeout) and 10 s more is killed, with a warning.
    So is one that is still loading the application after 3 s, since mod_wsgi hears no signal before it has.
options:
  pid_file:
    description: File in which httpd keeps its pid.
    type: path
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
attributes:
  check_mode:
    description: Predicts.
    support: full
"""

EXAMPLES = r"""
- name: The daemon processes run the current releases
  modwsgi.deploy.wsgi_activate:
    applications: "{{ applications }}"
    pid_file: /run/apache2/apache2.pid
"""

RETURN = r"""
restarted:
  description: The pids that were replaced, by application.
  returned: success
  type: dict
killed:
  description: The pids of those among them that did not go by themselves, by application.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import Activation, ActivationError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "pid_file": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    activation = Activation(module.params["applications"], module.params["pid_file"])
    restarted = activation.restarted
    try:
        if not module.check_mode:
            activation.perform()
    except ActivationError as error:
        module.fail_json(msg=str(error), restarted=restarted)
    finally:
        for sentence in activation.warnings():
            module.warn(sentence)
    module.exit_json(changed=bool(restarted), restarted=restarted, killed=activation.killed())


if __name__ == "__main__":
    main()
