# SPDX-License-Identifier: Apache-2.0
"""Whether httpd can read what it is to serve itself. Runs on the managed host, as root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def open_to(folder: str, account: pwd.struct_passwd) -> bool:
    """Whether an account can enter a folder, as the kernel sees it: by modes, groups and access lists."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:  # nothing but these calls: the copy of this process must not go on
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os._exit(0 if os.access(folder, os.X_OK) else 1)
    finally:
        os._exit(2)


def problems(applications: Iterable[Mapping[str, Any]], server_user: str) -> Iterator[str]:
    """One sentence for each folder of ``static`` that is there, outside of the release, and that httpd cannot enter.

    Before httpd is installed, its account is not there, and nothing is known.
    """
    try:
        account = pwd.getpwnam(server_user)
    except KeyError:
        return
    for application in applications:
        current = application["paths"]["current"] + os.sep
        for index, static in enumerate(application["static"]):
            folder = static["directory"]
            if not folder.startswith(current) and os.path.isdir(folder) and not open_to(folder, account):
                yield (
                    f"wsgi_apps: application {application['name']!r}, key static[{index}].directory: httpd's account "
                    f"{server_user} cannot enter {folder} on the host and would answer 403; let it enter and read that "
                    "folder and those above it, or name another one."
                )
