# SPDX-License-Identifier: Apache-2.0
"""The state of a managed host in which a refused deployment must not make a difference."""

from __future__ import annotations

from typing import Any

from support.managed_host import ManagedHost

TREES = (
    "/etc/apache2", "/etc/wsgi", "/etc/systemd", "/etc/tmpfiles.d", "/etc/ansible", "/srv/wsgi", "/usr/local",
    "/var/lib/modwsgi",
)  # fmt: skip
"""Compared file by file: mode, owner, and content or target."""

INSTALLATIONS = "/opt/mod_wsgi"
"""Compared by name only: two virtual environments of some thousand files."""

# Prints {"<path>": "<mode> <owner> <digest or target>"} for every file below the folders that are its arguments.
DESCRIBE = """
import hashlib, json, os, stat, sys
found = {}
for tree in sys.argv[1:]:
    for directory, folders, files in os.walk(tree):
        for name in [".", *folders, *files]:
            path = os.path.normpath(os.path.join(directory, name))
            status = os.lstat(path)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode) and not path.endswith(".pyc"):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            found[path] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {content}"
print(json.dumps(found))
"""


def snapshot(machine: ManagedHost) -> dict[str, Any]:
    """Configuration, releases, packages, accounts and processes; equal before and after when nothing was changed."""
    return {
        "files": machine.python(DESCRIBE, *TREES),
        "installations": machine.run("ls", INSTALLATIONS).split(),
        "packages": sorted(machine.installed_packages()),
        "accounts": machine.run("cat", "/etc/passwd", "/etc/group").splitlines(),
        "processes": sorted(
            (process.pid, process.command)
            for process in machine.httpd_processes()
            if process.parent == 1 or process.command.startswith(("(wsgi:", "(blue:", "(green:"))
        ),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What changed, small enough to read; empty when nothing did."""
    changed: dict[str, Any] = {
        key: {"before": before[key], "after": after[key]}
        for key in before
        if key != "files" and before[key] != after[key]
    }
    paths = before["files"].keys() | after["files"].keys()
    files = {
        path: (before["files"].get(path), after["files"].get(path))
        for path in sorted(paths)
        if before["files"].get(path) != after["files"].get(path)
    }
    return {**changed, **({"files": files} if files else {})}
