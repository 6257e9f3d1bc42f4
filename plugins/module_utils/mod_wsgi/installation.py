# SPDX-License-Identifier: Apache-2.0
"""Installations of mod_wsgi below one folder: a virtual environment each, complete when its record is there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

RECORD = "installation.json"

_LIBRARY_NAME = re.compile(rb"libpython(\d+\.\d+)[a-z]*\.so")

COMPANIONS = ("reload_drain", "wsgi_buffering", "wsgi_admission")
"""Modules of httpd that are linked into mod_wsgi's own file; the source of each is mod_NAME.c of the role mod_wsgi."""


class InstallationError(Exception):
    """The module could not be built or installed; the text is one sentence for the user."""


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_record(directory: str | Path) -> dict[str, Any]:
    """The record of a complete installation whose module is in place, otherwise an empty dict."""
    try:
        record = json.loads(Path(directory, RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict) or not Path(record.get("module", "")).is_file():
        return {}
    return record


def linked_pythons(module: bytes) -> set[str]:
    """Python versions ("3.11") whose libpython a compiled module names."""
    return {found.decode() for found in _LIBRARY_NAME.findall(module)}


def missing_companions(module: bytes) -> list[str]:
    """The companions that a compiled module of mod_wsgi lacks: all, in one that was not built by the role."""
    # As a table of symbols has it.
    return [name for name in COMPANIONS if f"\0{name}_module\0".encode() not in module]


def modules_of_wheel(wheel: str | Path) -> list[bytes]:
    """The compiled modules in a wheel; empty when the file is no wheel."""
    try:
        with ZipFile(wheel) as archive:
            return [archive.read(name) for name in archive.namelist() if name.endswith(".so")]
    except BadZipFile:
        return []


def verify_module(path: str | Path, interpreter: dict[str, Any]) -> None:
    """Raise InstallationError unless the compiled module on disk is the interpreter's.

    httpd's own configuration test does not see this: a module for another Python passes it and serves
    on that other Python (measured on Debian 12, Apache 2.4, 2026-11).
    """
    path = Path(path)
    wanted = interpreter["version"]
    try:
        linked = linked_pythons(path.read_bytes())
    except OSError as error:
        raise InstallationError(f"The compiled module {path} is missing ({error.strerror}); build it again.") from error
    if not path.name.endswith(interpreter["extension_suffix"]) or linked != {wanted}:
        found = ", ".join(sorted(linked)) or "none"
        raise InstallationError(
            f"The compiled module {path} belongs to another Python (it names libpython {found}, the target is "
            f"{wanted}); remove that wheel and build it again."
        )


def _run(command: list[str]) -> None:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if result.returncode:
        lines = result.stdout.strip().splitlines() or [f"exit status {result.returncode}"]
        raise InstallationError(f"{' '.join(command[:4])} failed: {lines[-1]}")


def _relocate_scripts(directory: Path, final: Path) -> None:
    """Name the final place in the scripts of a virtual environment that was made in another."""
    for path in [*directory.glob("bin/*"), directory / "pyvenv.cfg"]:
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        path.write_bytes(content.replace(os.fsencode(directory), os.fsencode(final)))


def _exchange(new: Path, final: Path) -> None:
    """Put a folder in its final place; what was there stays until the new one is in place."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    new.rename(final)
    # A running httpd keeps the old module open, so removing it takes nothing from it.
    shutil.rmtree(old, ignore_errors=True)


def install_wheel(wheel: str, directory: str, record: dict[str, Any]) -> None:
    """Install a wheel into a fresh virtual environment at ``directory``; whole or not at all.

    ``record`` describes the installation (interpreter, module, ...) and is written last.
    Raises InstallationError.
    """
    final = Path(directory)
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _run([record["interpreter"]["executable"], "-I", "-m", "venv", str(partial)])
        pip = [str(partial / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        _run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir", wheel])
        module = partial / Path(record["module"]).relative_to(final)
        verify_module(module, record["interpreter"])
        _relocate_scripts(partial, final)
        (partial / RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _exchange(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
