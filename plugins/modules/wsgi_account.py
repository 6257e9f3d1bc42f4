#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Give every WSGI application an account and its folders."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_account
short_description: Accounts and folders of WSGI applications
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Creates the system group and user of each application, without a login shell, and the folders for code,
    configuration and state.
  - Closes the folders with the releases and virtual environments of an application to all but root, the application's
    group and httpd's user, which passes by an access list of the file system. Entries of others stay in that list.
  - Creates the account C(modwsgi-build), which git and pip run as.
  - Leaves an account that exists as it is.
  - Refuses an account with user id 0, accounts of the system, and groups that are worth root or open what belongs to
    others, whether they are named or the account is in them.
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.instance
attributes:
  check_mode:
    description: Predicts what would be created.
    support: full
"""

EXAMPLES = r"""
- name: Accounts and folders are there
  modwsgi.deploy.wsgi_account:
    applications: "{{ wsgi_apps | modwsgi.deploy.wsgi_apps(httpd_listen, httpd_host) }}"
"""

RETURN = r"""
changes:
  description: What was created or corrected, one sentence each.
  returned: success
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.account import AccountError, Accounts
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        accounts = Accounts(module.check_mode, instance(module.params["instance"])["user"])
        accounts.ensure(module.params["applications"])
    except (AccountError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    for sentence in accounts.warnings:
        module.warn(sentence)
    module.exit_json(changed=bool(accounts.changes), changes=accounts.changes)


if __name__ == "__main__":
    main()
