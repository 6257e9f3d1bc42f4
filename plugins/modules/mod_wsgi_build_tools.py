#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_build_tools
short_description: Install packages for the time of a build, and remove exactly those again
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - O(state=present) installs packages without recommendations, and records beforehand which packages of the whole
    dependency tree are new on the host.
  - O(state=absent) purges the recorded packages; packages that were there before, and those that something else needs
    meanwhile, stay.
  - The record outlives an interrupted run, so that the next one can clean up.
options:
  state:
    description: Whether the packages are to be there.
    type: str
    choices: [present, absent]
    required: true
  packages:
    description: The packages to install; needed with O(state=present).
    type: list
    elements: str
    default: []
  record:
    description: File that holds the names of the new packages while they are installed.
    type: path
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.host
  - modwsgi.deploy.deployment.predicts
"""

EXAMPLES = r"""
- name: Install the compiler for the build
  modwsgi.deploy.mod_wsgi_build_tools:
    state: present
    packages: [apache2-dev, gcc]
    record: /var/lib/modwsgi/apache2/mod_wsgi-build-packages.json
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
packages:
  description: Names of the packages that were installed or removed.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.apt import AptError, install, installed, remove


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
        },
        required_if=[("state", "present", ["packages"])],
        supports_check_mode=True,
    )
    record, host = Path(module.params["record"]), module.params["host"]
    try:
        if module.params["state"] == "absent":
            present = record.exists()
            module.exit_json(changed=present, packages=remove(record, host, module.check_mode))
        if module.check_mode:
            missing = [name for name in module.params["packages"] if not installed([name])]
            module.exit_json(changed=bool(missing), packages=missing)
        packages = install(module.params["packages"], record, host)
        module.exit_json(changed=bool(packages), packages=packages)
    except AptError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
