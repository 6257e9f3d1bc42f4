#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_go_back
short_description: Go back to the deployment that was proven last, and fail with the reason
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - For a C(rescue), after M(modwsgi.deploy.wsgi_go_live) or M(modwsgi.deploy.httpd_config). It always fails, with what
    had failed, what was done about it, and whether the previous site answers.
  - Goes back as M(modwsgi.deploy.httpd_transaction) does. Then it has daemon processes replaced, so that they run the
    previous releases, asks the applications that the last commit has named, and ends maintenance pages where all is
    well.
options:
  reason:
    description: What has failed.
    type: str
    required: true
  rollback:
    description: Whether to go back. Without it everything stays as it is, and the report says so.
    type: bool
    default: true
  unproven:
    description: Whether what stays without O(rollback) is a change that nobody has proven.
    type: bool
    default: false
  applications:
    description: The complete applications of the deployment that failed; its maintenance pages end.
    type: list
    elements: dict
    default: []
  only:
    description: Whether the deployment was for O(applications) alone, so that no others are asked.
    type: bool
    default: false
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Changes nothing, and fails with the reason.
    support: full
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: The configuration of the example role serves, or the previous one does
  become: true
  block:
    - name: The configuration is live
      modwsgi.deploy.httpd_config:
        owner: example
        files:
          - path: conf-enabled/example.conf
            content: |
              ServerSignature Off

    - name: It stays
      modwsgi.deploy.httpd_transaction:
        state: committed
  rescue:
    - name: The previous configuration serves
      modwsgi.deploy.wsgi_go_back:
        reason: "{{ ansible_failed_result.msg }}"
"""

RETURN = r"""
done:
  description: What was done to go back, in sentences; empty when there was nothing to undo.
  returned: always
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_back import GoBack
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "apache2"},
            "reason": {"type": "str", "required": True},
            "rollback": {"type": "bool", "default": True},
            "unproven": {"type": "bool", "default": False},
            "applications": {"type": "list", "elements": "dict", "default": []},
            "only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        way = GoBack(instance(module.params["instance"]), module.params, module.check_mode)
    except UnknownInstanceError as error:
        module.fail_json(msg=str(error))
    report = way.run()
    for sentence in way.warnings:
        module.warn(sentence)
    module.fail_json(msg=report, changed=bool(way.done), done=way.done)


if __name__ == "__main__":
    main()
