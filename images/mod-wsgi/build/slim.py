#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copy what serving needs out of the finished root into an empty one: httpd with the modules in use, Python with its
standard library, mod_wsgi, what ldd says these need, and the entries of exactly these packages in dpkg's database."""

from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import roots

ROOT = Path("/")
HTTPD = "/usr/sbin/apache2"
MODULE = re.compile(r"^\s*LoadModule\s+\S+\s+\"?(/[^\s\"]+)\"?\s*$", re.MULTILINE)

OURS = ("/etc/apache2", "/etc/mod-wsgi", "/opt/mod_wsgi", "/opt/venv", "/usr/local/lib/modwsgi-image")
FOLDERS = ("/app", "/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/var/www")  # noqa: S108 - to be there

CONFIGURATION = (
    "/etc/debian_version", "/etc/group", "/etc/host.conf", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types",
    "/etc/nsswitch.conf", "/etc/os-release", "/etc/passwd", "/etc/protocols", "/etc/services", "/etc/timezone",
)  # fmt: skip
"""What libraries read; one that the base does not have is left out."""

WHOLE = (
    "/etc/ssl",
    "/usr/lib/locale/C.utf8",
    "/usr/lib/locale/C.UTF-8",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
)

BY_NAME = ("libnss_dns.so.2", "libnss_files.so.2", "libnss_modwsgi.so.2")
"""Libraries that glibc loads by name while it runs, so that ldd does not see them; a later glibc has the first two in
itself."""

POLICY = os.path.join(os.path.dirname(os.path.realpath(__file__)), "manylinux.json")
"""The libraries that wheels may expect of every system: the Debian package of each that the image has (`package`;
with `machines`, a glibc for others may lack it), or why it has not (`left_out`)."""

TOOLS = (
    *("__pycache__", "curses", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests"),
    *("tkinter", "turtledemo", "venv"),
)
"""Folders of the standard library that serve nothing: tools of developers, terminals, and tests."""

NOT_FOR_SITES = re.compile(
    r"(lib-dynload/)?(_curses|_curses_panel|_dbm|_gdbm|_remote_debugging|_tkinter|nis|readline|turtle)[.]"
)
"""Modules for terminals, NIS, Berkeley's and GNU's databases: they bring 7 MB of libraries, and no site serves by them.
`dbm` goes on with its own formats."""

NOT_FOR_SERVING = re.compile(
    r"/opt/venv/bin/pip"
    r"|/opt/mod_wsgi/[^/]+/lib/[^/]+/site-packages/mod_wsgi/(docs|images)/"
)
"""Links to pip, which is in the images that derived images build with, and the pages that mod_wsgi-express serves by
itself."""

READ_FROM_FILES = ("encodings", "lib-dynload", "os.py", "zipfile", "zipimport.py")
"""What stays outside of the archive of the standard library: Python needs it before it can read archives, or finds its
folder by it."""


def module_paths(configuration: str) -> Iterator[str]:
    """The modules that httpd loads, by its configuration below a folder."""
    for path in sorted(glob.glob(os.path.join(configuration, "*-enabled", "*"))):
        if os.path.isfile(path):
            yield from MODULE.findall(Path(path).read_text(encoding="utf-8"))


def python_files() -> Iterator[str]:
    """The interpreter and its shared library, which Python's own build data name."""
    version = sysconfig.get_config_var("VERSION")
    yield os.path.join(sysconfig.get_config_var("BINDIR"), f"python{version}")
    folders = (sysconfig.get_config_var("LIBDIR"), f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}")
    names = {os.path.join(folder, f"libpython{version}.so.1.0") for folder in folders}
    found = [name for name in names if os.path.exists(name)]
    if not found:
        raise roots.BuildError(f"There is none of {', '.join(sorted(names))}; install the shared library of Python.")
    yield from found


def expected_by_wheels() -> dict[str, dict[str, Any]]:
    """The libraries of POLICY that the image has, with what it says of each."""
    libraries = json.loads(Path(POLICY).read_text(encoding="utf-8"))["libraries"]
    return {name: said for name, said in libraries.items() if "package" in said}


def named_libraries(folders: Iterable[str], expected: Mapping[str, dict[str, Any]], machine: str) -> list[str]:
    """The paths of the libraries of BY_NAME that are in some folders, and of those that wheels expect.

    Raises:
        BuildError: one of the latter is in none of them, and a machine (`x86_64`) has to have it.
    """
    paths = [os.path.join(folder, name) for folder in folders for name in (*BY_NAME, *expected)]
    found = [path for path in paths if os.path.exists(path)]
    needed = {name for name, said in expected.items() if machine in said.get("machines", [machine])}
    missing = sorted(needed - {os.path.basename(path) for path in found})
    if missing:
        packages = ", ".join(sorted({expected[name]["package"] for name in missing}))
        raise roots.BuildError(f"Wheels may expect {', '.join(missing)}, and there is none; install {packages}.")
    return found


def library_folders() -> list[str]:
    """Where libraries are, which the loader finds without being told."""
    folders = [*glob.glob("/lib/*-linux-gnu*"), *glob.glob("/usr/lib/*-linux-gnu*")]
    return ["/lib", "/usr/lib", "/usr/local/lib", *folders]


def split_library(folder: str) -> tuple[list[str], list[str]]:
    """The standard library: what goes into the archive, and what stays a file."""
    archived: list[str] = []
    files: list[str] = []
    for path in roots.below(folder, TOOLS):
        name = os.path.relpath(path, folder)
        if NOT_FOR_SITES.match(name):
            continue
        first = name.split(os.sep)[0]
        is_source = path.endswith(".py") and os.path.isfile(path)
        (archived if is_source and first not in READ_FROM_FILES else files).append(path)
        if is_source and first in READ_FROM_FILES:
            files += byte_code(path)
    return archived, files


def byte_code(source: str) -> list[str]:
    """The compiled form of a source, when the build has compiled it."""
    folder, name = os.path.split(source)
    path = os.path.join(folder, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}.pyc")
    return [path] if os.path.exists(path) else []


def write_archive(folder: str, sources: Iterable[str], archive: Path) -> None:
    """The standard library as one file, as Python looks for it; each module as source and compiled."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as stream:
        for source in sorted(sources):
            name = os.path.relpath(source, folder)
            for path, member in ((source, name), *((path, f"{name}c") for path in byte_code(source))):
                # Without times and owners: the same library gives the same archive.
                entry = zipfile.ZipInfo(member)
                entry.external_attr = 0o644 << 16
                stream.writestr(entry, Path(path).read_bytes(), zipfile.ZIP_DEFLATED, 9)


def serving_files() -> set[str]:
    """Everything but the standard library."""
    paths = {HTTPD, *module_paths("/etc/apache2"), *python_files()}
    paths.update(named_libraries(library_folders(), expected_by_wheels(), platform.machine()))
    paths |= {path for path in CONFIGURATION if os.path.lexists(path)}
    for folder in (*OURS, *(folder for folder in WHOLE if os.path.isdir(folder))):
        paths.update(path for path in roots.below(folder) if not NOT_FOR_SERVING.match(path))
    paths |= {link for link in ("/bin", "/lib", "/lib64", "/sbin") if os.path.islink(link)}
    return paths


def keep_packages(kept: Iterable[str], archived: Iterable[str], target: Path) -> list[str]:
    """Write dpkg's database for the packages that some of the files come from, with their licences; their names.

    `archived` are the sources in the archive of the standard library: their packages are there, but not these files.
    """
    packages = roots.package_files(ROOT)
    entries = roots.stanzas((ROOT / roots.DPKG / "status").read_text(encoding="utf-8"))
    owner = roots.owners(packages)
    present = {roots.canonical(path) for path in kept}
    parts = present | {roots.canonical(path) for path in archived}
    names = sorted({owner[path] for path in parts if path in owner and not os.path.isdir(path)} & set(entries))
    licences = [
        path
        for name in names
        for path in (f"/usr/share/doc/{name.partition(':')[0]}", f"/usr/share/doc/{name.partition(':')[0]}/copyright")
        if os.path.lexists(path) and (not os.path.isdir(path) or os.path.islink(path))
    ]
    roots.copy(licences, target)
    present |= {roots.canonical(path) for path in licences}
    information = target / roots.DPKG / "info"
    information.mkdir(parents=True)
    for name in names:
        listed = [
            path for path in packages[name] if (target / path.lstrip("/")).is_dir() or roots.canonical(path) in present
        ]
        (information / f"{name}.list").write_text("".join(f"{path}\n" for path in listed), encoding="utf-8")
        keep_checksums(name, set(listed), information)
    status = "".join(f"{entries[name]}\n\n" for name in names)
    (target / roots.DPKG / "status").write_text(status, encoding="utf-8")
    return names


def keep_checksums(name: str, listed: set[str], information: Path) -> None:
    """The checksums of the files of a package that are kept."""
    source = ROOT / roots.DPKG / "info" / f"{name}.md5sums"
    if source.exists():
        lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if "/" + line.split(None, 1)[1].strip() in listed]
        (information / source.name).write_text("".join(kept), encoding="utf-8")


def put_launcher(launcher: Path, target: Path) -> str:
    """Have the shared library run Python's command line, where Python's own program is all of it again; its path."""
    python = os.path.realpath(sys.executable)
    if any("libpython" in path for path in roots.libraries(Path(python))):
        return ""
    shutil.copy2(launcher, target / python.lstrip("/"))
    (target / python.lstrip("/")).chmod(0o755)
    return python


def make(target: Path, launcher: Path) -> list[str]:
    """Make the root; the names of its packages. Raises BuildError."""
    library = sysconfig.get_path("stdlib")
    archived, files = split_library(library)
    paths = roots.closure({*serving_files(), *files})
    roots.copy([*paths, *(folder for folder in FOLDERS if os.path.isdir(folder))], target)
    replaced = put_launcher(launcher, target)
    version = sysconfig.get_config_var("py_version_nodot")
    archive = target / library.lstrip("/") / ".." / f"python{version}.zip"
    write_archive(library, archived, Path(os.path.normpath(archive)))
    # Of what the archive is made of, too.
    kept = {step for path in paths for step in roots.steps(path)} - {replaced}
    return keep_packages(kept, archived, target)


def main(arguments: list[str]) -> int:
    """The program; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="folder to make; it must not be there")
    parser.add_argument("--launcher", type=Path, required=True, help="program that runs Python by its shared library")
    options = parser.parse_args(arguments)
    try:
        options.target.mkdir()
        names = make(options.target, options.launcher)
    except (OSError, roots.BuildError, shutil.Error) as error:
        print(f"slim: {error}", file=sys.stderr)
        return 1
    print(f"{len(names)} packages: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
