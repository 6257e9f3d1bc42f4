# SPDX-License-Identifier: Apache-2.0
"""The releases of an application on the managed host: which one is wanted, and how one is made.

Runs on the managed host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

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
        unpack(stream, partial, exclude(application), application["static_root"])
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


def release_of(application: dict, check_mode: bool) -> dict:
    """The release that an application is to have, as ``id``, ``path`` and ``changed``; made when it can be.

    An application on the control node needs ``digest``, and ``archive`` to be made. In check mode ``id`` is empty where
    it cannot be known. Raises ReleaseError.
    """
    make = release_of_git if "git" in application["source"] else release_of_directory
    return make(application, check_mode)
