# SPDX-License-Identifier: Apache-2.0
"""The list `wsgi_apps`: what contradicts itself in it, and its complete form. Runs on the control node only.

Each subject of a vhost has a file of its own; here they are put together, with what an application is called and runs
as. ``problems`` and ``normalise`` take the list as the user wrote it; all else takes it with the types and defaults of
its specification (``settings.applications``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import parse
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import BUILD_ACCOUNT, layout
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import ACCOUNT
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import (
    auth,
    daemon,
    environment,
    extra_config,
    headers,
    health,
    hosts,
    limits,
    packages,
    pages,
    proxies,
    redirects,
    releases,
    source,
    static,
    strategy,
    tls,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import EMBEDDED
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import path_of, repeated
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import (
    App,
    Apps,
    Place,
    Problems,
    Sentences,
    Server,
    Subject,
)

NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
RESERVED_NAMES = frozenset({"default", "httpd", "mod_wsgi", "private", "unknown-host"})
"""Names that files and logs of the server itself carry."""
CALLABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")

PRODUCTION = "production"
"""The value of wsgi_environment in which nobody debugs by accident."""

_OF_PROCESSES = (
    *(*daemon.SIZES, *daemon.SECONDS, *daemon.LEAST, "cpu_weight"),
    *("lang", "locale", "debug", daemon.OPTIONS, daemon.GROUPS),
)
DAEMON_KEYS = ("user", "group", *_OF_PROCESSES)
"""What only a daemon process group has: httpd's own processes have their account, threads and locale already."""


# ---------------------------------------------------------------- what an application is called and runs as


def check(application: App) -> Problems:
    """The name becomes part of paths, of an account and of a process title; the daemon never runs as root."""
    name, function = application["name"], application["callable"]
    if not NAME.fullmatch(name):
        text = f"{name!r} is not usable; begin with a lower-case letter and use at most 25 of a-z, 0-9, '-' and '_'"
        yield "name", text
    elif name in RESERVED_NAMES:
        yield "name", f"{name!r} is reserved for the server's own files; choose another name"
    for key, value in ((key, application.get(key)) for key in ("user", "group")):
        if value == "root":
            yield key, "an application must not run as root; leave the key out to get an account of its own"
        elif value == BUILD_ACCOUNT:
            yield key, "it is the account for builds, whose processes are ended after each; choose another one"
        elif value is not None and not ACCOUNT.fullmatch(value):
            yield key, f"{value!r} is not the name of an account; use at most 32 of a-z, 0-9, '-' and '_'"
    if not CALLABLE.fullmatch(function):
        yield "callable", f"{function!r} is not a Python name; write it like application"


def check_all(applications: Apps, server: Server) -> Sentences:
    """Names, debug mode in production, and embedded applications beyond the first."""
    for name, times in repeated(application["name"] for application in applications):
        yield name, "name", f"{times} applications have this name; give each its own"
    for application in applications:
        if server.environment == PRODUCTION and application["debug"] and not application["debug_in_production"]:
            yield (
                application["name"],
                "debug",
                f"debug mode serves one request at a time and logs more, and wsgi_environment is {PRODUCTION}; "
                "remove it, or insist with debug_in_production: true",
            )
    embedded = [application["name"] for application in applications if application["mode"] == EMBEDDED]
    for name in embedded[1:]:
        yield (
            name,
            "mode",
            f"the application {embedded[0]!r} is embedded already, and httpd's processes have one set of environment "
            "variables; use mode: daemon for one of the two",
        )


def normalise_identity(application: App, place: Place) -> dict[str, Any]:
    """The account, and the folders on the host."""
    own = place.instance["user"] if application["mode"] == EMBEDDED else f"wsgi-{application['name']}"
    user = application.get("user", own)
    return {"user": user, "group": application.get("group", user), "paths": place.paths}


SUBJECTS = (
    Subject(check, check_all, normalise_identity),
    *(
        module.SUBJECT
        for module in (hosts, daemon, strategy, releases, environment, source, packages, static, limits, redirects)
    ),
    *(module.SUBJECT for module in (headers, pages, auth, proxies, tls, health, extra_config)),
)
"""Everything that an application of a vhost can say. A new key is a part of one of these, or one more."""


# ---------------------------------------------------------------- what is wrong


def _text_values(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Every string in a value, with the key that leads to it, e.g. ``static[0].url``."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _text_values(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _text_values(item, f"{key}[{index}]")


OWN_CHECKS = frozenset({"environment", "release_commands", "rollback_commands", "extra_config", "auth"})
"""Keys that may hold line breaks, or land nowhere in httpd's configuration; they have checks of their own."""


def _control_characters(application: App) -> Problems:
    """No value may end a line of a configuration file, or end a string early."""
    public = source.without_credentials(application)
    for key, value in _text_values({key: value for key, value in public.items() if key not in OWN_CHECKS}, ""):
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            yield key, f"the value {value!r} holds a newline, a NUL or another control character; remove it"


def _without_effect(application: App, written: App) -> Problems:
    """An embedded application takes httpd's processes as they are."""
    for key in DAEMON_KEYS if application["mode"] == EMBEDDED else ():
        if written.get(key) not in (None, {}, []) and application[key] is not False:
            yield key, "only a daemon process group has it, and mode is embedded; remove it, or use mode: daemon"
    if application["mode"] == EMBEDDED and (written.get("releases") or {}).get("keep_static_seconds"):
        yield (
            "releases.keep_static_seconds",
            "httpd cannot rely on its clock when mode is embedded; remove it, or set 0",
        )


def _of_site(applications: Apps, written: Mapping[str, App]) -> Sentences:
    """Keys for the whole vhost that another than its site has."""
    for site, *mounted in hosts.sites(applications):
        # Those with the path of the site are reported otherwise.
        for member in (member for member in mounted if path_of(member) != path_of(site)):
            for key in (key for subject in SUBJECTS for key in subject.of_site if written[member["name"]].get(key)):
                text = f"it is for the whole vhost, which is that of the application {site['name']!r}; move it there"
                yield member["name"], key, text


def _problems(application: App, written: App) -> list[tuple[str, str]]:
    """What is wrong with one application in itself."""
    found = list(_control_characters(application))
    if found:  # the other checks would only repeat it
        return found
    of_subjects = (problem for subject in SUBJECTS for problem in subject.check(application))
    return [*_without_effect(application, written), *of_subjects]


def _examined(written: Iterable[App], server: Server) -> tuple[Apps, list[str]]:
    """The applications with types and defaults, and what is wrong with them."""
    written = list(written)
    applications = settings.applications(written)
    found = [
        (each["name"], *problem)
        for each, as_written in zip(applications, written, strict=True)
        for problem in _problems(each, as_written)
    ]
    if not found:
        found = [sentence for subject in SUBJECTS for sentence in subject.check_all(applications, server)]
        found += _of_site(applications, {str(each["name"]): each for each in written})
    return applications, _sentences(found)


def problems(written: Iterable[App], listen: Iterable[int | str], environment: str = "") -> list[str]:
    """Everything that is wrong with `wsgi_apps`, one sentence each; empty when all is well.

    ``environment`` is `wsgi_environment`: what kind of host the inventory says that it is.

    Raises SettingsError for a list that its specification does not take.
    """
    return _examined(written, Server([parse(entry) for entry in listen], environment))[1]


def _sentences(found: Iterable[tuple[str, str, str]]) -> list[str]:
    return [f"wsgi_apps: application {name!r}, key {key}: {text}." for name, key, text in found]


def module_problems(applications: Apps, server: Mapping[str, Any]) -> list[str]:
    """What the applications ask for and the server will not have, one sentence each.

    ``server``: version (of mod_wsgi), directives (`mod_wsgi_directives`).
    """
    found = (
        (application["name"], key, text)
        for application in applications
        for key, text in daemon.server_problems(application, server)
    )
    return [*_sentences(found), *daemon.unknown_groups(applications, server["directives"])]


# ---------------------------------------------------------------- the complete form


def _complete(application: App, place: Place) -> dict[str, Any]:
    normal = [subject.normalise(application, place) for subject in SUBJECTS]
    return {**application, **{key: value for part in normal for key, value in part.items()}}


def normalise(
    written: Iterable[App],
    listen: Iterable[int | str],
    sizes: Mapping[str, Mapping[str, Any]],
    instance: Mapping[str, str],
) -> list[dict[str, Any]]:
    """`wsgi_apps` in its complete form, ordered by name.

    `sizes` maps a name to its processes and threads; `instance` serves them.

    Raises ValueError with the problems' sentences when there are any.
    """
    server = Server([parse(entry) for entry in listen])
    applications, found = _examined(written, server)
    if found:
        raise ValueError(" ".join(found))
    complete = [
        _complete(each, Place(site, server.listen, sizes[each["name"]], layout(each["name"]), instance))
        for site, *others in hosts.sites(applications)
        for each in (site, *others)
    ]
    return sorted(complete, key=lambda application: str(application["name"]))


def modules(applications: Apps) -> list[str]:
    """The modules of httpd that the applications need beyond those that every site has."""
    return sorted({name for each in applications for subject in SUBJECTS for name in subject.modules(each)})


def possible_modules() -> list[str]:
    """The modules of httpd that keys of applications can need, see ``Subject.possible``."""
    return sorted({name for subject in SUBJECTS for name in subject.possible})


def notes(applications: Iterable[App]) -> list[str]:
    """What an operator should know about the applications, one sentence each."""
    return [
        f"The application {application['name']!r} is embedded: when it keeps a process of httpd from ending, a reload "
        "waits for that process without a limit (httpd_reap_stuck_children ends it), and a new release of it needs a "
        "reload; see docs/shutdown.md."
        for application in applications
        if application["mode"] == EMBEDDED
    ]


def limit_notes(complete: Iterable[App], host: str) -> list[str]:
    """What an operator should know of limits that hold less than they say, one sentence each."""
    texts = {
        "memory_max": "memory_max of {name!r} bounds the memory of each of its processes, and not of all together",
        "cpu_weight": "cpu_weight of {name!r} has no effect",
    }
    return [
        f"On host {host}, {text.format(name=application['name'])}, since no control group is there for it "
        "(docs/security.md#what-one-application-can-take)."
        for application in complete
        for key, text in texts.items()
        if application.get(key) and not application["control_group"]
    ]


def unknown_names(names: Iterable[str], written: Apps) -> list[str]:
    """A sentence about names in ``wsgi_only`` that no application has."""
    known = [str(each.get("name")) for each in written]
    unknown = [name for name in names if name not in known]
    if not unknown:
        return []
    return [
        f"wsgi_only names {', '.join(map(repr, unknown))}, which wsgi_apps of this host does not have (it has: "
        f"{', '.join(known) or 'none'}); correct the name, or leave the host out (--limit)."
    ]


def left_out(others: Iterable[App]) -> list[str]:
    """What an operator should know of the applications that ``wsgi_only`` leaves out."""
    names = ", ".join(str(each["name"]) for each in others)
    return [f"By wsgi_only, this run leaves these applications as they are on the host: {names}."] if names else []


def without_environments(applications: Iterable[App]) -> list[dict[str, Any]]:
    """The applications as modules may log them: no environment variable and no credential is there."""
    public = (source.without_credentials(application) for application in applications)
    return [{key: value for key, value in each.items() if key != "environment"} for each in public]
