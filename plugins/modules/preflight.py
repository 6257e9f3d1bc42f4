#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
short_description: Check all that the roles are to do on a host, and plan it, before anything is changed
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Checks the variables of the roles against their argument specifications and against each other, asks the host what
    there is, checks its answers, and plans what the roles will do. Fails with one sentence for each thing that is
    wrong. Changes nothing.
  - Runs as an action on the control node, which asks the host by M(modwsgi.deploy.httpd_preflight) and
    M(modwsgi.deploy.wsgi_inspect).
  - The roles call it themselves. In a play with several of them, call it before the first, so that bad input of the
    last one costs nothing that runs. C(tasks_from=preflight) of the role wsgi_app does it for all three.
  - Register the result as C(modwsgi_preflight), by which name the roles look for it. What it has found counts in the
    play in which it ran, and in no other.
options:
  roles:
    description: The roles that will be applied to the host.
    type: list
    elements: str
    choices: [httpd, mod_wsgi, wsgi_app]
    required: true
  hold:
    description:
      - Whether the plan holds until the end of the play. Say so where nothing runs between this task and the roles.
      - Otherwise each role plans anew when it begins, since the play may have set other values or brought sources and
        certificates meanwhile; that costs a second.
    type: bool
    default: false
  prove:
    description:
      - Whether a host with nothing left to do proves at once that all applications are well, as
        M(modwsgi.deploy.wsgi_go_live) would. Say so where nothing runs between this task and that module.
    type: bool
    default: false
  installed_wheel:
    description:
      - SHA-256 of the wheel from which the module was just installed, an empty one where the distribution's package
        was. Asks nothing; the plan of this play then says that nothing is left to install.
    type: str
extends_documentation_fragment:
  - modwsgi.deploy.deployment.no_diff
  - modwsgi.deploy.deployment.reads_only
notes:
  - The host is asked as root.
"""

EXAMPLES = r"""
- name: Hosts, Python, module and applications fit each other
  modwsgi.deploy.preflight:
    roles: [httpd, mod_wsgi, wsgi_app]
    hold: true
    prove: true
  become: true
  register: modwsgi_preflight
"""

RETURN = r"""
httpd_host:
  description: The host, as the fact of the same name of the role httpd.
  returned: with the role httpd
  type: dict
missing_packages:
  description: Packages that the role httpd will install.
  returned: with the role httpd
  type: list
  elements: str
httpd_files:
  description: The files of the role httpd, for O(modwsgi.deploy.wsgi_go_live#module:together_with).
  returned: with the role httpd
  type: list
  elements: dict
mod_wsgi_interpreter:
  description: The Python, as the fact of the same name of the role mod_wsgi.
  returned: with the role mod_wsgi
  type: dict
mod_wsgi_inspection:
  description: What M(modwsgi.deploy.mod_wsgi_interpreter) returned.
  returned: with the role mod_wsgi
  type: dict
mod_wsgi_plan:
  description: What the role mod_wsgi will do.
  returned: with the role mod_wsgi
  type: dict
mod_wsgi_record:
  description: The description of the installation that the plan leads to.
  returned: with the role mod_wsgi
  type: dict
mod_wsgi_files:
  description: The files of the role mod_wsgi, as RV(httpd_files).
  returned: with the role mod_wsgi
  type: list
  elements: dict
wsgi_app_applications:
  description: The complete form of the applications of this run, without their environment variables.
  returned: with the role wsgi_app
  type: list
  elements: dict
wsgi_app_builder:
  description: The host that builds the virtual environments of this one (C(wsgi_build_on)); empty for itself.
  returned: with the role wsgi_app
  type: str
wsgi_app_only:
  description: Whether these were chosen by C(wsgi_only).
  returned: with the role wsgi_app
  type: bool
wsgi_app_others:
  description: Likewise, the applications that C(wsgi_only) leaves out.
  returned: with the role wsgi_app
  type: list
  elements: dict
wsgi_app_certificates:
  description: The certificates of the applications, for M(modwsgi.deploy.httpd_certificates).
  returned: with the role wsgi_app
  type: list
  elements: dict
wsgi_app_launcher:
  description: Digest of the launcher that serves them.
  returned: with the role wsgi_app
  type: str
wsgi_app_inspection:
  description: What M(modwsgi.deploy.wsgi_inspect) returned.
  returned: with the role wsgi_app
  type: dict
notes:
  description: Sentences that an operator should know and that are no problem.
  returned: success
  type: list
  elements: str
roles:
  description: The roles for which the plan is complete.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that a host is the wrong place: the action of the same name is what runs."""
    module = AnsibleModule(
        argument_spec={
            "roles": {
                "type": "list",
                "elements": "str",
                "choices": ["httpd", "mod_wsgi", "wsgi_app"],
                "required": True,
            },
            "hold": {"type": "bool", "default": False},
            "prove": {"type": "bool", "default": False},
            "installed_wheel": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="modwsgi.deploy.preflight runs on the control node, not on a host.")


if __name__ == "__main__":
    main()
