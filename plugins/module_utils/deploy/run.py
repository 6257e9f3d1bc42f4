#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Run a command as a WSGI application runs: its account, environment variables, virtual environment and folder.

The role wsgi_app installs this very file, to which /usr/local/bin/wsgi-run is a link; its release commands and
wsgi-debug go through the same functions. It needs nothing but Python's standard library, and for its command line
wsgi_terminal.py beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import grp
import json
import os
import pwd
import re
import signal
import sys
from typing import Any, NamedTuple, NoReturn

CONFIGURATION_ROOT = "/etc/wsgi"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
UMASK = 0o022
"""As the daemon processes have it: httpd may have to read what the application writes."""

PROXIES = ("http_proxy", "https_proxy")
INHERITED = ("TERM", "COLUMNS", "LINES", "TZ", *PROXIES, "no_proxy")
"""What a command takes over from the caller's environment: how its terminal is and how the network is reached."""

PROXY_SCHEME = re.compile(r"(?:https?|socks[45]?[ah]?)://", re.IGNORECASE)

FAILED = 125
"""Exit status, as of env(1) and chroot(1): the tool itself failed, not the command."""


class RunError(Exception):
    """The command cannot be run; the text is one sentence for the operator."""


class Deployment(NamedTuple):
    """An application as it is deployed on this host at the moment."""

    application: dict[str, Any]
    """The content of application.json."""
    variables: dict[str, str]
    """The content of environment.json."""
    release: str
    venv: str


def environment(
    application: dict[str, Any], variables: dict[str, str], release: str, venv: str, inherited: dict[str, str]
) -> dict[str, str]:
    """All environment variables of a command.

    `application` is the content of application.json, `variables` that of environment.json.
    """
    complete = {key: inherited[key] for key in INHERITED if key in inherited}
    complete.update({key: without_user_info(complete[key]) for key in PROXIES if key in complete})
    complete.update(
        LANG=application["lang"],
        LC_ALL=application["locale"],
        HOME=application["state"],
        USER=application["user"],
        LOGNAME=application["user"],
        SHELL="/bin/sh",
        VIRTUAL_ENV=venv,
        PATH=os.pathsep.join([venv + "/bin", "/usr/local/bin", "/usr/bin", "/bin"]),
        PYTHONPATH=os.pathsep.join(os.path.join(release, path) for path in application["python_path"]),
        PYTHONDONTWRITEBYTECODE="1",
        WSGI_APP=application["name"],
        WSGI_STATE_DIRECTORY=application["state"],
    )
    if not complete["PYTHONPATH"]:
        del complete["PYTHONPATH"]
    if application["static_root"]:
        complete["WSGI_STATIC_ROOT"] = os.path.join(release, application["static_root"])
    complete.update(variables)
    return complete


def without_user_info(proxy: str) -> str:
    """The address of a proxy without name and password, which are the caller's and not the application's."""
    before, _, place = proxy.rpartition("@")
    scheme = PROXY_SCHEME.match(before)
    return f"{scheme[0] if scheme else ''}{place}"


def account(user: str, group: str) -> tuple[int, int]:
    """The ids of the account.

    Raises RunError when the account does not exist, or is not the caller's and the caller is not root.
    """
    try:
        uid, gid = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        raise RunError(
            f"The account {user}:{group} does not exist on this host; deploy the application first."
        ) from None
    if os.geteuid() not in (0, uid):
        raise RunError(f"Only root and {user} may do this; call it with sudo.")
    return uid, gid


def become(user: str, group: str) -> None:
    """Give up all rights but those of the account, for good. Raises RunError when the caller may not do this."""
    uid, gid = account(user, group)
    if os.geteuid() != 0:
        return
    os.initgroups(user, gid)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def close_all_but_streams() -> None:
    """Close what the caller has open beyond the standard streams; a descriptor is a right like others."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # that of the folder itself is closed already
                os.close(int(name))


def execute(
    application: dict[str, Any], variables: dict[str, str], release: str, venv: str, command: list[str]
) -> NoReturn:
    """Replace this process by the command. Raises RunError when that is not possible."""
    complete = environment(application, variables, release, venv, dict(os.environ))
    become(application["user"], application["group"])
    os.umask(UMASK)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and so would the command
        signal.signal(number, signal.SIG_DFL)
    try:
        close_all_but_streams()
        os.chdir(release)
        os.execvpe(command[0], command, complete)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(release):
            raise RunError(f"There is no program {command[0]} in the virtual environment or on the PATH.") from None
        raise RunError(f"{command[0]} cannot be run in {release}: {error.strerror}.") from None


def _load(path: str, name: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        if os.path.isdir(os.path.dirname(path)):
            raise RunError(f"The deployment of {name} was not finished on this host; deploy it again.") from None
        known = ", ".join(sorted(os.listdir(CONFIGURATION_ROOT))) if os.path.isdir(CONFIGURATION_ROOT) else ""
        raise RunError(f"There is no application {name} on this host (there is: {known or 'none'}).") from None
    except PermissionError:
        raise RunError(f"Only root and the account of {name} may do this; call it with sudo.") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged; deploy the application again.")
    return content


def deployment(name: str) -> Deployment:
    """The application called `name`. Raises RunError when it is not there, or the caller may not read of it."""
    if not NAME.fullmatch(name):
        raise RunError(f"{name!r} is not the name of an application.")
    folder = os.path.join(CONFIGURATION_ROOT, name)
    application = _load(os.path.join(folder, "application.json"), name)
    variables = _load(os.path.join(folder, "environment.json"), name)
    return Deployment(
        application, variables, os.path.realpath(application["current"]), os.path.realpath(application["venv"])
    )


def refuse(program: str, error: RunError) -> NoReturn:
    """End the program with its sentence."""
    print(f"{program}: {error}", file=sys.stderr)
    sys.exit(FAILED)


def run(name: str, command: list[str]) -> None:
    """Become the command, as the application called `name`. Raises RunError when it cannot begin.

    Root's terminal stays root's; the application's own account has nothing to lose to it.
    """
    # Beside this file only where the role has installed both.
    import wsgi_terminal  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    found = deployment(name)
    uid, _ = account(found.application["user"], found.application["group"])

    def program() -> NoReturn:
        try:
            execute(*found, command)
        except RunError as error:
            refuse("wsgi-run", error)

    if os.geteuid() != 0:
        program()
    try:
        wsgi_terminal.end(wsgi_terminal.apart(program, uid))
    except wsgi_terminal.TerminalError as error:
        raise RunError(str(error)) from None


def main(arguments: list[str] | None = None) -> None:
    """The command line of wsgi-run."""
    parser = argparse.ArgumentParser(
        prog="wsgi-run",
        description="Run a command as the WSGI application APP runs: its account, environment variables, virtual "
        "environment and current release.",
        epilog="Example: wsgi-run shop python manage.py showmigrations",
    )
    parser.add_argument("app", metavar="APP", help="name of the application, as in wsgi_apps")
    parser.add_argument(
        "command", metavar="COMMAND", help="program to run; that of the virtual environment comes first"
    )
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="passed on as they are")
    options = parser.parse_args(arguments)
    try:
        run(options.app, [options.command, *options.arguments])
    except RunError as error:
        refuse("wsgi-run", error)


if __name__ == "__main__":
    main()
