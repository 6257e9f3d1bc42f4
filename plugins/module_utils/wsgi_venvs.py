# SPDX-License-Identifier: Apache-2.0
"""The virtual environments of an application, named by what is in them. Runs on the managed host."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess

from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import inside

COMPLETE = ".complete"
ID_LENGTH = 20
INCLUDE = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)(?:\s+|=)(\S+)")
LOCAL = re.compile(r"\s*(?:(?:-e|--editable)(?:\s+|=)|\.{1,2}(?:/|\s|$)|[^#]*@\s*file:)")
HASH = re.compile(r"--hash[=\s]")
PIP_ERROR_LINES = 6


class VenvError(Exception):
    """A virtual environment cannot be made; the text is one sentence for the user."""


def requirement_files(release: str, path: str, seen: dict) -> dict:
    """The content of a requirements file and of all files that it includes, by path relative to the release."""
    found = inside(release, path)
    if found is None or not os.path.isfile(found):
        raise VenvError(f"the requirements file {path} is not in the source; correct the path or add the file")
    if path not in seen:
        with open(found, encoding="utf-8") as stream:
            seen[path] = stream.read()
        for line in seen[path].splitlines():
            match = INCLUDE.match(line)
            if match and "://" not in match.group(1):
                requirement_files(release, os.path.normpath(os.path.join(os.path.dirname(path), match.group(1))), seen)
    return seen


def identity(interpreter: dict, files: dict, release_id: str) -> str:
    """The name of a virtual environment. Requirements that point into the source make the release part of it."""
    local = any(LOCAL.match(line) for text in files.values() for line in text.splitlines())
    parts = [interpreter["executable"], interpreter["full_version"], interpreter["abi"], release_id if local else ""]
    total = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(files):
        total.update(f"\0{path}\0{files[path]}".encode())
    return total.hexdigest()[:ID_LENGTH]


def last_errors(output: str) -> str:
    """What pip says about a failure, in its own words."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:"))]
    return " ".join((errors or lines)[-PIP_ERROR_LINES:]) or "it said nothing"


def run(command: list, folder: str, cache: str, what: str) -> None:
    """Run a program; raises VenvError with its last error lines."""
    environment = {
        **os.environ,
        "PIP_CACHE_DIR": cache,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "LC_ALL": "C.UTF-8",
    }
    environment.pop("PYTHONPATH", None)
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise VenvError(f"{what} failed: {error}") from error
    if result.returncode != 0:
        raise VenvError(f"{what} failed: {last_errors(result.stdout)}")


def build(path: str, release: str, application: dict, files: dict, parameters: dict) -> None:
    """Make a virtual environment under its final name, since it cannot be moved; the marker comes last."""
    interpreter, cache, requirements = parameters["interpreter"], parameters["cache"], application["requirements"]
    if os.path.lexists(path):  # left behind by a run that was cut off
        shutil.rmtree(path)
    os.makedirs(cache, mode=0o755, exist_ok=True)
    try:
        pip = [] if requirements else ["--without-pip"]
        python = interpreter["executable"]
        run([python, "-m", "venv", *pip, path], release, cache, f"{python} -m venv (is its package venv installed?)")
        if requirements:
            hashes = ["--require-hashes"] if any(HASH.search(text) for text in files.values()) else []
            command = [os.path.join(path, "bin", "python"), "-m", "pip", "install", "--quiet", *hashes]
            run([*command, "--requirement", requirements], release, cache, f"pip install --requirement {requirements}")
        with open(os.path.join(path, COMPLETE), "w", encoding="utf-8"):
            pass
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def virtual_environment(application: dict, parameters: dict, check_mode: bool) -> dict:
    """The virtual environment of one application; made when it is missing."""
    release = parameters["releases"][application["name"]]
    if not os.path.isdir(release["path"]):  # only in check mode, where no release is made
        return {"id": "", "path": "", "changed": True}
    files: dict = {}
    if application["requirements"]:
        requirement_files(release["path"], application["requirements"], files)
    name = identity(parameters["interpreter"], files, release["id"])
    path = os.path.join(application["paths"]["venvs"], name)
    changed = not os.path.exists(os.path.join(path, COMPLETE))
    if changed and not check_mode:
        build(path, release["path"], application, files, parameters)
    return {"id": name, "path": path, "changed": changed}


def virtual_environments(applications: list, parameters: dict, check_mode: bool) -> dict:
    """Those of all applications, by name, each as ``id``, ``path`` and ``changed``.

    ``parameters`` are ``releases``, ``interpreter`` and ``cache`` (only for making one). Raises VenvError with a
    sentence that names the application.
    """
    found = {}
    for application in applications:
        try:
            found[application["name"]] = virtual_environment(application, parameters, check_mode)
        except (VenvError, OSError) as error:
            raise VenvError(
                f"wsgi_apps: application {application['name']!r}, key requirements: {error}; "
                "the virtual environment in use is untouched."
            ) from error
    return found
