#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Give every WSGI application an account and its folders."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_account
short_description: Accounts and folders of WSGI applications
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Creates the system group and user of each application, without a login shell, and the folders for code,
    configuration and state.
  - Leaves an account that exists as it is.
  - Refuses an account with user id 0.
options:
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    description: Predicts what would be created.
    support: full
"""

EXAMPLES = r"""
- name: Accounts and folders are there
  modwsgi.deploy.wsgi_account:
    applications: "{{ wsgi_apps | modwsgi.deploy.wsgi_apps(httpd_listen, httpd_host) }}"
"""

RETURN = r"""
changes:
  description: What was created or corrected, one sentence each.
  returned: success
  type: list
  elements: str
git:
  description: Whether git is installed.
  returned: success
  type: bool
"""

import grp
import os
import pwd
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import (
    CODE_ROOT,
    CONFIGURATION_ROOT,
    STATE_ROOT,
)

NO_LOGIN = "/usr/sbin/nologin"


def group_id(name: str) -> int | None:
    """The group's id, or None when it does not exist."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def user_id(name: str) -> int | None:
    """The user's id, or None when it does not exist."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def folders(application: dict) -> list:
    """The application's folders as (path, mode, user, group)."""
    paths, group = application["paths"], application["group"]
    return [
        (paths["code"], 0o755, "root", "root"),
        (paths["releases"], 0o755, "root", "root"),
        (paths["venvs"], 0o755, "root", "root"),
        (paths["configuration"], 0o750, "root", group),
        (paths["state"], 0o750, application["user"], group),
    ]


class Accounts:
    """Brings accounts and folders into being, or says what it would do."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changes: list[str] = []

    def _run(self, command: list[str], what: str) -> None:
        self.changes.append(what)
        if not self.module.check_mode:
            status, _, errors = self.module.run_command(command)
            if status != 0:
                self.module.fail_json(msg=f"{what} failed: {errors.strip() or f'exit status {status}'}.")

    def ensure_account(self, application: dict) -> None:
        """Create what is missing of group and user; refuse root by whatever name."""
        name, user, group = application["name"], application["user"], application["group"]
        if user_id(user) == 0:
            self.module.fail_json(
                msg=f"wsgi_apps: application {name!r}, key user: {user} has user id 0 on this host, and an application "
                "must not run as root; choose another account."
            )
        if group_id(group) is None:
            self._run(["groupadd", "--system", group], f"Create the group {group}")
        if user_id(user) is None:
            home = application["paths"]["state"]
            options = ["--system", "--gid", group, "--home-dir", home, "--no-create-home", "--shell", NO_LOGIN]
            comment = f"WSGI application {name}"
            self._run(["useradd", *options, "--comment", comment, user], f"Create the user {user}")

    def ensure_folder(self, path: str, mode: int, user: str, group: str) -> None:
        """Create a folder or correct its owner and mode; a link in its place is refused."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            self.changes.append(f"Create the folder {path}")
            if self.module.check_mode:
                return
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            os.mkdir(path, 0o700)
        else:
            if not stat.S_ISDIR(found.st_mode):
                self.module.fail_json(msg=f"{path} is not a folder; move it away and run again.")
            if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (user_id(user), group_id(group), mode):
                return
            self.changes.append(f"Correct owner and mode of {path}")
            if self.module.check_mode:
                return
        uid, gid = user_id(user), group_id(group)
        if uid is None or gid is None:
            self.module.fail_json(
                msg=f"The account {user}:{group} for {path} was not created; look at the host's logs."
            )
        os.chown(path, uid, gid)
        os.chmod(path, mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"applications": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    os.umask(0o022)
    accounts = Accounts(module)
    if module.params["applications"]:
        for path in (CODE_ROOT, CONFIGURATION_ROOT, STATE_ROOT):
            accounts.ensure_folder(path, 0o755, "root", "root")
    for application in module.params["applications"]:
        accounts.ensure_account(application)
        for folder in folders(application):
            accounts.ensure_folder(*folder)
    git = bool(shutil.which("git"))
    module.exit_json(changed=bool(accounts.changes), changes=accounts.changes, git=git)


if __name__ == "__main__":
    main()
