# SPDX-License-Identifier: Apache-2.0
"""Replace the processes of an application on this host without a deployment, as a switch to a new release does.

The command wsgi-restart on hosts (wsgi_command.py). It needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon, maintenance
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import Activation, ActivationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.first_look import FirstLook
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record, write_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal, JournalError, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import DEFAULT_INSTANCE, instance

DONE, UNWELL, REFUSED = 0, 1, 2
"""The exit status."""

STAY = "The other processes have stayed, and go on to serve."

DESCRIPTION = """\
Replace the processes of the WSGI application APP on this host, one after the other (of eight and more, a quarter at a
time): each finishes its requests, and the next one goes when its successor has loaded the application. The first ones
are asked whether they are well, and in the end all are.
"""
EPILOG = """\
The exit status is 0 when new processes run and answer, 1 when they do not, and 2 when nothing was done.

Example: wsgi-restart shop
"""


class RefusalError(Exception):
    """Nothing was done; the text is one sentence for the operator."""


class UnwellError(Exception):
    """New processes do not run, or are not well; the text is for the operator."""


def deployed(name: str, site: Mapping[str, Any]) -> dict[str, Any]:
    """The application as it was proven last, which is in `site`. Raises RefusalError when it cannot be restarted."""
    applications: dict[str, dict[str, Any]] = {each["name"]: each for each in site.get("applications", [])}
    if name not in applications:
        known = ", ".join(sorted(applications)) or "none"
        raise RefusalError(f"There is no application {name} on this host (there is: {known}).")
    application = applications[name]
    if application["mode"] == "embedded":
        raise RefusalError(
            f"{name} has no daemon processes, since it runs inside httpd's own (mode: embedded); "
            "systemctl reload apache2 replaces these."
        )
    if os.path.exists(maintenance.flag(application)):
        raise RefusalError(
            f"Visitors of {name} see its maintenance page; wait for the end of the deployment that shows it, or set "
            "maintenance.enabled to false and run site.yml."
        )
    return application


def running(application: Mapping[str, Any], pid_file: str) -> list[daemon.Process]:
    """The processes of an application. Raises RefusalError when there is nobody who would start others."""
    parent, uid = daemon.httpd_pid(pid_file), daemon.account(application["user"])
    if parent is None or uid is None:
        what = "httpd does not run" if parent is None else f"The account {application['user']} does not exist"
        raise RefusalError(f"{what}, so {application['name']} has no processes; systemctl status apache2 says more.")
    return daemon.processes(parent, application["name"], uid)


def restart(name: str, described: Mapping[str, str]) -> str:
    """Replace the processes of an application; what was done, in a sentence.

    Raises RefusalError when nothing was done, and UnwellError.
    """
    journal = Journal(described["state_directory"])
    try:
        # A deployment that begins meanwhile waits where it goes live.
        with locked(described["state_directory"], wait=False):
            if os.path.isdir(journal.directory):
                raise RefusalError(
                    "A deployment is going live on this host, or one was cut off there; wait for its end, or run "
                    "site.yml."
                )
            site = journal.proven()
            return replaced(deployed(name, site), site, described)
    except JournalError as error:
        raise RefusalError(str(error)) from None


def replaced(application: dict[str, Any], site: dict[str, Any], described: Mapping[str, str]) -> str:
    """Replace and ask; needs the lock."""
    name, record = application["name"], application["paths"]["deployment"]
    stale = running(application, described["pid_file"])
    # In the record, so that the next run of site.yml ends what is cut off here.
    write_record(record, {**read_record(record), "stale_processes": [list(process) for process in stale]})
    began = time.monotonic()
    activation = Activation([application], described["pid_file"], lambda each: FirstLook(each, site))
    try:
        activation.perform()
    except ActivationError as error:
        raise UnwellError(str(error)) from None
    finally:
        for sentence in activation.warnings():
            print(f"wsgi-restart: {sentence}", file=sys.stderr)
    for problem, lines in activation.stopped().values():
        raise UnwellError("\n".join([*lines, problem, STAY]))
    proof = Proof([application], site)
    if proof.problem:
        raise UnwellError("\n".join([*proof.lines.get(name, []), proof.problem]))
    pids = ", ".join(str(process.pid) for process in stale) or "none"
    answer = proof.results[name]
    return (
        f"{name} has new processes after {time.monotonic() - began:.1f} s, in place of {pids}, and is healthy "
        f"({answer['status']} in {answer['seconds']} s)."
    )


def arguments(words: list[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="wsgi-restart",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("app", metavar="APP", help="name of the application, as in wsgi_apps")
    return parser.parse_args(words)


def main(words: list[str] | None = None, described: Mapping[str, str] | None = None) -> int:
    """The command line; the exit status."""
    name = arguments(words).app
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise RefusalError("Only root may do this; call it with sudo.")
        print(restart(name, described or instance(DEFAULT_INSTANCE)))
    except RefusalError as error:
        print(f"wsgi-restart: {error}", file=sys.stderr)
        return REFUSED
    except UnwellError as error:
        print(f"wsgi-restart: {error}", file=sys.stderr)
        return UNWELL
    except KeyboardInterrupt:
        print(
            f"wsgi-restart: Stopped half-way; call it again, or the next run of site.yml replaces the rest of {name}.",
            file=sys.stderr,
        )
        return UNWELL
    return DONE
