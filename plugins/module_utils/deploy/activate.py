# SPDX-License-Identifier: Apache-2.0
"""The daemon processes of a new deployment in place of those of the earlier one. Runs on the managed host."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Callable
from typing import Any, Protocol

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, previous
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import (
    COLOURS,
    Process,
    alive,
    ask_to_restart,
    httpd_pid,
    kill,
    processes,
    threads,
    used_folders,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    read_record,
    write_file,
    write_record,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.removal import remove_tree

POLL_SECONDS = 0.05
MARGIN_SECONDS = 10
"""Beyond mod_wsgi's own limits, for a loaded host."""

QUARTERS = 4
"""This part of the processes goes at a time, and one where there are fewer than two such parts."""

NOTE = "rolling"
"""A file in the application's folder (launcher.py)."""

LOADING_SECONDS = 3
"""For a process that has not loaded its application yet, so that it serves nobody and hears no signal."""


class FirstLook(Protocol):
    """What looks at the first successors."""

    def problem(self, has_ended: bool) -> tuple[str, list[str]]:
        """What is wrong with them, empty when nothing is, and what the log says. ``has_ended``: one of them is gone."""
        ...


class Group:
    """The daemon process group of one application."""

    def __init__(
        self, application: dict[str, Any], parent: int, look: Callable[[dict[str, Any]], FirstLook] | None = None
    ) -> None:
        """``look`` makes what looks at the first successors while other processes can still go on to serve."""
        self.application = application
        self.parent = parent
        self.path = application["paths"]["deployment"]
        self.record = read_record(self.path)
        self.stale = [Process(*entry) for entry in self.record.get("stale_processes", [])]
        self.limit = application["replacement_seconds"] + application["shutdown_timeout"] + MARGIN_SECONDS
        self.loading = [process for process in self.stale if self.loads(process)]
        self.asked: dict[Process, float] = {}
        """When each process was asked to go, by the monotonic clock."""
        self.followers: set[Process] = set()
        """Successors that were there at some moment."""
        self.killed: list[Any] = []
        self.waiting = self.rounds()
        """Those that are not asked yet, in the order in which they go."""
        self.look = look(application) if look and len(self.waiting) > 1 else None
        self.stopped = ""
        """What is wrong with the first successors; the other processes have stayed then."""
        self.lines: list[str] = []
        """What the log says about it."""
        self.began = 0.0
        """Since when the last ones that were asked are waited for."""

    def loads(self, process: Process) -> bool:
        """Whether a process has surely not loaded the application yet: only then the threads of mod_wsgi are started.

        A record that an earlier version has kept does not say how many there are.
        """
        return 0 < threads(process) <= int(self.application.get("fewest_threads", 0))

    def left(self) -> list[Any]:
        """Processes of the earlier deployment that still run."""
        return [process for process in self.stale if alive(process)]

    def successors(self) -> list[Any]:
        """Processes that are not of the earlier deployment."""
        uid = pwd.getpwnam(self.application["user"]).pw_uid
        return [p for p in processes(self.parent, self.application["name"], uid) if p not in self.stale]

    def expected(self) -> int:
        """How many processes the application has, in all of its groups; in debug mode mod_wsgi's default of one."""
        return (self.application["all_processes"] or 1) * (len(COLOURS) if colours.has(self.application) else 1)

    def ask(self, going: list[Any]) -> None:
        """Ask these processes to finish their requests and go."""
        for process in going:
            ask_to_restart(process)
            self.asked[process] = time.monotonic()

    def rounds(self) -> list[list[Any]]:
        """The processes in the order in which they go: one after the other, or a quarter at a time of eight and more.

        A process that was asked goes on to accept requests until graceful-timeout when it is never idle, so all of them
        at once end at once, and nobody answers until their successors do: for 1.7 s under 20 requests/s of 1 s each
        (measured with mod_wsgi 6.1.1, 2 x 15, on Debian 12, 2026-11). Those of a group are side by side, so the ones
        that go together are far from each other. The youngest go first: at a return they have what has failed.

        Those of the colour that serves nobody go at once, with the first ones.
        """
        left = self.left()
        resting = set(self.resting()) if left and colours.has(self.application) else set()
        going = sorted((each for each in left if each not in resting), key=lambda each: each[::-1], reverse=True)
        number = -(-len(going) // max(1, len(going) // QUARTERS))
        found = [going[first::number] for first in range(number)]
        idle = [each for each in left if each in resting]
        return [idle + found[0], *found[1:]] if found else [idle] * bool(idle)

    def resting(self) -> list[Any]:
        """The processes of the colour that does not serve."""
        uid = pwd.getpwnam(self.application["user"]).pw_uid
        colour = colours.other(colours.active(self.application["paths"]))
        return processes(self.parent, self.application["name"], uid, [colour])

    def has_ended(self, found: set[Any]) -> bool:
        """Whether a successor that was there is none of these any more."""
        ended = bool(self.followers - found)
        self.followers |= found
        return ended

    def is_followed(self) -> bool:
        """Whether those that were asked have gone, and as many successors have loaded the application.

        Also when a successor has ended: the new release does not load, and there is nothing to wait for.
        """
        found = set(self.successors())
        has_ended = self.has_ended(found)
        serving = [process for process in found if not self.loads(process)]
        return has_ended or (not any(map(alive, self.asked)) and len(serving) >= len(self.asked))

    def kill_those_that_stay(self) -> None:
        """End the processes that were asked to go and should have gone by now."""
        for process in filter(alive, list(self.asked)):
            seconds = time.monotonic() - self.asked[process]
            still_loads = seconds > LOADING_SECONDS and process in self.loading and self.loads(process)
            if process not in self.killed and (still_loads or seconds > self.limit):
                kill(process)
                self.killed.append(process)

    def advance(self) -> bool:
        """Ask the next ones as soon as the ones before are followed; whether there is nothing left to wait for.

        Where successors do not come or do not load in their time, all go that are left: the proof tells why.
        """
        while self.waiting and (not self.asked or self.is_late() or self.is_followed()):
            if self.asked and self.is_unwell():
                return True
            together = self.waiting if self.asked and self.is_late() else self.waiting[:1]
            self.waiting = self.waiting[len(together) :]
            self.ask([process for each in together for process in each])
            self.began = time.monotonic()
        return not self.waiting and self.replaced()

    def say_that_others_serve(self) -> None:
        """Let a successor that cannot load the application end, and not serve (launcher.py).

        It holds for a while, and where the first ones are not well until the return: httpd starts others meanwhile.
        """
        if self.look:
            until = time.time() + len(self.waiting) * (self.limit + MARGIN_SECONDS)
            write_file(note_of(self.application), f"{until:.0f}\n", 0o644)

    def is_late(self) -> bool:
        """Whether the time is over of those that were asked last."""
        return bool(time.monotonic() - self.began > self.limit + MARGIN_SECONDS)

    def is_unwell(self) -> bool:
        """Whether the first successors are not well, so that the processes which are left go on to serve.

        Where nobody looks, they go all the same.
        """
        if self.look is None:
            return False
        self.stopped, self.lines = self.look.problem(self.has_ended(set(self.successors())))
        self.look = None  # what holds for the first ones holds for the others
        return bool(self.stopped)

    def warning(self) -> str:
        """What an operator should know of the processes that were killed; empty when none was."""
        if not self.killed:
            return ""
        pids = ", ".join(str(process.pid) for process in self.killed)
        name = self.application["name"]
        if all(process in self.loading for process in self.killed):
            return (
                f"Daemon processes {pids} of {name} were killed: they were still loading the application, and so heard "
                f"no SIGUSR1. They served nobody; startup_timeout bounds how long a load may take."
            )
        return (
            f"Daemon processes {pids} of {name} were killed, since they did not end within {self.limit} s of SIGUSR1 "
            f"(graceful_timeout or eviction_timeout, shutdown_timeout, and {MARGIN_SECONDS} s). Requests that they had "
            "are lost; see docs/shutdown.md for what keeps a process from ending."
        )

    def replaced(self) -> bool:
        """Whether only successors run, all of them. Of two colours, one is to serve all at once: so all have loaded it.

        A process that ends while it loads is none of them; what it has said is told by the proof.
        """
        found = self.successors()
        has_ended = self.has_ended(set(found))
        serving = [each for each in found if not (colours.has(self.application) and self.loads(each))]
        return not self.left() and (has_ended or len(serving) >= self.expected())

    def problem(self) -> str:
        """Why it is not replaced, in one sentence."""
        pids = ", ".join(str(process.pid) for process in self.left())
        name = self.application["name"]
        if pids:
            return (
                f"Daemon processes {pids} of {name} did not end within {self.limit} s of SIGUSR1, nor when they were "
                "killed; the kernel holds them, so look at what they wait for (a network file system, a disk)."
            )
        return (
            f"httpd started {len(self.successors())} of {self.expected()} daemon processes of {name} "
            f"within {self.limit + MARGIN_SECONDS} s; look at httpd's error log."
        )

    def finish(self) -> None:
        """Note that nothing is left to do."""
        write_record(self.path, {**self.record, "stale_processes": []})


def note_of(application: dict[str, Any]) -> str:
    """The file by which a process knows that others serve until it has loaded the application."""
    return os.path.join(str(application["paths"]["code"]), NOTE)


def replace(groups: list[Any]) -> list[Any]:
    """Ask the processes of all groups to go, each group in rounds; the problems, empty when all went well."""
    for group in groups:
        group.say_that_others_serve()
    late = wait(groups, Group.advance)
    for group in groups:
        if group not in late and not group.stopped:
            group.finish()
    return [group.problem() for group in late]


def wait(groups: list[Any], is_done: Callable[[Any], bool]) -> list[Any]:
    """Wait for all groups side by side, and end what does not go; those that were not done in their time."""
    waiting, late = list(groups), []
    for group in groups:
        group.began = time.monotonic()
    while waiting:
        for group in list(waiting):
            if is_done(group):
                waiting.remove(group)
                continue
            group.kill_those_that_stay()
            if not group.waiting and group.is_late():
                late.append(group)
                waiting.remove(group)
        if waiting:
            time.sleep(POLL_SECONDS)
    return late


def superfluous(application: dict[str, Any], keep: int) -> list[Any]:
    """Folders of releases and virtual environments that neither the current nor the kept deployments use."""
    paths = application["paths"]
    history = read_record(paths["deployment"]).get("history", [])
    kept: list[Any] = []
    for entry in history:
        if entry["release"] not in kept:
            kept.append(entry["release"])
    releases = set(kept[:keep])
    venvs = {entry["venv"] for entry in history if entry["release"] in releases}
    of_colours = colours.links(paths) if colours.has(application) else ()
    in_use = {os.path.realpath(path) for path in (paths["current"], paths["venv"], *of_colours)}
    in_use |= {os.path.realpath(path) for path in previous.served(paths)}
    found = []
    for folder, names in ((paths["releases"], releases), (paths["venvs"], venvs)):
        if history and os.path.isdir(folder):
            candidates = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name not in names)
            found += [path for path in candidates if os.path.realpath(path) not in in_use]
    return found


class ActivationError(Exception):
    """Daemon processes of an earlier deployment stay; the text is for the user."""


class Activation:
    """The replacement of all daemon processes that earlier deployments have left behind."""

    def __init__(
        self,
        applications: list[Any],
        pid_file: str,
        look: Callable[[dict[str, Any]], FirstLook] | None = None,
    ) -> None:
        """``look``: see `Group`."""
        self.applications = applications
        parent = httpd_pid(pid_file)
        groups = [Group(application, parent, look) for application in applications] if parent else []
        self.groups = [group for group in groups if group.stale]
        running = {group.application["name"]: [process.pid for process in group.left()] for group in self.groups}
        self.restarted = {name: pids for name, pids in running.items() if pids}
        """The pids that are to go, by application."""

    def perform(self) -> None:
        """Replace them. Raises ActivationError."""
        problems = replace(self.groups)
        if problems:
            raise ActivationError(" ".join(problems))
        stopped = self.stopped()
        for application in self.applications:
            if application["name"] not in stopped:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(note_of(application))

    def stopped(self) -> dict[str, tuple[str, list[str]]]:
        """Why most processes of an application have stayed, and what the log says about it, by application."""
        return {group.application["name"]: (group.stopped, group.lines) for group in self.groups if group.stopped}

    def killed(self) -> dict[str, Any]:
        """The pids of those that did not go by themselves, by application."""
        return {
            group.application["name"]: [process.pid for process in group.killed]
            for group in self.groups
            if group.killed
        }

    def warnings(self) -> list[Any]:
        """What an operator should know of them."""
        return [group.warning() for group in self.groups if group.killed]


def remove_superfluous(applications: list[Any], keep: int, check_mode: bool) -> list[Any]:
    """Remove what no deployment uses that is kept, and no process; the folders."""
    candidates = [path for application in applications for path in superfluous(application, keep)]
    used = used_folders(candidates) if candidates else set()
    removed = [path for path in candidates if path not in used]
    for path in [] if check_mode else removed:
        remove_tree(path)
    return removed
