#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Make prepared releases of WSGI applications the current ones."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_switch
short_description: Switch WSGI applications to their new release, virtual environment and environment variables
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Writes the application's configuration files, swaps the links C(current) and C(venv), and records the deployment
    together with the daemon processes that still run the earlier one.
  - All applications are switched together, as a step of the transaction that M(modwsgi.deploy.httpd_transaction) ends.
    Daemon processes are left alone; M(modwsgi.deploy.wsgi_activate) replaces those which are recorded, in the same run
    or in the next one.
  - An embedded application has none. For it, a reload is recorded for M(modwsgi.deploy.httpd_service), so notify the
    handler that applies it.
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.environments
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.releases
attributes:
  check_mode:
    description: Predicts.
    support: full
  diff_mode:
    description: Shows which part of a deployment changes, and names of environment variables, never their values.
    support: full
"""

EXAMPLES = r"""
- name: The new releases are current
  modwsgi.deploy.wsgi_switch:
    applications: "{{ applications }}"
    environments: "{{ environments | to_json | b64encode }}"
    releases: "{{ release.releases }}"
    venvs: "{{ venv.venvs }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
  notify: modwsgi.deploy.httpd configuration changed
"""

RETURN = r"""
switched:
  description: The parts that changed, by application.
  returned: success
  type: dict
unproven:
  description: Whether M(modwsgi.deploy.httpd_transaction) has a change to commit or to roll back.
  returned: success
  type: bool
activation:
  description: Whether M(modwsgi.deploy.wsgi_activate) has something to do, from this run or from an earlier one.
  returned: success
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils import httpd_pending, httpd_return
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_journal import JournalError, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_deployment import decode_environments
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_switching import Switch, as_json


def perform(described: dict, switches: list) -> None:
    """Switch, as one step of the journal."""
    action = httpd_pending.strongest(*(switch.action for switch in switches))
    with locked(described["state_directory"]):
        httpd_return.recover(described)
        httpd_return.begin(described)
        httpd_pending.add(described, action)
        edits = [edit for switch in switches for edit in switch.edits()]
        try:
            httpd_return.journal_of(described).apply(
                edits, action, {"applications": [switch.note() for switch in switches]}
            )
        except BaseException:
            httpd_return.forget_unless_steps(described)
            raise


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "environments": {"type": "str", "required": True, "no_log": True},
            "releases": {"type": "dict", "required": True},
            "venvs": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    switched = {}
    switches = []
    diff = []
    activation = False
    described = instance(module.params["instance"])
    try:
        environments = decode_environments(module.params["environments"])
        for application in module.params["applications"]:
            name = application["name"]
            switch = Switch(application, environments.get(name, {}), module.params, described)
            changes = switch.changes()
            activation = activation or bool(changes or switch.record.get("stale_processes"))
            if not changes:
                continue
            switched[name] = changes
            before, after = switch.describe()
            header = application["paths"]["deployment"]
            diff.append(
                {
                    "before_header": header,
                    "after_header": header,
                    "before": as_json(before),
                    "after": as_json({**after, "changed": changes}),
                }
            )
            switches.append(switch)
        if switches and not module.check_mode:
            perform(described, switches)
        unproven = bool(switched) or httpd_return.journal_of(described).open
    except (ValueError, OSError, ControlError, JournalError) as error:
        module.fail_json(msg=f"The switch to the new release failed, and nothing was switched: {error}.")
    module.exit_json(changed=bool(switched), switched=switched, activation=activation, unproven=unproven, diff=diff)


if __name__ == "__main__":
    main()
