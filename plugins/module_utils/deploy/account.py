# SPDX-License-Identifier: Apache-2.0
"""The accounts and folders of applications. Runs on the managed host."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.gates import Gate
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import (
    BUILD_ACCOUNT,
    CODE_ROOT,
    CONFIGURATION_ROOT,
    STATE_ROOT,
)

NO_LOGIN = "/usr/sbin/nologin"
NO_HOME = "/nonexistent"

BASE_SYSTEM = range(1, 100)
"""User ids that Debian gives to accounts of its base system, on every host the same."""

SYSTEM_USERS = {
    "_apt": "fetches the packages that root installs",
    "messagebus": "has the bus over which root's services are told what to do",
    "polkitd": "decides who may do what only root may",
    "sshd": "is what the SSH server is before a login",
}
"""Accounts with other ids that root relies on, and for what. Those named systemd-* are among them."""

GROUPS = {
    "root": "may write what belongs to root's group",
    "sudo": "may become root",
    "wheel": "may become root",
    "admin": "may become root",
    "google-sudoers": "may become root",
    "docker": "may have a container with the host's root file system",
    "lxd": "may have a container with the host's root file system",
    "incus": "may have a container with the host's root file system",
    "incus-admin": "may have a container with the host's root file system",
    "microk8s": "may have a container with the host's root file system",
    "libvirt": "may have a machine with the host's disks",
    "disk": "reads and writes all disks, past the file system",
    "kmem": "reads the memory of the kernel",
    "shadow": "reads the password hashes of all accounts",
    "sasl": "reads the passwords of SASL",
    "ssl-cert": "reads the private keys of the host",
    "backup": "reads the backups of all files",
    "tape": "reads the backups of all files",
    "operator": "reads the backups of all files",
    "mail": "reads and writes the mail of all accounts",
    "adm": "reads the logs of all services",
    "systemd-journal": "reads the logs of all services",
    "wireshark": "reads the network traffic of all services",
    "input": "reads what is typed on the host",
    "tty": "writes to the terminals of all, root's among them",
    "utmp": "forges who is logged in",
    "crontab": "has the folder with the timed commands of all accounts",
    "daemon": "has the folder with the timed commands of at(1)",
    "lpadmin": "configures the print server, which runs as root",
    "netdev": "configures the host's network, by services that run as root",
    "staff": "writes to /usr/local, from where root runs programs",
    "src": "writes to /usr/src, from where root builds modules of the kernel",
}
"""Groups that are worth root, or that open what belongs to others: what who is in them does."""


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


def folders(application: dict[str, Any]) -> list[Any]:
    """The application's folders as (path, mode, user, group)."""
    paths, group = application["paths"], application["group"]
    return [
        (paths["code"], 0o755, "root", "root"),
        (paths["configuration"], 0o750, "root", group),
        (paths["state"], 0o750, application["user"], group),
    ]


OPEN_TO_ALL = (
    "The file system of {path} has no access lists, so all accounts of the host can read the code there, but for what "
    "its source closes; use a file system that has them (docs/security.md)."
)


class AccountError(Exception):
    """An account or a folder cannot be used; the text is one sentence for the user."""


def described(group: str) -> str:
    """A group by its name, with what who is in it does; empty for one that an application may have."""
    return f"{group}, which {GROUPS[group]}" if group in GROUPS else ""


def powerful_groups() -> dict[int, str]:
    """What who is in a group of this host does, by the group's id; only groups that an application must not have."""
    found = {group_id(name): described(name) for name in GROUPS}
    return {**{gid: what for gid, what in found.items() if gid is not None}, 0: described("root")}


def extra_groups(application: dict[str, Any]) -> list[Any]:
    """The groups that the application is given beside its own, as (key, name)."""
    groups = application.get("daemon_groups") or []
    holders = [("daemon_options", application)]
    holders += [(f"daemon_groups[{index}].daemon_options", group) for index, group in enumerate(groups)]
    return [
        (f"{key}.supplementary_groups", str(name))
        for key, holder in holders
        for name in (holder.get("daemon_options") or {}).get("supplementary_groups") or []
    ]


def refuse_powerful(application: dict[str, Any], server_user: str) -> None:
    """Raise AccountError when the application would have rights of root or of others, by user or by group.

    ``server_user`` is httpd's, which an embedded application has. Groups are known by their names, also before they
    exist, and by their ids, also under other names.
    """
    where, user = f"wsgi_apps: application {application['name']!r}, key", application["user"]
    _refuse_user(user, server_user, f"{where} user: {user}")
    powerful = powerful_groups()
    for key, group in [("group", application["group"]), *extra_groups(application)]:
        gid = group_id(group)
        what = powerful.get(gid) if gid is not None else described(group)
        if what:
            raise AccountError(f"{where} {key}: {group} is the group {what}; choose another group.")
    for gid in _memberships(user):
        if gid in powerful:
            raise AccountError(
                f"{where} user: {user} is in the group {powerful[gid]}; take it out of that group, or choose another "
                "account."
            )


def _refuse_user(user: str, server_user: str, subject: str) -> None:
    """Raise AccountError for root, by whatever name, and for accounts that the system relies on."""
    uid, end = user_id(user), "; choose another account, or leave the key out to get one."
    if uid == 0:
        raise AccountError(f"{subject} has user id 0 on this host, and an application must not run as root{end}")
    if user == server_user:
        return
    if uid in BASE_SYSTEM:
        raise AccountError(f"{subject} has user id {uid} on this host, which belongs to Debian's base system{end}")
    if user in SYSTEM_USERS or user.startswith("systemd-"):
        what = SYSTEM_USERS.get(user, "runs a service of systemd")
        raise AccountError(f"{subject} is an account of the system, which {what}{end}")


def _memberships(user: str) -> list[Any]:
    """The ids of all groups of an account; none when it does not exist yet."""
    try:
        return os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except KeyError:
        return []


class Accounts:
    """Brings accounts and folders into being, or says what it would do."""

    def __init__(self, check_mode: bool, server_user: str) -> None:
        """With ``check_mode`` nothing is changed; ``server_user`` is httpd's."""
        self.server_user = server_user
        self.check_mode = check_mode
        self.changes: list[str] = []
        """What was created or corrected, one sentence each."""
        self.warnings: list[str] = []
        """What an operator should know of them, one sentence each."""

    def ensure(self, applications: list[Any]) -> None:
        """Bring what is missing into being. Raises AccountError, and OSError where the host does not allow it."""
        for application in applications:
            refuse_powerful(application, self.server_user)
        if applications:
            for path in (CODE_ROOT, CONFIGURATION_ROOT, STATE_ROOT):
                self.ensure_folder(path, 0o755, "root", "root")
            self.ensure_builder()
        for application in applications:
            self.ensure_account(application)
            for folder in folders(application):
                self.ensure_folder(*folder)
            for kind in ("releases", "venvs"):
                self.ensure_gate(application["paths"][kind], application["group"])

    def _run(self, command: list[Any], what: str) -> None:
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

    def ensure_account(self, application: dict[str, Any]) -> None:
        """Create what is missing of group and user."""
        name, user, group = application["name"], application["user"], application["group"]
        if group_id(group) is None:
            self._run(["groupadd", "--system", group], f"Create the group {group}")
        if user_id(user) is None:
            home = application["paths"]["state"]
            options = ["--system", "--gid", group, "--home-dir", home, "--no-create-home", "--shell", NO_LOGIN]
            comment = f"WSGI application {name}"
            self._run(["useradd", *options, "--comment", comment, user], f"Create the user {user}")

    def _found(self, path: str) -> os.stat_result | None:
        """A folder that is there; None for one that is just made, or would be. A link in its place is refused."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            self.changes.append(f"Create the folder {path}")
            if not self.check_mode:
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                os.mkdir(path, 0o700)
            return None
        if not stat.S_ISDIR(found.st_mode):
            raise AccountError(f"{path} is not a folder; move it away and run again.")
        return found

    def ensure_gate(self, path: str, group: str) -> None:
        """Create a folder for code, or close it to all but the application and httpd."""
        found, gid = self._found(path), group_id(group)
        if gid is None and not self.check_mode:
            raise AccountError(f"The group {group} for {path} was not created; look at the host's logs.")
        gate = Gate(path, gid, self._passing(gid), self._own_entries())
        if found and not gate.is_as_wanted():
            self.changes.append(f"Correct owner and mode of {path}")
        if not self.check_mode:
            gate.set()
        # What was there before, the inspection has told.
        warning = OPEN_TO_ALL.format(path=os.path.dirname(path))
        if (found is not None) == self.check_mode and warning not in self.warnings and gate.is_open_to_all():
            self.warnings.append(warning)

    def _passing(self, gid: int | None) -> list[int]:
        """Whom a gate of this group lets through beside it."""
        httpd = user_id(self.server_user)
        return [] if httpd is None or pwd.getpwnam(self.server_user).pw_gid == gid else [httpd]

    def _own_entries(self) -> list[int]:
        """Accounts of which a gate has no entry but ours."""
        return [uid for uid in map(user_id, (self.server_user, BUILD_ACCOUNT)) if uid is not None]

    def ensure_folder(self, path: str, mode: int, user: str, group: str) -> None:
        """Create a folder or correct its owner and mode."""
        found = self._found(path)
        if found is None and self.check_mode:
            return
        if found:
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
