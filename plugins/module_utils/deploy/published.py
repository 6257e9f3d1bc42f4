# SPDX-License-Identifier: Apache-2.0
"""Whether httpd can read what it is to serve itself. Runs on the managed host, as root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import HOMES


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


def problems(applications: Iterable[Mapping[str, Any]], server_user: str, without_homes: bool = False) -> Iterator[str]:
    """One sentence for each folder or file of ``static`` that is there, no application's code, and closed to httpd.

    Before httpd is installed, its account is not there, and nothing is known. ``without_homes``: see hides_homes.
    """
    try:
        account = pwd.getpwnam(server_user)
    except KeyError:
        return
    applications = list(applications)
    gates = [application["paths"][kind] + os.sep for application in applications for kind in ("releases", "venvs")]
    for application in applications:
        current = application["paths"]["current"] + os.sep
        for index, static in enumerate(application["static"]):
            path, kind = os.path.join(static["directory"], static["file"]), "file" if static["file"] else "directory"
            if f"{path}/".startswith(current) or not os.path.exists(path):
                continue
            if os.path.realpath(path).startswith(tuple(gates)):  # httpd comes there when the gate is set
                continue
            where = f"wsgi_apps: application {application['name']!r}, key static[{index}].{kind}:"
            if not open_to(path.rstrip("/"), account):
                yield (
                    f"{where} httpd's account {server_user} has no access to {path.rstrip('/')} on the host and would "
                    "answer 403; let it read that and enter the folders above, or name another one."
                )
            elif without_homes and is_in_home(path):
                yield (
                    f"{where} {path.rstrip('/')} leads to {os.path.realpath(path)}, and httpd, which sees nothing of "
                    f"{', '.join(HOMES[:-1])} and {HOMES[-1]}, would answer 403; name another one, or name "
                    "ProtectHome in httpd_hardening_disabled."
                )
