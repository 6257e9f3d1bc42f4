# SPDX-License-Identifier: Apache-2.0
"""The virtual environments of an application, named by what is in them. Runs on the managed host.

The account for builds makes one at its final path, which is in its scripts and byte code; then root takes over the
content. Root runs nothing of it and imports nothing of it.
"""

from __future__ import annotations

import codecs
import grp
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (
    builder,
    copies,
    failure_log,
    packages,
    pip_output,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import BuildError, Room
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.gates import admitted
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import BuildPackages
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    COMPLETE,
    decode_environments,
    is_complete,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.requirements import (
    Requirements,
    RequirementsError,
    read,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.trees import Bounds, TreeError, copy_tree, give

ID_LENGTH = 20
SHORTEST_SECRET = 8
"""Characters from which on the secret of a login is looked for in what was installed."""

FORMER_CACHE = "/var/cache/modwsgi/pip"
"""Of earlier versions, in which pip ran as root; it goes with the next virtual environment."""

RELOCATE = """
import glob, os, shutil, sys
venv, copy, release = sys.argv[1:]
[site] = glob.glob(os.path.join(venv, "lib", "python*", "site-packages"))
for link in glob.glob(os.path.join(site, "*.egg-link")):
    with open(link, encoding="utf-8") as stream:
        project = stream.readline().strip()
    if project == copy or project.startswith(copy + "/"):
        for metadata in glob.glob(os.path.join(glob.escape(project), "*.egg-info")):
            shutil.copytree(metadata, os.path.join(site, os.path.basename(metadata)), dirs_exist_ok=True)
patterns = ["*.pth", "*.egg-link", "__editable__*.py", "*.dist-info/direct_url.json"]
places = [os.path.join(venv, "bin", "*"), *(os.path.join(site, pattern) for pattern in patterns)]
for path in (path for place in places for path in glob.glob(place)):
    if os.path.islink(path) or not os.path.isfile(path):
        continue
    with open(path, "rb") as stream:
        content = stream.read()
    if copy.encode() in content and b"\\0" not in content:
        with open(path, "wb") as stream:
            stream.write(content.replace(copy.encode(), release.encode()))
"""
"""Let what was installed from a copy of the release lead to the release itself (editable installs above all)."""


class VenvError(Exception):
    """A virtual environment cannot be made; the text is one sentence for the user."""

    def __init__(self, text: str, lines: Sequence[str] = (), output: str = "") -> None:
        """``lines`` are the essential ones of ``output``, which is all that the program said."""
        super().__init__(text)
        self.lines, self.output = list(lines), output


def identity(
    interpreter: dict[str, Any], requirements: Requirements, release_id: str, variables: Mapping[str, str]
) -> str:
    """The name of a virtual environment.

    Requirements that point into the source make the release part of it. Of the environment variables that they name,
    those count that say what is installed. How it is reached does not: a new password or another index must not replace
    what serves.
    """
    of_release = release_id if requirements.local else ""
    parts = [interpreter["executable"], interpreter["full_version"], interpreter["abi"], of_release]
    total = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(requirements.files):
        total.update(f"\0{path}\0{requirements.files[path]}".encode())
    for name in sorted(requirements.variables.deciding):
        total.update(f"\0${name}\0{variables.get(name, '')}".encode())
    return total.hexdigest()[:ID_LENGTH]


COMPILING = (
    "name the Debian packages that its build needs in the key build_packages, and those that it needs to run in "
    "packages (docs/builds.md)"
)
FETCHING = "correct its address, or give access by the key pip (docs/builds.md)"
NO_GIT = "name git in the key build_packages"


def advice(found: pip_output.PipFailure, output: str) -> str:
    """What to do about a failure, as the end of a sentence."""
    if "Cannot find command 'git'" in output:
        return f"; {NO_GIT}"
    if found.what == "built":  # a compiler's line 403 is no answer of a server
        return f"; {builder.LARGER}" if any(builder.TOO_LARGE in line for line in found.lines) else f"; {COMPILING}"
    warnings = [line for line in output.splitlines() if "WARNING: " in line]
    hint = builder.hint("\n".join([*warnings, found.reason, *found.lines]), "pip")
    return hint or (f"; {FETCHING}" if found.what == "fetched" else "")


def run(
    room: Room, command: Sequence[str], what: str, folder: str = "", shown: Mapping[str, str] | None = None
) -> None:
    """Run a program; raises VenvError with its reason. ``shown`` are paths, and what messages say for them."""
    try:
        ended = room.run(command, folder=folder)
    except BuildError as error:
        raise VenvError(f"{what} failed: {error}") from error
    if ended.status == 0:
        return
    output = failure_log.plain(ended.output)
    for path, name in (shown or {}).items():
        output = output.replace(path, name)
    found = pip_output.failure(output)
    subject = f"the requirement {found.requirement or 'that pip was at'} cannot be {found.what}"
    raise VenvError(
        f"{subject if found.what else f'{what} failed'}: {found.reason}{advice(found, output)}", found.lines, output
    )


def hand_over(room: Room, release: str, requirements: Requirements) -> str:
    """What pip needs of a release, which is closed to its account: a folder of that account.

    All of it where the requirements may point into it, else their files alone.
    """
    copy = os.path.join(room.scratch, "release")
    if requirements.local:
        shutil.copytree(release, copy, symlinks=True)
    for path, text in {} if requirements.local else requirements.files.items():
        os.makedirs(os.path.dirname(os.path.join(copy, path)), exist_ok=True)
        with open(os.path.join(copy, path), "xb") as stream:
            stream.write(codecs.BOM_UTF8 + text.encode())  # whatever a comment says of another encoding
    give(copy, room.account.uid, room.account.gid)
    return copy


def install(room: Room, path: str, release: str, requirements_file: str, requirements: Requirements) -> None:
    """Install the requirements into a virtual environment.

    Where they may point into the release, pip has a copy of it as its working folder, since it builds in the tree.
    """
    what = f"pip install --requirement {requirements_file}"
    copy = hand_over(room, release, requirements)
    folder, file = copy if requirements.local else "", os.path.join(copy, os.path.normpath(requirements_file))
    hashes = ["--require-hashes"] if requirements.hashed else []
    # Not quiet: what pip was at when it failed is in its output, of which only a failure shows anything.
    pip = [os.path.join(path, "bin", "python"), "-I", "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
    shown = {f"file://{copy}/": "./", f"{copy}/": "", copy: release}
    run(room, [*pip, *hashes, "--requirement", file], what, folder, shown)


def links_to(executable: str) -> list[str]:
    """Where a link of a virtual environment may lead: to its interpreter, by each of its names."""
    found = [executable]
    while os.path.islink(found[-1]) and len(found) < 10:
        found.append(os.path.normpath(os.path.join(os.path.dirname(found[-1]), os.readlink(found[-1]))))
    return found


def make(
    room: Room,
    path: str,
    release: str,
    application: dict[str, Any],
    requirements: Requirements,
    interpreter: dict[str, Any],
) -> None:
    """Let the account make a virtual environment in the folder ``path``, which is its own for now."""
    python, file = interpreter["executable"], application["requirements"]
    pip = [] if file else ["--without-pip"]
    run(room, [python, "-I", "-m", "venv", *pip, path], f"{python} -m venv (is its package venv installed?)")
    if not file:
        return
    install(room, path, release, file, requirements)
    if requirements.local:
        command = [python, "-I", "-S", "-c", RELOCATE, path, os.path.join(room.scratch, "release"), release]
        run(room, command, "the change of paths from the build to the release")
    # Without the packages' own .pth files (-S). Some packages have files for other Pythons, which do not compile.
    room.run([python, "-I", "-S", "-m", "compileall", "-qq", os.path.join(path, "lib")])


def fill(
    room: Room,
    path: str,
    release: str,
    application: dict[str, Any],
    requirements: Requirements,
    parameters: Mapping[str, Any],
) -> None:
    """Let the account make a virtual environment, or unpack what another host has built. Raises VenvError."""
    copy = copy_of(parameters, application["name"])
    if not copy:
        make(room, path, release, application, requirements, parameters["interpreter"])
        return
    try:
        archive = copies.take(room, copy)
    except copies.CopyError as error:
        raise VenvError(str(error)) from error
    run(room, copies.unpacking(archive, path), f"tar, with what host {copy['builder']} has built,")


def refuse_secrets(room: Room, path: str, secrets: Iterable[str]) -> None:
    """Raise VenvError when a secret is in what was installed, which is for the build alone: git keeps it in a clone."""
    # Line by line, as grep has them; shorter ones are words that are anywhere.
    wanted = [line for secret in secrets for line in secret.splitlines() if len(line) >= SHORTEST_SECRET]
    if not wanted:
        return
    patterns = room.write("secrets", "\n".join(wanted) + "\n")
    ended = room.run(["grep", "-rlF", "--file", patterns, "--", path])
    if ended.status == 0:
        file = os.path.relpath(ended.output.splitlines()[0], path)
        raise VenvError(
            f"{file} of the new virtual environment holds the secret of a login, and the application and httpd "
            "could read it; take the login out of that requirement and give pip.netrc instead (docs/builds.md)"
        )


def build(
    path: str, release: str, application: dict[str, Any], requirements: Requirements, parameters: dict[str, Any]
) -> None:
    """Make a virtual environment under its final name, since it cannot be moved, and take over its content.

    The folder belongs to the account for builds until then, which `is_complete` sees.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    group = grp.getgrnam(application["group"]).gr_gid
    made, fresh = os.path.join(folder, f".{name}.made"), os.path.join(folder, f".{name}.fresh")
    left = (path, made, fresh)
    limits = builder.limits_of(parameters)
    try:
        for torso in left:  # by a run that was cut off
            builder.remove(torso)
        with builder.room(application["name"], builder.PIP, limits) as room, admitted(folder, room.account.uid):
            access = builder.credentials_of(parameters, application["name"]).pip
            variables = variables_of(parameters, application["name"])
            builder.admit_pip(room, access)
            builder.admit_variables(room, requirements.variables.all, variables)
            builder.remove(FORMER_CACHE)
            room.give_folder(path)
            fill(room, path, release, application, requirements, parameters)
            of_variables = (variables.get(name, "") for name in requirements.variables.secret)
            refuse_secrets(room, path, of_variables)
            os.rename(path, made)
            bounds = Bounds(builder.MOST_FILES, limits.size)
            allowed = links_to(parameters["interpreter"]["executable"])
            copy_tree(made, fresh, owner=room.account.uid, bounds=bounds, links_to=allowed, at=path, group=group)
            room.bound(os.path.join(room.path, "cache"))
        builder.remove(os.path.join(fresh, COMPLETE))  # whatever they have put there
        os.close(os.open(os.path.join(fresh, COMPLETE), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o644))
        os.rename(fresh, path)
        builder.remove(made)
    except TreeError as error:
        for torso in left:
            builder.remove(torso)
        raise VenvError(f"what pip has installed cannot be used: {error} (limit: wsgi_app_build_size)") from error
    except BaseException:
        for torso in left:
            builder.remove(torso)
        raise


def variables_of(parameters: Mapping[str, Any], name: str) -> dict[str, str]:
    """The environment variables of an application, among the options of a module. Raises ValueError."""
    return decode_environments(parameters["environments"]).get(name, {}) if parameters.get("environments") else {}


def copy_of(parameters: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What another host has built for an application, among the options of a module; empty where none has."""
    found: Mapping[str, Any] = (parameters.get("copies") or {}).get(name) or {}
    return found


def virtual_environment(
    application: dict[str, Any], parameters: dict[str, Any], check_mode: bool, build_packages: BuildPackages
) -> dict[str, Any]:
    """The virtual environment of one application; made when it is missing, with the packages that its build needs."""
    release = parameters["releases"][application["name"]]
    if not os.path.isdir(release["path"]):  # only in check mode, where no release is made
        return {"id": "", "path": "", "changed": True}
    requirements = Requirements({})
    if application["requirements"]:
        requirements = read(release["path"], application["requirements"])
    variables = variables_of(parameters, application["name"])
    name = identity(parameters["interpreter"], requirements, release["id"], variables)
    path = os.path.join(application["paths"]["venvs"], name)
    changed = not is_complete(path)
    if changed and not check_mode:
        copy = copy_of(parameters, application["name"])
        if copy and copy["id"] != name:
            raise VenvError(f"it has changed since host {copy['builder']} was asked for it; run the play again")
        if not copy:
            build_packages.install(application)
        build(path, release["path"], application, requirements, parameters)
    return {"id": name, "path": path, "changed": changed}


def virtual_environments(applications: list[Any], parameters: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Those of all applications, by name, each as ``id``, ``path`` and ``changed``.

    ``parameters`` are ``releases`` and ``interpreter``, those of a build (`builder.OPTIONS`), for its packages ``host``
    and ``instance``, and ``copies`` of what another host has built. Raises VenvError and PackagesError with a sentence
    that names the application, and ValueError for credentials that cannot be decoded.
    """
    found = {}
    with packages.for_builds(applications, parameters) as build_packages:
        for application in applications:
            name = application["name"]
            try:
                found[name] = virtual_environment(application, dict(parameters), check_mode, build_packages)
            except (VenvError, RequirementsError, BuildError, OSError) as error:
                raise _named(name, error) from error
            if found[name]["changed"] and not check_mode:
                failure_log.forget(name, failure_log.PIP)
    return found


def _named(name: str, error: Exception) -> VenvError:
    """An error with its application, and where the rest of what the program said is."""
    lines, output = (error.lines, error.output) if isinstance(error, VenvError) else ([], "")
    kept = failure_log.keep(name, failure_log.PIP, output) if output else ""
    return VenvError(
        f"wsgi_apps: application {name!r}, key requirements: {error}; the virtual environment in use is "
        f"untouched{kept}.",
        lines,
        output,
    )
