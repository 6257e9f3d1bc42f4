# SPDX-License-Identifier: Apache-2.0
"""What the programs of the build share: the files that a program needs, and copies of them below another root.

Runs inside the build with Python's standard library, 3.9 or later.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ELF = b"\x7fELF"
LIBRARY_LINE = re.compile(r"^\s*(?:\S+ => )?(?P<path>/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
MISSING_LINE = re.compile(r"^\s*(?P<name>\S+) => not found$", re.MULTILINE)
DPKG = Path("var/lib/dpkg")


class BuildError(Exception):
    """The build cannot go on; the text is for the person who builds."""


def is_elf(path: Path) -> bool:
    """Whether a file, or what a link leads to, is a program or a library, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(ELF)) == ELF


def libraries_in(said: str, path: object) -> list[str]:
    """The paths of the shared libraries that `ldd` names. Raises BuildError when it misses one."""
    if missing := MISSING_LINE.findall(said):
        raise BuildError(f"{path} needs {', '.join(missing)}, which ldd does not find; install it in the base image.")
    return LIBRARY_LINE.findall(said)


def libraries(path: Path) -> list[str]:
    """The paths of the shared libraries that one program or library needs, those that they need in turn included.

    Raises:
        BuildError: one of them is missing.
    """
    done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
    # Its status is 1 for a static program too.
    return libraries_in(done.stdout, path)


def closure(paths: Iterable[str]) -> set[str]:
    """Some paths, and the libraries of those that are programs or libraries."""
    found = set(paths)
    for path in sorted(found):
        if is_elf(Path(path)):
            found.update(libraries(Path(path)))
    return found


def steps(path: str) -> Iterator[str]:
    """The folders and links that lead to a path from the root, and what it is in the end. Links are followed.

    >>> list(steps("/lib/x.so"))  # where /lib is a link to usr/lib  # doctest: +SKIP
    ['/lib', '/usr', '/usr/lib', '/usr/lib/x.so']
    """
    parts, here = [part for part in path.split("/") if part], ""
    followed = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            here = here.rpartition("/")[0]
            continue
        here = f"{here}/{part}"
        yield here
        if os.path.islink(here):
            followed += 1
            if followed > 40:  # as the kernel does
                raise BuildError(f"The links from {path} lead in a circle; correct them in the base image.")
            target = os.readlink(here)
            rest = [part for part in target.split("/") if part not in ("", ".")]
            parts = [*rest, *parts]
            here = "" if target.startswith("/") else here.rpartition("/")[0]


def canonical(path: str) -> str:
    """A path whose folders are no links; the last part may be one."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def below(folder: str, leave_out: Iterable[str] = ()) -> Iterator[str]:
    """All files and links below a folder, and its empty folders, but nothing below folders of some names."""
    skipped = set(leave_out)
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in skipped)
        linked = [name for name in folders if os.path.islink(os.path.join(here, name))]
        yield from (os.path.join(here, name) for name in sorted([*files, *linked]))
        if not folders and not files:
            yield here


def copy(paths: Iterable[str], target: Path) -> None:
    """Copy files, and the folders and links that lead to them, below another root, with modes, owners and times."""
    wanted = sorted({step for path in paths for step in steps(path)})
    for path in wanted:
        copy_one(path, target / path.lstrip("/"))
    # A folder's time is that of its last entry, so folders come when all is there.
    for path in wanted:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.copystat(path, target / path.lstrip("/"))


def copy_one(source: str, target: Path) -> None:
    """Copy one folder (without its content), link or file."""
    found = os.lstat(source)
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(exist_ok=True)
    elif not target.is_symlink() and not target.exists():
        shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode):
        target.chmod(stat.S_IMODE(found.st_mode))  # chown takes set-user-ID away


# ---------------------------------------------------------------- packages of Debian


def stanzas(status: str) -> dict[str, str]:
    """The entries of dpkg's status file, by the name that its lists of files have."""
    found = {}
    for entry in re.split(r"\n{2,}", status.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+): ?(.*)$", entry, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        found[fields["Package"]] = entry
        found[f"{fields['Package']}:{fields['Architecture']}"] = entry
    return found


def package_files(root: Path) -> dict[str, list[str]]:
    """The paths of each installed package, by the name of its list of files (`libc6:amd64`)."""
    return {
        path.name[: -len(".list")]: path.read_text(encoding="utf-8").splitlines()
        for path in sorted((root / DPKG / "info").glob("*.list"))
    }


def owners(packages: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The package of each path, whichever way over links its list goes."""
    return {canonical(path): name for name, paths in packages.items() for path in paths}
