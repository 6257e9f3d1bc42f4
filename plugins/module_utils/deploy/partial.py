# SPDX-License-Identifier: Apache-2.0
"""The way back of applications that are not well, while the good changes of the others stay. Runs on the managed host.

What the journal has kept of these applications comes back as one more step of it. So all of the change can still go
back, if that fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.only import facts, site_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record, write_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.released import PROBES
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, Journal, Step, locked

Application = Mapping[str, Any]

HARMLESS = (PROBES, "wsgi_app.json")
"""Names of files that all applications share, and that may go on to have what has failed."""
VHOSTS = ("sites-available", "sites-enabled")


class PartialReturn:
    """The way back of some applications of a change that is not proven yet."""

    def __init__(
        self,
        described: Mapping[str, str],
        applications: Sequence[dict[str, Any]],
        failing: Iterable[str],
        gone: Iterable[str] = (),
    ) -> None:
        """``described`` is the instance, ``applications`` are those of the change, ``failing`` names some of them.

        ``gone`` have gone back before.
        """
        self.instance = described
        self.journal = Journal(described["state_directory"])
        self.names = set(failing)
        self.gone = set(gone)
        self.members: dict[str, set[str]] = {}
        """The applications of each vhost, by its site."""
        self.folders: dict[str, tuple[str, ...]] = {}
        """Where the links and files of each application are that a switch changes."""
        for each in applications:
            self.folders[str(each["name"])] = tuple(each["paths"][key] for key in ("code", "configuration", "previous"))
            self.members.setdefault(str(each.get("site", each["name"])), set()).add(str(each["name"]))
        # Of each path the first step has what was before the change.
        records = ((step, record) for step in self.journal.steps() for record in step.records)
        self.records: dict[str, tuple[Step, dict[str, Any]]] = {}
        for step, record in records:
            self.records.setdefault(str(record["path"]), (step, record))
        self.of_path = {path: self._owners(path) for path in self.records}
        changed = {name for owners in self.of_path.values() for name in owners} & self.names
        self.failing = [each for each in applications if each["name"] in changed]
        """Those with something that can come back."""
        self.unchanged = [each for each in applications if each["name"] in self.names - changed]
        self.proven = self.journal.proven()
        """By what the host was proven before the change."""
        served = [each for each in self.proven.get("applications", []) if each["name"] in changed]
        self.previous: dict[str, dict[str, Any]] = {str(each["name"]): each for each in served}
        """The failing ones as they were; one that is new was not."""

    def _owners(self, path: str) -> set[str]:
        """The applications whose file it is; nobody's where all share it."""
        site = site_of(path, self.instance["log_directory"])
        if site:
            return self.members.get(site, {site}) if os.path.basename(os.path.dirname(path)) in VHOSTS else {site}
        return {name for name, folders in self.folders.items() if os.path.dirname(path) in folders}

    def is_possible(self, more_follows: bool = False) -> bool:
        """Whether there is a good change that can stay, and nothing else has to go back with what has failed.

        ``more_follows``: a change of others that are not switched yet.
        """
        touched = self.of_path.values()
        return (
            (more_follows or any(owners - self.names - self.gone for owners in touched))
            and all(owners or self._is_harmless(path) for path, owners in self.of_path.items())
            and all(owners <= self.names or not owners & self.names for owners in touched)
            and all(self._can_return(application) for application in self.failing)
        )

    def _is_harmless(self, path: str) -> bool:
        return os.path.basename(path) in HARMLESS or _is_folder(path)

    def _can_return(self, application: Application) -> bool:
        """Whether its own files are all that is to come back, under the names that they have now."""
        before = self.previous.get(str(application["name"]))
        if application["mode"] == "embedded" or (before and before["mode"] == "embedded"):
            return False
        if before is None:
            return True
        vhosts = [path for path in self._own(application) if os.path.basename(os.path.dirname(path)) in VHOSTS]
        stay = all(self.records[path][1]["before"] == journal.ENTRY and os.path.lexists(path) for path in vhosts)
        return stay and facts(before) == facts(application)

    def _own(self, application: Application) -> list[str]:
        return [path for path, owners in self.of_path.items() if application["name"] in owners]

    def go_back(self) -> None:
        """Bring back their files; httpd has to do the pending action. Raises OSError, ControlError, JournalError."""
        paths = list(dict.fromkeys(path for application in self.failing for path in self._own(application)))
        edits = [edit for path in paths for edit in self._edit(path)]
        action = (
            pending.RELOAD if any(site_of(path, self.instance["log_directory"]) for path in paths) else pending.NONE
        )
        notes = [
            {
                "name": each["name"],
                "user": each["user"],
                "record": each["paths"]["deployment"],
                "kinds": self._kinds(each["name"]),
            }
            for each in self.failing
        ]
        with locked(self.instance["state_directory"]):
            pending.add(self.instance, action)
            self.journal.apply(edits, action, {"applications": notes})
            self._note_processes()

    def _edit(self, path: str) -> Iterator[Edit]:
        step, record = self.records[path]
        if record["before"] == journal.ENTRY:
            yield Edit(path, journal.COPY, target=step.kept(path))
        elif not _is_folder(path):
            yield Edit(path, journal.REMOVE)

    def _kinds(self, name: str) -> list[str]:
        """Of which kinds the processes are that may run what has failed."""
        return sorted({kind for note in self._notes(name) for kind in note.get("kinds", daemon.KINDS)})

    def _notes(self, name: str) -> list[dict[str, Any]]:
        notes = [note for step in self.journal.steps() for note in step.note.get("applications", ())]
        return [note for note in notes if note["name"] == name]

    def _note_processes(self) -> None:
        """Let an activation replace the processes that run what has failed."""
        parent = daemon.httpd_pid(self.instance["pid_file"])
        for application in self.previous.values():
            path, uid = application["paths"]["deployment"], daemon.account(application["user"])
            kinds, record = self._kinds(application["name"]), read_record(path)
            running = daemon.processes(parent, application["name"], uid, kinds) if parent and uid is not None else []
            stay = [each for note in self._notes(application["name"]) for each in daemon.staying(note, record)]
            stale = [list(process) for process in running if list(process) not in stay]
            write_record(path, {**record, "stale_processes": stale})

    def told(self, unseen: bool = False) -> str:
        """What was done, in sentences. ``unseen``: visitors have gone on to be served by the previous release."""
        back, unchanged = sorted(self.previous), sorted(str(each["name"]) for each in self.unchanged)
        new = sorted(self.names - {*back, *unchanged})
        serves = (
            "goes on to serve; no visitor was answered by the new one" if unseen else "is back, was asked, and answers"
        )
        sentences = [f"Of {', '.join(back)} the previous release {serves}."] if back else []
        sentences += [f"Not served before, and not now: {', '.join(new)}."] if new else []
        sentences += [f"Nothing of {', '.join(unchanged)} was changed."] if unchanged else []
        return " ".join([*sentences, "What else has changed is well, and stays (wsgi_all_or_nothing)."])


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
