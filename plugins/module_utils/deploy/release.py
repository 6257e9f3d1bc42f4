# SPDX-License-Identifier: Apache-2.0
"""The releases of an application on the managed host: which one is wanted, and how one is made.

Runs on the managed host.
"""

from __future__ import annotations

import grp
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.published import served_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import fingerprint
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import SourceError, unpack
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import inside

COMMIT = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")

# Before whatever a repository says of itself.
GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")


class ReleaseError(Exception):
    """A release cannot be made; the text is one sentence for the user."""


def install(stream: BinaryIO, path: str, application: dict[str, Any]) -> None:
    """Unpack an archive under a temporary name, check it, and give it its final name."""
    partial, group = f"{path}.partial", grp.getgrnam(application["group"]).gr_gid
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpack(stream, partial, application["source"]["exclude"], application["static_root"], group=group)
        check_files(partial, application)
        os.rename(partial, path)
    except SourceError as error:
        raise ReleaseError(
            f"wsgi_apps: application {application['name']!r}, key source: {error}; correct it."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def left_out(application: dict[str, Any]) -> dict[str, Any]:
    """What is not part of the release, empty when all is: by patterns, and the static root, which is made later."""
    found = {"exclude": application["source"]["exclude"], "static_root": application["static_root"]}
    return {key: value for key, value in found.items() if value}


def named_files(application: dict[str, Any]) -> list[tuple[str, str, Callable[[str], bool]]]:
    """What an application says is in its source, as (key, relative path, test)."""
    found: list[tuple[str, str, Callable[[str], bool]]] = [
        (key, application[key], os.path.isfile) for key in ("script", "requirements") if application[key]
    ]
    folders = enumerate(application.get("python_path", []))
    found += [(f"python_path[{index}]", path, os.path.isdir) for index, path in folders]
    named = scripts(application.get("wsgi_directives"), "wsgi_directives")
    found += [(key, path, os.path.isfile) for key, path in named]
    current = application["paths"]["current"] + os.sep
    made = os.path.join(current, application["static_root"]) + os.sep if application["static_root"] else None
    for key, path, exists in served_files(application):
        if f"{path}/".startswith(current) and not (made and f"{path}/".startswith(made)):
            found.append((key, path[len(current) :].rstrip("/"), exists))
    return found


def scripts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Keys below ``key`` that name a script of the source, with its path; an absolute one is the operator's own."""
    below = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, found in below:
        where = f"{key}.{name}" if isinstance(value, Mapping) else f"{key}[{name}]"
        if name == "script" and isinstance(found, str) and not found.startswith("/"):
            yield where, found
        else:
            yield from scripts(found, where)


def check_files(release: str, application: dict[str, Any]) -> None:
    """Raise ReleaseError when something that the application names is not in its release."""
    for key, relative, exists in named_files(application):
        path = inside(release, relative)
        if path is None or not exists(path):
            raise ReleaseError(
                f"wsgi_apps: application {application['name']!r}, key {key}: {relative!r} is not in the source; "
                "correct the path or add it."
            )


class Git:
    """A repository out of which releases are exported. Git runs as the account for builds (`wsgi_builder`)."""

    def __init__(self, application: dict[str, Any], parameters: Mapping[str, Any]) -> None:
        """``parameters`` are the options of a module: ``credentials``, ``build_timeout`` and ``build_size``."""
        self.application = application
        self.address = application["source"]["git"]
        self.version = str(application["source"]["version"])
        self.limits = builder.limits_of(parameters)
        self.credentials = builder.credentials_of(parameters, application["name"]).git
        if self.version.startswith("-") or self.address.startswith("-"):
            raise self._error("source", f"{self.address} {self.version} begins with '-', an option for git; correct it")

    def _error(self, key: str, text: str) -> ReleaseError:
        name = self.application["name"]
        text = builder.redact(text, builder.secrets(self.credentials))
        return ReleaseError(f"wsgi_apps: application {name!r}, key {key}: {text}.")

    @contextmanager
    def _room(self, passing: bool) -> Iterator[builder.Room]:
        """Folders of the account, with what it needs to reach the address."""
        name, limits = self.application["name"], self.limits
        chosen = builder.passing_room(limits) if passing else builder.room(name, builder.GIT, limits)
        try:
            with chosen as room:
                builder.admit_git(room, self.address, self.credentials)
                yield room
        except builder.BuildError as error:
            raise self._error("source.git", f"git cannot be run for {self.address}: {error}") from error

    def _git(self, room: builder.Room, action: str, *arguments: str) -> str:
        try:
            ended = room.run([*GIT, *arguments])
        except builder.BuildError as error:
            raise self._error("source", f"{action} failed for {self.address} ({error})") from error
        if ended.status != 0:
            message = " ".join(ended.output.split()) or f"exit status {ended.status}"
            advice = builder.hint(message, "source.credentials")
            raise self._error(
                "source",
                f"{action} failed for {self.address} ({message}); correct the address, the version or the host's "
                f"access{advice}",
            )
        return ended.output

    def resolve(self) -> str:
        """The commit that the version means now; the repository is asked unless the version is a commit."""
        if COMMIT.fullmatch(self.version):
            return self.version
        references = [
            self.version,
            f"refs/tags/{self.version}^{{}}",
            f"refs/heads/{self.version}",
            f"refs/tags/{self.version}",
        ]
        with self._room(passing=True) as room:
            listing = self._git(room, "git ls-remote", "ls-remote", "--", self.address, *references)
        found = {name: commit for commit, _, name in (line.partition("\t") for line in listing.splitlines())}
        for reference in (references[1], references[2], references[3], self.version):
            # It becomes part of a path, and the repository's owner may say anything.
            if COMMIT.fullmatch(found.get(reference, "")):
                return found[reference]
        raise self._error(
            "source.version",
            f"{self.version!r} is neither a branch nor a tag nor a complete commit of {self.address}; correct it",
        )

    def _fetch(self, room: builder.Room) -> str:
        """Bring the copy of the repository up to date; its path."""
        # In the folder of the room, where only root can write: git that is killed leaves locks for ever.
        unfinished = os.path.join(room.path, "unfinished")
        repository = os.path.join(room.path, "repository.git")
        if os.path.lexists(unfinished):
            builder.remove(repository)
        room.folder("repository.git")
        with open(unfinished, "w", encoding="utf-8"):
            pass
        there = f"--git-dir={repository}"
        self._git(room, "git init", "init", "--quiet", "--bare", "--template=", repository)
        references = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        self._git(room, "git fetch", there, "fetch", "--quiet", "--prune", "--", self.address, *references)
        os.unlink(unfinished)
        return repository

    def export(self, commit: str, path: str) -> None:
        """Make the release of a commit."""
        with self._room(passing=False) as room:
            repository = self._fetch(room)
            there = f"--git-dir={repository}"
            archive = os.path.join(room.scratch, "release.tar")
            try:
                ended = room.run([*GIT, there, "archive", "--format=tar", f"--output={archive}", commit])
                if ended.status != 0:
                    raise builder.BuildError(" ".join(ended.output.split()) or f"exit status {ended.status}")
                with opened(archive, room) as stream:
                    install(stream, path, self.application)
            except builder.BuildError as error:
                raise self._error(
                    "source.version",
                    f"the commit {commit} cannot be exported from {self.address} ({error}); correct the version",
                ) from error
            room.bound(repository)
            builder.remove(self.application["paths"]["repository"])


@contextmanager
def opened(path: str, room: builder.Room) -> Iterator[BinaryIO]:
    """A file that the account for builds has made; nothing else that it may have put there. Raises BuildError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise builder.BuildError(f"git left no archive: {error.strerror}") from error
    with open(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != room.account.uid or found.st_size > room.limits.size:
            raise builder.BuildError("git left no archive that can be used")
        yield stream


def release_of_git(application: dict[str, Any], check_mode: bool, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The release of an application in a git repository."""
    if builder.program("git") is None:
        if check_mode:
            return {"id": "", "path": "", "changed": True}
        raise ReleaseError(
            f"wsgi_apps: application {application['name']!r}, key source.git: git is not installed on the host; "
            "install it."
        )
    git = Git(application, parameters)
    commit = git.resolve()
    without = left_out(application)
    release = f"{commit}-{fingerprint(without)[:8]}" if without else commit
    path = os.path.join(application["paths"]["releases"], release)
    changed = not os.path.isdir(path)
    if changed and not check_mode:
        git.export(commit, path)
    elif not changed:  # a key may be new that names a file
        check_files(path, application)
    return {"id": release, "path": path, "changed": changed}


def release_of_directory(application: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """The release of an application on the control node; installed when the action plugin has brought its archive."""
    path = os.path.join(application["paths"]["releases"], application["digest"])
    changed = not os.path.isdir(path)
    if changed and application.get("archive") and not check_mode:
        with open(application["archive"], "rb") as stream:
            install(stream, path, application)
    return {"id": application["digest"], "path": path, "changed": changed}


def release_of(
    application: dict[str, Any], check_mode: bool, parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The release that an application is to have, as ``id``, ``path`` and ``changed``; made when it can be.

    An application on the control node needs ``digest``, and ``archive`` to be made. In check mode ``id`` is empty where
    it cannot be known. ``parameters`` are the options of a module for builds. Raises ReleaseError, and ValueError for
    credentials that cannot be decoded.
    """
    if "git" in application["source"]:
        return release_of_git(application, check_mode, parameters or {})
    return release_of_directory(application, check_mode)
