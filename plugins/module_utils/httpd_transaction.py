# SPDX-License-Identifier: Apache-2.0
"""The configuration transaction: a whole set of files goes live together, or not at all.

The set of one owner is compared with the disk. What differs is first applied to a complete copy of the server root,
which httpd itself tests; only then each file is renamed into place. What the owner had before and no longer
wants is removed, or gets the distribution's original back. A manifest per owner remembers what is ours.
"""

from __future__ import annotations

import fcntl
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_pending import NONE, RELOAD, strongest

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

    def save(self) -> None:
        """Write it if it differs from the file."""
        text = json.dumps({"files": self.entries}, indent=1, sort_keys=True) + "\n"
        if not self.file.exists() or self.file.read_text(encoding="utf-8") != text:
            write_atomically(self.file, text.encode(), 0o600)


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
    """What is at a path now."""
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


def write_atomically(path: Path, content: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Write a file beside the path and rename it into place."""
    Path(write_beside(path, content, mode, uid, gid)).replace(path)


def write_beside(path: Path, content: bytes, mode: int, uid: int = -1, gid: int = -1) -> str:
    """Write a file that a rename puts into place; its name matches no include pattern. Returns the name."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)
    return name


def beside(path: Path, make: Callable[[str], None]) -> str:
    """Make something beside the path that a rename puts into place. Returns its name."""
    name = str(path.with_name(f".{path.name}.new"))
    Path(name).unlink(missing_ok=True)
    make(name)
    return name


def copy(source: str, destination: str) -> None:
    """Copy a file or a link with its owner and permissions."""
    shutil.copy2(source, destination, follow_symlinks=False)
    status = os.lstat(source)
    os.chown(destination, status.st_uid, status.st_gid, follow_symlinks=False)


def original_name(path: str) -> str:
    """How the kept original of a path is called in the state directory."""
    return f"{Path(path).name}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


@contextmanager
def locked(instance: Mapping[str, str]) -> Iterator[None]:
    """Two runs on one host wait for each other."""
    state = Path(instance["state_directory"])
    state.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (state / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


class Transaction:
    """One owner's set of files on one instance."""

    def __init__(self, instance: Mapping[str, str], owner: str, files: Iterable[Mapping[str, Any]], predict: bool):
        """``predict``: check mode; nothing is written, and a host without httpd is fine."""
        self.instance = instance
        self.owner = owner
        self.predict = predict
        self.root = instance["server_root"]
        self.state = Path(instance["state_directory"])
        self.manifest = Manifest.load(self.state / "manifests" / f"{owner}.json")
        self.fresh = not Path(self.root).is_dir()
        self.desired = self._only_once(desired_file(entry, self.root) for entry in files)
        self.changes = self._plan()

    @property
    def _originals(self) -> Path:
        return self.state / "originals"

    @property
    def action(self) -> str:
        """The strongest action that the changes need."""
        return strongest(*(change.desired.action for change in self.changes))

    @staticmethod
    def _only_once(entries: Iterable[Desired]) -> dict[str, Desired]:
        found: dict[str, Desired] = {}
        for entry in entries:
            if entry.path in found:
                raise TransactionError(f"{entry.path} is listed twice in one set of files; correct the task.")
            found[entry.path] = entry
        return found

    # Planning: reads only.

    def _plan(self) -> list[Change]:
        self._refuse_other_owners()
        changes = [change for entry in self.desired.values() for change in self._compare(entry)]
        left = [path for path in self.manifest.entries if path not in self.desired]
        changes += [change for path in left for change in self._withdraw(path)]
        changes = [change for change in changes if change.original or not self._is_done(change.desired, change.found)]
        return sorted(changes, key=lambda change: ORDER[change.desired.kind])

    def _refuse_other_owners(self) -> None:
        for file in sorted(self.manifest.file.parent.glob("*.json")):
            if file == self.manifest.file:
                continue
            for path in Manifest.load(file).entries:
                if path in self.desired:
                    raise TransactionError(
                        f"{path} already belongs to the owner {file.stem}, so {self.owner} cannot write it; "
                        "let only one of them list it."
                    )

    def _compare(self, entry: Desired) -> Iterator[Change]:
        found = look(entry.path)
        if entry.kind in (CONTENT, DIRECTORY) and not self.predict:  # else an earlier task may create the user
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
            yield Change(entry, found)

    def _has_target(self, entry: Desired) -> bool:
        target = os.path.normpath(Path(entry.path).parent / entry.target)
        wanted = self.desired.get(target)
        if wanted:
            return wanted.kind != ABSENT
        return Path(target).exists() or (self.predict and self.fresh)

    def _refuse_foreign(self, entry: Desired, found: Found) -> None:
        if found.kind == ABSENT or entry.path in self.manifest.entries:
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
            if self.predict:
                return False
            raise
        return (entry.mode, *owners) == (found.mode, found.uid, found.gid)

    def _withdraw(self, path: str) -> Iterator[Change]:
        """What becomes of a path that the owner no longer lists."""
        entry = self.manifest.entries[path]
        found = look(path)
        removal = Desired(path, ABSENT, action=entry["action"])
        if entry["kind"] == ABSENT and found.kind != ABSENT:
            return  # others have put something there since
        if entry["original"] and os.path.lexists(self._originals / entry["original"]):
            yield Change(removal, found, entry["original"])
        elif found.kind != DIRECTORY or not any(Path(path).iterdir()):
            yield Change(removal, found)

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
                self._put(change, Path(staged + change.path[len(self.root) :]))
            message = self._test_message(staged)
            if message and self._test_message(self.root):
                message += " (the live configuration does not pass the test either, even without the change)"
        if message:
            raise TransactionError(
                f"httpd refuses the configuration of {self.owner}, so nothing was changed: {message}"
            )

    @contextmanager
    def _staged(self) -> Iterator[str]:
        """A copy of the server root beside it, which only root can read; removed afterwards."""
        root = Path(self.root)
        prefix = f".{root.name}.staged-"
        for stale in root.parent.glob(f"{prefix}*"):
            shutil.rmtree(stale)
        outer = tempfile.mkdtemp(prefix=prefix, dir=root.parent)
        try:
            staged = str(Path(outer) / root.name)
            shutil.copytree(root, staged, symlinks=True)
            self._keep_to(staged)
            yield staged
        finally:
            shutil.rmtree(outer)

    def _keep_to(self, staged: str) -> None:
        """Let what names the server root by its absolute path mean the copy."""
        for directory, directories, names in os.walk(staged):
            for name in names + directories:
                path = Path(directory) / name
                if path.is_symlink() and is_below(str(path.readlink()), self.root):
                    target = staged + str(path.readlink())[len(self.root) :]
                    path.unlink()
                    path.symlink_to(target)
        main = Path(staged, "apache2.conf")
        if main.exists():
            text = main.read_bytes()
            pattern = rb'^([ \t]*ServerRoot[ \t]+"?)' + re.escape(self.root.encode()) + rb"(?=[\"/ \t\r\n])"
            main.write_bytes(
                re.sub(pattern, lambda match: match[1] + staged.encode(), text, flags=re.MULTILINE | re.IGNORECASE)
            )

    def _test_message(self, root: str) -> str:
        """What httpd says against the configuration in a server root; empty when it is fine."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C",
            "APACHE_ENVVARS": str(Path(root) / Path(self.instance["environment_file"]).name),
        }
        try:
            result = subprocess.run(
                [self.instance["control"], "-d", root, "-t"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the test did not end within {TEST_SECONDS} s"
        if result.returncode == 0:
            return ""
        text = result.stdout.decode(errors="replace").replace(root, self.root)
        noise = ("Action '", "The Apache error log may have more")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]
        return " ".join(lines) or f"exit status {result.returncode} without a message"

    # Going live.

    def apply(self) -> None:
        """Swap the files. Everything that can fail for want of space or of a user happens before the first rename."""
        for change in self.changes:
            self._keep_original(change)
        prepared = [(change, self._prepare(change, Path(change.path))) for change in self.changes]
        for change, name in prepared:
            self._commit(change, Path(change.path), name)
        self.save_manifest()
        for change in self.changes:
            if change.original:
                (self._originals / change.original).unlink()

    def save_manifest(self) -> None:
        """Remember what is ours now."""
        before = self.manifest.entries
        self.manifest.entries = {
            entry.path: {
                "kind": entry.kind,
                "action": entry.action,
                "original": before.get(entry.path, {}).get("original", "") or self._original_name(entry.path),
            }
            for entry in self.desired.values()
            if not entry.optional or entry.kind != LINK or os.path.lexists(entry.path)
        }
        self.manifest.file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        self.manifest.save()

    def _original_name(self, path: str) -> str:
        """The name of the kept original; empty when there is none."""
        name = original_name(path)
        return name if os.path.lexists(self._originals / name) else ""

    def _keep_original(self, change: Change) -> None:
        """Keep a file that we take over, once."""
        entry, found = change.desired, change.found
        if not entry.adopt or entry.path in self.manifest.entries or found.kind not in (CONTENT, LINK):
            return
        self._originals.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self._originals / original_name(entry.path)
        copy(entry.path, str(kept))

    def _put(self, change: Change, path: Path) -> None:
        self._commit(change, path, self._prepare(change, path))

    def _prepare(self, change: Change, path: Path) -> str:
        """Make what the rename puts into place; returns its name, empty where nothing is renamed."""
        entry = change.desired
        if entry.kind == ABSENT and not change.original:
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        if change.original:
            return beside(path, lambda name: copy(str(self._originals / change.original), name))
        if entry.kind == LINK:
            return beside(path, lambda name: Path(name).symlink_to(entry.target))
        owners = (user_id(entry.owner, entry.path), group_id(entry.group, entry.path))
        if entry.kind == DIRECTORY:
            path.mkdir(exist_ok=True)
            os.chown(path, *owners)
            path.chmod(entry.mode)
            return ""
        return write_beside(path, entry.content, entry.mode, *owners)

    @staticmethod
    def _commit(change: Change, path: Path, name: str) -> None:
        if name:
            Path(name).replace(path)
        elif change.desired.kind == ABSENT:
            remove(path)

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
            return _shown(look(str(self._originals / change.original)), entry.sensitive)
        return _shown(Found(entry.kind, entry.content, entry.target, entry.mode), entry.sensitive)


def _shown(state: Found, sensitive: bool) -> str:
    if state.kind == ABSENT:
        return ""
    if state.kind == LINK:
        return f"-> {state.target}\n"
    if state.kind == DIRECTORY:
        return f"directory, mode {state.mode:04o}\n"
    return HIDDEN if sensitive else state.content.decode(errors="replace")


def remove(path: Path) -> None:
    """Remove a file or a link; of directories only an empty one, since what is in it is not ours."""
    if path.is_dir() and not path.is_symlink():
        if not any(path.iterdir()):
            path.rmdir()
    elif os.path.lexists(path):
        path.unlink()
