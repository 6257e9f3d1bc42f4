#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_wheel
short_description: Build a wheel of mod_wsgi for one Python
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Builds a wheel from a source distribution whose SHA-256 is given, in a build environment that is pinned likewise.
  - Builds each time it is called, or only looks whether an earlier build has left the wheel (O(only_kept)).
  - The host's pip configuration holds (index, certificates, proxy).
  - With O(keep), the wheel is fetched into the cache of the control node. There it is looked at before it is used (its
    size, its files, its compiled module, its checksum), and nothing that is there already is replaced.
options:
  executable:
    description: The target interpreter.
    type: path
    required: true
  python:
    description: Version of the target interpreter, for example V(3.11).
    type: str
    required: true
  source:
    description: Source distribution on this host; without it pip downloads it by name and version.
    type: path
    default: ''
  directory:
    description: Folder to build in; emptied before and removed after. Only root may write to its parent.
    type: path
    default: /opt/mod_wsgi/.build
  destination:
    description: Folder for the wheel and its checksum file.
    type: path
    required: true
  companions:
    description: C sources on this host of further modules of httpd, which are linked into mod_wsgi's.
    type: list
    elements: path
    required: true
  library:
    description: Path of the interpreter's libpython, where the linker does not find it by itself.
    type: path
    default: ''
  only_kept:
    description: Whether nothing is built, and only a wheel that an earlier build has left is looked for.
    type: bool
    default: false
  keep:
    description: Path on the control node at which the wheel is kept; empty means that it stays on this host.
    type: str
    default: ''
  environment:
    description: Environment variables for pip and the compiler, for example a proxy.
    type: dict
    default: {}
extends_documentation_fragment:
  - modwsgi.deploy.deployment.host
  - modwsgi.deploy.deployment.predicts
  - modwsgi.deploy.deployment.wheel
"""

EXAMPLES = r"""
- name: Build the wheel
  modwsgi.deploy.mod_wsgi_wheel:
    executable: /usr/bin/python3.11
    python: "3.11"
    version: 6.1.1
    sha256: a42d11ba45d2050ab456a474d034e938605ca76386233ef404daa8b0388ca60e
    destination: /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311
    companions:
      - /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311/mod_reload_drain.c
      - /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311/mod_wsgi_buffering.c
      - /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311/mod_wsgi_admission.c
    name: mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl
    module: mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
wheel:
  description: Path of the wheel; empty where O(only_kept) finds none.
  returned: success, not in check mode
  type: str
wheel_sha256:
  description: Its SHA-256; with O(keep) as the control node has computed it.
  returned: success, not in check mode
  type: str
log:
  description: What pip and the compiler wrote.
  returned: failure
  type: list
  elements: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.build import BuildError, build_wheel, kept_wheel


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "executable": {"type": "path", "required": True},
            "python": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "source": {"type": "path", "default": ""},
            "directory": {"type": "path", "default": "/opt/mod_wsgi/.build"},
            "destination": {"type": "path", "required": True},
            "companions": {"type": "list", "elements": "path", "required": True},
            "library": {"type": "path", "default": ""},
            "name": {"type": "str", "required": True},
            "module": {"type": "str", "required": True},
            "only_kept": {"type": "bool", "default": False},
            "keep": {"type": "str", "default": ""},
            "second": {"type": "str", "default": ""},
            "second_host": {"type": "str", "default": ""},
            "environment": {"type": "dict", "default": {}},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    if parameters["only_kept"]:
        path = Path(parameters["destination"], parameters["name"])
        checksum = kept_wheel(path, parameters["python"])
        module.exit_json(changed=False, wheel=str(path) if checksum else "", wheel_sha256=checksum)
    if module.check_mode:
        module.exit_json(changed=True)
    # A strict umask of the connecting user must not hide the wheel from the others who are to read it.
    os.umask(0o022)
    try:
        wheel, checksum = build_wheel(
            executable=parameters["executable"],
            python=parameters["python"],
            version=parameters["version"],
            sha256=parameters["sha256"],
            source=parameters["source"],
            directory=Path(parameters["directory"]),
            destination=Path(parameters["destination"]),
            companions=parameters["companions"],
            extra_environment=parameters["environment"],
            host=parameters["host"],
            library=parameters["library"],
        )
    except BuildError as error:
        module.fail_json(msg=str(error), log=error.log.splitlines())
    module.exit_json(changed=True, wheel=str(wheel), wheel_sha256=checksum)


if __name__ == "__main__":
    main()
