#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_interpreter
short_description: Examine the target Python and the installed mod_wsgi
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Resolves a Python version or path to an interpreter and refuses one that httpd cannot embed.
  - Reports the distribution, the architecture, httpd's module API and which runtime packages are missing.
  - Changes nothing.
options:
  python:
    description: A version (V(3.11)) or the absolute path of an interpreter, also a virtual environment's.
    type: str
    required: true
  version:
    description: The mod_wsgi version whose installation is looked at.
    type: str
    required: true
  install_method:
    description: How mod_wsgi is to be installed; decides which packages are needed.
    type: str
    choices: [source, wheel, package]
    default: source
  root:
    description: Folder that holds the installations.
    type: path
    default: /opt/mod_wsgi
  build_record:
    description: File that M(modwsgi.deploy.mod_wsgi_build_tools) keeps while build tools are installed.
    type: path
    required: true
  builds_for:
    description:
      - The host for which this one builds the module, as C(settings) and C(inspection) of its plan. Fails when it is of
        another kind.
      - For the action on the control node.
    type: dict
extends_documentation_fragment:
  - modwsgi.deploy.deployment.host
  - modwsgi.deploy.deployment.reads_only
"""

EXAMPLES = r"""
- name: Examine the interpreter
  modwsgi.deploy.mod_wsgi_interpreter:
    python: "3.11"
    version: 6.1.1
    build_record: /var/lib/modwsgi/apache2/mod_wsgi-build-packages.json
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
interpreter:
  description: >-
    The interpreter: executable, version, full_version, prefix, abi, libpython, extension_suffix, headers,
    installed (false when it is the distribution's and its package has yet to be installed), from_distribution.
  returned: success
  type: dict
distribution:
  description: Identifier of the distribution, for example V(debian12).
  returned: success
  type: str
architecture:
  description: Machine architecture, for example V(x86_64).
  returned: success
  type: str
httpd_api:
  description: Major Module Magic Number of the installed httpd; predicted where httpd is not installed.
  returned: success
  type: int
missing_packages:
  description: Runtime packages that are not installed.
  returned: success
  type: list
  elements: str
installation:
  description: The record of a complete installation of this version for this interpreter; empty when there is none.
  returned: success
  type: dict
build_tools_recorded:
  description: Whether packages that were installed for a build are still there.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.inspection import QUESTIONS, examine_host
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.interpreter import InterpreterError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **QUESTIONS,
            "host": {"type": "str", "required": True},
            "builds_for": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **examine_host(module.params, module.params["host"]))
    except InterpreterError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
