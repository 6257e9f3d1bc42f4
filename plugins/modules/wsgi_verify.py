#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Say whether a host is what the inventory says, and change nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_verify
short_description: Whether a host is what the inventory says, and well
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Compares a host with the inventory, and looks whether what it serves is well. Changes nothing and restarts nothing,
    so that it can run on a host in production at any time. The playbook C(playbooks/verify.yml) runs it.
  - The action on the control node makes the plan of M(modwsgi.deploy.preflight), by which the host is asked what a
    deployment would change. From that plan it fills in all options but O(certificate_days).
  - Then the module looks at files, journal, service, listeners, daemon processes, children that a reload has left
    behind, probe and health of each application, certificates, access, disks, and the sites of others.
  - It does not fail where something is wrong, but returns it; so does the action for a host that cannot be reached.
options:
  certificate_days:
    description: A certificate that ends within so many days is a finding.
    type: int
    default: 14
  configuration:
    description: The complete sets of files, by owner, as for O(modwsgi.deploy.wsgi_go_live#module:together_with).
    type: dict
    default: {}
  sensitive_files:
    description: As O(modwsgi.deploy.wsgi_go_live#module:sensitive_files).
    type: str
  foreign:
    description: RV(modwsgi.deploy.httpd_preflight#module:host), the part C(foreign).
    type: dict
    default: {}
  listen:
    description: As O(modwsgi.deploy.httpd_preflight#module:listen).
    type: list
    elements: str
    required: true
  private_port:
    description: As O(modwsgi.deploy.httpd_preflight#module:private_port).
    type: int
    required: true
  manage_service:
    description: Whether httpd has to run, and to start at boot.
    type: bool
    default: true
  reap_stuck_children:
    description: As O(modwsgi.deploy.httpd_service#module:reap_stuck_children).
    type: bool
  site:
    description: As O(modwsgi.deploy.wsgi_go_live#module:site); without it no application is looked at.
    type: dict
extends_documentation_fragment:
  - modwsgi.deploy.deployment.certificates
  - modwsgi.deploy.deployment.certificates_of_applications
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.reads_only
  - modwsgi.deploy.deployment.site
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: It is known whether the host is what the inventory says
  modwsgi.deploy.wsgi_verify:
    certificate_days: 30
  become: true
  register: verified
"""

RETURN = r"""
report:
  description: What was found.
  returned: always
  type: dict
  contains:
    findings:
      description: >-
        What is wrong. Each has C(subject), C(application) (V("") for the whole host) and C(text), a sentence that says
        what to do.
      type: list
      elements: dict
    verified:
      description: What is well, in the same form; the text is a few words.
      type: list
      elements: dict
told:
  description: All findings, a line each, or one line that says what was verified; by the action.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import SITE_OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.verify import Verification
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import ENTRY_OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "certificate_days": {"type": "int", "default": 14},
            "configuration": {"type": "dict", "default": {}},
            "sensitive_files": {"type": "str", "no_log": True},
            "certificates": {"type": "list", "elements": "dict", "default": [], "options": ENTRY_OPTIONS},
            "foreign": {"type": "dict", "default": {}},
            "listen": {"type": "list", "elements": "str", "required": True},
            "private_port": {"type": "int", "required": True},
            "manage_service": {"type": "bool", "default": True},
            "reap_stuck_children": {"type": "bool"},
            "site": {"type": "dict", "options": SITE_OPTIONS},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    try:
        verification = Verification(instance(module.params["instance"]), module.params)
    except UnknownInstanceError as error:
        module.fail_json(msg=str(error))
    verification.run()
    report = {"findings": verification.findings, "verified": verification.verified}
    module.exit_json(changed=False, report=report)


if __name__ == "__main__":
    main()
