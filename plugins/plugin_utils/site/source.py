# SPDX-License-Identifier: Apache-2.0
"""Where the code comes from and what of it is used.

The keys `source` and `pip`, those that name files of the source, `release_commands` and `rollback_commands`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import is_excluded
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import inside
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import scripts
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject

GIT_ADDRESS = re.compile(r"(https|ssh|git|file)://\S+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:\S+|/\S*")
INDEX_ADDRESS = re.compile(r"(https?|file)://[^\s$]+")
GIT_VERSION = re.compile(r"(?!-)[A-Za-z0-9_./@^~-]+")

NO_REQUIREMENTS = re.compile(r"(.*/)?(pyproject\.toml|setup\.(py|cfg)|Pipfile(\.lock)?|(poetry|uv|pdm)\.lock)")
"""Files that tell of requirements, and that pip does not read as such."""

CREDENTIALS = {
    "git": ("username", "password", "ssh_key", "known_hosts"),
    "pip": ("netrc", "ssh_key", "known_hosts", "index_url", "extra_index_urls", "trusted_ca"),
}


def check(application: App) -> Problems:
    """Exactly one source, the files in it that other keys name, and commands."""
    yield from _check_relative_paths(application)
    if NO_REQUIREMENTS.fullmatch(application["requirements"]):
        yield (
            "requirements",
            f"{application['requirements']!r} is no requirements file of pip's; name one that says what to install: "
            "the line '.' installs a project with its dependencies (docs/builds.md)",
        )
    yield from _check_commands(application)
    yield from _check_source(application)
    yield from _check_pip(application.get("pip") or {})


def _relative_paths(application: App) -> Iterator[tuple[str, str, Callable[[str], bool] | None]]:
    """Keys whose value is a path below the source, and what it is there; None: the release commands make it."""
    yield "script", application["script"], os.path.isfile
    if application["requirements"] and not NO_REQUIREMENTS.fullmatch(application["requirements"]):
        yield "requirements", application["requirements"], os.path.isfile
    if application["static_root"]:
        yield "static_root", application["static_root"], None
    for key, path in entries(application, "python_path"):
        yield key, path, os.path.isdir
    for key, static in entries(application, "static"):
        for kind, exists in (("directory", os.path.isdir), ("file", os.path.isfile)):
            path = static[kind]
            if path and not path.startswith("/"):
                yield f"{key}.{kind}", path, None if _is_below(path, application["static_root"]) else exists
    for key, path in _pages(application):
        if not _leaves(path) and not path.endswith("/"):  # what such a path is to be, its own check refuses
            yield key, path, None if _is_below(path, application["static_root"]) else os.path.isfile


def _pages(application: App) -> Iterator[tuple[str, str]]:
    """Keys that name a page, and its path; an absolute one is on the host."""
    for key, document in entries(application, "error_documents"):
        yield f"{key}.file", document["file"]
    page = (application.get("maintenance") or {}).get("page")
    if page:
        yield "maintenance.page", page


def _leaves(path: str) -> bool:
    """Whether a path that is meant to be relative to a folder is absolute or climbs out of it."""
    return path.startswith("/") or ".." in path.split("/")


def _is_below(path: str, folder: str) -> bool:
    """Whether a relative path is a folder or below it; nothing is below the empty name."""
    return bool(folder) and (os.path.normpath(path) + "/").startswith(os.path.normpath(folder) + "/")


def _check_relative_paths(application: App) -> Problems:
    for key, path, _ in _relative_paths(application):
        if _leaves(path):
            yield key, f"{path!r} leads out of the source; give a path relative to it, without '..'"
    if _normal(application["static_root"]) == ".":
        yield "static_root", "it must be a folder of its own below the source, e.g. staticfiles"


def _check_commands(application: App) -> Problems:
    """Each command is a list of words, or a string that splits into one, or a mapping that has one of them."""
    for key, written in [*entries(application, "release_commands"), *entries(application, "rollback_commands")]:
        if isinstance(written, Mapping):
            yield from _check_command_keys(key, written)
        command = _command(written)
        try:
            words = argument_list(command)
        except ValueError as error:
            yield key, f"{command!r} cannot be split into words ({error}); correct the quotes or write a list"
            continue
        if not words or not words[0]:
            yield key, "the command is empty; remove it or name a program"
        elif any("\0" in word for word in words):
            yield key, "the command holds a NUL byte, which no command can; remove it"


def _check_command_keys(key: str, written: Mapping[str, Any]) -> Problems:
    unknown = [str(each) for each in written if each not in ("command", "once")]
    if unknown:
        yield key, f"it has {', '.join(unknown)}, which is not known; it takes command and once"
    if not isinstance(written.get("once", False), bool):
        yield f"{key}.once", f"{written['once']!r} is neither true nor false; correct it"


def _command(written: Any) -> Any:
    """What of an entry of ``release_commands`` is the command; empty where there is none."""
    return (written.get("command") or "") if isinstance(written, Mapping) else written


def argument_list(command: str | Sequence[Any]) -> list[str]:
    """A command as a list of words; no shell is involved. Raises ValueError for unbalanced quotes."""
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def _check_source(application: App) -> Problems:
    source = application["source"]
    given = [key for key in ("directory", "git") if source.get(key)]
    if len(given) != 1:
        found = "both directory and git are" if given else "neither directory nor git is"
        yield "source", f"{found} given; give exactly one of the two"
    elif given == ["git"]:
        yield from _check_git(source)
    else:
        yield from _check_directory(application, os.path.expanduser(source["directory"]))


def _check_git(source: Mapping[str, Any]) -> Problems:
    address, version = source["git"], source["version"]
    # A user name of ssh is no secret.
    if re.search(r"(?i)ssh://[^/]*:[^/]*@|(?<![a-z0-9+.-])(?!ssh:)[a-z0-9+.-]+://[^/]*@", address):
        yield (
            "source.git",
            "the address holds a user or a password, which process lists and logs would show; leave it out there, and "
            "give source.credentials (username and password for https, ssh_key for ssh)",
        )
    elif not GIT_ADDRESS.fullmatch(address):
        shown = re.sub(r"[^/]*@", "********@", address)  # whatever stands there may be a password
        yield "source.git", f"{shown!r} is not a git address; use https://, ssh://, file:// or user@host:path"
    yield from _check_git_credentials(address, source.get("credentials") or {})
    if not GIT_VERSION.fullmatch(version) or ".." in version:
        yield "source.version", f"{version!r} is not a branch, a tag or a commit; correct it"


def _check_git_credentials(address: str, credentials: Mapping[str, str]) -> Problems:
    """A secret is never repeated in a message."""
    username, password = credentials.get("username"), credentials.get("password")
    yield from _check_ssh("source.credentials", credentials)
    for key in ("username", "password"):
        if any(ord(character) < 32 for character in credentials.get(key, "")):
            yield f"source.credentials.{key}", "it holds a newline or another control character; remove it"
    if username and not password:
        yield "source.credentials.password", "a username is there, and no password or token with it; add it"
    if password and not address.startswith("https://"):
        yield "source.credentials.password", "it is for https, and the address is none; give ssh_key, or change it"
    elif password and not username:
        yield "source.credentials.username", "a password is there, and no username with it; add it"
    if credentials.get("ssh_key") and re.match(r"(https|git|file)://|/", address):
        yield "source.credentials.ssh_key", "it is for ssh, and the address is none; give username and password"


def _check_ssh(key: str, credentials: Mapping[str, str]) -> Problems:
    ssh_key = credentials.get("ssh_key")
    if ssh_key and not ssh_key.lstrip().startswith("-----BEGIN "):
        yield f"{key}.ssh_key", "it is not the text of a private key, which begins with -----BEGIN; give that"
    for name in ("ssh_key", "known_hosts", "netrc"):
        if "\x00" in credentials.get(name, ""):
            yield f"{key}.{name}", "it holds a NUL byte; remove it"


def _check_pip(given: Mapping[str, Any]) -> Problems:
    """What gives pip access. A secret is never repeated in a message."""
    addresses = [("index_url", given["index_url"])] if given.get("index_url") else []
    for key, address in [*addresses, *entries(given, "extra_index_urls")]:
        if "@" in address.partition("://")[2].partition("/")[0]:
            yield (
                f"pip.{key}",
                "the address holds a user or a password, which process lists would show; leave it out there, and give "
                "pip.netrc",
            )
        elif not INDEX_ADDRESS.fullmatch(address):
            yield f"pip.{key}", "it is not the address of an index; write one like https://pypi.example.com/simple"
    if given.get("trusted_ca") and "-----BEGIN CERTIFICATE-----" not in given["trusted_ca"]:
        yield (
            "pip.trusted_ca",
            "it is not the text of certificates, which begin with -----BEGIN CERTIFICATE-----; give that",
        )
    yield from _check_ssh("pip", given)
    if given.get("netrc") and not re.search(r"(?m)^\s*(machine|default)\s", given["netrc"]):
        yield "pip.netrc", "it has no entry; write lines like: machine HOST login USER password SECRET"


def _check_directory(application: App, directory: str) -> Problems:
    if not os.path.isabs(directory):
        yield "source.directory", f"{directory!r} is not absolute; write it like '{{{{ playbook_dir }}}}/{directory}'"
        return
    if not os.path.isdir(directory):
        yield "source.directory", f"{directory} is not a folder on the control node; correct the path"
        return
    wanted = [*_relative_paths(application), *((key, path, os.path.isfile) for key, path in scripts(application))]
    for key, path, exists in wanted:
        if exists and not _leaves(path):
            yield from _check_present(directory, key, path, exists, application["source"]["exclude"])


def _check_present(
    directory: str, key: str, path: str, exists: Callable[[str], bool], exclude: Sequence[str]
) -> Problems:
    found = inside(directory, path)
    if found is None:
        yield key, f"{path!r} is a link that leads out of the source {directory}; put the file itself there"
    elif not exists(found) and os.path.exists(found):
        there = "a folder" if os.path.isdir(found) else "a file"
        yield key, f"{path!r} is {there} in the source {directory}, and the other is meant; correct the path or the key"
    elif not exists(found):
        yield key, f"{path!r} is not in the source {directory}; correct the path or add the file"
    elif is_excluded(os.path.normpath(path), exclude):
        yield key, f"{path!r} is in the source, but an exclude pattern leaves it out; correct source.exclude"


def _normal(path: str) -> str:
    return os.path.normpath(path) if path else ""


def normalise(application: App, _: Place) -> dict[str, Any]:
    """Paths without detours, commands as lists of words; either a directory or git with its version."""
    source, exclude = application["source"], application["source"]["exclude"]
    return {
        "source": {"git": source["git"], "version": source["version"], "exclude": exclude}
        if source.get("git")
        else {"directory": os.path.normpath(os.path.expanduser(source["directory"])), "exclude": exclude},
        "script": os.path.normpath(application["script"]),
        **{key: _normal(application[key]) for key in ("requirements", "static_root")},
        "python_path": [os.path.normpath(path) for path in application["python_path"]],
        "release_commands": [argument_list(_command(command)) for command in application["release_commands"]],
        "rollback_commands": [argument_list(command) for command in application["rollback_commands"]],
        # Beside them, since what they are decides whether a release is prepared again, and how often they run does not.
        "once": [
            index
            for index, command in enumerate(application["release_commands"])
            if isinstance(command, Mapping) and command.get("once")
        ],
    }


def without_credentials(application: App) -> dict[str, Any]:
    """A copy of an application without what gives builds access."""
    copy = {key: value for key, value in application.items() if key != "pip"}
    return {**copy, "source": {key: value for key, value in copy["source"].items() if key != "credentials"}}


def _plain(value: Any) -> Any:
    """Without Ansible's own types."""
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else str(value)


def credentials(applications: Iterable[App]) -> dict[str, dict[str, dict[str, Any]]]:
    """What gives builds access, by application, then `git` and `pip`; what is not given is left out."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for application in applications:
        given = {"git": (application.get("source") or {}).get("credentials"), "pip": application.get("pip")}
        kept = {
            kind: {key: _plain(values[key]) for key in CREDENTIALS[kind] if values.get(key)}
            for kind, values in given.items()
            if values
        }
        if any(kept.values()):
            found[str(application["name"])] = kept
    return found


SUBJECT = Subject(check, normalise=normalise)
