#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Measure on a host what items of security benchmarks ask for, and change nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_benchmarks
short_description: What a host shows of items of security benchmarks
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Measures what the items of C(evidence.yml) ask for, the CIS Apache HTTP Server 2.4 Benchmark and DISA's STIG among
    them. Changes nothing and restarts nothing, so that it can run on a host in production at any time. The playbook
    C(playbooks/evidence.yml) runs it.
  - It reads what httpd has made of its configuration, what the kernel, systemd and the file system say, and the
    answers of the server to a few requests, among them one for the page C(/) of each site.
  - The action on the control node fills in O(items), checks what the host answers, and makes the reports.
options:
  items:
    description: What is looked at; each with C(check), a function, and C(arguments).
    type: list
    elements: dict
    default: []
    suboptions:
      check:
        description: A function of C(module_utils/httpd/evidence.py).
        type: str
        required: true
      arguments:
        description: Its arguments.
        type: dict
        default: {}
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.reads_only
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: It is known which items of the benchmarks the host meets
  modwsgi.deploy.wsgi_benchmarks:
  become: true
  register: evidence
"""

RETURN = r"""
judgements:
  description: For each item C(status) (met, not met, not applicable, to judge) and C(fact), the line that shows it.
  returned: always
  type: list
  elements: dict
in_force:
  description: Whether httpd has read the configuration that is on the disk.
  returned: always
  type: bool
report:
  description: The items with their judgements; by the action.
  returned: always
  type: dict
markdown:
  description: The same for people; by the action.
  returned: always
  type: str
told:
  description: How many items have which status, and which are not met; by the action.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.checks import CHECKS, judge
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    item = {"check": {"type": "str", "required": True}, "arguments": {"type": "dict", "default": {}}}
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "dict", "default": [], "options": item},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    unknown = sorted({each["check"] for each in module.params["items"]} - set(CHECKS))
    if unknown:
        module.fail_json(msg=f"The host knows no check {unknown[0]}; use one of module_utils/httpd/evidence.py.")
    try:
        host = Effective(instance(module.params["instance"]))
    except (UnknownInstanceError, ControlError) as error:
        module.fail_json(msg=str(error))
    if not host.directives or not host.modules:
        module.fail_json(
            msg="httpd does not tell its configuration, so nothing can be measured; run `apache2ctl -t`, which says "
            "why, and correct it."
        )
    judgements = [judge(host, each["check"], each["arguments"])._asdict() for each in module.params["items"]]
    module.exit_json(changed=False, judgements=judgements, in_force=host.in_force())


if __name__ == "__main__":
    main()
