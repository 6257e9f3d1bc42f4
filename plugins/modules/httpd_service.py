#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_service
short_description: Bring httpd into a state, and wait until it is really there
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Starts, stops, reloads or restarts an httpd instance, through systemd where it is the service manager, else through
    the init script and the distribution's control program.
  - Returns only when the state is reached. After a reload that is when the children that accept connections have the
    new configuration.
  - A systemd unit whose files have changed is read again first.
options:
  state:
    description:
      - V(started) - httpd runs.
      - V(stopped) - httpd does not run; requests in flight were finished within the configured time.
      - V(applied) - the action that M(modwsgi.deploy.httpd_config) has left is done; a server that does not run is
        started. The timer that looks for renewed certificates runs where its unit is installed, and only there.
    type: str
    choices: [started, stopped, applied]
  enabled:
    description: Whether httpd starts at boot.
    type: bool
  reap_stuck_children:
    description:
      - Whether the service of the role httpd runs that ends child processes which a reload has left behind.
      - Done last. Needs systemd.
    type: bool
    version_added: 0.2.0
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    support: full
    description: Predicts the change, also on a host without httpd.
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: The server runs, now and after a boot
  modwsgi.deploy.httpd_service:
    state: started
    enabled: true
  become: true

- name: The server serves its current configuration
  modwsgi.deploy.httpd_service:
    state: applied
  become: true
"""

RETURN = r"""
actions:
  description: What was done (in check mode, would be done), in this order.
  returned: success
  type: list
  elements: str
  sample: [refresh, enable, start]
pid:
  description: The pid of httpd's parent process; 0 when it does not run.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError, Service, manager_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.service import needed, perform
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "apache2"},
            "state": {"type": "str", "choices": ["started", "stopped", "applied"]},
            "enabled": {"type": "bool"},
            "reap_stuck_children": {"type": "bool"},
        },
        required_one_of=[("state", "enabled", "reap_stuck_children")],
        supports_check_mode=True,
    )
    try:
        described = instance(module.params["instance"])
        service = Service(described, manager_of(described))
        wishes = (module.params[key] for key in ("state", "enabled", "reap_stuck_children"))
        steps = needed(service, *wishes)
        for step in [] if module.check_mode else steps:
            perform(service, step)
        running = service.main()
    except (ControlError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(steps), actions=steps, pid=running.pid if running else 0)


if __name__ == "__main__":
    main()
