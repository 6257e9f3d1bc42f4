# SPDX-License-Identifier: Apache-2.0
"""Who may see what: the key `auth`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, extra_config, names
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost

HASH = re.compile(r"\$(?:2[aby]|5|6|y|apr1)\$[A-Za-z0-9./$=,]+", re.ASCII)
USER = re.compile(r"[^\x00-\x20\x7f:#]+")
ARGUMENTS = re.compile(r"[\x20-\x7e]+")
TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
MODULE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def check(application: App) -> Problems:
    """What httpd can ask for. A hash is never repeated in a message."""
    for key, entry in names.entries(application, "auth"):
        yield from names.plain_path(f"{key}.path", entry["path"])
        yield from _check_users(key, entry)
        for name, words in names.entries(entry, "require"):
            if not ARGUMENTS.fullmatch(words) or re.search(r'[\\"<>]|\$\{', words):
                yield f"{key}.{name}", f"{words!r} is not what Require takes; write it like valid-user"
        if not TYPE.fullmatch(entry["type"]):
            yield f"{key}.type", f"{entry['type']!r} is not the name of a type; write it like Basic or openid-connect"
        for name, module in names.entries(entry, "modules"):
            if not MODULE.fullmatch(module):
                yield f"{key}.{name}", f"{module!r} is not a module; write it as a2enmod takes it"
        for text in extra_config.problems(entry["directives"]):
            yield f"{key}.directives", text
    for path, times in names.repeated(map(names.path_of, application["auth"])):
        yield "auth", f"the path {path} is there {times} times; keep one"


def _check_users(key: str, entry: Mapping[str, Any]) -> Problems:
    users, file, basic = entry["users"], entry["user_file"], entry["type"].lower() == "basic"
    if users and file:
        yield f"{key}.users", "both users and user_file are given; give one of the two"
    elif basic and not entry["directives"] and not users and not file:
        yield f"{key}.users", "nobody could log in; give users with hashed passwords, a user_file, or directives"
    elif not basic and (users or file):
        yield f"{key}.users", "users are for the type Basic; another module has users of its own"
    if file and not names.ABSOLUTE_FILE.fullmatch(file):
        yield f"{key}.user_file", f"{file!r} is not the absolute path of a file on the host"
    for name, value in users.items():
        if not USER.fullmatch(str(name)):
            yield f"{key}.users", f"{name!r} is not usable as a user's name; use neither blanks nor ':' and '#'"
        elif not HASH.fullmatch(str(value)):
            yield f"{key}.users.{name}", "the value is not a hashed password; make one with `htpasswd -nB NAME`"


def normalise(application: App, _: Place) -> dict[str, Any]:
    """The file of users of each login; the hashes are nowhere but in it."""
    return {
        "auth": [
            {
                **{key: value for key, value in entry.items() if key != "users"},
                "path": names.path_of(entry),
                "user_file": user_file(application, index) if entry["users"] else entry["user_file"],
                "directives": extra_config.lines(entry["directives"]),
            }
            for index, entry in enumerate(application["auth"])
        ]
    }


def user_file(application: App, index: int) -> str:
    """The file of users that the role makes, relative to the server root."""
    return f"modwsgi-users/{application['name']}-{index}"


def user_files(applications: Iterable[App]) -> dict[str, str]:
    """The content of each such file, from `wsgi_apps` as the user wrote it. These are secrets."""
    return {
        user_file(application, index): "".join(f"{user}:{value}\n" for user, value in users.items())
        for application in applications
        for index, entry in enumerate(application.get("auth") or [])
        if (users := entry.get("users"))
    }


MODULES = ("authn_core", "authz_user", "auth_basic", "authn_file")


def modules(application: App) -> Iterator[str]:
    """The modules that ask for passwords, and those that the operator names."""
    for entry in application["auth"]:
        # The role httpd alone does not check the list: what is not the name of a module makes no link.
        yield from ("authn_core", "authz_user", *filter(MODULE.fullmatch, entry["modules"]))
        if entry["type"].lower() == "basic":
            yield from ("auth_basic", "authn_file")


def logins(vhost: Vhost) -> list[Mapping[str, Any]]:
    """All logins of a vhost in its order: those of httpd, the shortest path first, then those that scripts check."""
    by_scripts = [login for application in reversed(vhost.applications) for login in daemon.logins(application)]
    return [*_own(vhost), *by_scripts]


def _own(vhost: Vhost) -> list[Mapping[str, Any]]:
    found = (entry for application in vhost.applications for entry in application["auth"])
    return sorted(found, key=lambda entry: len(entry["path"]))


SUBJECT = Subject(
    check,
    normalise=normalise,
    modules=modules,
    possible=MODULES,
    values=lambda vhost: {"auths": _own(vhost)},
)
