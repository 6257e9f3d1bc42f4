#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Make prepared releases of WSGI applications the current ones."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_switch
short_description: Switch WSGI applications to their new release, virtual environment and environment variables
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Writes the application's configuration files, swaps the links C(current) and C(venv), and records the deployment
    together with the daemon processes that still run the earlier one.
  - All applications are switched together, as a step of the transaction that M(modwsgi.deploy.httpd_transaction) ends.
    Daemon processes are left alone; M(modwsgi.deploy.wsgi_activate) replaces those which are recorded, in the same run
    or in the next one.
  - An embedded application has none. For it, a reload is recorded for M(modwsgi.deploy.httpd_service), so notify the
    handler that applies it.
options:
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
  environments:
    description: Environment variables of all applications, as base64-encoded JSON.
    type: str
    required: true
  releases:
    description: RV(modwsgi.deploy.wsgi_release#module:releases).
    type: dict
    required: true
  venvs:
    description: RV(modwsgi.deploy.wsgi_venv#module:venvs).
    type: dict
    required: true
  launcher:
    description: Digest of the launcher that serves.
    type: str
    required: true
  instance:
    description: The httpd instance.
    type: str
    default: apache2
attributes:
  check_mode:
    description: Predicts.
    support: full
  diff_mode:
    description: Shows which part of a deployment changes, and names of environment variables, never their values.
    support: full
"""

EXAMPLES = r"""
- name: The new releases are current
  modwsgi.deploy.wsgi_switch:
    applications: "{{ applications }}"
    environments: "{{ environments | to_json | b64encode }}"
    releases: "{{ release.releases }}"
    venvs: "{{ venv.venvs }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
  notify: modwsgi.deploy.httpd configuration changed
"""

RETURN = r"""
switched:
  description: The parts that changed, by application.
  returned: success
  type: dict
unproven:
  description: Whether M(modwsgi.deploy.httpd_transaction) has a change to commit or to roll back.
  returned: success
  type: bool
activation:
  description: Whether M(modwsgi.deploy.wsgi_activate) has something to do, from this run or from an earlier one.
  returned: success
  type: bool
"""

import grp
import json
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils import httpd_journal, httpd_pending, httpd_return
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_journal import Edit, JournalError, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_daemon import httpd_pid, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_deployment import (
    PARTS,
    application_file,
    decode_environments,
    differing,
    leads_to,
    new_record,
    read_record,
    record_text,
    wanted,
)

APPLICATION_MODE = 0o644
ENVIRONMENT_MODE = 0o640


def as_json(value: dict) -> str:
    """A configuration file's text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def file_differs(path: str, content: str, mode: int, group: str) -> bool:
    """Whether a file has to be written, because of its content, its mode or its group."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            owner = (found.st_uid, grp.getgrgid(found.st_gid).gr_name, stat.S_IMODE(found.st_mode))
            return stream.read() != content or owner != (0, group, mode)
    except (OSError, KeyError, UnicodeDecodeError):
        return True


class Switch:
    """One application's way from the deployment in use to the wanted one."""

    def __init__(self, application: dict, variables: dict, parameters: dict, described: dict) -> None:
        name = application["name"]
        self.application = application
        self.paths = application["paths"]
        self.variables = variables
        self.release, self.venv = parameters["releases"][name], parameters["venvs"][name]
        self.instance = described
        self.deployment = wanted(application, variables, self.release["id"], self.venv["id"], parameters["launcher"])
        self.record = read_record(self.paths["deployment"])
        group = application["group"]
        self.files = [
            (self.paths["environment"], as_json(variables), ENVIRONMENT_MODE, group),
            (self.paths["application"], as_json(application_file(application)), APPLICATION_MODE, "root"),
        ]
        self.links = [
            (self.paths["venv"], self.venv["path"]),
            (self.paths["current"], self.release["path"]),
        ]

    def changes(self) -> list:
        """The parts that are not as wanted, on disk or in the record."""
        found = differing(self.deployment, self.record)
        if any(file_differs(*file) for file in self.files) or not all(leads_to(*link) for link in self.links):
            found = found or ["files"]
        return found

    @property
    def action(self) -> str:
        """What httpd needs to serve it."""
        return httpd_pending.RELOAD if self.application["mode"] == "embedded" else httpd_pending.NONE

    def edits(self) -> list:
        """What makes the switch; the record comes last."""
        found = [
            Edit(path, httpd_journal.WRITE, content.encode(), "", mode, 0, grp.getgrnam(group).gr_gid)
            for path, content, mode, group in self.files
            if file_differs(path, content, mode, group)
        ]
        found += [
            Edit(link, httpd_journal.LINK, target=os.path.relpath(target, os.path.dirname(link)))
            for link, target in self.links
            if not leads_to(link, target)
        ]
        record = record_text(new_record(self.deployment, self.record, self._running()))
        return [*found, Edit(self.paths["deployment"], httpd_journal.WRITE, record.encode(), "", 0o600, 0, 0)]

    def note(self) -> dict:
        """What a return has to know."""
        application = self.application
        return {"name": application["name"], "user": application["user"], "record": self.paths["deployment"]}

    def _running(self) -> list:
        parent = httpd_pid(self.instance["pid_file"])
        if parent is None:
            return []
        uid = pwd.getpwnam(self.application["user"]).pw_uid
        return [list(process) for process in processes(parent, self.application["name"], uid)]

    def describe(self) -> tuple:
        """What is in use and what is wanted, without a secret."""
        before = {part: self.record.get(part, "") for part in PARTS if part != "environment"}
        after = {part: self.deployment[part] for part in PARTS if part != "environment"}
        return before, after


def perform(described: dict, switches: list) -> None:
    """Switch, as one step of the journal."""
    action = httpd_pending.strongest(*(switch.action for switch in switches))
    with locked(described["state_directory"]):
        httpd_return.recover(described)
        httpd_return.begin(described)
        httpd_pending.add(described, action)
        edits = [edit for switch in switches for edit in switch.edits()]
        try:
            httpd_return.journal_of(described).apply(
                edits, action, {"applications": [switch.note() for switch in switches]}
            )
        except BaseException:
            httpd_return.forget_unless_steps(described)
            raise


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "environments": {"type": "str", "required": True, "no_log": True},
            "releases": {"type": "dict", "required": True},
            "venvs": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    switched = {}
    switches = []
    diff = []
    activation = False
    described = instance(module.params["instance"])
    try:
        environments = decode_environments(module.params["environments"])
        for application in module.params["applications"]:
            name = application["name"]
            switch = Switch(application, environments.get(name, {}), module.params, described)
            changes = switch.changes()
            activation = activation or bool(changes or switch.record.get("stale_processes"))
            if not changes:
                continue
            switched[name] = changes
            before, after = switch.describe()
            header = application["paths"]["deployment"]
            diff.append(
                {
                    "before_header": header,
                    "after_header": header,
                    "before": as_json(before),
                    "after": as_json({**after, "changed": changes}),
                }
            )
            switches.append(switch)
        if switches and not module.check_mode:
            perform(described, switches)
        unproven = bool(switched) or httpd_return.journal_of(described).open
    except (ValueError, OSError, ControlError, JournalError) as error:
        module.fail_json(msg=f"The switch to the new release failed, and nothing was switched: {error}.")
    module.exit_json(changed=bool(switched), switched=switched, activation=activation, unproven=unproven, diff=diff)


if __name__ == "__main__":
    main()
