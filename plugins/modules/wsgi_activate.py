#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Replace the daemon processes that still run an earlier deployment, and remove old releases."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_activate
short_description: Let the daemon processes of WSGI applications run what was switched to
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Sends SIGUSR1 to the daemon processes that M(modwsgi.deploy.wsgi_switch) recorded, where a reload of httpd has not
    replaced them already. They finish their requests while their successors serve; no request is lost.
  - Waits until they are gone and their successors are there. A run that was cut off before is caught up with.
  - A process that does not go within C(graceful_timeout), C(shutdown_timeout) and 10 s more is killed, with a warning.
    So is one that is still loading the application after 3 s, since mod_wsgi hears no signal before it has.
  - Then removes releases and virtual environments beyond O(keep_releases), where that is given, never the current ones.
options:
  pid_file:
    description: File in which httpd keeps its pid.
    type: path
    required: true
  keep_releases:
    description: >-
      How many releases of each application stay on the host, the current one included; all, when left out, as it must
      be until the current ones are proven.
    type: int
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
attributes:
  check_mode:
    description: Predicts.
    support: full
"""

EXAMPLES = r"""
- name: The daemon processes run the current releases
  modwsgi.deploy.wsgi_activate:
    applications: "{{ applications }}"
    pid_file: /run/apache2/apache2.pid
"""

RETURN = r"""
restarted:
  description: The pids that were replaced, by application.
  returned: success
  type: dict
killed:
  description: The pids of those among them that did not go by themselves, by application.
  returned: success
  type: dict
removed:
  description: Folders of old releases and virtual environments that were removed.
  returned: success
  type: list
  elements: str
"""

import os
import pwd
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_daemon import (
    Process,
    alive,
    ask_to_restart,
    httpd_pid,
    kill,
    processes,
    threads,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_deployment import read_record, write_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_removal import remove_tree

POLL_SECONDS = 0.05
MARGIN_SECONDS = 10
"""Beyond mod_wsgi's own limits, for a loaded host."""

LOADING_SECONDS = 3
"""For a process that has not loaded its application yet, so that it serves nobody and hears no signal."""


class Group:
    """The daemon process group of one application."""

    def __init__(self, application: dict, parent: int) -> None:
        self.application = application
        self.parent = parent
        self.path = application["paths"]["deployment"]
        self.record = read_record(self.path)
        self.stale = [Process(*entry) for entry in self.record.get("stale_processes", [])]
        self.limit = application["replacement_seconds"] + application["shutdown_timeout"] + MARGIN_SECONDS
        self.loading = [process for process in self.stale if self.loads(process)]
        self.killed: list = []

    def loads(self, process: Process) -> bool:
        """Whether a process has surely not loaded the application yet: only then the threads of mod_wsgi are started.

        A record that an earlier version has kept does not say how many there are.
        """
        return 0 < threads(process) <= self.application.get("fewest_threads", 0)

    def left(self) -> list:
        """Processes of the earlier deployment that still run."""
        return [process for process in self.stale if alive(process)]

    def successors(self) -> list:
        """Processes that are not of the earlier deployment."""
        uid = pwd.getpwnam(self.application["user"]).pw_uid
        return [p for p in processes(self.parent, self.application["name"], uid) if p not in self.stale]

    def expected(self) -> int:
        """How many processes the application has, in all of its groups; in debug mode mod_wsgi's default of one."""
        return self.application["all_processes"] or 1

    def kill_those_that_stay(self, seconds: float) -> None:
        """End the processes that should have gone by now, this many seconds after they were asked."""
        for process in self.left():
            still_loads = seconds > LOADING_SECONDS and process in self.loading and self.loads(process)
            if process not in self.killed and (still_loads or seconds > self.limit):
                kill(process)
                self.killed.append(process)

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
        """Whether only successors run, all of them."""
        return not self.left() and len(self.successors()) >= self.expected()

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


def replace(groups: list) -> list:
    """Ask all groups to restart and wait for each; the problems, empty when all went well."""
    for group in groups:
        for process in group.left():
            ask_to_restart(process)
    began = time.monotonic()
    waiting = list(groups)
    problems = []
    while waiting:
        for group in list(waiting):
            seconds = time.monotonic() - began
            if group.replaced():
                group.finish()
                waiting.remove(group)
                continue
            group.kill_those_that_stay(seconds)
            if seconds > group.limit + MARGIN_SECONDS:
                problems.append(group.problem())
                waiting.remove(group)
        if waiting:
            time.sleep(POLL_SECONDS)
    return problems


def superfluous(application: dict, keep: int) -> list:
    """Folders of releases and virtual environments that neither the current nor the kept deployments use."""
    paths = application["paths"]
    history = read_record(paths["deployment"]).get("history", [])
    kept: list = []
    for entry in history:
        if entry["release"] not in kept:
            kept.append(entry["release"])
    releases = set(kept[:keep])
    venvs = {entry["venv"] for entry in history if entry["release"] in releases}
    in_use = {os.path.realpath(paths["current"]), os.path.realpath(paths["venv"])}
    found = []
    for folder, names in ((paths["releases"], releases), (paths["venvs"], venvs)):
        if history and os.path.isdir(folder):
            candidates = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name not in names)
            found += [path for path in candidates if os.path.realpath(path) not in in_use]
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "pid_file": {"type": "path", "required": True},
            "keep_releases": {"type": "int"},
        },
        supports_check_mode=True,
    )
    applications = module.params["applications"]
    parent = httpd_pid(module.params["pid_file"])
    groups = [Group(application, parent) for application in applications] if parent else []
    groups = [group for group in groups if group.stale]
    restarted = {group.application["name"]: [process.pid for process in group.left()] for group in groups}
    restarted = {name: pids for name, pids in restarted.items() if pids}
    if not module.check_mode:
        problems = replace(groups)
        for group in groups:
            if group.killed:
                module.warn(group.warning())
        if problems:
            module.fail_json(msg=" ".join(problems), restarted=restarted)
    removed = []
    for application in applications if module.params["keep_releases"] else []:
        removed += superfluous(application, module.params["keep_releases"])
    if not module.check_mode:
        for path in removed:
            remove_tree(path)
    killed = {group.application["name"]: [process.pid for process in group.killed] for group in groups if group.killed}
    module.exit_json(changed=bool(restarted or removed), restarted=restarted, killed=killed, removed=removed)


if __name__ == "__main__":
    main()
