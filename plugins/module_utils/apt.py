# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian: those that stay, and those that are there for the time of a build. Runs on the managed host."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

SECONDS_FOR_LOCK = 300
APT = [
    "apt-get",
    "--quiet",
    "--assume-yes",
    "--no-install-recommends",
    f"--option=DPkg::Lock::Timeout={SECONDS_FOR_LOCK}",
]


SOURCES = "the host's package sources or its package state"


class AptError(Exception):
    """apt-get failed; the text is one sentence for the user."""


def run_apt(host: str, *arguments: str) -> str:
    """Run apt-get and return what it wrote; raises AptError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        [*APT, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment
    )
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E: ")] or ["E: no reason given"]
        unknown = any("Unable to locate" in error or "no installation candidate" in error for error in errors)
        subject = "the name of the package, or the host's package sources" if unknown else SOURCES
        raise AptError(
            f"apt-get {' '.join(arguments[:3])} failed on host {host}: {' '.join(errors)}; "
            f"correct {subject}, then run again."
        )
    return result.stdout


def would_install(output: str) -> list[str]:
    """Packages that apt-get --simulate names as new; an upgraded one has its old version in brackets instead."""
    return sorted(set(re.findall(r"^Inst (\S+) \(", output, re.MULTILINE)))


def would_remove(output: str) -> list[str]:
    """Packages that apt-get --simulate would remove, without their architecture."""
    return sorted({name.partition(":")[0] for name in re.findall(r"^(?:Remv|Purg) (\S+)", output, re.MULTILINE)})


def read_record(path: Path) -> list[str]:
    """Names of the packages that were installed for a build; [] when there are none."""
    try:
        names: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return names
    except (OSError, ValueError):
        return []


def install(packages: list[str], record: Path | None, host: str, update: bool = True) -> list[str]:
    """Install packages after recording which of them are new, and return the new ones.

    Without a record, they stay for good.
    """
    # The lists may be older than the mirror's files; a build is rare, so this second is well spent.
    if update:
        run_apt(host, "update")
    new = would_install(run_apt(host, "install", "--simulate", *packages))
    if not new:
        return []
    if record is not None:
        # Added to those of an interrupted run, which are no less ours.
        write_record(record, sorted({*read_record(record), *new}))
    run_apt(host, "install", *packages)
    return new


def write_record(record: Path, names: list[str]) -> None:
    """Names of the packages that are there for a build."""
    record.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = record.with_name(record.name + ".new")
    temporary.write_text(json.dumps(names) + "\n", encoding="utf-8")
    temporary.replace(record)


def query(form: str, *names: str) -> list[list[str]]:
    """What dpkg knows of packages, or of all; the fields are those of a form with tabs between them."""
    command = ["dpkg-query", "-W", "-f", form + "\n", *names]
    # Its exit status is 1 when one of them is unknown, which is an answer, not a failure.
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [line.split("\t") for line in listing.splitlines()]


def provided(*names: str) -> dict[str, str]:
    """The installed ones of these packages, or of all, each with what it provides."""
    rows = query("${Package}\t${db:Status-Status}\t${Provides}", *names)
    return {name: provides for name, status, provides in rows if status == "installed"}


def missing(names: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed, under that name or as what another one provides."""
    wanted = sorted(set(names))
    found = set(provided(*wanted)) if wanted else set()
    if not found.issuperset(wanted):
        found |= {each.split(" ")[0] for provides in provided().values() for each in provides.split(", ")}
    return [name for name in wanted if name not in found]


def installed(names: list[str]) -> list[str]:
    """Those of the packages of which dpkg knows something."""
    rows = query("${binary:Package}\t${db:Status-Status}", *names)
    return [row[0] for row in rows if row[1] != "not-installed"]


def removable(names: list[str], host: str) -> list[str]:
    """Those of the packages whose removal takes nothing else away."""
    ours = {name.partition(":")[0] for name in names}
    remaining = list(names)
    while remaining:
        going = would_remove(run_apt(host, "purge", "--simulate", *remaining))
        if ours.issuperset(going):
            return remaining
        # Something else needs one of ours meanwhile: keep what, alone, would take it away.
        kept = [name for name in remaining if not needed_elsewhere(name, ours, host)]
        if kept == remaining:
            return []
        ours = {name.partition(":")[0] for name in kept}
        remaining = kept
    return remaining


def needed_elsewhere(name: str, ours: set[str], host: str) -> bool:
    """Whether removing one package would take away a package that is not ours."""
    return not ours.issuperset(would_remove(run_apt(host, "purge", "--simulate", name)))


def remove(record: Path, host: str, check_mode: bool, keep: Collection[str] = ()) -> list[str]:
    """Purge the recorded packages that nothing else needs, but for those in ``keep``, and return them."""
    recorded = [name for name in read_record(record) if name.partition(":")[0] not in keep]
    names = removable(installed(recorded), host)
    if not check_mode:
        if names:
            run_apt(host, "purge", *names)
        record.unlink(missing_ok=True)
    return names
