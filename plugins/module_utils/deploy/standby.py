# SPDX-License-Identifier: Apache-2.0
"""A release is loaded and proven before anybody sees it (releases.strategy: blue_green). Runs on the managed host.

It is given to the daemon process group that does not serve. The host asks that through the private listener. When it is
not well, nothing has changed for visitors. This is a step of the journal of its own, so it comes back like any other.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, previous
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import Activation
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.canary import Canary, watch
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import KINDS, httpd_pid, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Findings, Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    read_record,
    record_text,
    write_record,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.switch import Switch, apply_step, public
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit

SOON_SECONDS = 30
"""A release that is held for less may be gone before it serves."""

INTERPRETER = ("python_version", "python_prefix", "mod_wsgi_version")
"""What a release was proven with, of which no other one is to run it."""
ITS_PLACE = ("user", "group", "mode", "server_name", "path")
"""Keys of an application of which a release may know how they were."""
STATIC = ("url", "directory", "file")
"""What a page names of a static file, and where that is."""


def fits(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a release can go on to serve while httpd has the configuration of the next one, for some seconds.

    Both are complete applications. What only the next one has is asked for by nobody yet, unless httpd itself runs it.
    """
    return (
        all(before.get(key) == after.get(key) for key in ITS_PLACE)
        and set(_statics(before)) <= set(_statics(after))
        and set(_scripts(after.get("wsgi_directives"))) <= set(_scripts(before.get("wsgi_directives")))
    )


def _statics(application: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    return (tuple(static.get(key) for key in STATIC) for static in application.get("static", []))


def _scripts(value: Any, key: str = "") -> Iterator[str]:
    """Scripts of a release that httpd runs, in the values of directives."""
    if isinstance(value, Mapping):
        yield from (script for name, item in value.items() for script in _scripts(item, name))
    elif isinstance(value, list):
        yield from (script for item in value for script in _scripts(item, key))
    elif key == "script":
        yield str(value)


class StandBy:
    """The new releases of some applications, beside those that serve."""

    def __init__(self, switches: Iterable[Switch], described: Mapping[str, str]) -> None:
        """``switches`` are those that are due; the ones that change by blue and green are taken."""
        self.instance = described
        self.switches = [switch for switch in switches if switch.can_stand_by()]
        self.applications = [switch.application for switch in self.switches]
        self.canaries: dict[Switch, Canary] = {}
        """Those of which a share of the requests tries the new release."""
        self.told: list[str] = []
        """What these have answered meanwhile, in sentences."""

    def leave_what_does_not_fit(self, proven: Mapping[str, Any], site: Mapping[str, Any]) -> None:
        """Take those alone whose release that serves can go on with the new configuration.

        ``proven`` is by what the host was proven last, ``site`` by what it will be.
        """
        before = {each["name"]: each for each in proven.get("applications", [])}
        same = all(proven.get(key) == site[key] for key in INTERPRETER)
        self.keep(
            switch
            for switch in self.switches
            if same
            and switch.application["name"] in before
            and fits(before[switch.application["name"]], switch.application)
        )

    def keep(self, switches: Iterable[Switch]) -> None:
        """Take these alone."""
        self.switches = list(switches)
        self.applications = [switch.application for switch in self.switches]

    def expect_successors(self) -> None:
        """Let an activation wait until all processes that run now have successors: httpd is about to replace them."""
        for switch in self.switches:
            running, path = self._processes(switch, *KINDS), switch.paths["deployment"]
            write_record(path, {**read_record(path), "stale_processes": running})

    def load(self) -> Activation:
        """Give the resting groups the releases, and let their processes go; the activation, which is not yet performed.

        Raises ControlError, JournalError, OSError; then nothing is changed.
        """
        edits = [edit for switch in self.switches for edit in self._edits(switch)]
        apply_step(self.instance, edits, pending.NONE, self._notes())
        return Activation(self.applications, self.instance["pid_file"])

    def _notes(self) -> dict[str, Any]:
        """What a return has to know: the processes of the other colour have what has failed."""
        return {
            "applications": [
                {**switch.note(), "kinds": [colours.other(colours.active(switch.paths))]} for switch in self.switches
            ]
        }

    def _edits(self, switch: Switch) -> list[Edit]:
        name, colour = switch.application["name"], colours.other(colours.active(switch.paths))
        held = public(colours.held_file(switch.paths), colours.held_text(name, colour, colours.GOING_LIVE_SECONDS))
        filled = switch.fill(colour)
        if not filled and colours.is_held(switch.application, colour, SOON_SECONDS):
            return [held]
        stale = [*switch.record.get("stale_processes", []), *self._processes(switch, colour)]
        record = record_text({**switch.record, "stale_processes": stale})
        return [*filled, held, Edit(switch.paths["deployment"], journal.WRITE, record.encode(), "", 0o600, 0, 0)]

    def _processes(self, switch: Switch, *kinds: str) -> list[list[int]]:
        parent = httpd_pid(self.instance["pid_file"])
        uid = pwd.getpwnam(switch.application["user"]).pw_uid
        found = processes(parent, switch.application["name"], uid, kinds) if parent else []
        return [list(process) for process in found]

    def tried(self) -> Findings:
        """Let a share of the requests go to the new releases where that is wanted; what is wrong with them.

        A second call goes on with those that are left. Raises ControlError, JournalError, OSError.
        """
        self._try()
        canaries = [self.canaries[switch] for switch in self.switches if switch in self.canaries]
        problems = watch(canaries) if canaries else {}
        self.told = [f"{canary.told()}." for canary in canaries]
        return Findings(problems, {})

    def _try(self) -> None:
        new = {
            switch: Canary(switch.application, self.instance["log_directory"])
            for switch in self.switches
            if switch.is_tried() and switch not in self.canaries
        }
        if new:
            edits = [public(colours.active_file(switch.paths), canary.text) for switch, canary in new.items()]
            edits += [edit for switch in new for edit in self._statics(switch)]
            apply_step(self.instance, edits, pending.NONE, self._notes())
            self.canaries |= new

    def untried(self) -> list[str]:
        """What to say where no visitor can try the new releases."""
        return [
            f"No visitor has tried the new release of {switch.application['name']} first (releases.canary), since the "
            "host is away from its balancer."
            for switch in self.switches
            if switch.is_tried()
        ]

    def _statics(self, switch: Switch) -> Iterator[Edit]:
        """Pages of the new release find their static files while it is tried."""
        seconds = switch.application["releases"]["canary"]["seconds"]
        return previous.trial(switch.application, switch.release["path"], seconds)

    def prove(self, site: dict[str, Any]) -> Proof:
        """Ask the resting groups."""
        return Proof(self.applications, site, resting=True)

    def are_ready(self) -> None:
        """A switch turns to these, and lets no process go."""
        for switch in self.switches:
            switch.is_ready = True
