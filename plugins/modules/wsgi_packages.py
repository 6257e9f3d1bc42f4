#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Install the packages of Debian that WSGI applications need to run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_packages
short_description: Packages of Debian that WSGI applications need to run
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Installs what is missing of C(packages) of the applications, without recommendations. What is there stays as it is.
  - Removes no package, but for those that M(modwsgi.deploy.wsgi_venv) has installed for a build (C(build_packages)) and
    could not remove since its run was cut off.
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.host
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.predicts
"""

EXAMPLES = r"""
- name: The packages that the applications need are installed
  modwsgi.deploy.wsgi_packages:
    applications: "{{ applications }}"
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
installed:
  description: Names of the packages that were installed, with those that they need.
  returned: success
  type: list
  elements: str
removed:
  description: Names of the packages of an earlier build that were removed.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import PackagesError, ensure
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "host": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    try:
        described = instance(module.params["instance"])
        result = ensure(module.params["applications"], described, module.params["host"], module.check_mode)
    except (PackagesError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=any(result.values()), **result)


if __name__ == "__main__":
    main()
