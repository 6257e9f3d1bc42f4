# SPDX-License-Identifier: Apache-2.0
"""Whether httpd can read what it is to serve itself. Runs on the managed host, as root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


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


def problems(applications: Iterable[Mapping[str, Any]], server_user: str) -> Iterator[str]:
    """One sentence for each folder or file of ``static`` that is there, not in the release, and closed to httpd.

    Before httpd is installed, its account is not there, and nothing is known.
    """
    try:
        account = pwd.getpwnam(server_user)
    except KeyError:
        return
    for application in applications:
        current = application["paths"]["current"] + os.sep
        for index, static in enumerate(application["static"]):
            path, kind = os.path.join(static["directory"], static["file"]), "file" if static["file"] else "directory"
            if not f"{path}/".startswith(current) and os.path.exists(path) and not open_to(path.rstrip("/"), account):
                yield (
                    f"wsgi_apps: application {application['name']!r}, key static[{index}].{kind}: httpd's account "
                    f"{server_user} has no access to {path.rstrip('/')} on the host and would answer 403; let it read "
                    "that and enter the folders above, or name another one."
                )
