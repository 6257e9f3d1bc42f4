#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Prepare new releases of WSGI applications: bytecode and release commands."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_prepare
short_description: Byte-compile new releases and run their release commands
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Acts on applications of which the release, the virtual environment, the environment variables or the release
    commands are not those of the last completed deployment.
  - The commands run in the new release with the new virtual environment, as the application's account, while the
    previous deployment still serves. A failure leaves that as it is; the next run tries again.
  - What a command leaves running is ended with it, and told as a warning.
  - The static root belongs to that account while the commands run. Then files of root's with the same content take its
    place at once.
  - An account without rights compiles the byte code.
options:
  once:
    description:
      - Names of applications for which this host runs the release commands with C(once), on behalf of its fleet. It
        leaves out those of others. Without this option it runs all.
    type: list
    elements: str
  only_ask:
    description: Whether to run nothing, and only to say which applications have such commands to run.
    type: bool
    default: false
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.environments
  - modwsgi.deploy.deployment.interpreter
  - modwsgi.deploy.deployment.releases
  - modwsgi.deploy.deployment.written
attributes:
  check_mode:
    description: Predicts; runs no command.
    support: full
"""

EXAMPLES = r"""
- name: New releases are prepared
  modwsgi.deploy.wsgi_prepare:
    applications: "{{ applications }}"
    wsgi_apps: "{{ wsgi_apps }}"
    releases: "{{ release.releases }}"
    venvs: "{{ venv.venvs }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
    interpreter: "{{ mod_wsgi_interpreter }}"
"""

RETURN = r"""
commands:
  description: The release commands that ran, by application.
  returned: success
  type: dict
once:
  description: What commands with C(once) are to prepare, as a digest by application, and with O(only_ask) nothing else.
  returned: success
  type: dict
last_lines:
  description: >-
    The last lines of a command that has failed, or its traceback, without the values of environment variables. All that
    it said is in the file that the message names.
  returned: failure
  type: list
  elements: str
"""

import grp
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.bytecode import Bytecode
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.prepare import (
    PreparationError,
    prepare,
    without_once,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    COMMAND_PARTS,
    decode_environments,
    differing,
    once_digest,
    read_record,
    wanted,
    write_record,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "wsgi_apps": {"type": "list", "elements": "dict"},
            "environments": {"type": "str", "required": True, "no_log": True},
            "releases": {"type": "dict", "required": True},
            "venvs": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
            "interpreter": {"type": "dict", "required": True},
            "once": {"type": "list", "elements": "str"},
            "only_ask": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    ran, due = {}, {}
    chosen = module.params["once"]
    try:
        environments = decode_environments(module.params["environments"])
        for application in module.params["applications"]:
            name = application["name"]
            release, venv = module.params["releases"][name], module.params["venvs"][name]
            variables = environments.get(name, {})
            deployment = wanted(application, variables, release["id"], venv["id"], module.params["launcher"])
            if not differing(deployment, read_record(application["paths"]["deployment"]), COMMAND_PARTS):
                continue
            leads = bool(application.get("once")) and (chosen is None or name in chosen)
            if application.get("once"):
                due[name] = once_digest(deployment)
            if module.params["only_ask"]:
                continue
            here = application if leads else without_once(application)
            ran[name] = here["release_commands"]
            if module.check_mode:
                continue
            group = grp.getgrnam(application["group"]).gr_gid
            interpreter = module.params["interpreter"]
            problem = Bytecode(release["path"], interpreter, application["static_root"], group).compile()
            if problem:
                module.warn(f"The byte code of {name} is not complete, so it starts slower: {problem}.")
            for sentence in prepare(here, variables, release["path"], venv["path"]):
                module.warn(sentence)
            if leads:
                write_record(application["paths"]["once"], {"digest": due[name]})
    except (PreparationError, ValueError, OSError) as error:
        lines = error.lines if isinstance(error, PreparationError) else []
        module.fail_json(msg=str(error), **({"last_lines": lines} if lines else {}))
    module.exit_json(changed=bool(ran), commands=ran, once=due)


if __name__ == "__main__":
    main()
