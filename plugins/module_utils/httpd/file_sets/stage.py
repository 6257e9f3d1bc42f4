# SPDX-License-Identifier: Apache-2.0
"""Whole sets of files go live together, or not at all.

The sets of one or more owners are compared with the disk. What differs is first applied to a complete copy of the
server root, which httpd itself tests; only then it goes live, as one step of the journal, which can be undone. What an
owner had before and no longer wants is removed, or gets the distribution's original back. A manifest per owner
remembers what is ours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, journal, start
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    LINK,
    Change,
    TransactionError,
    group_id,
    is_below,
    is_filled_directory,
    is_full,
    original_name,
    user_id,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.plan import Comparison
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.reading import (
    TEST_SECONDS,
    dump,
    dump_options,
    run_test,
)


class Transaction(Comparison):
    """The sets of one or more owners on one instance, which go live together."""

    # Testing: on a copy.

    def test(self) -> None:
        """Let httpd test the set on a copy of the server root. Raises TransactionError with httpd's own message."""
        self._test_profile()
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

    def _test_profile(self) -> None:
        """Let AppArmor read its profile, without which httpd would not start. Raises TransactionError."""
        for change in self.changes:
            if change.path != self.instance["apparmor_file"] or change.desired.kind != CONTENT:
                continue
            try:
                done = subprocess.run(
                    [apparmor.PARSER, "--skip-kernel-load", "--skip-cache"],
                    input=change.desired.content,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=TEST_SECONDS,
                    check=False,
                )
            except FileNotFoundError:
                raise TransactionError(
                    f"{apparmor.PARSER} is missing, so the profile of httpd_apparmor cannot be read; install apparmor."
                ) from None
            if done.returncode:
                said = " ".join(done.stdout.decode(errors="replace").split())
                raise TransactionError(
                    f"AppArmor refuses the profile, so nothing was changed: {said}; correct httpd_apparmor_rules."
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
            status, output = run_test(self.instance, root)
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
        options = dump_options(self.instance)
        status, output = run_test(self.instance, root, options)
        if not options or status != 0:
            return ""
        return start.problem(self.instance, output) or self._misread(output.replace(root, self.root))

    def _misread(self, staged: str) -> str:
        """What of others httpd would no longer read as it does now; ``staged`` is its print of the copy."""
        if not self.foreign:
            return ""
        live = dump(self.instance)
        return httpd_foreign.changed_reading(live, staged, self.foreign) if live else ""

    # Going live.

    def apply(self) -> None:
        """Change the files, as one step of the journal, which has to be open."""
        self.journal.apply(self._edits(), self.action)

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
