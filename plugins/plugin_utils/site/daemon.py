# SPDX-License-Identifier: Apache-2.0
"""The keys `daemon_options`, `daemon_groups` and `wsgi_directives` of an application: checks, and lines for httpd.

What mod_wsgi knows is in mod_wsgi_directives.py. Runs on the control node only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import sizing
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote, quote_realm
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    LOCATION,
    VHOST,
    Problems,
    Values,
    at,
    daemon_option_words,
    daemon_options,
    directive_lines,
    given,
    lines,
    problems,
    unavailable,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import FOLDER_WILDCARD, URL_PATH, is_below

OPTIONS, GROUPS, DIRECTIVES = "daemon_options", "daemon_groups", "wsgi_directives"

GROUP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
GROUP_SECONDS = ("request_timeout", "queue_timeout", "startup_timeout", "deadlock_timeout")
"""Timeouts that a daemon process group of an application may have for itself."""
GROUP_DEFAULTS = {"processes": sizing.GROUP_PROCESSES, "threads": sizing.DAEMON_THREADS}

ALIASES = "script_alias_matches"
"""The directive that has to come before the application's own path."""

Application = Mapping[str, Any]


def options_of(application: Application) -> dict[str, Any]:
    """The daemon options that are set."""
    return given(application.get(OPTIONS))


def directives_of(application: Application) -> dict[str, Any]:
    """The directives of the vhost that are set, without those of its locations."""
    values = given(application.get(DIRECTIVES))
    values.pop("locations", None)
    return values


def locations_of(application: Application) -> list[dict[str, Any]]:
    """The locations with directives of their own."""
    return [given(location) for location in given(application.get(DIRECTIVES)).get("locations") or []]


def groups_of(application: Application) -> list[dict[str, Any]]:
    """The daemon process groups beside the application's first."""
    return [given(group) for group in application.get(GROUPS) or []]


# ---------------------------------------------------------------- checks


def check(application: Application) -> Problems:
    """All that is wrong with the three keys in themselves and with each other."""
    yield from check_daemon_options(application, OPTIONS)
    yield from check_groups(application)
    yield from problems(at(VHOST), directives_of(application), DIRECTIVES)
    yield from check_locations(application)
    if application.get("mode") == "embedded":
        for key in (OPTIONS, GROUPS):
            if given(application).get(key):
                yield key, "only a daemon process group has it, and mode is embedded; remove it, or use mode: daemon"


def check_daemon_options(holder: Application, key: str) -> Problems:
    """What is wrong with `daemon_options` of an application."""
    yield from problems(daemon_options(), options_of(holder), key)
    if str(options_of(holder).get("chroot", "x")).strip("/") == "":
        yield f"{key}.chroot", "it is the whole system, for which mod_wsgi serves nothing; name a folder or remove it"
    yield from contradictions(holder, key)


def contradictions(holder: Application, key: str) -> Problems:
    """Options that do not go together."""
    options = options_of(holder)
    if "script_user" in options and "script_group" in options:
        yield f"{key}.script_group", "script_user is given too, and mod_wsgi takes one of the two; remove one"
    if options.get("interrupt_timeout") and str(holder.get("request_timeout")) == "0":
        yield f"{key}.interrupt_timeout", "it has no effect while request_timeout is 0; remove it, or set that"


def check_groups(application: Application) -> Problems:
    """What is wrong with `daemon_groups`."""
    names: set[str] = set()
    paths: set[str] = set()
    for index, group in enumerate(groups_of(application)):
        key = f"{GROUPS}[{index}]"
        name = str(group.get("name", ""))
        if not GROUP_NAME.fullmatch(name):
            yield f"{key}.name", f"{name!r} is not usable; begin with a lower-case letter and use a-z, 0-9, '-' and '_'"
        if name in names:
            yield f"{key}.name", f"{name!r} is there twice; give each group its own"
        names.add(name)
        yield from check_paths(group.get("paths") or [], f"{key}.paths", paths)
        yield from check_inside(application, group.get("paths") or [], f"{key}.paths")
        for size in GROUP_DEFAULTS:
            if int(group.get(size, 1)) < 1:
                yield f"{key}.{size}", f"{group[size]} is too small; the least is 1"
        for timeout in GROUP_SECONDS:
            if int(group.get(timeout, 0)) < 0:
                yield f"{key}.{timeout}", f"{group[timeout]} is negative; use 0 or more"
        yield from problems(daemon_options(), options_of(group), f"{key}.{OPTIONS}")
        if "chroot" in options_of(group):
            yield f"{key}.{OPTIONS}.chroot", "all processes of an application have the same; give it to the application"
        if options_of(group):
            both = {**options_of(application), **options_of(group)}
            yield from contradictions({**application, **group, OPTIONS: both}, f"{key}.{OPTIONS}")


def check_paths(found: Sequence[Any], key: str, seen: set[str]) -> Problems:
    """What is wrong with URL paths that belong to one holder each."""
    if not found:
        yield key, "the list is empty; name the URL paths that the group serves"
    for index, path in enumerate(found):
        yield from check_path(path, f"{key}[{index}]", seen)


def check_inside(application: Application, found: Sequence[Any], key: str) -> Problems:
    """Paths that are another application's."""
    own = str(application.get("path") or "/")
    for index, path in enumerate(found):
        if not is_below(str(path), own):
            yield f"{key}[{index}]", f"{path!r} is not below the application's path {own!r}; begin it with that"


def check_path(path: Any, key: str, seen: set[str]) -> Problems:
    """What is wrong with one URL path."""
    if not isinstance(path, str) or not URL_PATH.fullmatch(path):
        yield key, f"{path!r} is not a URL path; begin with / and use neither blanks nor ? and #"
    elif path in seen:
        yield key, f"{path!r} is there twice; remove one"
    else:
        seen.add(path)


def check_locations(application: Application) -> Problems:
    """What is wrong with `wsgi_directives.locations`."""
    seen: set[str] = set()
    for index, location in enumerate(locations_of(application)):
        key = f"{DIRECTIVES}.locations[{index}]"
        yield from check_path(location.get("path"), f"{key}.path", seen)
        if FOLDER_WILDCARD.search(str(location.get("path"))):
            yield f"{key}.path", f"{location.get('path')!r} is a pattern for httpd; use none of * ? [ ]"
        if set(location) == {"path"}:
            yield key, "it sets nothing; add a directive or remove it"
        yield from problems(at(LOCATION), location, key)
        if "auth_user_script" in location:
            for auth in application.get("auth") or []:
                if is_below(str(auth.get("path") or "/"), str(location.get("path"))):
                    yield (
                        f"{key}.auth_user_script",
                        f"the key auth asks for a password at {auth.get('path') or '/'!r}, which is below; remove one",
                    )
        if "auth_group_script" in location and "auth_user_script" not in location:
            yield (
                f"{key}.auth_group_script",
                "nothing says who the user is; add auth_user_script, which checks the password",
            )


def scripts(application: Application) -> Iterator[tuple[str, str]]:
    """Keys whose value is the path of a script, relative to the source or absolute."""
    yield from _scripts(VHOST, directives_of(application), DIRECTIVES)
    for index, location in enumerate(locations_of(application)):
        yield from _scripts(LOCATION, location, f"{DIRECTIVES}.locations[{index}]")


def _scripts(place: str, values: Values, key: str) -> Iterator[tuple[str, str]]:
    for name, setting in at(place).items():
        value = values.get(name)
        if value is None or not any(known.type == "script" for known in setting.fields):
            continue
        for index, record in enumerate(value if isinstance(value, list) else [value]):
            where = f"{key}.{name}[{index}]" if isinstance(value, list) else f"{key}.{name}"
            if isinstance(given(record).get("script"), str):
                yield f"{where}.script", record["script"]


# ---------------------------------------------------------------- what the server has to have


def module_version(version: str, install_method: str, host: Mapping[str, Any]) -> str:
    """The version of mod_wsgi that is to serve; the distribution decides it with the method package."""
    known = DISTRIBUTIONS.get(f"{host.get('distribution')}{host.get('release')}")
    return known.module_version if install_method == "package" and known else version


def server_problems(application: Application, server: Mapping[str, Any]) -> Problems:
    """What the application asks for and the server will not have.

    ``server``: version (of mod_wsgi), directives (`mod_wsgi_directives`).
    """
    version = str(server["version"])
    yield from unavailable(daemon_options(), options_of(application), OPTIONS, version)
    for index, group in enumerate(groups_of(application)):
        yield from unavailable(daemon_options(), options_of(group), f"{GROUPS}[{index}].{OPTIONS}", version)
    yield from unavailable(at(VHOST), directives_of(application), DIRECTIVES, version)
    for index, location in enumerate(locations_of(application)):
        key = f"{DIRECTIVES}.locations[{index}]"
        yield from unavailable(at(LOCATION), location, key, version)
    if boolean(given(server["directives"]).get("free_threading", False)) and "switch_interval" in options_of(
        application
    ):
        yield (
            f"{OPTIONS}.switch_interval",
            "it has no effect while mod_wsgi_directives.free_threading is true; remove one",
        )
    if boolean(application.get("debug", False)):
        for name in ("restrict_stdin", "restrict_stdout"):
            if boolean(given(server["directives"]).get(name, False)):
                yield (
                    "debug",
                    f"debug mode frees standard input and output, and mod_wsgi_directives.{name} is true; remove one",
                )


def unknown_groups(applications: Sequence[Application], directives: Values | None) -> list[str]:
    """Process groups in `mod_wsgi_directives.interpreter_options` that no application has, one sentence each."""
    known = {"%{GLOBAL}"}
    for application in applications:
        known.add(str(application["name"]))
        known.update(group_name(application, group) for group in groups_of(application))
    found = []
    for index, options in enumerate(given(directives).get("interpreter_options") or []):
        name = given(options).get("process_group")
        if name is not None and name not in known:
            found.append(
                f"mod_wsgi_directives.interpreter_options[{index}].process_group: {name!r} is neither the name of an "
                "application nor NAME:GROUP of one of its daemon_groups; correct it."
            )
    return found


# ---------------------------------------------------------------- how they are written


def group_name(application: Application, group: Application) -> str:
    """The daemon process group as mod_wsgi knows it; the launcher takes the part before the colon."""
    return f"{application['name']}:{group['name']}"


def active_groups(application: Application) -> list[dict[str, Any]]:
    """The groups beside the first, as applications for the template; none in debug mode, which has one process."""
    if application["debug"]:
        return []
    found = []
    for group in groups_of(application):
        sizes = {key: int(group.get(key, value)) for key, value in GROUP_DEFAULTS.items()}
        timeouts = {key: int(group[key]) for key in GROUP_SECONDS if key in group}
        own = {OPTIONS: {**options_of(application), **options_of(group)}}
        name = {"group_name": group_name(application, group), "paths": list(group.get("paths", []))}
        found.append({**application, **sizes, **timeouts, **own, **name})
    return found


def process_groups(application: Application) -> list[dict[str, Any]]:
    """The application, and then its other groups, as the template defines them."""
    return [{**application, "group_name": application["name"]}, *active_groups(application)]


def probed_groups(application: Application) -> list[str]:
    """The daemon process groups of the application; its name alone where it is embedded."""
    names = [str(group["group_name"]) for group in process_groups(application)]
    return names[:1] if application["mode"] == "embedded" else names


def startup_timeouts(application: Application) -> dict[str, int]:
    """Seconds for the load of the application in each of its daemon process groups, by name; 0: no limit.

    None has one in debug mode, where somebody may be reading, and httpd's own processes are not ended for one
    application. The launcher keeps them: mod_wsgi's own limit begins with the first request.
    """
    if application["mode"] == "embedded":
        return {}
    limited = not application["debug"]
    return {
        str(group["group_name"]): int(group["startup_timeout"]) if limited else 0
        for group in process_groups(application)
    }


def fewest_threads(application: Application) -> int:
    """The threads of the daemon process that has the fewest."""
    return min(int(group["threads"]) for group in process_groups(application))


def all_processes(application: Application) -> int | None:
    """The daemon processes of all groups; None when mod_wsgi's default of one is used."""
    if application["processes"] is None:
        return None
    return int(application["processes"]) + sum(int(group["processes"]) for group in active_groups(application))


def replacement_seconds(application: Application) -> int:
    """How long a daemon process that is replaced may go on with its requests (SIGUSR1: eviction-timeout)."""
    evictions = [int(options_of(group).get("eviction_timeout") or 0) for group in process_groups(application)]
    return max([int(application["graceful_timeout"]), *evictions])


def root(application: Application) -> str:
    """What comes before the paths that httpd hands to the daemon processes: the folder that they are locked into."""
    return str(options_of(application).get("chroot", "")).rstrip("/")


def daemon_option(application: Application, key: str, otherwise: Any) -> Any:
    """An option that the template places itself."""
    return options_of(application).get(key, otherwise)


def daemon_words(application: Application) -> list[str]:
    """All other options, as words of WSGIDaemonProcess."""
    return daemon_option_words(options_of(application), application["debug"])


def pass_authorization(application: Application) -> str:
    """On unless the user says otherwise: as a rule the application itself authenticates."""
    return "On" if boolean(directives_of(application).get("pass_authorization", True)) else "Off"


def additions(application: Application, process_group: str, launcher: str) -> dict[str, str]:
    """What we add to directives: where the application runs, and the script that loads it."""
    return {
        "process-group": process_group,
        "application-group": str(application["application_group"]),
        "launcher": launcher,
    }


def alias_lines(application: Application, added: Mapping[str, str]) -> list[str]:
    """Directives that come before the application's own path."""
    values = directives_of(application)
    return lines(at(VHOST)[ALIASES], values[ALIASES], "", added) if ALIASES in values else []


def preload_lines(application: Application, launcher: str, added: Mapping[str, str]) -> list[str]:
    """What loads the application, and says where it runs, instead of the options of WSGIScriptAlias."""
    here, group = added["application-group"], added["process-group"]
    found = [
        *_location(path_of(application), [f"WSGIProcessGroup {group}", f"WSGIApplicationGroup {here}"]),
        f"WSGIImportScript {quote(launcher)} process-group={group} application-group={here}",
    ]
    for other in active_groups(application):
        name = other["group_name"]
        found.append(f"WSGIImportScript {quote(launcher)} process-group={name} application-group={here}")
        for path in other["paths"]:
            found += _location(path, [f"WSGIProcessGroup {name}"])
    return found


def path_of(application: Application) -> str:
    """The path of URLs below which the application is."""
    return str(application.get("path", "/"))


def vhost_lines(application: Application, code: str, added: Mapping[str, str]) -> list[str]:
    """All other directives of the application, without those of its locations."""
    values = {key: value for key, value in directives_of(application).items() if key != ALIASES}
    path = path_of(application)
    if path == "/":
        return directive_lines(VHOST, values, code, added)
    # The vhost has other applications too. What it says of the header Authorization is not for this one.
    whole = {key: value for key, value in values.items() if key not in at(LOCATION)}
    own = {"pass_authorization": True, **{key: value for key, value in values.items() if key in at(LOCATION)}}
    return [*directive_lines(VHOST, whole, code, added), *location_lines({**own, "path": path}, code, added)]


def _location(path: str, inner: Sequence[str]) -> list[str]:
    return [f"<Location {quote(path, 'path')}>", *(f"    {line}" for line in inner), "</Location>"]


def location_lines(location: Values, code: str, added: Mapping[str, str]) -> list[str]:
    """One location."""
    inner = directive_lines(LOCATION, location, code, added)
    # The vhost's own is placed by the template; here nobody else writes it.
    if "pass_authorization" in location:
        inner.append(f"WSGIPassAuthorization {'On' if boolean(location['pass_authorization']) else 'Off'}")
    inner += authentication_lines(location)
    return _location(location["path"], inner)


def logins(application: Application) -> list[dict[str, Any]]:
    """Paths where a script checks passwords, and what is required there."""
    return [
        {"path": str(location["path"]), "require": [_required(location)]}
        for location in locations_of(application)
        if "auth_user_script" in location
    ]


def _required(location: Values) -> str:
    groups = given(location.get("auth_group_script")).get("groups")
    return " ".join(["wsgi-group", *(quote(group, "groups") for group in groups)]) if groups else "valid-user"


def authentication_lines(location: Values) -> list[str]:
    """What makes httpd ask for a password, where a script checks it."""
    if "auth_user_script" not in location:
        return []
    return [
        "AuthType Basic",
        f"AuthName {quote_realm(location['auth_user_script']['realm'], 'realm')}",
        "AuthBasicProvider wsgi",
        # What is required elsewhere stays required.
        "AuthMerging And",
        f"Require {_required(location)}",
    ]


def alias_options(added: Mapping[str, str]) -> str:
    """What follows the script in WSGIScriptAlias, where the application runs in one process group."""
    return f" process-group={added['process-group']} application-group={added['application-group']}"


def vhost_values(application: Application, code: str, process_group: str, launcher: str) -> dict[str, Any]:
    """What the template lays out: lines before the application's path, options of that, and all other lines.

    Those of its locations come after the logins of httpd, so that a location has the last word.
    The launcher has to be loaded by a directive of its own with several process groups, since a location may choose one
    only where the alias names none, and in a chroot, where a path from outside means nothing (measured with mod_wsgi
    4.9.1 to 6.1.1 on Debian 12, 2026-11).
    """
    outside = root(application)
    added = additions(application, process_group, outside + launcher)
    apart = bool(outside or active_groups(application))
    return {
        "aliases": alias_lines(application, added),
        "alias_options": "" if apart else alias_options(added),
        "directives": [
            *(preload_lines(application, launcher, added) if apart else []),
            *vhost_lines(application, code, added),
        ],
        "locations": [line for location in locations_of(application) for line in location_lines(location, code, added)],
    }


FILTERS: dict[str, Callable[..., Any]] = {
    "process_groups": process_groups,
    "daemon_option": daemon_option,
    "daemon_words": daemon_words,
    "pass_authorization": pass_authorization,
}
"""For the template of the vhost."""
