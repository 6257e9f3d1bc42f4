#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_maintenance
short_description: Show or end the maintenance page of WSGI applications
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - The vhost of an application with the key C(maintenance) shows its page while the file C(/srv/wsgi/NAME/maintenance)
    is there. This module makes and removes that file; httpd needs no reload for it.
options:
  releases:
    description:
      - The releases that are being deployed, from M(modwsgi.deploy.wsgi_release). Those with C(during_deploy) show
        the page while another release than this is in use.
      - Without it, no deployment is under way.
    type: dict
    default: {}
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    support: full
    description: Predicts which pages would be shown or ended.
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Visitors are told to come back later
  modwsgi.deploy.wsgi_maintenance:
    applications: "{{ wsgi_apps | modwsgi.deploy.wsgi_apps(httpd_listen, httpd_host) }}"
    releases: "{{ result_of_wsgi_release.releases }}"
  become: true
"""

RETURN = r"""
shown:
  description: Names of the applications whose page is shown now.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.maintenance import PageError, switch_all


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "releases": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    try:
        shown, changed = switch_all(parameters["applications"], parameters["releases"], module.check_mode)
    except PageError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, shown=shown)


if __name__ == "__main__":
    main()
