#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Say which releases a host serves, and change nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_releases
short_description: Which release of each WSGI application a host serves
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Says of each application which release serves, of which source version, since when and by whom, and asks its probe
    and its health path. Changes nothing. The playbook C(playbooks/releases.yml) runs it.
  - It does not fail where an application is not well, but says so; the action says so of a host that cannot be reached.
options:
  application:
    description: Name of one application; otherwise all of the host.
    type: str
    default: ""
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.reads_only
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: It is known what serves
  modwsgi.deploy.wsgi_releases:
  become: true
  register: serving
"""

RETURN = r"""
releases:
  description:
    - A mapping of strings for each application, C(application), C(release), C(source), C(since), C(by) and C(health).
    - C(health) is V(well), or says in one line what is wrong. The others are empty where nothing is recorded.
    - The action adds C(host).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import RollbackError, survey
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "application": {"type": "str", "default": ""},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    try:
        found = survey(instance(module.params["instance"]), module.params["application"])
    except (JournalError, RollbackError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The host cannot be looked at: {error}; become root, or correct the host.")
    module.exit_json(changed=False, releases=found)


if __name__ == "__main__":
    main()
