#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Make the virtual environments of WSGI applications, each in a folder named by what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_venv
short_description: Virtual environments of WSGI applications, named by their content
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - A virtual environment is named by the interpreter and the requirements. One that is complete is never changed;
    other requirements or another Python make another one.
  - When any requirement carries a hash, all must (pip's C(--require-hashes)).
  - A failure leaves the virtual environment in use as it is.
options:
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
  releases:
    description: RV(modwsgi.deploy.wsgi_release#module:releases).
    type: dict
    required: true
  interpreter:
    description: The fact C(mod_wsgi_interpreter) of the role mod_wsgi.
    type: dict
    required: true
  cache:
    description: Folder in which pip keeps what it downloaded and built.
    type: path
    default: /var/cache/modwsgi/pip
attributes:
  check_mode:
    description: Predicts.
    support: full
"""

EXAMPLES = r"""
- name: The virtual environments are there
  modwsgi.deploy.wsgi_venv:
    applications: "{{ applications }}"
    releases: "{{ release.releases }}"
    interpreter: "{{ mod_wsgi_interpreter }}"
"""

RETURN = r"""
venvs:
  description: >-
    For each application its virtual environment as C(id), C(path) and C(changed). In check mode C(id) is empty where it
    cannot be known.
  returned: success
  type: dict
"""

import hashlib
import os
import re
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule
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


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "releases": {"type": "dict", "required": True},
            "interpreter": {"type": "dict", "required": True},
            "cache": {"type": "path", "default": "/var/cache/modwsgi/pip"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    venvs = {}
    for application in module.params["applications"]:
        try:
            venvs[application["name"]] = virtual_environment(application, module.params, module.check_mode)
        except (VenvError, OSError) as error:
            module.fail_json(
                msg=f"wsgi_apps: application {application['name']!r}, key requirements: {error}; "
                "the virtual environment in use is untouched."
            )
    module.exit_json(changed=any(venv["changed"] for venv in venvs.values()), venvs=venvs)


if __name__ == "__main__":
    main()
