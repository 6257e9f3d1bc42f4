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
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
  releases:
    description:
      - The releases that are being deployed, from M(modwsgi.deploy.wsgi_release). Those with C(during_deploy) show
        the page while another release than this is in use.
      - Without it, no deployment is under way.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Predicts which pages would be shown or ended.
  diff_mode:
    support: none
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

import os

from ansible.module_utils.basic import AnsibleModule

FLAG = "maintenance"


def wanted(application: dict, releases: dict) -> bool:
    """Whether the application's page is to be shown."""
    maintenance = application.get("maintenance")  # of an earlier version, there was none
    if not maintenance:
        return False
    return maintenance["enabled"] or (maintenance["during_deploy"] and is_replaced(application, releases))


def is_replaced(application: dict, releases: dict) -> bool:
    """Whether an application that serves is about to get another release."""
    current = application["paths"]["current"]
    new = (releases.get(application["name"]) or {}).get("path")
    return bool(new) and os.path.exists(current) and os.path.realpath(current) != os.path.realpath(new)


def switch(application: dict, show: bool, check_mode: bool) -> bool:
    """Make or remove the file; whether that changes something."""
    path = os.path.join(application["paths"]["code"], FLAG)
    if os.path.exists(path) == show or (show and not os.path.isdir(application["paths"]["code"])):
        return False
    if not check_mode:
        if show:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("Visitors see the maintenance page while this file is here.\n")
            os.chmod(path, 0o644)
        else:
            os.unlink(path)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "releases": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    shown, changed = [], False
    for application in module.params["applications"]:
        show = wanted(application, module.params["releases"])
        shown += [application["name"]] if show else []
        try:
            changed = switch(application, show, module.check_mode) or changed
        except OSError as error:
            module.fail_json(
                msg=f"The maintenance page of {application['name']} cannot be switched: {error}; become root."
            )
    module.exit_json(changed=changed, shown=shown)


if __name__ == "__main__":
    main()
