#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Run a WSGI application a second time, on a port of its own and under Python's debugger in this terminal.

The server is mod_wsgi-express in debug mode: one process, one thread, no daemon processes. It has the application's
account, environment variables, virtual environment and release, as wsgi-run gives them to a command, and touches
nothing of the server that serves. The script that it loads is debugged_script.py beside this file.

Called by root, all of it runs on a pseudo terminal of its own (wsgi_terminal.py). There the server is in a session of
its own, without a controlling terminal, so that a resized window (SIGWINCH, which httpd takes for a graceful stop) does
not reach it.

The role wsgi_app installs this file, to which /usr/local/bin/wsgi-debug is a link. It needs nothing but Python's
standard library, and wsgi_run.py and wsgi_terminal.py beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from typing import Any, NoReturn

import wsgi_run
import wsgi_terminal

LIBRARY = os.path.dirname(os.path.realpath(__file__))
FACTS = "/etc/ansible/facts.d/mod_wsgi.fact"
"""Of the distribution's instance of httpd."""
FIRST_VERSION = "4.9.1"
"""The first module whose debugger has a keyboard: before it, standard input is at its end."""

ADDRESS = "127.0.0.1"
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 - what is made there has a random name and mode 0700
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALS = (*STOP_SIGNALS, signal.SIGCHLD)
STOP_SECONDS = 3.0
"""An idle server needs less than 1.5 s. One whose debugger waits for input would never end."""
PR_SET_PDEATHSIG = 1

DESCRIPTION = """\
Run the WSGI application APP a second time, on a port of this host alone and under Python's debugger in this terminal.
Has the application's account, environment variables, virtual environment and current release; the running service
is not touched, but both have the same data. An exception that leaves the application opens the debugger (Pdb), and so
does breakpoint() in the code. Ctrl-C ends it.
"""
EPILOG = """\
A resized window does no harm here. By hand it does: mod_wsgi-express in debug mode, called directly, ends when the
window is resized and the host has only the prefork MPM of httpd (Debian has threaded ones).

Examples: wsgi-debug shop
          wsgi-debug --startup --port 8000 shop
"""


class Module:
    """What the role mod_wsgi has recorded about its installation, as far as it is usable here."""

    def __init__(self, facts: dict[str, Any], file: str) -> None:
        """The facts are those of the file. Raises RunError when this installation cannot debug."""
        try:
            self.version = str(facts["version"])
            self.python = str(facts["interpreter"]["full_version"])
            express, module, method = facts["express"], facts["module"], facts["install_method"]
        except (KeyError, TypeError):
            raise wsgi_run.RunError(f"{file} is damaged; deploy again (role mod_wsgi).") from None
        if method == "package":
            raise wsgi_run.RunError(
                f"mod_wsgi {self.version} of this host is the distribution's package, which has no mod_wsgi-express; "
                "deploy with mod_wsgi_install_method: source."
            )
        if version_key(self.version) < version_key(FIRST_VERSION):
            raise wsgi_run.RunError(
                f"The debugger of mod_wsgi {self.version} cannot read from a terminal; "
                f"deploy with mod_wsgi_version {FIRST_VERSION} or later."
            )
        self.express = str(express)
        self.package = os.path.dirname(os.path.dirname(str(module)))
        for path in (self.express, self.package):
            if not os.path.exists(path):
                raise wsgi_run.RunError(f"{path} of mod_wsgi {self.version} is missing; deploy again (role mod_wsgi).")


def version_key(version: str) -> tuple[int, ...]:
    """Sortable form of a version; "4.10.0" is higher than "4.9.1"."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def read_module(file: str) -> Module:
    """The installation that a file of facts describes. Raises RunError when there is none that can debug."""
    try:
        with open(file, encoding="utf-8") as stream:
            return Module(json.load(stream), file)
    except FileNotFoundError:
        raise wsgi_run.RunError(f"There is no {file} on this host; deploy first (role mod_wsgi).") from None
    except ValueError:
        raise wsgi_run.RunError(f"{file} is damaged; deploy again (role mod_wsgi).") from None


def require_terminal() -> None:
    """Raise RunError unless somebody can type."""
    if not (os.isatty(0) and os.isatty(1)):
        raise wsgi_run.RunError(
            "Standard input and output have to be a terminal; give one with `ssh -t` or `docker exec -it`."
        )


def choose_port(wanted: int | None) -> int:
    """The port to listen on: the wanted one, or any free one. Raises RunError when it cannot be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as httpd does
        try:
            trial.bind((ADDRESS, wanted or 0))
        except PermissionError:
            raise wsgi_run.RunError(
                f"The application's account may not listen on port {wanted}; choose one above 1023 with --port."
            ) from None
        except OSError as error:
            raise wsgi_run.RunError(
                f"Port {wanted} of {ADDRESS} cannot be used ({error.strerror}); choose another one with --port."
            ) from None
        return int(trial.getsockname()[1])


def port_number(text: str) -> int:
    """The value of --port."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 1 to 65535")
    return int(text)


def may_hold_programs(folder: str) -> bool:
    """Whether files in a folder can be made and run; /tmp is mounted noexec on many hardened hosts."""
    return os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC


@contextlib.contextmanager
def server_root(name: str, state: str, package: str) -> Iterator[str]:
    """A temporary folder for the server's own files; it is gone afterwards, with all that is in it."""
    places = [folder for folder in (*TEMPORARY_FOLDERS, state) if os.path.isdir(folder) and may_hold_programs(folder)]
    if not places:
        tried = ", ".join((*TEMPORARY_FOLDERS, state))
        raise wsgi_run.RunError(
            f"A temporary folder whose mount allows programs is needed, and none of {tried} is one."
        )
    root = tempfile.mkdtemp(prefix=f"wsgi-debug-{name}-", dir=places[0])
    try:
        # Of the module's own virtual environment only this may be found, not what else is installed there.
        os.mkdir(os.path.join(root, "lib"))
        os.symlink(package, os.path.join(root, "lib", "mod_wsgi"))
        os.symlink(os.path.join(LIBRARY, "wsgi_run.py"), os.path.join(root, "lib", "wsgi_run.py"))
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def command_line(deployment: wsgi_run.Deployment, module: Module, root: str, port: int, startup: bool) -> list[str]:
    """The command that serves."""
    application = deployment.application
    aliases = [
        word
        for static in application["static"]
        for word in ("--url-alias", static["url"], os.path.realpath(static["directory"]))
    ]
    return [
        # Its Python decides which virtual environment is served.
        os.path.join(deployment.venv, "bin", "python"),
        module.express,
        "start-server",
        os.path.join(LIBRARY, "debugged_script.py"),
        "--debug-mode",
        "--enable-debugger",
        *(["--debugger-startup"] if startup else []),
        "--log-to-terminal",
        *("--error-log-format", "%M"),
        *("--host", ADDRESS),
        *("--port", str(port)),
        *("--server-root", root),
        *("--working-directory", deployment.release),
        *("--locale", application["locale"]),
        *("--keep-alive-timeout", "0"),  # a connection that waits would occupy the only thread
        *("--limit-request-body", "0"),
        *("--include-file", os.path.join(LIBRARY, "debug.conf")),
        *aliases,
    ]


def server_environment(deployment: wsgi_run.Deployment, root: str) -> dict[str, str]:
    """What express and httpd get; the script sets the application's own variables, before the application is loaded."""
    plain = wsgi_run.environment(deployment.application, {}, deployment.release, deployment.venv, dict(os.environ))
    return {**plain, "PYTHONPATH": os.path.join(root, "lib")}


def begin_session() -> None:
    """In the new process: receive signals as usual, and do not outlive wsgi-debug."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would raise an exception here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def serve(command: list[str], environment: dict[str, str], release: str) -> int:
    """Run the server until it ends or is to end; the exit status. No process of it is left.

    SIGNALS have to be blocked: so they wait until they are asked for, and none comes at the wrong moment.
    """
    server = subprocess.Popen(
        command,
        env=environment,
        cwd=release,
        start_new_session=True,
        preexec_fn=begin_session,  # noqa: PLW1509 - there are no threads
    )
    try:
        asked = wait_for_end(server.pid)
    finally:
        # Nobody has fetched the exit status yet, so the number is still the server's, and its group's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        status = server.wait()
    if asked:
        return 0
    return status if status >= 0 else 128 - status


def wait_for_end(pid: int) -> bool:
    """Return when the process has ended, or did not end in time; whether it was asked to."""
    asked = False
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        caught = signal.sigtimedwait(SIGNALS, STOP_SECONDS) if asked else signal.sigwaitinfo(SIGNALS)
        if caught is not None and caught.si_signo == signal.SIGCHLD:
            continue
        if asked:  # once more, or the time is over
            break
        asked = True
        os.kill(pid, signal.SIGTERM)
    # One that came before the server had a session of its own has ended it directly.
    return asked or not signal.sigpending().isdisjoint(STOP_SIGNALS)


@contextlib.contextmanager
def same_terminal() -> Iterator[None]:
    """Afterwards the terminal is as it was; a prompt that is cut off would leave it without echo."""
    settings = termios.tcgetattr(0)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may be gone
            termios.tcsetattr(0, termios.TCSADRAIN, settings)


def debug(name: str, wanted_port: int | None, startup: bool, check: bool, facts: str) -> int:
    """Do what the command line asks for; the exit status. Raises RunError when that is not possible."""
    deployment = wsgi_run.deployment(name)
    application = deployment.application
    uid, _ = wsgi_run.account(application["user"], application["group"])
    module = read_module(facts)
    if check:
        port = ["--port", str(wanted_port)] if wanted_port else []
        of_instance = [] if facts == FACTS else ["--facts", facts]
        print(" ".join(["wsgi-debug", *(["--startup"] if startup else []), *port, *of_instance, name]))
        return 0
    require_terminal()

    def program() -> int:
        try:
            return session(deployment, module, wanted_port, startup)
        except wsgi_run.RunError as error:
            wsgi_run.refuse("wsgi-debug", error)

    if os.geteuid() != 0:
        return program()
    try:
        return wsgi_terminal.apart(program, uid)
    except wsgi_terminal.TerminalError as error:
        raise wsgi_run.RunError(str(error)) from None


def session(deployment: wsgi_run.Deployment, module: Module, wanted_port: int | None, startup: bool) -> int:
    """Serve the application until it is to end; the exit status. Raises RunError when that is not possible."""
    application = deployment.application
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    wsgi_run.close_all_but_streams()
    wsgi_run.become(application["user"], application["group"])
    os.umask(wsgi_run.UMASK)
    port = choose_port(wanted_port)
    url = f"http://{ADDRESS}:{port}/"
    print(
        f"Application {application['name']} under the debugger: {url} "
        f"(release {os.path.basename(deployment.release)}, mod_wsgi {module.version}, Python {module.python})\n"
        f"From another terminal of this host: curl -H 'Host: {application['server_name']}' {url}\n"
        "Ctrl-C ends it.\n",
        flush=True,
    )
    with same_terminal(), server_root(application["name"], application["state"], module.package) as root:
        command = command_line(deployment, module, root, port, startup)
        return serve(command, server_environment(deployment, root), deployment.release)


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line of wsgi-debug."""
    parser = argparse.ArgumentParser(
        prog="wsgi-debug",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("app", metavar="APP", help="name of the application, as in wsgi_apps")
    parser.add_argument("--startup", action="store_true", help="open the debugger also when the application is loaded")
    parser.add_argument("--port", type=port_number, help=f"port of {ADDRESS} to listen on; the default is a free one")
    parser.add_argument("--check", action="store_true", help="only say whether it can be done, and what to type")
    parser.add_argument(
        "--facts", metavar="FILE", default=FACTS, help="of the instance of httpd; the default is %(default)s"
    )
    options = parser.parse_args(arguments)
    try:
        wsgi_terminal.end(debug(options.app, options.port, options.startup, options.check, options.facts))
    except wsgi_run.RunError as error:
        wsgi_run.refuse("wsgi-debug", error)


if __name__ == "__main__":
    main()
