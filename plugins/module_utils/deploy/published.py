# SPDX-License-Identifier: Apache-2.0
"""Whether httpd can read what it is to serve itself. Runs on the managed host, as root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import HOMES

LOGINS = "auth"
"""The key of what httpd asks for a password."""


def open_to(path: str, account: pwd.struct_passwd) -> bool:
    """Whether an account can enter a folder or read a file, by modes, groups and access lists, as the kernel does."""
    is_folder = os.path.isdir(path)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:  # nothing but these calls: the copy of this process must not go on
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os._exit(0 if os.access(path, os.X_OK if is_folder else os.R_OK) else 1)
    finally:
        os._exit(2)


def hides_homes(sets: Mapping[str, Iterable[Mapping[str, Any]]]) -> bool:
    """Whether the unit of httpd, which is among the sets of files, will see nothing of homes."""
    units = (file for files in sets.values() for file in files if str(file["path"]).endswith("-hardening.conf"))
    return any("\nProtectHome=yes\n" in str(file.get("content")) for file in units)


def is_in_home(path: str) -> bool:
    """Whether a path leads to a home, by whatever links."""
    found = os.path.realpath(path)
    return any(found == home or found.startswith(f"{home}/") for home in HOMES)


def served_files(application: Mapping[str, Any]) -> Iterator[tuple[str, str, Callable[[str], bool]]]:
    """What httpd itself reads for visitors, as (key, absolute path, test)."""
    for index, static in enumerate(application["static"]):
        kind, exists = ("file", os.path.isfile) if static["file"] else ("directory", os.path.isdir)
        yield f"static[{index}].{kind}", os.path.join(static["directory"], static["file"]), exists
    for index, document in enumerate(application.get("error_documents", [])):
        yield f"error_documents[{index}].file", document["file"], os.path.isfile
    page = (application.get("maintenance") or {}).get("page")
    if page:
        yield "maintenance.page", page, os.path.isfile


def places(application: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys that name what httpd reads itself, and the absolute path of each."""
    for key, path, _ in served_files(application):
        yield key, path.rstrip("/")
    for index, login in enumerate(application.get("auth", [])):
        if login["user_file"].startswith("/"):  # the others are made by the role
            yield f"{LOGINS}[{index}].user_file", login["user_file"]


def beside(applications: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Name of the application, key and path of what httpd is to read and is no application's code."""
    applications = list(applications)
    links = tuple(application["paths"][kind] + os.sep for application in applications for kind in ("current", "venv"))
    gates = tuple(application["paths"][kind] + os.sep for application in applications for kind in ("releases", "venvs"))
    for application in applications:
        for key, path in places(application):
            # httpd comes there when the gate is set, whatever link leads there; before the first release, none does.
            if not f"{path}/".startswith(links) and not os.path.realpath(path).startswith(gates):
                yield application["name"], key, path


def absent(applications: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One sentence for each folder or page that is not there; others may make it later, so it is not refused."""
    for name, key, path in beside(applications):
        if not os.path.exists(path) and not key.startswith(LOGINS):
            yield (
                f"wsgi_apps: application {name!r}, key {key}: {path} is not on the host, so visitors get 404, or "
                "httpd's own page; make it, or correct the path."
            )


def problems(applications: Iterable[Mapping[str, Any]], server_user: str, without_homes: bool = False) -> Iterator[str]:
    """One sentence for each folder or file that httpd is to read, no application's code, and that is closed to it.

    A file of users has to be there. Before httpd is installed, its account is not there, and nothing is known.
    ``without_homes``: see hides_homes.
    """
    try:
        account = pwd.getpwnam(server_user)
    except KeyError:
        return
    for name, key, path in beside(applications):
        where, is_login = f"wsgi_apps: application {name!r}, key {key}:", key.startswith(LOGINS)
        status = "500 to each login" if is_login else "403"
        if not os.path.exists(path):
            if is_login:
                yield f"{where} {path} is not on the host, and nobody could log in; put the file there."
        elif not open_to(path, account):
            yield (
                f"{where} httpd's account {server_user} has no access to {path} on the host and would answer "
                f"{status}; let it read that and enter the folders above, or name another one."
            )
        elif without_homes and is_in_home(path):
            yield (
                f"{where} {path} leads to {os.path.realpath(path)}, and httpd, which sees nothing of "
                f"{', '.join(HOMES[:-1])} and {HOMES[-1]}, would answer {status}; name another one, or name "
                "ProtectHome in httpd_hardening_disabled."
            )
