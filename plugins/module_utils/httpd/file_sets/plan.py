# SPDX-License-Identifier: Apache-2.0
"""What has to change on the disk so that the sets of files of one or more owners are there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    DIRECTORY,
    LINK,
    ORDER,
    Change,
    Desired,
    Found,
    Manifest,
    TransactionError,
    desired_file,
    group_id,
    look,
    original_name,
    user_id,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.pending import strongest

HIDDEN = "(not shown: the file is sensitive)\n"


class Plan:
    """One owner's set of files on one instance, and what has to change for it. Reads only."""

    def __init__(self, comparison: Comparison, owner: str, desired: dict[str, Desired]) -> None:
        """``comparison`` knows the sets of the others that go live together with it."""
        self.comparison = comparison
        self.owner = owner
        self.desired = desired
        self.manifest = comparison.manifest(owner)

    def changes(self) -> list[Change]:
        """What differs from the disk, in the order in which it is to change."""
        self._refuse_other_owners()
        changes = [change for entry in self.desired.values() for change in self._compare(entry)]
        wanted = self.comparison.desired
        left = [path for path in self.manifest.entries if path not in wanted]
        changes += [change for path in left for change in self._withdraw(path)]
        return [change for change in changes if change.original or not self._is_done(change.desired, change.found)]

    def entries(self) -> dict[str, dict[str, str]]:
        """What the manifest says afterwards."""
        before, left = self.manifest.entries, {change.path for change in self.comparison.left}
        wanted = {
            entry.path: {
                "kind": entry.kind,
                "action": entry.action,
                "original": before.get(entry.path, {}).get("original", "") or self._original(entry),
                **({"found": "as wanted"} if self._was_there(entry) else {}),
            }
            for entry in self.desired.values()
            if entry.path not in left and (entry.kind != LINK or self._has_target(entry))
        }
        return {**wanted, **{path: before[path] for path in left if path in before}}

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
        return name if self.comparison.has_original(name) or self.takes_over(entry, self._look(entry.path)) else ""

    def takes_over(self, entry: Desired, found: Found) -> bool:
        """Whether the path is somebody else's until now, and is to be kept."""
        foreign = found.kind in (CONTENT, LINK) and not self._is_ours(entry.path)
        return foreign and entry.adopt and not self._is_done(entry, found)

    def _look(self, path: str) -> Found:
        return self.comparison.look(path)

    def _is_ours(self, path: str) -> bool:
        return any(path in plan.manifest.entries for plan in self.comparison.plans)

    def _refuse_other_owners(self) -> None:
        together = {plan.owner for plan in self.comparison.plans}
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
        if entry.kind in (CONTENT, DIRECTORY) and not self.comparison.predict:  # an earlier task may create the user
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
        wanted = self.comparison.desired.get(target)
        if wanted:
            return wanted.kind != ABSENT
        return Path(target).exists() or (self.comparison.predict and self.comparison.fresh)

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
            if self.comparison.predict:
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
        if "found" in entry and found.kind == LINK and self.comparison.foreign:
            return  # others had put it there before, and may use it
        if entry["original"] and self.comparison.has_original(entry["original"]):
            yield Change(removal, found, entry["original"])
        elif found.kind != DIRECTORY or not any(Path(path).iterdir()):
            yield Change(removal, found)


class Comparison:
    """The sets of one or more owners on one instance, and what has to change for them. Reads only."""

    def __init__(
        self,
        instance: Mapping[str, str],
        sets: Mapping[str, Iterable[Mapping[str, Any]]],
        predict: bool,
        foreign: Iterable[str] = (),
        stays: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """``sets``: the files of each owner. ``predict``: check mode; nothing is written, and no httpd is fine.

        ``foreign``: files of others, which httpd has to read as before. ``stays``: whether a path stays as it is,
        whatever its set says.
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
        every = [change for of_owner in changes.values() for change in of_owner]
        self.left = [change for change in every if stays(change.path)]
        """What differs, and stays."""
        self.changes = sorted(
            (change for change in every if change not in self.left), key=lambda change: ORDER[change.desired.kind]
        )
        made = {change.path for change in self.changes}
        self.owners = " and ".join(
            owner for owner, of_owner in changes.items() if any(change.path in made for change in of_owner)
        )
        """Those with changes, in words."""

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
