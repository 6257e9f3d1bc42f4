#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make a folder that brings ansible-playbook, its Python and all shared libraries along, so that it runs on any Debian.

What applies the roles needs a newer Python than the oldest Debian has; the roles' modules run with Debian's own.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import roots

STARTER = """\
import sys

sys.path.insert(0, {packages!r})
from ansible.cli.playbook import main

sys.exit(main())
"""


def loader(said: str) -> str:
    """The dynamic loader among the libraries that ldd names. Raises BuildError."""
    found = re.search(r"^\s*(/\S*/ld-linux\S*) \(0x", said, re.MULTILINE)
    if not found:
        raise roots.BuildError("ldd names no dynamic loader (ld-linux); build on Debian.")
    return found.group(1)


def command(target: Path, python: str, libraries: Iterable[str], loader_path: str, starter: Path) -> str:
    """The program that starts ansible-playbook with its own loader: the base's may be older than this Python needs."""
    root = target / "root"
    folders = sorted({str(root / os.path.dirname(path).lstrip("/")) for path in libraries})
    words = [
        str(root / loader_path.lstrip("/")),
        "--library-path",
        ":".join(folders),
        str(root / python.lstrip("/")),
        "-I",
        str(starter),
    ]
    return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'


def make(target: Path) -> None:
    """Add the root, the starter and the command to a folder that has packages/ already. Raises BuildError."""
    python = os.path.realpath(sys.executable)
    said = subprocess.run(["ldd", python], stdout=subprocess.PIPE, text=True, check=True).stdout
    files = {python, *roots.below(sysconfig.get_path("stdlib"), ("__pycache__", "test"))}
    libraries = roots.closure({*files, *roots.below(str(target / "packages"))}) - files
    libraries = {path for path in libraries if not path.startswith(f"{target}/")}
    root = target / "root"
    root.mkdir()
    roots.copy(files | libraries, root)
    starter = target / "start.py"
    starter.write_text(STARTER.format(packages=str(target / "packages")), encoding="utf-8")
    program = target / "ansible-playbook"
    # Not by a link: its target would be that of the base.
    text = command(target, python, map(os.path.realpath, libraries), os.path.realpath(loader(said)), starter)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)


def main(arguments: list[str]) -> int:
    """The program; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="absolute path; packages/ in it has ansible-core and what it needs")
    options = parser.parse_args(arguments)
    try:
        make(options.folder)
    except (OSError, roots.BuildError, subprocess.CalledProcessError) as error:
        print(f"control: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
