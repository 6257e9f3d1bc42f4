# SPDX-License-Identifier: Apache-2.0
"""AppArmor as the kernel of this host has it, and httpd's profile in it. Runs on the managed host."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

PARSER = "/sbin/apparmor_parser"
"""Reads a profile and gives it to the kernel. The package apparmor of Debian 11 has it there, not below /usr."""
ENABLED = Path("/sys/module/apparmor/parameters/enabled")
"""Says Y where the kernel was started with AppArmor."""
FOLDER = Path("/sys/kernel/security/apparmor")
"""Through which a host, and no container, tells the kernel of profiles."""
PROC = Path("/proc")

COMPLAIN, ENFORCE = "complain", "enforce"
UNCONFINED = "unconfined"
LARGEST_PROFILE = 1 << 20
"""Characters that are read of a profile's file."""
_FLAGS = re.compile(r"^profile \S+ flags=\(([a-z_,]*)\) \{$", re.MULTILINE)


def is_on() -> bool:
    """Whether AppArmor is active."""
    try:
        return ENABLED.read_text(encoding="ascii").strip() == "Y"
    except OSError:
        return False


def takes_profiles() -> bool:
    """Whether AppArmor is active, and can be given a profile from here (a container cannot)."""
    return is_on() and (FOLDER / "profiles").exists()


def _profiles() -> list[str]:
    """The names of the profiles that the kernel has; of a hat or a child, NAME//CHILD."""
    try:
        lines = (FOLDER / "profiles").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line.rpartition(" (")[0] for line in lines]


def is_ready(program: str) -> bool:
    """Whether a program can have our profile with nothing to install, and none that somebody else has made for it.

    By default ours only logs, so it must not take the place of one that may hold.
    """
    name = os.path.basename(program)
    theirs = any(os.path.basename(each.partition("//")[0]) == name for each in _profiles())
    return takes_profiles() and os.access(PARSER, os.X_OK) and not theirs


def knows(profile: str) -> bool:
    """Whether the kernel has a profile of this name."""
    return profile in _profiles()


def forget(profile: str) -> None:
    """Let the kernel forget a profile; the processes that have it go on without one."""
    with contextlib.suppress(OSError):  # no AppArmor, or no such profile
        (FOLDER / ".remove").write_text(profile, encoding="ascii")


def mode(file: str) -> str:
    """What our profile in a file asks for. Raises OSError."""
    with open(file, encoding="utf-8", errors="replace") as stream:
        found = _FLAGS.search(stream.read(LARGEST_PROFILE))
    return COMPLAIN if found and COMPLAIN in found[1].split(",") else ENFORCE


def label(pid: int) -> str:
    """The profile of a process and its mode, as in "NAME (enforce)"; "unconfined" where it has none."""
    try:
        found = (PROC / str(pid) / "attr/current").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return UNCONFINED
    return found.strip("\0\n ") or UNCONFINED
