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
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.environments
  - modwsgi.deploy.deployment.releases
attributes:
  check_mode:
    description: Predicts; runs no command.
    support: full
"""

EXAMPLES = r"""
- name: New releases are prepared
  modwsgi.deploy.wsgi_prepare:
    applications: "{{ applications }}"
    environments: "{{ environments | to_json | b64encode }}"
    releases: "{{ release.releases }}"
    venvs: "{{ venv.venvs }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
"""

RETURN = r"""
commands:
  description: The release commands that ran, by application.
  returned: success
  type: dict
"""

import grp
import os
import pwd
import shlex
import signal
import stat
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils import wsgi_run
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_deployment import (
    COMMAND_PARTS,
    application_file,
    decode_environments,
    differing,
    read_record,
    wanted,
)

LAST_LINES = 20
SHORTEST_SECRET = 8
"""Characters from which on a value of an environment variable is blotted out of a command's output."""


class PreparationError(Exception):
    """A release cannot be used; the text is one sentence for the user."""


def give_tree(path: str, uid: int, gid: int, former: int) -> None:
    """Make everything below a folder, and itself, belong to an account; only what belongs to `former` is touched.

    Works on open folders and follows no link, since the application's account can write there until it is done.
    """
    for _folder, folders, files, descriptor in os.fwalk(path, topdown=True, follow_symlinks=False):
        if os.fstat(descriptor).st_uid == former:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, 0o755)
        for name in [*files, *folders]:
            entry = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if entry.st_uid != former or stat.S_ISDIR(entry.st_mode):
                continue
            if stat.S_ISREG(entry.st_mode):
                give_file(name, descriptor, uid, gid, former)
            else:
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)


def give_file(name: str, folder: int, uid: int, gid: int, former: int) -> None:
    """Make a file belong to an account, and readable for httpd."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == former and stat.S_ISREG(found.st_mode):
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o755 | 0o444)
    finally:
        os.close(descriptor)


def output_tail(output: str, variables: dict) -> str:
    """The last lines of a command's output without the values of its environment variables."""
    for value in variables.values():
        if len(value) >= SHORTEST_SECRET:
            output = output.replace(value, "********")
    return "\n".join(output.rstrip().splitlines()[-LAST_LINES:])


def run_as_application(application: dict, variables: dict, release: str, venv: str, command: list) -> tuple:
    """Run one command as wsgi-run does; its exit status and its output."""
    # A file and not a pipe: something that the command leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        status = _fork(application, variables, release, venv, command, output.fileno())
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def _fork(application: dict, variables: dict, release: str, venv: str, command: list, output: int) -> int:
    """Run a command in a process of its own; its exit status, or the negative number of the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            os.setsid()
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            wsgi_run.execute(application_file(application), variables, release, venv, command)
        except wsgi_run.RunError as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(125)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_commands(application: dict, variables: dict, release: str, venv: str) -> None:
    """Run the release commands one after the other; raises PreparationError at the first that fails."""
    uid, gid = pwd.getpwnam(application["user"]).pw_uid, grp.getgrnam(application["group"]).gr_gid
    static_root = os.path.join(release, application["static_root"]) if application["static_root"] else ""
    if static_root:
        os.makedirs(static_root, mode=0o755, exist_ok=True)
        give_tree(static_root, uid, gid, former=0)
    try:
        for command in application["release_commands"]:
            status, output = run_as_application(application, variables, release, venv, command)
            if status != 0:
                end = f"exit status {status}" if status > 0 else f"signal {-status}"
                tail = output_tail(output, variables)
                raise PreparationError(
                    f"wsgi_apps: application {application['name']!r}, key release_commands: {shlex.join(command)} "
                    f"ended with {end}; what was deployed before is untouched. Its last lines:\n{tail or '(no output)'}"
                )
    finally:
        if static_root:
            give_tree(static_root, 0, 0, former=uid)


def compile_bytecode(release: str, venv: str) -> None:
    """Byte-compile the release, since the application's account cannot write there.

    A file with a syntax error is no reason to stop: it may be a template or a fixture that nobody imports.
    """
    python = os.path.join(venv, "bin", "python")
    subprocess.run([python, "-m", "compileall", "-q", release], capture_output=True, check=False)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "environments": {"type": "str", "required": True, "no_log": True},
            "releases": {"type": "dict", "required": True},
            "venvs": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    ran = {}
    try:
        environments = decode_environments(module.params["environments"])
        for application in module.params["applications"]:
            name = application["name"]
            release, venv = module.params["releases"][name], module.params["venvs"][name]
            variables = environments.get(name, {})
            deployment = wanted(application, variables, release["id"], venv["id"], module.params["launcher"])
            if not differing(deployment, read_record(application["paths"]["deployment"]), COMMAND_PARTS):
                continue
            ran[name] = application["release_commands"]
            if not module.check_mode:
                compile_bytecode(release["path"], venv["path"])
                run_commands(application, variables, release["path"], venv["path"])
    except (PreparationError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(ran), commands=ran)


if __name__ == "__main__":
    main()
