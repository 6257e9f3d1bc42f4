#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_install
short_description: Install a wheel of mod_wsgi under a folder of its own
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Makes a virtual environment of the target Python with the wheel in it; module and mod_wsgi-express are usable.
  - The installation is whole or not at all; an interrupted one is made anew.
  - Verifies that the compiled module on disk belongs to the target Python.
options:
  wheel:
    description: The wheel on this host.
    type: path
    required: true
  wheel_sha256:
    description: Its SHA-256; anything else is refused.
    type: str
    required: true
  directory:
    description: Where to install.
    type: path
    required: true
  record:
    description: >-
      Description of the installation, kept with it; C(interpreter) (a dict with executable, version and
      extension_suffix) and C(module) (the path that the compiled module will have) are needed.
    type: dict
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.predicts
"""

EXAMPLES = r"""
- name: Install mod_wsgi
  modwsgi.deploy.mod_wsgi_install:
    wheel: /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311/mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl
    wheel_sha256: "{{ wheel_sha256 }}"
    directory: /opt/mod_wsgi/6.1.1-cp311
    record: "{{ record }}"
"""

RETURN = r"""
installation:
  description: The record, with the wheel's SHA-256.
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import (
    InstallationError,
    install_wheel,
    read_record,
    sha256_of,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "wheel": {"type": "path", "required": True},
            "wheel_sha256": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "record": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    parameters = module.params
    record = {**parameters["record"], "wheel_sha256": parameters["wheel_sha256"]}
    if read_record(parameters["directory"]) == record:
        module.exit_json(changed=False, installation=record)
    if module.check_mode:
        module.exit_json(changed=True, installation=record)
    try:
        found = sha256_of(parameters["wheel"])
        if found != parameters["wheel_sha256"]:
            raise InstallationError(
                f"Checksum mismatch for {parameters['wheel']}: expected {parameters['wheel_sha256']}, got {found}; "
                "remove it and run again."
            )
        install_wheel(parameters["wheel"], parameters["directory"], record)
    except (InstallationError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, installation=record)


if __name__ == "__main__":
    main()
