#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Put the code of WSGI applications on the host, each release in a folder named by its content."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_release
short_description: Releases of WSGI applications, named by their content
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - For a source on the control node, digests the folder there and transfers it only when the host does not have that
    release yet.
  - For a git repository, resolves the version to a commit and exports that commit on the host.
  - A release belongs to root and is never changed once it has its final name. It is not in use before
    M(modwsgi.deploy.wsgi_switch).
  - Works as an action plugin and a module of the same name; the options C(digest) and C(archive) of an application are
    filled in by the action plugin.
options:
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
  atexit_warnings:
    description: Whether to warn of code that registers handlers of C(atexit), by file and line.
    type: bool
    default: false
attributes:
  check_mode:
    description: Predicts; a git source is then resolved only where git is installed.
    support: full
"""

EXAMPLES = r"""
- name: The code is on the host
  modwsgi.deploy.wsgi_release:
    applications: "{{ wsgi_apps | modwsgi.deploy.wsgi_apps(httpd_listen, httpd_host) }}"
"""

RETURN = r"""
releases:
  description: >-
    For each application its release as C(id), C(path) and C(changed). In check mode C(id) is empty where it cannot be
    known.
  returned: success
  type: dict
missing:
  description: Applications whose release has to be transferred; for the action plugin.
  returned: success
  type: list
  elements: str
"""

import os
import shutil
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_atexit import registrations, warning
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_deployment import fingerprint
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import inside
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_source import SourceError, unpack

COMMIT_LENGTH = 40
# No question on a terminal that nobody watches, and no transport that runs commands (ext::).
GIT_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:ssh:git:file", "LC_ALL": "C.UTF-8"}


class ReleaseError(Exception):
    """A release cannot be made; the text is one sentence for the user."""


def install(stream, path: str, application: dict) -> None:
    """Unpack an archive under a temporary name, check it, and give it its final name."""
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpack(stream, partial, exclude(application))
        check_files(partial, application)
        os.rename(partial, path)
    except SourceError as error:
        raise ReleaseError(
            f"wsgi_apps: application {application['name']!r}, key source: {error}; correct it."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def exclude(application: dict) -> list:
    """Patterns of what is not part of the release; the release commands make the static root."""
    return application["source"]["exclude"] + ([application["static_root"]] if application["static_root"] else [])


def named_files(application: dict) -> list:
    """What an application says is in its source, as (key, relative path, test)."""
    found = [(key, application[key], os.path.isfile) for key in ("script", "requirements") if application[key]]
    current = application["paths"]["current"] + os.sep
    made = os.path.join(current, application["static_root"]) + os.sep if application["static_root"] else None
    for index, static in enumerate(application["static"]):
        directory = static["directory"] + os.sep
        if directory.startswith(current) and not (made and directory.startswith(made)):
            found.append((f"static[{index}].directory", directory[len(current) : -1], os.path.isdir))
    return found


def check_files(release: str, application: dict) -> None:
    """Raise ReleaseError when something that the application names is not in its release."""
    for key, relative, exists in named_files(application):
        path = inside(release, relative)
        if path is None or not exists(path):
            raise ReleaseError(
                f"wsgi_apps: application {application['name']!r}, key {key}: {relative!r} is not in the source; "
                "correct the path or add it."
            )


class Git:
    """A bare copy of a repository on the host, out of which releases are exported."""

    def __init__(self, application: dict) -> None:
        self.application = application
        self.repository = application["paths"]["repository"]
        self.address = application["source"]["git"]
        self.version = application["source"]["version"]

    def _git(self, action: str, *arguments: str) -> str:
        result = subprocess.run(
            ["git", *arguments],
            env={**os.environ, **GIT_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            message = " ".join(result.stderr.split()) or f"exit status {result.returncode}"
            raise ReleaseError(
                f"wsgi_apps: application {self.application['name']!r}, key source: {action} failed for "
                f"{self.address} ({message}); correct the address, the version or the host's access."
            )
        return result.stdout

    def resolve(self) -> str:
        """The commit that the version means now; the repository is asked unless the version is a commit."""
        if len(self.version) == COMMIT_LENGTH and set(self.version) <= set("0123456789abcdef"):
            return self.version
        references = [
            self.version,
            f"refs/tags/{self.version}^{{}}",
            f"refs/heads/{self.version}",
            f"refs/tags/{self.version}",
        ]
        listing = self._git("git ls-remote", "ls-remote", "--", self.address, *references)
        found = {name: commit for commit, _, name in (line.partition("\t") for line in listing.splitlines())}
        for reference in (references[1], references[2], references[3], self.version):
            if reference in found:
                return found[reference]
        raise ReleaseError(
            f"wsgi_apps: application {self.application['name']!r}, key source.version: {self.version!r} is neither a "
            f"branch nor a tag nor a complete commit of {self.address}; correct it."
        )

    def export(self, commit: str, path: str) -> None:
        """Make the release of a commit."""
        if not os.path.isdir(self.repository):
            self._git("git init", "init", "--quiet", "--bare", self.repository)
        there = f"--git-dir={self.repository}"
        self._git(
            "git fetch",
            there,
            "fetch",
            "--quiet",
            "--prune",
            self.address,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        )
        with tempfile.TemporaryFile() as archive:
            result = subprocess.run(
                ["git", there, "archive", "--format=tar", commit],
                stdout=archive,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if result.returncode != 0:
                raise ReleaseError(
                    f"wsgi_apps: application {self.application['name']!r}, key source.version: the commit {commit} "
                    f"cannot be exported from {self.address} ({' '.join(result.stderr.split())}); correct the version."
                )
            archive.seek(0)
            install(archive, path, self.application)


def release_of_git(application: dict, check_mode: bool) -> dict:
    """The release of an application in a git repository."""
    if shutil.which("git") is None:
        if check_mode:
            return {"id": "", "path": "", "changed": True}
        raise ReleaseError(
            f"wsgi_apps: application {application['name']!r}, key source.git: git is not installed on the host; "
            "install it."
        )
    git = Git(application)
    commit = git.resolve()
    patterns = exclude(application)
    release = f"{commit}-{fingerprint(patterns)[:8]}" if patterns else commit
    path = os.path.join(application["paths"]["releases"], release)
    changed = not os.path.isdir(path)
    if changed and not check_mode:
        git.export(commit, path)
    return {"id": release, "path": path, "changed": changed}


def release_of_directory(application: dict, check_mode: bool) -> dict:
    """The release of an application on the control node; installed when the action plugin has brought its archive."""
    path = os.path.join(application["paths"]["releases"], application["digest"])
    changed = not os.path.isdir(path)
    if changed and application.get("archive") and not check_mode:
        with open(application["archive"], "rb") as stream:
            install(stream, path, application)
    return {"id": application["digest"], "path": path, "changed": changed}


def warn_of_atexit(module: AnsibleModule, application: dict, release: str) -> None:
    """Tell which handlers of a release will not run; a release that is not there yet has none to tell of."""
    files = [
        os.path.relpath(os.path.join(folder, name), release) for folder, _, names in os.walk(release) for name in names
    ]
    sentence = warning(application, registrations(release, files))
    if sentence:
        module.warn(sentence)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "atexit_warnings": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    releases = {}
    missing = []
    try:
        for application in module.params["applications"]:
            make = release_of_git if "git" in application["source"] else release_of_directory
            release = make(application, module.check_mode)
            releases[application["name"]] = release
            if module.params["atexit_warnings"] and release["path"]:
                warn_of_atexit(module, application, release["path"])
            if "git" not in application["source"] and not os.path.isdir(release["path"]):
                missing.append(application["name"])
    except (ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=any(r["changed"] for r in releases.values()), releases=releases, missing=missing)


if __name__ == "__main__":
    main()
