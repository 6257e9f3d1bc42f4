# SPDX-License-Identifier: Apache-2.0
"""Take a wheel that somebody else has built into the cache. Runs on the control node only.

The wheel goes into a private folder beside its place first, and is looked at there: nothing that exists is replaced,
and whatever its builder sends, no other file is written.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import (
    linked_pythons,
    missing_companions,
    sha256_of,
)

LARGEST_WHEEL = 64 << 20
"""Bytes; a wheel of mod_wsgi has about one million."""
LARGEST_CONTENT = 256 << 20
"""Bytes of all files in a wheel."""
MOST_FILES = 5000

_UNREADABLE = (BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error)


class WheelError(Exception):
    """A wheel that is not taken; the text is one sentence for the user."""


@dataclass(frozen=True)
class Planned:
    """What a wheel has to be."""

    path: str
    """Its place on the control node."""
    version: str
    """Of mod_wsgi: "6.1.1"."""
    python: str
    """"3.11"."""
    module: str
    """File name of the compiled module: "mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so"."""
    builder: str
    """Who has built it, for sentences."""

    @property
    def name(self) -> str:
        """Its file name."""
        return Path(self.path).name


@contextlib.contextmanager
def limited_files(size: int = LARGEST_WHEEL) -> Iterator[None]:
    """Within the block, neither this process nor one that it starts writes a file of more than ``size`` bytes.

    For what a connection fetches: a host can send without an end.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def arriving(planned: Planned) -> Iterator[Path]:
    """A path for the wheel until it is known to be what was planned, in a folder of its own that does not stay."""
    folder = Path(planned.path).parent
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    private = tempfile.mkdtemp(prefix=".arriving-", dir=folder)
    try:
        yield Path(private, "wheel")
    finally:
        shutil.rmtree(private, ignore_errors=True)


def keep(arrived: Path, planned: Planned, second: str = "", second_builder: str = "") -> str:
    """Put a wheel that has arrived in its place in the cache, with its checksum beside it; its SHA-256.

    second: the SHA-256 that an independent build gave, "" without one; second_builder: who has built that.
    Raises WheelError; then nothing is in the cache that was not there.
    """
    verify(arrived, planned)
    checksum = sha256_of(arrived)
    if second and second != checksum:
        raise WheelError(
            f"{planned.name} as {planned.builder} has built it is not what host {second_builder} has built (SHA-256 "
            f"{checksum} and {second}), so nothing is installed; bring both to the same packages, and if they "
            "still differ, find out which of them somebody has changed."
        )
    arrived.chmod(0o644)
    note = arrived.with_name("checksum")
    note.write_text(f"{checksum}  {planned.name}\n", encoding="utf-8")
    # The wheel last: without it, a checksum counts for nothing.
    for path, place in ((note, f"{planned.path}.sha256"), (arrived, planned.path)):
        _put(path, Path(place), planned)
    return checksum


def _put(path: Path, place: Path, planned: Planned) -> None:
    """Give a file its place; what is there stays, and has to be the same."""
    try:
        os.link(path, place, follow_symlinks=False)
    except FileExistsError:
        if place.is_symlink() or not place.is_file() or sha256_of(place) != sha256_of(path):
            raise WheelError(
                f"{place} is there already, and is not what {planned.builder} has built; find out where it comes from, "
                f"remove {planned.path} and {planned.path}.sha256, then run again."
            ) from None


def verify(path: Path, planned: Planned) -> None:
    """Raise WheelError unless a file is the planned wheel: by its size, its files and its compiled module."""
    refused = f"{planned.name} as {planned.builder} has built it"
    advice = "it is not kept; find out what has built it"
    if path.is_symlink() or not path.is_file():
        raise WheelError(f"{refused} is no file; {advice}.")
    size = path.stat().st_size
    if size > LARGEST_WHEEL:
        raise WheelError(f"{refused} has more than {LARGEST_WHEEL} bytes; {advice}.")
    try:
        with ZipFile(path) as archive:
            problem = _members_problem(archive.infolist(), planned) or _module_problem(archive, planned)
    except _UNREADABLE as error:
        raise WheelError(f"{refused} is no wheel ({error}); {advice}.") from None
    if problem:
        raise WheelError(f"{refused} {problem}; {advice}.")


def _members_problem(members: list[ZipInfo], planned: Planned) -> str:
    if len(members) > MOST_FILES or sum(member.file_size for member in members) > LARGEST_CONTENT:
        return f"holds more than {MOST_FILES} files or {LARGEST_CONTENT} bytes"
    folders = {"mod_wsgi", f"mod_wsgi-{planned.version}.dist-info"}
    seen: set[str] = set()
    for member in members:
        path = PurePosixPath(member.filename)
        if ".." in path.parts or path.parts[:1] == () or path.parts[0] not in folders or member.filename in seen:
            return f"holds {ascii(member.filename)[:200]}, which no wheel of mod_wsgi {planned.version} has"
        seen.add(member.filename)
    return ""


def _module_problem(archive: ZipFile, planned: Planned) -> str:
    wanted = f"mod_wsgi/server/{planned.module}"
    compiled = [name for name in archive.namelist() if name.endswith(".so")]
    if compiled != [wanted]:
        return f"does not hold {wanted} as its only compiled module"
    content = archive.read(wanted)
    linked = linked_pythons(content)
    if linked != {planned.python}:
        return f"is linked with libpython {', '.join(sorted(linked)) or 'none'}, not with {planned.python}"
    missing = missing_companions(content)
    return f"lacks {missing[0]}_module" if missing else ""
