#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clean the root that is to become the image: what the build leaves behind and what differs from build to build goes,
and Python's byte code is compiled so that it depends on the sources alone."""

from __future__ import annotations

import argparse
import compileall
import glob
import os
import py_compile
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator

LEFT_BEHIND = (
    "/etc/*-",
    "/etc/.pwd.lock",
    "/etc/machine-id",
    "/etc/resolv.conf",
    "/root/.cache",
    "/tmp/*",  # noqa: S108 - it is what it is
    "/usr/share/man/*",
    "/var/cache/apt/*",
    "/var/cache/debconf/*-old",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/apt/lists/*",
    "/var/lib/dpkg/*-old",
    "/var/lib/dpkg/lock*",
    "/var/lib/systemd/*",
    "/var/log/*",
    "/var/tmp/*",  # noqa: S108
)
TESTS = ("test", "tests", "idle_test")
"""Folders of the standard library that only test it."""

TEST_MODULE = re.compile(r"_?(xx)?test|xx|_ctypes_test")
"""Compiled modules of the standard library that only its tests import."""

COMPILED = ("/opt/mod_wsgi", "/usr/local/lib/modwsgi-image")
"""Folders with Python sources besides the standard library."""

NOT_COMPILED = ("/opt/pip", "/opt/venv")
"""pip, of which derived images have no need while they serve."""


def left_behind() -> Iterator[str]:
    """What is there of the files that no image needs."""
    for pattern in LEFT_BEHIND:
        yield from glob.glob(pattern)
    library = sysconfig.get_path("stdlib")
    for here, folders, _ in os.walk(library):
        if "site-packages" in folders:
            folders.remove("site-packages")
        yield from (os.path.join(here, name) for name in folders if name in TESTS)
    yield from (
        path
        for path in glob.glob(os.path.join(library, "lib-dynload", "*"))
        if TEST_MODULE.match(os.path.basename(path))
    )


def remove(path: str) -> None:
    """Remove a file, a link, or a folder with all in it. What the engine has mounted stays."""
    if os.path.ismount(path):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def without_days(shadow: str) -> str:
    """The file /etc/shadow without the days on which passwords were last changed, which are those of the build.

    >>> without_days("www-data:*:19000:0:99999:7:::")
    'www-data:*::0:99999:7:::'
    """
    return re.sub(r"^([^:\n]*:[^:\n]*):[0-9]+:", r"\1::", shadow, flags=re.MULTILINE)


def clean() -> None:
    """Remove what is not to be in the image."""
    for path in list(left_behind()):
        remove(path)
    with open("/etc/shadow", "r+", encoding="utf-8") as stream:
        text = without_days(stream.read())
        stream.seek(0)
        stream.write(text)
        stream.truncate()


def remove_byte_code(tree: str) -> None:
    """Remove all byte code below a folder."""
    for here, folders, _ in os.walk(tree):
        if "__pycache__" in folders:
            shutil.rmtree(os.path.join(here, "__pycache__"))
            folders.remove("__pycache__")


def compile_sources(tree: str) -> None:
    """Compile the sources below a folder. The byte code holds no time, and Python does not compare it with them."""
    # A source that does not compile (a template of a tool) is left without byte code.
    compileall.compile_dir(tree, quiet=2, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def main(arguments: list[str]) -> int:
    """The program; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(arguments)
    clean()
    compiled = (sysconfig.get_path("stdlib"), *COMPILED)
    for tree in (*compiled, *NOT_COMPILED):
        remove_byte_code(tree)
    for tree in compiled:
        compile_sources(tree)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
