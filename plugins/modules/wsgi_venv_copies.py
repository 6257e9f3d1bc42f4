#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Have virtual environments packed on the host that has built them, for another one of its kind."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_venv_copies
short_description: Bring virtual environments to the control node from the host that has built them
version_added: 0.3.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - For a host whose variable C(wsgi_build_on) names another one, the builder. Runs on the builder (C(delegate_to)),
    which packs; the action on the control node fetches the archives, each once in a run.
  - Fails where the builder is not in the run, has failed, is of another kind, lacks an application, or has no such
    virtual environment.
  - The control node neither opens the archives nor keeps them after the run. M(modwsgi.deploy.wsgi_venv) takes them.
options:
  wanted:
    description: Names of virtual environments, by application, as C(id) of RV(modwsgi.deploy.wsgi_venv#module:venvs).
    type: dict
    default: {}
  only_check:
    description: Whether only to look if the builder can build for the host; nobody is asked then.
    type: bool
    default: false
  build_size:
    description: Most bytes of an archive.
    type: int
    default: 10737418240
  builder:
    description: Name of the builder for messages; the action knows it.
    type: str
    default: ""
  host:
    description: Name of the host that wants them, likewise.
    type: str
    default: ""
  folder:
    description: Where the archives are written; the action makes it.
    type: path
extends_documentation_fragment:
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    description: Writes nothing but the archives that are fetched.
    support: full
"""

EXAMPLES = r"""
- name: What the builder has built is on the control node
  modwsgi.deploy.wsgi_venv_copies:
    wanted: {shop: 0f122f39dd3b82d24098}
  delegate_to: "{{ modwsgi_preflight.wsgi_app_builder }}"
  become: true
  throttle: 1  # each archive is fetched once
"""

RETURN = r"""
copies:
  description: By application, the archive as C(id), C(file) (on the control node), C(sha256) and C(builder).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import SIZE
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.copies import CopyError, pack_all


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "dict", "default": {}},
            "only_check": {"type": "bool", "default": False},
            "build_size": {"type": "int", "default": SIZE},
            "builder": {"type": "str", "default": ""},
            "host": {"type": "str", "default": ""},
            "folder": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not given["folder"]:
        module.fail_json(msg="It has an action; call it by its full name, modwsgi.deploy.wsgi_venv_copies.")
    try:
        packed = pack_all(given["wanted"], given["folder"], given["builder"], given["host"])
    except CopyError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Host {given['builder']} cannot pack a virtual environment: {error}; correct that there.")
    module.exit_json(changed=False, packed=packed)


if __name__ == "__main__":
    main()
