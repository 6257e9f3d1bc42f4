#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Let an earlier release of an application serve again."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_rollback
short_description: Go back to an earlier release of a WSGI application
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Lets a release serve again that is still on the host, by what M(modwsgi.deploy.wsgi_go_live) has recorded when it
    was proven - code, virtual environment, environment variables and vhost. The inventory is not asked.
  - Goes the way of a deployment - httpd tests the configuration, daemon processes are replaced one after the
    other, probe and health path are asked. When one of these fails, what has served before comes back, and the
    module fails.
  - Before that, C(rollback_commands) of the application run in the release that is left, as the application's account.
    When one of them fails, nothing else happens.
  - Otherwise, the data of the application stays as it is, and so does what release commands have done to a database.
  - From then on, M(modwsgi.deploy.wsgi_inspect) refuses the release that was left, until its source has changed.
  - Refuses, before anything changes, an application or a release that the host does not know, a release whose code or
    virtual environment is gone, and a host on which a deployment is in progress or has not been proven.
options:
  application:
    description: Name of the application.
    type: str
    required: true
  release:
    description: The release, or the begin of its name; otherwise the one before the active release.
    type: str
    default: ""
  by:
    description: Who goes back, for the record. The action on the control node knows it.
    type: str
    default: ""
  commands:
    description: Whether the C(rollback_commands) of the application run first.
    type: bool
    default: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Says where it would lead, and refuses what can be refused.
    support: full
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: The previous release of the shop serves
  modwsgi.deploy.wsgi_rollback:
    application: shop
  become: true
"""

RETURN = r"""
release:
  description: The release that serves now.
  returned: success
  type: str
before:
  description: The release that was left.
  returned: success
  type: str
log_lines:
  description: What the log of the application says where it is not well; a traceback, or else its last lines.
  returned: failure
  type: list
  elements: str
told:
  description: What was done, and what was not brought back, in sentences.
  returned: success
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import RollbackError, Wish, go_back
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "application": {"type": "str", "required": True},
            "release": {"type": "str", "default": ""},
            "by": {"type": "str", "default": ""},
            "commands": {"type": "bool", "default": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    given = module.params
    try:
        described = instance(given["instance"])
        wish = Wish(given["by"], given["release"], given["commands"], module.check_mode)
        way = go_back(described, given["application"], wish)
    except RollbackError as error:
        module.fail_json(msg=str(error), **({"log_lines": error.lines} if error.lines else {}))
    except UnknownInstanceError as error:
        module.fail_json(msg=str(error))
    for sentence in way.warnings:
        module.warn(sentence)
    module.exit_json(changed=True, release=way.target.release, before=way.before, told=way.told)


if __name__ == "__main__":
    main()
