# SPDX-License-Identifier: Apache-2.0
"""The release commands of an application, and the static root that they may write to. Runs on the managed host."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
from collections.abc import Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import failure_log
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.commands import (
    essential,
    run_as_application,
    without_secrets,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import ConfinementError, Ended
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import LoggedError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.published import served_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.static_root import StaticRoot, StaticRootError

NOT_WRITABLE = re.compile(
    r"unable to open database file|readonly database|Permission denied(?! \()|Read-only file system", re.IGNORECASE
)
"""What SQLite and the kernel say to who writes where he may not; ssh says which keys it tried, in parentheses."""


class PreparationError(LoggedError):
    """A release cannot be used; the text is one sentence for the user."""


def without_once(application: dict[str, Any]) -> dict[str, Any]:
    """An application without the commands that another host runs for its fleet."""
    once = application.get("once") or ()
    left = [command for index, command in enumerate(application["release_commands"]) if index not in once]
    return {**application, "release_commands": left}


def prepare(application: dict[str, Any], variables: dict[str, Any], release: str, venv: str) -> list[Any]:
    """Make the static root and run the release commands; what the user has to know, one sentence each.

    Raises PreparationError at the first command that fails; the static root is as it was then.
    """
    if not application["static_root"]:
        return run_commands(application, variables, release, venv)
    static_root = StaticRoot(release, application["static_root"], venv)
    uid, gid = pwd.getpwnam(application["user"]).pw_uid, grp.getgrnam(application["group"]).gr_gid
    try:
        static_root.ensure()
        if not application["release_commands"]:
            return served_of(static_root, application)
        try:
            static_root.give(uid, gid)
            told = run_commands(application, variables, release, venv)
            told += served_of(static_root, application)
            static_root.take(uid, gid)
        except BaseException:
            static_root.return_former()
            raise
    except StaticRootError as error:
        raise PreparationError(
            f"wsgi_apps: application {application['name']!r}, key static_root: {error}; correct the source or the "
            "release commands. What was deployed before is untouched."
        ) from error
    return told


def served_of(static_root: StaticRoot, application: dict[str, Any]) -> list[str]:
    """What visitors are to get out of it and would not, in sentences.

    Raises PreparationError where what a key names is not in it: each request for it would be answered with 404.
    """
    made = os.path.join(application["paths"]["current"], static_root.relative)
    served = [each for each in served_files(application) if f"{each[1]}/".startswith(f"{made}/")]
    where = f"wsgi_apps: application {application['name']!r}, key"
    elsewhere = ", on each host (without once)" if application.get("once") else ""
    for key, path, exists in served:
        relative = os.path.relpath(path, application["paths"]["current"])
        if not exists(os.path.join(static_root.release, relative)):  # whatever links there are is for `take` to judge
            raise PreparationError(
                f"{where} {key}: {relative!r} is not there after the release commands; correct the path, or let one of "
                f"them make it{elsewhere}. What was deployed before is untouched."
            )
    with os.scandir(static_root.path) as found:
        if not served or any(found):
            return []
    return [
        f"{where} static_root: {static_root.relative!r} is empty after the release commands, so visitors get none of "
        f"its files; let one of them fill it{elsewhere}, such as collectstatic."
    ]


def run_commands(application: dict[str, Any], variables: dict[str, Any], release: str, venv: str) -> list[Any]:
    """Run the release commands one after the other; what the user has to know of them, one sentence each.

    Raises PreparationError at the first that fails.
    """
    told = []
    for command in application["release_commands"]:
        where = f"wsgi_apps: application {application['name']!r}, key release_commands: {shlex.join(command)}"
        try:
            ended = run_as_application(application, variables, release, venv, command)
        except ConfinementError as error:
            raise PreparationError(f"{where}: {error}; look at the host's processes.") from error
        if ended.status != 0 or ended.reason:
            raise _failure(application, where, ended, without_secrets(ended.output, variables))
        if ended.left:
            processes = "1 process" if ended.left == 1 else f"{ended.left} processes"
            told.append(
                f"{where} left {processes} running, which were ended with it; "
                "let the host's service manager start what has to go on."
            )
    failure_log.forget(application["name"], failure_log.RELEASE_COMMAND)
    return told


def _failure(application: dict[str, Any], where: str, ended: Ended, output: str) -> PreparationError:
    """The failure of a command; its whole output is in a file that the application's account can read, too."""
    end = ended.reason or (f"exit status {ended.status}" if ended.status > 0 else f"signal {-ended.status}")
    reason, lines = essential(output)
    gid = grp.getgrnam(application["group"]).gr_gid
    kept = failure_log.keep(application["name"], failure_log.RELEASE_COMMAND, output, gid) if lines else ""
    advice = where_to_write(application, lines)
    return PreparationError(
        f"{where} ended with {end}: {reason}{advice}; what was deployed before is untouched{kept}.", lines
    )


def where_to_write(application: dict[str, Any], lines: Sequence[str]) -> str:
    """What to do when a command could not write, as a part of a sentence; ``lines`` are the essential ones it said."""
    if not any(map(NOT_WRITABLE.search, lines)):
        return ""
    made = application["static_root"]
    static = f"WSGI_STATIC_ROOT (its {made})" if made else "WSGI_STATIC_ROOT, which the key static_root makes"
    return (
        f"; a release belongs to root, so write below WSGI_STATE_DIRECTORY ({application['paths']['state']}), and "
        f"static files into {static} (docs/applications.md)"
    )
