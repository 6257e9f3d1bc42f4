#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Make the virtual environments of WSGI applications, each in a folder named by what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_venv
short_description: Virtual environments of WSGI applications, named by their content
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - A virtual environment is named by the interpreter and the requirements, not by where these come from. One that is
    complete is never changed; other requirements or another Python make another one.
  - The account C(modwsgi-build) makes it, which has no rights and no keys but O(credentials). Root takes over the
    content, and neither runs nor imports any of it.
  - When any requirement carries a hash, all must (pip's C(--require-hashes)).
  - The packages of Debian in C(build_packages) of an application are there while its virtual environment is made.
    Then those that were not there before are removed. What a run that was cut off has left, the next one removes
    (M(modwsgi.deploy.wsgi_packages)).
  - A failure leaves the virtual environment in use as it is. Its message has pip's reason, RV(last_lines) the last
    lines of the build, and the file that the message names all that pip said.
options:
  releases:
    description: RV(modwsgi.deploy.wsgi_release#module:releases).
    type: dict
    required: true
  environments:
    description:
      - Environment variables of the applications, as base64-encoded JSON. Those that a requirements file names
        (C(${NAME})) reach pip, and no messages.
    type: str
    default: ""
  copies:
    description:
      - RV(modwsgi.deploy.wsgi_venv_copies#module:copies), by application, in place of a build here. The action on the
        control node sends the archives, and the account C(modwsgi-build) unpacks them.
    type: dict
  host:
    description: Name of the host for messages.
    type: str
    default: localhost
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.build
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.interpreter
  - modwsgi.deploy.deployment.predicts
  - modwsgi.deploy.deployment.written
"""

EXAMPLES = r"""
- name: The virtual environments are there
  modwsgi.deploy.wsgi_venv:
    applications: "{{ applications }}"
    releases: "{{ release.releases }}"
    interpreter: "{{ mod_wsgi_interpreter }}"
"""

RETURN = r"""
venvs:
  description: >-
    For each application its virtual environment as C(id), C(path) and C(changed). In check mode C(id) is empty where it
    cannot be known.
  returned: success
  type: dict
last_lines:
  description: The essential lines of what a program said that has failed, without secrets.
  returned: failure
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import PackagesError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.venv import VenvError, virtual_environments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "wsgi_apps": {"type": "list", "elements": "dict"},
            "releases": {"type": "dict", "required": True},
            "interpreter": {"type": "dict", "required": True},
            "environments": {"type": "str", "default": "", "no_log": True},
            "copies": {"type": "dict"},
            "host": {"type": "str", "default": "localhost"},
            "instance": {"type": "str", "default": "apache2"},
            **OPTIONS,
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        venvs = virtual_environments(module.params["applications"], module.params, module.check_mode)
    except (VenvError, PackagesError, ValueError) as error:
        lines = error.lines if isinstance(error, VenvError) else []
        module.fail_json(msg=str(error), **({"last_lines": lines} if lines else {}))
    module.exit_json(changed=any(venv["changed"] for venv in venvs.values()), venvs=venvs)


if __name__ == "__main__":
    main()
