# SPDX-License-Identifier: Apache-2.0
"""The releases of an application that are on this host, and the way back to one of them. Runs on the managed host.

The way is that of a deployment, with what the record of the release has in place of what a play brings: the same turn,
test, journal, replacement of processes and proof, and the same return when the proof fails. Nothing of the application
is run but by httpd, and its rollback commands before anything changes; both as the application's account.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, released
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_back import GoBack, in_words
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import OWNER, GoLive, GoLiveError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import LoggedError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof, one_line
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    APPLICATION_KEYS,
    application_file,
    is_complete,
    read_record,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.refused import read_refused
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback_commands import UndoError, Undoing
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    DIRECTORY,
    LINK,
    Manifest,
    TransactionError,
    look,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout

UNPROVEN = (
    "A change of this host is neither proven nor undone; wait for a run that is under way, else run site.yml, which "
    "ends it."
)
DEPLOY_IT = "bring its source back and run site.yml"
NOT_BACK = (
    "Not brought back: the application's data. What release commands have done to a database, such as migrations, is "
    "as it was a moment ago."
)
UNDONE = "Not brought back: the application's data, but for what its rollback_commands {verb} before: {commands}."
SURVEYED = ("application", "release", "source", "since", "by")
WELL = "well"
LONGEST = 2000
"""Characters of what is wrong; an application may have said a part of it."""
SHORTEST = 4
"""Characters of a release's name that have to be given."""


class RollbackError(LoggedError):
    """There is no way back, or it has failed; the text is for the user."""


class Kept(NamedTuple):
    """A release that an application has had, as far as this host knows it."""

    release: str
    venv: str
    is_active: bool
    record: dict[str, Any]
    """Empty where it was never proven, or by a version that kept no records."""

    @property
    def source(self) -> str:
        """Its source version in words; empty when that is not known."""
        return str(self.record.get("source", ""))


class Releases:
    """The releases of one application on this host. Reads only."""

    def __init__(self, described: Mapping[str, str], name: str) -> None:
        """Raises RollbackError when there is no such application here, and JournalError."""
        self.described = described
        self.name = name
        self.site = transaction.journal_of(described).proven()
        applications = {each["name"]: each for each in self.site.get("applications", [])}
        if name not in applications:
            known = ", ".join(sorted(applications)) or "none"
            raise RollbackError(f"There is no application {name} on this host (there is: {known}).")
        self.application: dict[str, Any] = applications[name]
        self.paths = layout(name)
        self.deployment = read_record(self.paths["deployment"])
        self.refused = read_refused(self.paths)

    def all(self) -> list[Kept]:
        """Those that are or were in use, the newest first."""
        found: dict[str, Kept] = {}
        active = self.deployment.get("release", "")
        for entry in self.deployment.get("history", []):
            release = entry["release"]
            if release not in found:
                record = read_record(released.record_file(self.paths, release))
                venv = record.get("venv", entry["venv"])
                found[release] = Kept(release, venv, release == active, record)
        return list(found.values())

    def is_there(self, kept: Kept) -> bool:
        """Whether its code is still on the host."""
        return os.path.isdir(os.path.join(self.paths["releases"], kept.release))

    def rows(self) -> list[dict[str, Any]]:
        """What is to be told of those that are still on the host, without a secret."""
        refused = self.refused.get("releases", ())
        return [
            {
                "application": self.name,
                "release": kept.release,
                "source": kept.source,
                "since": kept.record.get("since", ""),
                "by": kept.record.get("by", ""),
                "active": kept.is_active,
                "refused": kept.release in refused,
                "can_return": not kept.is_active and not self.obstacle(kept),
            }
            for kept in self.all()
            if self.is_there(kept)
        ]

    def named(self, text: str) -> Kept:
        """The release that somebody names, also by the begin of its name. Raises RollbackError."""
        found = [kept for kept in self.all() if kept.release == text]
        if not found and len(text) >= SHORTEST:
            found = [kept for kept in self.all() if kept.release.startswith(text)]
        if len(found) > 1:
            raise RollbackError(f"{text} begins the names of {len(found)} releases of {self.name}; write more of it.")
        if not found:
            raise RollbackError(
                f"{self.name} never had a release {text} on this host; see wsgi-release {self.name} list."
            )
        if found[0].is_active:
            raise RollbackError(f"{self.name} serves release {found[0].release} already.")
        return found[0]

    def previous(self) -> Kept:
        """The newest release before the active one from which nobody has gone back. Raises RollbackError."""
        refused = self.refused.get("releases", ())
        before = [kept for kept in self.all() if not kept.is_active and kept.release not in refused]
        there = [kept for kept in before if self.is_there(kept)]
        if not there:
            raise RollbackError(f"{self.name} has no earlier release on this host to go back to.")
        return there[0]

    def obstacle(self, kept: Kept) -> str:
        """Why there is no way back to a release; empty when there is one."""
        record, python = kept.record, kept.record.get("python", {})
        now = {key: str(self.site.get(f"python_{key}", "")) for key in ("version", "prefix")}
        what = f"Release {kept.release} of {self.name}"
        if not self.is_there(kept):
            return f"{what} is no longer on this host (wsgi_app_keep_releases); {DEPLOY_IT}."
        if not record:
            return f"{what} has no record of how it has served; {DEPLOY_IT}."
        if not is_complete(os.path.join(self.paths["venvs"], kept.venv)):
            return f"{what} has lost its virtual environment {kept.venv}; {DEPLOY_IT}."
        if (minor(python["version"]), python["prefix"]) != (minor(now["version"]), now["prefix"]):
            return (
                f"{what} was built for Python {python['version']} in {python['prefix']}, and httpd loads "
                f"{now['version']} in {now['prefix']}; {DEPLOY_IT}."
            )
        try:
            then, today = (self._shared(each, record) for each in (self.as_then(record), self.application))
        except KeyError as error:
            return f"{what} was recorded by another version of this collection, without {error}; {DEPLOY_IT}."
        other = [key for key in then if then[key] != today[key]]
        if other:
            return (
                f"{what} was served with another {' and '.join(other)}, of which files for all applications are made; "
                "set that in the inventory and run site.yml."
            )
        return self._lost_account(record["application"])

    def as_then(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The application as it was; what an earlier version has not recorded for its processes is as now."""
        return {**{key: self.application[key] for key in APPLICATION_KEYS}, **record["application"]}

    def brings_vhost(self, record: Mapping[str, Any]) -> bool:
        """Whether no other application is in the vhost, neither when a release was recorded nor now."""
        return record["files"] is not None and released.is_alone(self.application, self.site["applications"])

    def brings_private_vhost(self, record: Mapping[str, Any]) -> bool:
        """Whether that is so with the private vhost as well; a record of an earlier version does not have it."""
        alone = released.is_alone_by_name(self.application, self.site["applications"])
        return alone and self.brings_vhost(record) and bool(record.get("private_vhost"))

    def _shared(self, application: dict[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
        """What has to be as it is now, by its key. Raises KeyError also for what application.json needs."""
        application_file(application)
        groups = {} if self.brings_private_vhost(record) else released.of_groups(application)
        return {**released.of_all(application), **groups}

    def _lost_account(self, application: Mapping[str, Any]) -> str:
        try:
            pwd.getpwnam(application["user"]), grp.getgrnam(application["group"])
        except KeyError:
            return f"The account {application['user']}:{application['group']} is no longer on this host; run site.yml."
        return ""


def minor(version: str) -> list[str]:
    """What of a version of Python its virtual environments are for."""
    return version.split(".")[:2]


class Wish(NamedTuple):
    """What somebody wants of a way back."""

    by: str
    """Who it is, for the record."""
    release: str = ""
    """Where to, or the begin of it; empty: the previous one."""
    commands: bool = True
    """Whether the rollback commands run."""
    check_mode: bool = False


class Rollback:
    """The way back of one application; ``target`` is where it leads."""

    def __init__(self, releases: Releases, wish: Wish) -> None:
        """Raises RollbackError when there is no way back."""
        self.releases = releases
        self.described = releases.described
        self.name = releases.name
        self.by = wish.by
        self.check_mode = wish.check_mode
        self.before: str = releases.deployment.get("release", "")
        self.target = releases.named(wish.release) if wish.release else releases.previous()
        self.record = self.target.record
        self.warnings: list[str] = []
        self.told: list[str] = []
        """What was done, in sentences."""
        obstacle = releases.obstacle(self.target)
        if obstacle:
            raise RollbackError(obstacle)
        to = folder(releases.paths["releases"], self.target.release)
        self.undoing = Undoing(releases.application, releases.paths, to)
        if not wish.commands:
            self.undoing.commands = []

    def undo(self) -> None:
        """Run the rollback commands of the release that is left, once httpd has accepted the files of the other.

        Raises RollbackError; then that release serves on as it is.
        """
        if self.check_mode or not self.undoing.commands:
            return
        try:
            config.test(self.described, {OWNER: self.files()}, self.record["foreign"])
            self.undoing.run()
        except TransactionError as error:
            raise RollbackError(str(error)) from error
        except UndoError as error:
            raise RollbackError(f"{error} {self.undoing.again()}".rstrip(), error.lines) from error
        except BaseException:  # a key
            self.undoing.again()
            raise
        finally:
            self.warnings += self.undoing.warnings

    def run(self) -> None:
        """Go. Raises RollbackError with what was done after a failure."""
        way = GoLive(self.described, self.parameters(), self.check_mode)
        try:
            way.change()
        except Exception as error:  # whatever it is, what serves now has to serve on
            logged = error.log_lines.get(self.name, ()) if isinstance(error, GoLiveError) else ()
            reason = str(error) if isinstance(error, GoLiveError) else in_words(error)
            raise RollbackError(self.return_from(reason), logged) from error
        finally:
            self.warnings += way.warnings
        if not self.check_mode:
            # What commands with `once` have made of a database may be undone now, so they run for the next release.
            Path(self.releases.paths["once"]).unlink(missing_ok=True)
        self.told = self.sentences()

    def return_from(self, reason: str) -> str:
        """Bring back what has served a moment ago; the report."""
        parameters = {"reason": reason, "rollback": True, "unproven": False, "applications": [], "only": False}
        way = GoBack(self.described, parameters, self.check_mode)
        report = way.run()
        self.warnings += way.warnings
        again = self.undoing.again()
        return f"{report}\n{again}" if again else report

    def sentences(self) -> list[str]:
        """What an operator has to know."""
        serves = "would serve" if self.check_mode else "serves"
        source = f" ({self.target.source})" if self.target.source else ""
        return [
            f"{self.name} {serves} release {self.target.release}{source} again, with the virtual environment and the "
            f"environment variables of then, in place of {self.before}.",
            self.vhost(),
            self.data(),
            f"site.yml refuses {self.before} from now on, until its source has changed or with -e release_again=true.",
        ]

    def data(self) -> str:
        """What becomes of the application's data, in a sentence."""
        if self.check_mode and self.undoing.commands:
            return UNDONE.format(verb="would undo", commands="; ".join(map(shlex.join, self.undoing.commands)))
        if self.undoing.begun:
            return UNDONE.format(verb="have undone", commands="; ".join(self.undoing.begun))
        return NOT_BACK

    def vhost(self) -> str:
        """What becomes of the vhost, in a sentence."""
        if self.releases.brings_vhost(self.record):
            return "The vhost is that of then, too."
        return f"The vhost stays as it is, since {self.name} shares it with other applications."

    def parameters(self) -> dict[str, Any]:
        """What a play would give to the module wsgi_go_live."""
        site, application = self.releases.site, self.releases.as_then(self.record)
        everyone = [application if each["name"] == self.name else each for each in site["applications"]]
        paths = self.releases.paths
        environments = json.dumps({self.name: self.record["variables"]})
        return {
            "applications": [{**application, "paths": paths}],
            "environments": base64.b64encode(environments.encode()).decode(),
            "releases": {self.name: folder(paths["releases"], self.target.release)},
            "venvs": {self.name: folder(paths["venvs"], self.target.venv)},
            # That of the host, which all applications share.
            "launcher": self.releases.deployment["launcher"],
            "files": self.files(),
            "sensitive_files": None,
            "together_with": {},
            "foreign": self.record["foreign"],
            "reap_stuck_children": None,
            "site": {**site, "applications": everyone},
            "only": False,
            "all_or_nothing": True,
            "by": self.by,
            "manage_service": True,
            "refused": {self.name: self.refused()},
        }

    def refused(self) -> dict[str, Any]:
        """What must not come again."""
        earlier = [each for each in self.releases.refused.get("releases", ()) if each != self.target.release]
        return {
            "releases": [self.before, *(each for each in earlier if each != self.before)],
            "to": self.target.release,
            "by": self.by,
            "since": released.now(),
        }

    def files(self) -> list[dict[str, Any]]:
        """The files of all applications as they are, with those of this one as they were."""
        found = files_of(self.described)
        if not self.releases.brings_vhost(self.record):
            return found
        if self.releases.brings_private_vhost(self.record):
            found = [self.with_private_vhost(entry) for entry in found]
        others = [entry for entry in found if not released.is_own(entry["path"], self.releases.application)]
        return [*others, *self.record["files"]]

    def with_private_vhost(self, entry: dict[str, Any]) -> dict[str, Any]:
        """A file, with the private vhost of the application as it was: which groups it asks, and for which paths."""
        if os.path.basename(entry.get("path", "")) != released.PROBES or "content" not in entry:
            return entry
        name, lines = str(self.releases.application["server_name"]), self.record["private_vhost"]
        return {**entry, "content": released.with_private_vhost(entry["content"], name, lines)}


def folder(parent: str, name: str) -> dict[str, str]:
    """A release or a virtual environment, as modules name it."""
    return {"id": name, "path": os.path.join(parent, name)}


def files_of(described: Mapping[str, str]) -> list[dict[str, Any]]:
    """The complete set of files of the applications, as it is on the disk. Raises RollbackError."""
    manifest = Path(described["state_directory"]) / "manifests" / f"{OWNER}.json"
    try:
        entries = Manifest.load(manifest).entries
        return [found for path, entry in sorted(entries.items()) if (found := file_of(path, entry))]
    except (TransactionError, KeyError, UnicodeDecodeError) as error:
        raise RollbackError(f"The files of the applications cannot be read: {error}; run site.yml.") from error


def file_of(path: str, entry: Mapping[str, str]) -> dict[str, Any]:
    """A file as it is; empty when somebody has removed it."""
    found = look(path)
    if entry["kind"] == ABSENT:
        return {"path": path, "absent": True, "action": entry["action"]}
    if found.kind == LINK:
        return {"path": path, "link": found.target, "action": entry["action"]}
    if found.kind not in (CONTENT, DIRECTORY):
        return {}
    what = {"content": found.content.decode()} if found.kind == CONTENT else {"directory": True}
    return {
        "path": path,
        **what,
        "mode": f"{found.mode:04o}",
        "owner": pwd.getpwuid(found.uid).pw_name,
        "group": grp.getgrgid(found.gid).gr_name,
        "action": entry["action"],
    }


def go_back(described: Mapping[str, str], name: str, wish: Wish, begin: Callable[[], None] = lambda: None) -> Rollback:
    """Go back, alone on this host; the way that was gone. Raises RollbackError.

    A deployment that comes meanwhile waits, and finds what has become of it. ``begin`` is called when the rollback
    commands have run, before anything that serves changes.
    """
    try:
        Releases(described, name)  # before anything is made
        with locked(described["state_directory"], wait=False):
            journal = transaction.journal_of(described)
            if journal.open or journal.interrupted:
                raise RollbackError(UNPROVEN)
            way = Rollback(Releases(described, name), wish)
            way.undo()
            begin()
            way.run()
            return way
    except (JournalError, OSError) as error:
        raise RollbackError(str(error)) from error


def status(releases: Releases) -> dict[str, Any]:
    """The active release, and whether it is well: ``problem`` is empty then."""
    rows = [row for row in releases.rows() if row["active"]]
    proof = Proof([releases.application], dict(releases.site))
    journal = transaction.journal_of(releases.described)
    problem = proof.problem or (UNPROVEN if journal.open or journal.interrupted else "")
    found = rows[0] if rows else {"application": releases.name, "release": ""}
    return {**found, **change_of(releases.application), "problem": problem}


def change_of(application: Mapping[str, Any]) -> dict[str, str]:
    """How releases of an application change, and which daemon process group serves; nothing of an embedded one."""
    if application["mode"] == "embedded":
        return {}
    if not colours.has(application):
        return {"strategy": "rolling", "group": str(application["name"])}
    strategy = "rolling" if colours.overlap(application) else "blue_green"
    return {"strategy": strategy, "group": colours.group(application["name"], colours.active(application["paths"]))}


def survey(described: Mapping[str, str], name: str = "") -> list[dict[str, str]]:
    """What each application of this host serves, or one of them: ``health`` is WELL, or what is wrong.

    Raises RollbackError and JournalError.
    """
    names = [each["name"] for each in transaction.journal_of(described).proven().get("applications", [])]
    found = []
    for each in [name] if name else sorted(names):
        state = status(Releases(described, each))
        row = {key: one_line(str(state.get(key, ""))) for key in SURVEYED}
        found.append({**row, "health": one_line(state["problem"])[:LONGEST] or WELL})
    return found
