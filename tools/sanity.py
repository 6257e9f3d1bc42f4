#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask ansible-test, Ansible's own checker of collections, about the collection as users get it.

It takes the packed collection, and keeps its environments in .lab/sanity. Exits with 1 when it finds something.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".lab/sanity"

#: Of its tests, those of which our own linters and unit tests do not ask more.
TESTS = (
    "action-plugin-docs", "empty-init", "no-get-exception", "no-illegal-filenames", "replace-urlopen",
    "runtime-metadata", "shebang", "symlinks", "use-argspec-type-path", "use-compat-six", "validate-modules",
)  # fmt: skip

#: ansible-test gets pip from a server of Ansible's for its environments. Python brings one, and needs no server.
OWN_PIP = "import ensurepip\nensurepip.bootstrap()\n"
PIP_NAMES = ("get_pip_24_2.py", "get_pip_25_0.py", "get_pip_25_2.py")


def unpacked(folder: Path) -> Path:
    """The packed collection, where Ansible looks for collections."""
    built = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(built, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    (archive,) = folder.glob("*.tar.gz")
    place = folder / "ansible_collections/modwsgi/deploy"
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    return place


def exceptions(place: Path) -> Iterator[str]:
    """What is right here and not in Ansible itself: another license, and programs that hosts get."""
    for module in sorted((place / "plugins/modules").glob("*.py")):
        yield f"plugins/modules/{module.name} validate-modules:missing-gplv3-license"
    for file in sorted((*(place / "plugins/module_utils").rglob("*.py"), *(place / "roles").glob("*/files/*.py"))):
        if file.read_bytes().startswith(b"#!"):
            yield f"{file.relative_to(place)} shebang"


def ansible_test(place: Path) -> subprocess.CompletedProcess[str]:
    """What it says."""
    cache = HOME / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in PIP_NAMES:
        (cache / name).write_text(OWN_PIP, encoding="utf-8")
    version = subprocess.run(["ansible-test", "--version"], capture_output=True, text=True, check=True).stdout
    ignored = place / f"tests/sanity/ignore-{'.'.join(version.split()[-1].split('.')[:2])}.txt"
    ignored.parent.mkdir(parents=True)
    ignored.write_text("".join(f"{line}\n" for line in exceptions(place)), encoding="utf-8")
    command = ["ansible-test", "sanity", "--color", "no", "--requirements"]
    command += ["--python", ".".join(map(str, sys.version_info[:2]))]
    command += [word for name in TESTS for word in ("--test", name)]
    return subprocess.run(
        command, cwd=place, env={**os.environ, "HOME": str(HOME)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def main() -> int:
    """Run it; its words only when it finds something."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    with tempfile.TemporaryDirectory(prefix="modwsgi-sanity-") as folder:
        done = ansible_test(unpacked(Path(folder)))
    if done.returncode:
        print(done.stdout)
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
