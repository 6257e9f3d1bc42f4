# SPDX-License-Identifier: Apache-2.0
"""The configuration transaction: whole sets of files go live together, or not at all.

The sets of one or more owners are compared with the disk. What differs is first applied to a complete copy of the
server root, which httpd itself tests; only then it goes live, as one step of the journal, which can be undone. What an
owner had before and no longer wants is removed, or gets the distribution's original back. A manifest per owner
remembers what is ours.
"""

from __future__ import annotations

import base64
import errno
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, start
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.pending import NONE, RELOAD, strongest

CONTENT, LINK, ABSENT, DIRECTORY = "content", "link", "absent", "directory"
KINDS = (CONTENT, LINK, ABSENT, DIRECTORY)
# Directories have to be there before files; a link may name a file of the same set; removals come last.
ORDER = {DIRECTORY: 0, CONTENT: 1, LINK: 2, ABSENT: 3}

TEST_SECONDS = 60
HIDDEN = "(not shown: the file is sensitive)\n"


class TransactionError(Exception):
    """The set cannot go live, and nothing was changed; the text is for the user."""


@dataclass(frozen=True)
class Desired:
    """How one path is to be."""

    path: str
    kind: str
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    optional: bool = False
    adopt: bool = False
    sensitive: bool = False
    action: str = NONE


@dataclass(frozen=True)
class Found:
    """What a path is on the disk."""

    kind: str
    content: bytes = b""
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Change:
    """One step from the disk to the desired set."""

    desired: Desired
    found: Found
    original: str = ""  # the kept original that has to come back
    takes_over: bool = False  # what is there now is kept as the original

    @property
    def path(self) -> str:
        """Where."""
        return self.desired.path

    def describe(self) -> str:
        """A line for the result."""
        if self.original:
            return f"give back the original {self.path}"
        verbs = {CONTENT: "write", LINK: "link", ABSENT: "remove", DIRECTORY: "create directory"}
        suffix = f" -> {self.desired.target}" if self.desired.kind == LINK else ""
        return f"{verbs[self.desired.kind]} {self.path}{suffix}"


@dataclass
class Manifest:
    """What one owner has put in place, kept in a file of the state directory."""

    file: Path
    entries: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Manifest:
        """Read it; empty when the owner has put nothing in place yet."""
        try:
            return cls(file, json.loads(file.read_text(encoding="utf-8"))["files"])
        except FileNotFoundError:
            return cls(file)
        except (ValueError, KeyError, TypeError) as error:
            raise TransactionError(
                f"{file} is damaged ({error}); move it away, and files which are no longer wanted stay."
            ) from error

    def edit(self, entries: Mapping[str, Mapping[str, str]]) -> Iterator[Edit]:
        """What makes these its entries."""
        content = (json.dumps({"files": entries}, indent=1, sort_keys=True) + "\n").encode()
        if not self.file.exists() or self.file.read_bytes() != content:
            yield Edit(str(self.file), journal.WRITE, content, mode=0o600)


def decode_sets(encoded: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Sets of files by owner, each from JSON in Base64: opaque, since what a user wrote must not be templated again.

    Raises TransactionError when it is something else.
    """
    found = {}
    for owner, text in encoded.items():
        try:
            files = json.loads(base64.b64decode(text, validate=True))
        except (TypeError, ValueError):
            files = None
        if not isinstance(files, list) or not all(isinstance(entry, dict) and "path" in entry for entry in files):
            raise TransactionError(
                f"The files of the owner {owner} must be a list as JSON in Base64; correct the task."
            )
        found[owner] = files
    return found


def desired_file(entry: Mapping[str, Any], server_root: str) -> Desired:
    """Read one entry of the module's parameter ``files``. Raises TransactionError when it is contradictory."""
    path = os.path.normpath(Path(server_root) / entry["path"])
    kinds = [kind for kind in KINDS if entry.get(kind) not in (None, False)]
    if len(kinds) != 1:
        raise TransactionError(f"The entry {path} needs exactly one of {', '.join(KINDS)}; correct the task.")
    kind = kinds[0]
    mode = str(entry.get("mode") or ("0755" if kind == DIRECTORY else "0644"))
    if not re.match(r"[0-7]{3,4}\Z", mode):
        raise TransactionError(f"The mode {mode!r} of {path} is not octal like '0644'; correct the task.")
    below = is_below(path, server_root)
    default_action = RELOAD if below and kind != DIRECTORY else NONE
    return Desired(
        path=path,
        kind=kind,
        content=(entry.get("content") or "").encode(),
        target=entry.get("link") or "",
        mode=int(mode, 8),
        owner=entry.get("owner") or "root",
        group=entry.get("group") or "root",
        optional=bool(entry.get("optional")),
        adopt=bool(entry.get("adopt")),
        sensitive=bool(entry.get("sensitive")),
        action=entry.get("action") or default_action,
    )


def is_below(path: str, directory: str) -> bool:
    """Whether the path is in the directory."""
    return path.startswith(directory.rstrip("/") + "/")


def look(path: str) -> Found:
    """What is at a path now; the empty path is nowhere."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found(ABSENT)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Found(LINK, target=str(Path(path).readlink()))
    if stat.S_ISREG(status.st_mode):
        return Found(CONTENT, Path(path).read_bytes(), "", mode, status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return Found(DIRECTORY, b"", "", mode, status.st_uid, status.st_gid)
    return Found("special file")


def is_full(error: OSError) -> bool:
    """Whether there was no room on a disk; shutil's errors have only the texts of those that they collect."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return error.errno in codes or any(os.strerror(code) in str(error) for code in codes)


def original_name(path: str) -> str:
    """How the kept original of a path is called in the state directory."""
    return f"{Path(path).name}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def user_id(name: str, path: str) -> int:
    """The uid of a user. Raises TransactionError when the user does not exist."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise TransactionError(f"The user {name}, who is to own {path}, does not exist; create it first.") from None


def group_id(name: str, path: str) -> int:
    """The gid of a group. Raises TransactionError when the group does not exist."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise TransactionError(f"The group {name}, which is to own {path}, does not exist; create it first.") from None


class Plan:
    """One owner's set of files on one instance, and what has to change for it. Reads only."""

    def __init__(self, transaction: Transaction, owner: str, desired: dict[str, Desired]) -> None:
        """``transaction`` knows the sets of the others that go live together with it."""
        self.transaction = transaction
        self.owner = owner
        self.desired = desired
        self.manifest = transaction.manifest(owner)

    def changes(self) -> list[Change]:
        """What differs from the disk, in the order in which it is to change."""
        self._refuse_other_owners()
        changes = [change for entry in self.desired.values() for change in self._compare(entry)]
        wanted = self.transaction.desired
        left = [path for path in self.manifest.entries if path not in wanted]
        changes += [change for path in left for change in self._withdraw(path)]
        return [change for change in changes if change.original or not self._is_done(change.desired, change.found)]

    def entries(self) -> dict[str, dict[str, str]]:
        """What the manifest says afterwards."""
        before = self.manifest.entries
        return {
            entry.path: {
                "kind": entry.kind,
                "action": entry.action,
                "original": before.get(entry.path, {}).get("original", "") or self._original(entry),
                **({"found": "as wanted"} if self._was_there(entry) else {}),
            }
            for entry in self.desired.values()
            if entry.kind != LINK or self._has_target(entry)
        }

    def _was_there(self, entry: Desired) -> bool:
        """Whether it is a link that others had made before us: beside sites of others, it stays when we are done."""
        if entry.kind != LINK:
            return False
        if entry.path in self.manifest.entries:
            return "found" in self.manifest.entries[entry.path]
        found = self._look(entry.path)
        return not self._is_ours(entry.path) and self._is_done(entry, found)

    def _original(self, entry: Desired) -> str:
        """The name of the original that is kept, or will be; empty when there is none."""
        name = original_name(entry.path)
        return name if self.transaction.has_original(name) or self.takes_over(entry, self._look(entry.path)) else ""

    def takes_over(self, entry: Desired, found: Found) -> bool:
        """Whether the path is somebody else's until now, and is to be kept."""
        foreign = found.kind in (CONTENT, LINK) and not self._is_ours(entry.path)
        return foreign and entry.adopt and not self._is_done(entry, found)

    def _look(self, path: str) -> Found:
        return self.transaction.look(path)

    def _is_ours(self, path: str) -> bool:
        return any(path in plan.manifest.entries for plan in self.transaction.plans)

    def _refuse_other_owners(self) -> None:
        together = {plan.owner for plan in self.transaction.plans}
        for file in sorted(self.manifest.file.parent.glob("*.json")):
            if file.stem in together:
                continue
            for path in Manifest.load(file).entries:
                if path in self.desired:
                    raise TransactionError(
                        f"{path} already belongs to the owner {file.stem}, so {self.owner} cannot write it; "
                        "let only one of them list it."
                    )

    def _compare(self, entry: Desired) -> Iterator[Change]:
        found = self._look(entry.path)
        if entry.kind in (CONTENT, DIRECTORY) and not self.transaction.predict:  # an earlier task may create the user
            user_id(entry.owner, entry.path)
            group_id(entry.group, entry.path)
        if entry.kind == LINK and not self._has_target(entry):
            if not entry.optional:
                raise TransactionError(
                    f"The link {entry.path} would lead to {entry.target}, which does not exist; "
                    "correct the name or install the package that brings it."
                )
            if entry.path in self.manifest.entries:
                yield Change(Desired(entry.path, ABSENT, action=entry.action), found)
            return
        if not self._is_done(entry, found):
            self._refuse_foreign(entry, found)
            yield Change(entry, found, takes_over=self.takes_over(entry, found))

    def _has_target(self, entry: Desired) -> bool:
        target = os.path.normpath(Path(entry.path).parent / entry.target)
        wanted = self.transaction.desired.get(target)
        if wanted:
            return wanted.kind != ABSENT
        return Path(target).exists() or (self.transaction.predict and self.transaction.fresh)

    def _refuse_foreign(self, entry: Desired, found: Found) -> None:
        if found.kind == ABSENT or self._is_ours(entry.path):
            return
        if found.kind == DIRECTORY and entry.kind == DIRECTORY:
            return
        if found.kind in (DIRECTORY, "special file"):
            raise TransactionError(f"{entry.path} is a {found.kind}, where {self.owner} wants a file; move it away.")
        same = found.content == entry.content if entry.kind == CONTENT else found.target == entry.target
        if not entry.adopt and not (found.kind == entry.kind and same):
            raise TransactionError(
                f"{entry.path} exists already and was not written by {self.owner}, so it is left as it is; "
                "move it away or choose another name."
            )

    def _is_done(self, entry: Desired, found: Found) -> bool:
        if entry.kind != found.kind:
            return False
        if entry.kind == ABSENT:
            return True
        if entry.kind == LINK:
            return entry.target == found.target
        return entry.content == found.content and self._has_attributes(entry, found)

    def _has_attributes(self, entry: Desired, found: Found) -> bool:
        try:
            owners = (user_id(entry.owner, entry.path), group_id(entry.group, entry.path))
        except TransactionError:
            if self.transaction.predict:
                return False
            raise
        return (entry.mode, *owners) == (found.mode, found.uid, found.gid)

    def _withdraw(self, path: str) -> Iterator[Change]:
        """What becomes of a path that the owner no longer lists."""
        entry = self.manifest.entries[path]
        found = self._look(path)
        removal = Desired(path, ABSENT, action=entry["action"])
        if entry["kind"] == ABSENT and found.kind != ABSENT:
            return  # others have put something there since
        if "found" in entry and found.kind == LINK and self.transaction.foreign:
            return  # others had put it there before, and may use it
        if entry["original"] and self.transaction.has_original(entry["original"]):
            yield Change(removal, found, entry["original"])
        elif found.kind != DIRECTORY or not any(Path(path).iterdir()):
            yield Change(removal, found)


class Transaction:
    """The sets of one or more owners on one instance, which go live together."""

    def __init__(
        self,
        instance: Mapping[str, str],
        sets: Mapping[str, Iterable[Mapping[str, Any]]],
        predict: bool,
        foreign: Iterable[str] = (),
    ) -> None:
        """``sets``: the files of each owner. ``predict``: check mode; nothing is written, and no httpd is fine.

        ``foreign``: files of others, which httpd has to read as before.
        """
        self.instance = instance
        self.foreign = list(foreign)
        self.predict = predict
        self.root = instance["server_root"]
        self.state = Path(instance["state_directory"])
        self.originals = self.state / "originals"
        self.fresh = not Path(self.root).is_dir()
        self.journal = Journal(instance["state_directory"])
        self.overlay = self.journal.overlay() if predict else {}
        self.desired: dict[str, Desired] = {}
        self.plans = [Plan(self, owner, self._only_once(owner, files)) for owner, files in sets.items()]
        changes = {plan.owner: plan.changes() for plan in self.plans}
        self.owners = " and ".join(owner for owner, of_owner in changes.items() if of_owner)
        """Those with changes, in words."""
        every = [change for of_owner in changes.values() for change in of_owner]
        self.changes = sorted(every, key=lambda change: ORDER[change.desired.kind])

    @property
    def action(self) -> str:
        """The strongest action that the changes need."""
        return strongest(*(change.desired.action for change in self.changes))

    def manifest(self, owner: str) -> Manifest:
        """What an owner has put in place."""
        file = self.state / "manifests" / f"{owner}.json"
        place = self.overlay.get(str(file), str(file))
        return Manifest(file, Manifest.load(Path(place)).entries if place else {})

    def look(self, path: str) -> Found:
        """What is at a path now; in check mode, what will be there when an interrupted run is put right."""
        return look(self.overlay[path]) if path in self.overlay else look(path)

    def has_original(self, name: str) -> bool:
        """Whether an original is kept under this name."""
        return self.look(str(self.originals / name)).kind != ABSENT

    def _only_once(self, owner: str, files: Iterable[Mapping[str, Any]]) -> dict[str, Desired]:
        found: dict[str, Desired] = {}
        for each in files:
            entry = desired_file(each, self.root)
            if entry.path in found:
                raise TransactionError(f"{entry.path} is listed twice in one set of files; correct the task.")
            if entry.path in self.desired:
                raise TransactionError(
                    f"{entry.path} is listed by {owner} and by another owner; let only one of them list it."
                )
            found[entry.path] = entry
        self.desired.update(found)
        return found

    # Testing: on a copy.

    def test(self) -> None:
        """Let httpd test the set on a copy of the server root. Raises TransactionError with httpd's own message."""
        changes = [change for change in self.changes if is_below(change.path, self.root)]
        if not changes:
            return
        if self.fresh or not os.access(self.instance["control"], os.X_OK):
            raise TransactionError(
                f"{self.instance['control']} or {self.root} is missing, so the configuration cannot be tested; "
                "install the web server first (role httpd)."
            )
        with self._staged() as staged:
            for change in changes:
                self._put(change, staged + change.path[len(self.root) :])
            message = self._test_message(staged)
            if message and self._test_message(self.root):
                message += " (the live configuration does not pass the test either, even without the change)"
            # A host only: where an image is built, other programs listen than where it runs.
            obstacle = self._obstacle(staged) if self.instance["unit"] and not message else ""
        if message:
            raise TransactionError(
                f"httpd refuses the configuration of {self.owners}, so nothing was changed: {message}"
            )
        if obstacle:
            raise TransactionError(
                f"httpd could not serve the configuration of {self.owners}, so nothing was changed: {obstacle}"
            )

    @contextmanager
    def _staged(self) -> Iterator[str]:
        """A copy of the server root that only root can read; removed afterwards."""
        folder = Path(self.instance["volatile_directory"])
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in folder.glob("staged-*"):
            shutil.rmtree(stale)
        outer = ""
        try:
            outer = tempfile.mkdtemp(prefix="staged-", dir=folder)
            staged = str(Path(outer) / Path(self.root).name)
            shutil.copytree(self.root, staged, symlinks=True)
            self._keep_to(staged)
            yield staged
        except OSError as error:
            if not is_full(error):
                raise
            raise TransactionError(
                f"The disk of {folder}, where the configuration is tested, is full, so nothing was changed; "
                "make room there and run again."
            ) from error
        finally:
            if outer:
                shutil.rmtree(outer)

    def _keep_to(self, staged: str) -> None:
        """Let what leads out of the copy, or by its absolute path into the server root, mean the same as there."""
        for directory, directories, names in os.walk(staged):
            original = self.root + directory[len(staged) :]
            for name in names + directories:
                path = Path(directory) / name
                if path.is_symlink():
                    target = os.path.normpath(os.path.join(original, path.readlink()))
                    inside = is_below(target, self.root)
                    if inside == path.readlink().is_absolute():
                        path.unlink()
                        path.symlink_to(staged + target[len(self.root) :] if inside else target)
        main = Path(staged, "apache2.conf")
        if main.exists():
            text = main.read_bytes()
            pattern = rb'^([ \t]*ServerRoot[ \t]+"?)' + re.escape(self.root.encode()) + rb"(?=[\"/ \t\r\n])"
            main.write_bytes(
                re.sub(pattern, lambda match: match[1] + staged.encode(), text, flags=re.MULTILINE | re.IGNORECASE)
            )

    def _test_message(self, root: str) -> str:
        """What httpd says against the configuration in a server root; empty when it is fine."""
        try:
            status, output = self._run_test(root)
        except subprocess.TimeoutExpired:
            return f"the test did not end within {TEST_SECONDS} s"
        if status == 0:
            return ""
        text = output.replace(root, self.root)
        noise = ("Action '", "The Apache error log may have more")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]
        return " ".join(lines) or f"exit status {status} without a message"

    def _obstacle(self, root: str) -> str:
        """Why httpd would not start on a configuration that it accepts; empty when nothing is known."""
        options = start.dump_options(self.instance)
        status, output = self._run_test(root, *options)
        if not options or status != 0:
            return ""
        return start.problem(self.instance, output) or self._misread(output.replace(root, self.root))

    def _misread(self, staged: str) -> str:
        """What of others httpd would no longer read as it does now; ``staged`` is its print of the copy."""
        if not self.foreign:
            return ""
        live = httpd_foreign.dump_of(self.instance)
        return httpd_foreign.changed_reading(live, staged, self.foreign) if live else ""

    def _run_test(self, root: str, *options: str) -> tuple[int, str]:
        """httpd's test of a server root: exit status, and both streams."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C",
            "APACHE_ENVVARS": str(Path(root) / Path(self.instance["environment_file"]).name),
        }
        result = subprocess.run(
            [self.instance["control"], "-d", root, *options, "-t"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TEST_SECONDS,
            check=False,
        )
        return result.returncode, result.stdout.decode(errors="replace")

    # Going live.

    def apply(self) -> None:
        """Change the files, as one step of the journal, which has to be open."""
        self.journal.apply(self._edits(), self.action)

    @property
    def manifests_differ(self) -> bool:
        """Whether only the record of what is ours has to be written."""
        return any(True for plan in self.plans for _ in plan.manifest.edit(plan.entries()))

    def save_manifests(self) -> None:
        """Write the record of what is ours, where nothing else changes."""
        for plan in self.plans:
            for edit in plan.manifest.edit(plan.entries()):
                Path(edit.path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
                journal.replace(edit)

    def _edits(self) -> Iterator[Edit]:
        for change in self.changes:
            if change.takes_over:
                kept = str(self.originals / original_name(change.path))
                yield Edit(kept, journal.COPY, target=change.path)
        for change in self.changes:
            yield from self._edit(change, change.path)
        for change in self.changes:
            if change.original:
                yield Edit(str(self.originals / change.original), journal.REMOVE)
        for plan in self.plans:
            yield from plan.manifest.edit(plan.entries())

    def _edit(self, change: Change, path: str) -> Iterator[Edit]:
        """What makes the change at a path: the live one, or that in the copy."""
        entry = change.desired
        if change.original:
            yield Edit(path, journal.COPY, target=str(self.originals / change.original))
        elif entry.kind == ABSENT:
            if not is_filled_directory(path):  # what is in it is not ours
                yield Edit(path, journal.REMOVE)
        elif entry.kind == LINK:
            yield Edit(path, journal.LINK, target=entry.target)
        else:
            kind = journal.WRITE if entry.kind == CONTENT else journal.DIRECTORY
            owners = (user_id(entry.owner, entry.path), group_id(entry.group, entry.path))
            yield Edit(path, kind, entry.content, "", entry.mode, *owners)

    def _put(self, change: Change, path: str) -> None:
        """Make a change in the copy."""
        for edit in self._edit(change, path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            journal.replace(edit)

    # Telling.

    def diff(self) -> list[dict[str, str]]:
        """The changes as Ansible shows them."""
        return [
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": _shown(change.found, change.desired.sensitive),
                "after": self._after(change),
            }
            for change in self.changes
        ]

    def _after(self, change: Change) -> str:
        entry = change.desired
        if change.original:
            return _shown(self.look(str(self.originals / change.original)), entry.sensitive)
        return _shown(Found(entry.kind, entry.content, entry.target, entry.mode), entry.sensitive)


def _shown(state: Found, sensitive: bool) -> str:
    if state.kind == ABSENT:
        return ""
    if state.kind == LINK:
        return f"-> {state.target}\n"
    if state.kind == DIRECTORY:
        return f"directory, mode {state.mode:04o}\n"
    return HIDDEN if sensitive else state.content.decode(errors="replace")


def is_filled_directory(path: str) -> bool:
    """Whether a path is a directory with something in it."""
    return os.path.isdir(path) and not os.path.islink(path) and bool(os.listdir(path))
