#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_container_wheel
short_description: Build a wheel of mod_wsgi in a container on the control node
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Builds as M(modwsgi.deploy.mod_wsgi_wheel) does, by the same code, in a container of the host's distribution and for
    its Python.
  - Runs on the control node alone, with its docker or podman; no host takes part.
  - The container is gone afterwards in every case. One that nobody is left to remove ends by itself after an hour.
  - The wheel is looked at before it is kept (its size, its files, its compiled module), and nothing that is there is
    replaced.
options:
  image:
    description: Image of the container; its distribution and architecture have to be the host's.
    type: str
    required: true
  distribution:
    description: Key of the distribution, for example V(debian12).
    type: str
    required: true
  architecture:
    description: What C(uname -m) says on the host.
    type: str
    required: true
  httpd_api:
    description: Major Module Magic Number of the host's httpd.
    type: int
    required: true
  packages:
    description: Packages that the build needs.
    type: list
    elements: str
    required: true
  python:
    description: Version of the distribution's Python, for example V(3.11).
    type: str
    required: true
  source:
    description: Source distribution on the control node; without it pip downloads it in the container.
    type: str
    default: ''
  companions:
    description: C sources on the control node of further modules of httpd, which are linked into mod_wsgi's.
    type: list
    elements: str
    required: true
  folder:
    description: Where hosts have that source and build the wheel; the path is in the module.
    type: str
    required: true
  keep:
    description: Path on the control node at which the wheel is kept.
    type: str
    required: true
  environment:
    description: Environment variables for apt, pip and the compiler, for example a proxy.
    type: dict
    default: {}
  host:
    description: Name of the host that needs the wheel, for messages.
    type: str
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.predicts
  - modwsgi.deploy.deployment.wheel
"""

EXAMPLES = r"""
- name: Build the wheel
  modwsgi.deploy.mod_wsgi_container_wheel:
    image: debian:bookworm-slim
    distribution: debian12
    architecture: x86_64
    httpd_api: 20120211
    packages: [apache2-dev, gcc, libc6-dev, python3.11-dev, python3.11, libpython3.11, python3.11-venv]
    python: "3.11"
    version: 6.1.1
    sha256: a42d11ba45d2050ab456a474d034e938605ca76386233ef404daa8b0388ca60e
    companions:
      - roles/mod_wsgi/files/mod_reload_drain.c
      - roles/mod_wsgi/files/mod_wsgi_buffering.c
      - roles/mod_wsgi/files/mod_wsgi_admission.c
    folder: /var/cache/modwsgi/debian12-x86_64-mmn20120211-cp311
    name: mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl
    module: mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so
    keep: /srv/wheels/mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
wheel:
  description: Path of the wheel on the control node.
  returned: success, not in check mode
  type: str
wheel_sha256:
  description: Its SHA-256.
  returned: success, not in check mode
  type: str
log:
  description: What apt, pip and the compiler wrote.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that a host is the wrong place: the action of the same name is what runs."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "distribution": {"type": "str", "required": True},
            "architecture": {"type": "str", "required": True},
            "httpd_api": {"type": "int", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "python": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "source": {"type": "str", "default": ""},
            "companions": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "module": {"type": "str", "required": True},
            "keep": {"type": "str", "required": True},
            "second": {"type": "str", "default": ""},
            "second_host": {"type": "str", "default": ""},
            "environment": {"type": "dict", "default": {}},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="modwsgi.deploy.mod_wsgi_container_wheel runs on the control node, not on a host.")


if __name__ == "__main__":
    main()
