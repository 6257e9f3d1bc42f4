# SPDX-License-Identifier: Apache-2.0
"""The journal of the configuration transaction: what is undone when a change fails, or when a run was killed in it.

A step changes a set of paths. Before the first of them changes, the journal says on the disk which ones, and what they
were is kept beside them under a hidden name: the same inode, so that undoing needs no space and brings back
bytes, links, owners, modes and times. The journal stays open, over several steps and runs, until the change is proven.

    begun.json        the first file: in which boot, and what of the server, the steps began
    01-applying.json  a step that is being made; whoever finds it without its process undoes it
    01-applied.json   a step that is made; undone only when the whole change fails
    acted.json        httpd was told to read the new configuration
    returning.json    the previous one is being brought back, and what that needs
    proven.json       by what a later return is proven; it becomes the state directory's when this change is proven
    committed.json    begun.json, renamed: proven; what was kept goes

Needs the standard library only: the role httpd also installs this file, and httpd's unit runs it before each start and
reload (`httpd_journal.py STATE_DIRECTORY`), so that httpd never reads a tree that is half old and half new.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

WRITE, LINK, COPY, REMOVE, DIRECTORY = "write", "link", "copy", "remove", "directory"
"""Kinds of edits."""

ABSENT, ENTRY = "absent", "entry"
"""What a path was before: nothing, a file or link; DIRECTORY otherwise."""

BEGUN, ACTED, RETURNING, PROVEN, COMMITTED = (
    f"{name}.json" for name in ("begun", "acted", "returning", "proven", "committed")
)
PENDING = "pending-action"
"""In the state directory: what httpd still needs to serve what is on the disk."""

APPLYING, APPLIED = "-applying.json", "-applied.json"
ACTIONS = ("none", "reload", "restart")
"""What httpd needs to serve a change, from the weakest; a restart makes a reload unnecessary."""
# A name that ends in ~ is left alone by logrotate, httpd and systemd in all folders that we write to.
NEW = "modwsgi-new~"

TURN = "turn"
"""The file by which runs wait for each other."""


_HELD: set[str] = set()
"""The state directories of which this process has the turn."""


class JournalError(Exception):
    """The journal cannot be read, or somebody else is at work; the text is for the user."""


class BusyError(JournalError):
    """Somebody else has the turn; the text is for the user."""


@dataclass(frozen=True)
class Edit:
    """One change of a path. Missing parent directories are made."""

    path: str
    kind: str
    content: bytes = b""
    target: str = ""
    """Of a link; the file that is copied."""
    mode: int = 0o644
    uid: int = -1
    """-1: as it comes."""
    gid: int = -1


@dataclass(frozen=True)
class Step:
    """Changes that are made, or undone, together."""

    number: int
    applied: bool
    action: str
    """What httpd needs to serve them."""
    records: list[dict[str, Any]]
    """The paths as they were before, in the order of the changes."""
    note: dict[str, Any]
    """For whoever made the step."""

    @property
    def file(self) -> str:
        """Its name in the journal."""
        return f"{self.number:02}{APPLIED if self.applied else APPLYING}"

    def kept(self, path: str) -> str:
        """Under which name what was there before is kept."""
        return _beside(path, f"modwsgi-{self.number:02}~")


def _beside(path: str, suffix: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{suffix}")


def _new(path: str) -> str:
    return _beside(path, NEW)


def boot() -> str:
    """Which boot of this host it is; a container has the kernel's boot, but a first process of its own."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        identity = file.read().strip()
    with open("/proc/1/stat", encoding="utf-8", errors="replace") as file:
        return f"{identity} {file.read().rpartition(')')[2].split()[19]}"


def sync(path: str) -> None:
    """Let the disk have a file's content, or a directory's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_there(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


@contextmanager
def locked(state_directory: str, wait: bool = True) -> Iterator[None]:
    """Two that change one instance wait for each other; who has the turn already goes on.

    Without ``wait`` BusyError is raised while somebody else has it. Who can open a file can hold its lock, also one who
    may only read it: then httpd would never start again.
    """
    if state_directory in _HELD:
        yield
        return
    os.makedirs(state_directory, mode=0o755, exist_ok=True)
    _remove_if_there(os.path.join(state_directory, "lock"))  # of earlier versions, which all could read
    turn = os.open(os.path.join(state_directory, TURN), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BusyError("A deployment of this host is in progress; wait until it has ended.") from None
        _HELD.add(state_directory)
        yield
    finally:
        _HELD.discard(state_directory)
        os.close(turn)


class Journal:
    """The journal of one httpd instance."""

    def __init__(self, state_directory: str) -> None:
        """It is a folder in the instance's state directory, which is there only as long as the journal is open."""
        self.state_directory = state_directory
        self.directory = os.path.join(state_directory, "transaction")

    # What it says.

    @property
    def open(self) -> bool:
        """Whether there are steps that are not proven."""
        return os.path.exists(self._path(BEGUN))

    def header(self) -> dict[str, Any]:
        """What :meth:`begin` noted."""
        return self._read(BEGUN)

    def steps(self) -> list[Step]:
        """All steps, in their order."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            if name.endswith((APPLYING, APPLIED)):
                content = self._read(name)
                number = int(name.partition("-")[0])
                found.append(
                    Step(number, name.endswith(APPLIED), content["action"], content["records"], content["note"])
                )
        return found

    def before(self, path: str) -> str:
        """Where the file is, under another name or its own, that was at a path before the first step."""
        for step in self.steps():
            if any(record["path"] == path for record in step.records):
                return step.kept(path)
        return path

    def marked(self, name: str) -> bool:
        """Whether a mark was set."""
        return os.path.exists(self._path(name))

    def note(self, name: str) -> dict[str, Any]:
        """What a mark was set with; empty without it."""
        return self._read(name) if self.open and self.marked(name) else {}

    def returning(self) -> dict[str, Any]:
        """The strongest ``action`` of the steps that are undone, and their ``notes``."""
        return self._read(RETURNING)

    @property
    def interrupted(self) -> bool:
        """Whether somebody was cut off in the middle; :meth:`settle` puts it right."""
        if not os.path.isdir(self.directory):
            return False
        return (
            not self.open
            or self.marked(RETURNING)
            or self.of_earlier_boot
            or not all(step.applied for step in self.steps())
        )

    def overlay(self) -> dict[str, str]:
        """What :meth:`settle` would bring back: each path, and where that is now (empty: nowhere)."""
        if not self.open:
            return {}
        everything = self.marked(RETURNING) or self.of_earlier_boot
        found = {}
        for step in reversed(self.steps()):
            if everything or not step.applied:
                for record in step.records:
                    kept = step.kept(record["path"])
                    if record["before"] == ABSENT:
                        found[record["path"]] = ""
                    elif os.path.lexists(kept):
                        found[record["path"]] = kept
        return found

    @property
    def of_earlier_boot(self) -> bool:
        """Whether the host was booted since it was opened."""
        return self.open and bool(self.header()["boot"] != boot())

    # Changing something.

    def begin(self, **header: Any) -> None:
        """Open it, unless it is."""
        if not self.open:
            self._forget()
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            self._write(BEGUN, {"boot": boot(), **header})

    def mark(self, name: str, content: dict[str, Any] | None = None) -> None:
        """Set a mark on an open journal; the first one stays."""
        if self.open and not self.marked(name):
            self._write(name, content or {})

    def apply(self, edits: Iterable[Edit], action: str, note: dict[str, Any] | None = None) -> None:
        """Make a step: all of the edits, or none when one fails. The journal has to be open."""
        edits = list(edits)
        number = max((step.number for step in self.steps()), default=0) + 1
        step = Step(number, False, action, list(_records(edits)), note or {})
        for record in step.records:  # of a journal that somebody has removed
            _remove_if_there(_new(record["path"]))
            _remove_if_there(step.kept(record["path"]))
        self._write(step.file, {"action": step.action, "records": step.records, "note": step.note})
        try:
            # All that needs space comes before the first change.
            _prepare(step, edits)
            for edit in edits:
                _perform(step, edit)
            _sync_folders(step)
            os.rename(self._path(step.file), self._path(f"{number:02}{APPLIED}"))
            sync(self.directory)
        except BaseException:
            self._undo(step)
            raise

    # Ending it.

    def commit(self, proven: Mapping[str, Any] | None = None) -> None:
        """The steps are proven: what was kept goes, and the journal. ``proven``: by what a later return is proven."""
        if self.open:
            if proven is not None:
                self._write(PROVEN, proven)
            os.rename(self._path(BEGUN), self._path(COMMITTED))
            sync(self.directory)
        self.settle()

    def proven(self) -> dict[str, Any]:
        """What the last :meth:`commit` was given; empty when there was none."""
        try:
            with open(os.path.join(self.state_directory, PROVEN), encoding="utf-8") as file:
                content: dict[str, Any] = json.load(file)
        except (OSError, ValueError):
            return {}
        return content

    def undo_all(self) -> None:
        """Bring back what was before the first step. The journal stays open for what follows, until :meth:`close`."""
        steps = self.steps()
        actions = [step.action for step in steps]
        action = max(actions, key=ACTIONS.index, default=ACTIONS[0])
        self.mark(RETURNING, {"action": action, "notes": [step.note for step in steps]})
        for step in reversed(steps):
            self._undo(step)

    def close(self) -> None:
        """End a journal without steps: what was begun is no more, so nothing is pending that was not before."""
        if self.open and self.header().get("pending", ACTIONS[0]) == ACTIONS[0]:
            _remove_if_there(os.path.join(self.state_directory, PENDING))
        _remove_if_there(self._path(BEGUN))
        self._forget()

    def settle(self) -> None:
        """Put right what somebody has left who was cut off; the journal may be open afterwards.

        A step that was being made is undone. All steps are, when the journal was returning or when the host was booted
        since: nobody is there who would prove them.
        """
        if self.marked(COMMITTED):
            self._clean()
        elif not self.open:
            self._forget()
        elif self.of_earlier_boot:
            self.undo_all()
            self.close()
        elif self.marked(RETURNING):
            self.undo_all()
        else:
            for step in [step for step in self.steps() if not step.applied]:
                self._undo(step)
            if not self.steps():
                self.close()

    def _clean(self) -> None:
        """Remove what was kept for the way back."""
        for step in self.steps():
            for record in step.records:
                _remove_if_there(step.kept(record["path"]))
            os.unlink(self._path(step.file))
        if self.marked(PROVEN):
            os.rename(self._path(PROVEN), os.path.join(self.state_directory, PROVEN))
        self._forget()

    def _undo(self, step: Step) -> None:
        for record in reversed(step.records):
            _restore(step, record)
        _sync_folders(step)
        for name in (APPLYING, APPLIED):
            _remove_if_there(self._path(f"{step.number:02}{name}"))
        sync(self.directory)

    def _forget(self) -> None:
        """Remove the folder; only marks are in it."""
        if os.path.isdir(self.directory):
            shutil.rmtree(self.directory)
            sync(self.state_directory)

    # Files of the journal itself.

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            with open(self._path(name), encoding="utf-8") as file:
                content: dict[str, Any] = json.load(file)
        except (OSError, ValueError) as error:
            raise JournalError(
                f"The journal {self._path(name)} cannot be read ({error}), so an interrupted change cannot be undone; "
                "compare the configuration with a backup, then remove that folder."
            ) from error
        return content

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        new = self._path(f"{name}~")
        _remove_if_there(new)
        try:
            _write(new, json.dumps(content, indent=1, sort_keys=True).encode(), 0o600)
            os.rename(new, self._path(name))
        except BaseException:
            _remove_if_there(new)
            raise
        sync(self.directory)


def _records(edits: Iterable[Edit]) -> Iterator[dict[str, Any]]:
    """What the paths are now, and their missing parents."""
    seen = set()
    for edit in edits:
        missing = []
        parent = os.path.dirname(edit.path)
        while not os.path.lexists(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        for path in [*reversed(missing), edit.path]:
            if path not in seen:
                seen.add(path)
                yield _record(path)


def _record(path: str) -> dict[str, Any]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return {"path": path, "before": ABSENT}
    if stat.S_ISDIR(found.st_mode):
        attributes = {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}
        return {"path": path, "before": DIRECTORY, **attributes}
    return {"path": path, "before": ENTRY}


def _prepare(step: Step, edits: Iterable[Edit]) -> None:
    """Make what renames will put into place, and keep what they will replace."""
    before = {record["path"]: record["before"] for record in step.records}
    for edit in edits:
        os.makedirs(os.path.dirname(edit.path), mode=0o755, exist_ok=True)
        if edit.kind == DIRECTORY:
            if not os.path.isdir(edit.path):
                os.mkdir(edit.path, 0o700)
        elif edit.kind != REMOVE:
            _make(edit, _new(edit.path))
            if before[edit.path] == ENTRY:
                os.link(edit.path, step.kept(edit.path), follow_symlinks=False)
    _sync_folders(step)


def _make(edit: Edit, new: str) -> None:
    if edit.kind == LINK:
        os.symlink(edit.target, new)
    elif edit.kind == COPY:
        shutil.copy2(edit.target, new, follow_symlinks=False)
        found = os.lstat(edit.target)
        os.chown(new, found.st_uid, found.st_gid, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            sync(new)
    else:
        _write(new, edit.content, edit.mode, edit.uid, edit.gid)


def _write(path: str, content: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _perform(step: Step, edit: Edit) -> None:
    """Change one path, at once."""
    if edit.kind == DIRECTORY:
        os.chown(edit.path, edit.uid, edit.gid)
        os.chmod(edit.path, edit.mode)
    elif edit.kind != REMOVE:
        os.rename(_new(edit.path), edit.path)
    elif os.path.isdir(edit.path) and not os.path.islink(edit.path):
        os.rmdir(edit.path)
    elif os.path.lexists(edit.path):
        os.rename(edit.path, step.kept(edit.path))


def _restore(step: Step, record: dict[str, Any]) -> None:
    """Bring one path back; a second time does nothing."""
    path, before = record["path"], record["before"]
    _remove_if_there(_new(path))
    if before == ENTRY:
        kept = step.kept(path)
        if os.path.lexists(kept):
            os.rename(kept, path)
            _remove_if_there(kept)  # a rename between two names of one file does nothing
    elif before == DIRECTORY:
        if not os.path.lexists(path):
            os.mkdir(path, 0o700)
        os.chown(path, record["uid"], record["gid"])
        os.chmod(path, record["mode"])
    elif os.path.isdir(path) and not os.path.islink(path):
        with suppress(OSError):  # what others have put there is theirs
            os.rmdir(path)
    else:
        _remove_if_there(path)


def replace(edit: Edit) -> None:
    """Change one path at once, without a journal; for what nobody has to undo. The parent directory has to be there."""
    step = Step(0, False, "", [], {})
    if edit.kind == DIRECTORY:
        os.makedirs(edit.path, exist_ok=True)
    elif edit.kind != REMOVE:
        _remove_if_there(_new(edit.path))
        _make(edit, _new(edit.path))
    _perform(step, edit)
    _remove_if_there(step.kept(edit.path))


def _sync_folders(step: Step) -> None:
    for folder in sorted({os.path.dirname(record["path"]) for record in step.records}):
        if os.path.isdir(folder):
            sync(folder)


def main(state_directory: str) -> None:
    """Before httpd reads its configuration: put right what was left. Who holds the lock is at work, and waited for."""
    journal = Journal(state_directory)
    if journal.interrupted and journal.steps():
        with locked(state_directory):
            journal.settle()
    journal.mark(ACTED)  # also when somebody else than a run of ours starts or reloads it


if __name__ == "__main__":
    main(sys.argv[1])
