# SPDX-License-Identifier: Apache-2.0
"""The accounts and folders of applications. Runs on the managed host."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from typing import NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import (
    BUILD_ACCOUNT,
    CODE_ROOT,
    CONFIGURATION_ROOT,
    STATE_ROOT,
)

NO_LOGIN = "/usr/sbin/nologin"
NO_HOME = "/nonexistent"


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


class Unprivileged(NamedTuple):
    """An account that reads what others wrote, in root's place."""

    uid: int
    gid: int
    own_uid: int | None
    """The uid, when nothing else uses the account."""


def unprivileged() -> Unprivileged:
    """The build account; where there is none yet, the one that has no rights on any host."""
    uid, gid = user_id(BUILD_ACCOUNT), group_id(BUILD_ACCOUNT)
    if uid is None or gid is None:
        nobody = pwd.getpwnam("nobody")
        return Unprivileged(nobody.pw_uid, nobody.pw_gid, None)
    return Unprivileged(uid, gid, uid)


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


class AccountError(Exception):
    """An account or a folder cannot be used; the text is one sentence for the user."""


class Accounts:
    """Brings accounts and folders into being, or says what it would do."""

    def __init__(self, check_mode: bool) -> None:
        """With ``check_mode`` nothing is changed."""
        self.check_mode = check_mode
        self.changes: list[str] = []
        """What was created or corrected, one sentence each."""

    def ensure(self, applications: list) -> None:
        """Bring what is missing into being. Raises AccountError, and OSError where the host does not allow it."""
        if applications:
            for path in (CODE_ROOT, CONFIGURATION_ROOT, STATE_ROOT):
                self.ensure_folder(path, 0o755, "root", "root")
            self.ensure_builder()
        for application in applications:
            self.ensure_account(application)
            for folder in folders(application):
                self.ensure_folder(*folder)

    def _run(self, command: list, what: str) -> None:
        self.changes.append(what)
        if self.check_mode:
            return
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AccountError(f"{what} failed: {done.stderr.strip() or f'exit status {done.returncode}'}.")

    def ensure_builder(self) -> None:
        """Create the account that git and pip run as. It has a group of its own, no home and no shell."""
        if user_id(BUILD_ACCOUNT) == 0:
            raise AccountError(
                f"{BUILD_ACCOUNT} has user id 0 on this host, and builds must not run as root; remove it."
            )
        if user_id(BUILD_ACCOUNT) is None:
            options = ["--system", "--home-dir", NO_HOME, "--no-create-home", "--shell", NO_LOGIN]
            options += ["--gid", BUILD_ACCOUNT] if group_id(BUILD_ACCOUNT) is not None else ["--user-group"]
            comment = "Builds of WSGI applications"
            what = f"Create the user {BUILD_ACCOUNT}"
            self._run(["useradd", *options, "--comment", comment, BUILD_ACCOUNT], what)

    def ensure_account(self, application: dict) -> None:
        """Create what is missing of group and user; refuse root by whatever name."""
        name, user, group = application["name"], application["user"], application["group"]
        if user_id(user) == 0:
            raise AccountError(
                f"wsgi_apps: application {name!r}, key user: {user} has user id 0 on this host, and an application "
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
            if self.check_mode:
                return
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            os.mkdir(path, 0o700)
        else:
            if not stat.S_ISDIR(found.st_mode):
                raise AccountError(f"{path} is not a folder; move it away and run again.")
            if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (user_id(user), group_id(group), mode):
                return
            self.changes.append(f"Correct owner and mode of {path}")
            if self.check_mode:
                return
        uid, gid = user_id(user), group_id(group)
        if uid is None or gid is None:
            raise AccountError(f"The account {user}:{group} for {path} was not created; look at the host's logs.")
        # The open folder, and not what has taken its name since.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
