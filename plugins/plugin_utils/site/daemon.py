# SPDX-License-Identifier: Apache-2.0
"""The processes of an application, and what mod_wsgi is told about it.

The keys `processes` to `locale`, `daemon_options`, `daemon_groups` and `wsgi_directives`: checks, and lines for httpd.
What mod_wsgi knows is in mod_wsgi/directives.py. Runs on the control node only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import COLOURS, KINDS
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote, quote_realm
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives as mod_wsgi
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import names, strategy
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import (
    App,
    Apps,
    Place,
    Problems,
    Sentences,
    Server,
    Subject,
)

DAEMON, EMBEDDED = "daemon", "embedded"
"""Where an application runs: in processes of its own, or in httpd's."""

OPTIONS, GROUPS, DIRECTIVES = "daemon_options", "daemon_groups", "wsgi_directives"
LEAST = {"max_tasks": 16, "max_open_files": 64, "memory_max": 64 << 20}
CPU_WEIGHTS = range(1, 10_001)
"""What Linux takes; every control group has 100 where nobody says otherwise."""
OF_ACCOUNT = ("memory_max", "cpu_weight")
"""Limits of a control group, which is that of an account."""
THREADS_OF_LIBRARIES, OTHER_TASKS = 64, 256
"""Threads in each process beyond those for requests, and tasks of the whole application beyond its processes."""

MULTIPLIES_FROM = 6
"""The major version of mod_wsgi from which on request-timeout depends on the threads."""

GROUP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
GROUP_SECONDS = ("request_timeout", "queue_timeout", "startup_timeout", "deadlock_timeout")
"""Timeouts that a daemon process group of an application may have for itself."""
SIZES = ("processes", "threads")
SECONDS = (*GROUP_SECONDS, "graceful_timeout", "shutdown_timeout")

DEBUG_TIMEOUT = 3600
"""Seconds for whatever has a limit in debug mode: somebody may be reading."""
DEBUG_SETTINGS: dict[str, Any] = {
    # None: the option is left out, since `processes=1` too would make wsgi.multiprocess true.
    "processes": None,
    "threads": 1,
    **{f"{name}_timeout": DEBUG_TIMEOUT for name in ("request", "startup", "deadlock", "queue")},
}
"""What debug mode sets, whatever the application says for its ordinary life."""

STANDARD_STREAMS = ("restrict_stdin", "restrict_stdout")
ALIASES = "script_alias_matches"
"""The directive that has to come before the application's own path."""

CHUNKED = "chunked_request"
# mod_http2 passes a body of unknown length on with empty buckets in it. mod_wsgi sends each bucket to the daemon
# process as a chunk, and a chunk of length 0 ends a body: the application got none of it, with status 200 (measured
# with mod_wsgi 6.1.1 on Debian 12, Apache 2.4.71, 2026-11). mod_buffer joins the buckets before mod_wsgi reads them.
WHOLE_BODY = (
    "<If \"%{SERVER_PROTOCOL} =~ m#^HTTP/2# && -z req_novary('Content-Length')\">",
    "    SetInputFilter BUFFER",
    "</If>",
)


def options_of(application: App) -> dict[str, Any]:
    """The daemon options that are set."""
    return dict(application.get(OPTIONS, {}))


def directives_of(application: App) -> dict[str, Any]:
    """The directives of the vhost that are set, without those of its locations."""
    return {key: value for key, value in application.get(DIRECTIVES, {}).items() if key != "locations"}


def locations_of(application: App) -> Iterator[tuple[str, dict[str, Any]]]:
    """The locations with directives of their own, each with the key that leads to it."""
    found = names.entries(application.get(DIRECTIVES, {}), "locations")
    return ((f"{DIRECTIVES}.{key}", location) for key, location in found)


def check(application: App) -> Problems:
    """All that is wrong with the keys in themselves and with each other."""
    yield from _check_numbers("", application, SECONDS)
    yield from _check_words(application)
    yield from _check_limits(application)
    yield from check_daemon_options(application, OPTIONS)
    yield from check_groups(application)
    yield from mod_wsgi.problems(mod_wsgi.at(mod_wsgi.VHOST), directives_of(application), DIRECTIVES)
    yield from check_locations(application)


def _check_numbers(prefix: str, holder: App, timeouts: Sequence[str]) -> Problems:
    """Ranges, which the argument specification cannot express."""
    for key in SIZES:
        if holder.get(key, 1) < 1:
            yield f"{prefix}{key}", f"{holder[key]} is too small; the least is 1"
    for key in timeouts:
        if holder.get(key, 0) < 0:
            yield f"{prefix}{key}", f"{holder[key]} is negative; use 0 or more"


def _check_limits(application: App) -> Problems:
    """0 is no limit; with fewer an application would not even start."""
    for key, least in LEAST.items():
        if application.get(key) and application[key] < least:
            yield key, f"{application[key]} is too small; use at least {least}, or 0 for no limit"
    weight = application.get("cpu_weight")
    if weight is not None and weight not in CPU_WEIGHTS:
        yield "cpu_weight", f"{weight} is no weight; use 1 to {CPU_WEIGHTS[-1]}, of which 100 is the ordinary one"


def check_all(applications: Apps, _: Server) -> Sentences:
    """The kernel tells whose a process is by its account."""
    accounts = [account_of(application) for application in applications]
    for application, account in zip(applications, accounts, strict=True):
        limits = [key for key in OF_ACCOUNT if application.get(key)]
        if limits and accounts.count(account) > 1:
            yield (
                application["name"],
                limits[0],
                f"another application runs as {account!r}, too, and Linux tells them apart by their accounts; remove "
                "the key user of one of the two, or this one",
            )


def account_of(application: App) -> str:
    """The account of the daemon processes; empty where httpd's own processes run the application."""
    return "" if application["mode"] == EMBEDDED else str(application.get("user", f"wsgi-{application['name']}"))


def _check_words(application: App) -> Problems:
    group = application["application_group"]
    if not mod_wsgi.PATTERNS["group"][0].fullmatch(group):
        yield "application_group", f"{group!r} is not usable; use %{{GLOBAL}}, or a name of letters, digits, '_.:-'"
    for key in ("lang", "locale"):
        if not re.fullmatch(r"[A-Za-z0-9_.@-]+", application[key]):
            yield key, f"{application[key]!r} is not the name of a locale; write it like C.UTF-8"


def check_daemon_options(holder: App, key: str) -> Problems:
    """What is wrong with `daemon_options` of an application."""
    yield from mod_wsgi.problems(mod_wsgi.daemon_options(), options_of(holder), key)
    if str(options_of(holder).get("chroot", "x")).strip("/") == "":
        yield f"{key}.chroot", "it is the whole system, for which mod_wsgi serves nothing; name a folder or remove it"
    yield from contradictions(holder, key)


def contradictions(holder: App, key: str) -> Problems:
    """Options that do not go together."""
    options = options_of(holder)
    if "script_user" in options and "script_group" in options:
        yield f"{key}.script_group", "script_user is given too, and mod_wsgi takes one of the two; remove one"
    if options.get("interrupt_timeout") and holder["request_timeout"] == 0:
        yield f"{key}.interrupt_timeout", "it has no effect while request_timeout is 0; remove it, or set that"


def check_groups(application: App) -> Problems:
    """What is wrong with `daemon_groups`."""
    seen: set[str] = set()
    paths: set[str] = set()
    for key, group in names.entries(application, GROUPS):
        name = group["name"]
        if not GROUP_NAME.fullmatch(name):
            yield f"{key}.name", f"{name!r} is not usable; begin with a lower-case letter and use a-z, 0-9, '-' and '_'"
        if name in seen:
            yield f"{key}.name", f"{name!r} is there twice; give each group its own"
        seen.add(name)
        yield from check_paths(application, group, key, paths)
        yield from _check_numbers(f"{key}.", group, GROUP_SECONDS)
        yield from mod_wsgi.problems(mod_wsgi.daemon_options(), options_of(group), f"{key}.{OPTIONS}")
        if "chroot" in options_of(group):
            yield f"{key}.{OPTIONS}.chroot", "all processes of an application have the same; give it to the application"
        if options_of(group):
            both = {**options_of(application), **options_of(group)}
            yield from contradictions({**application, **group, OPTIONS: both}, f"{key}.{OPTIONS}")


def check_paths(application: App, group: App, key: str, seen: set[str]) -> Problems:
    """What is wrong with URL paths that belong to one group each, and are the application's."""
    if not group["paths"]:
        yield f"{key}.paths", "the list is empty; name the URL paths that the group serves"
    for name, path in names.entries(group, "paths"):
        yield from check_path(path, f"{key}.{name}", seen)
        if not names.is_below(path, application["path"]):
            text = f"{path!r} is not below the application's path {application['path']!r}; begin it with that"
            yield f"{key}.{name}", text


def check_path(path: str, key: str, seen: set[str]) -> Problems:
    """What is wrong with one URL path."""
    if not names.URL_PATH.fullmatch(path):
        yield key, f"{path!r} is not a URL path; begin with / and use neither blanks nor ? and #"
    elif path in seen:
        yield key, f"{path!r} is there twice; remove one"
    else:
        seen.add(path)


def check_locations(application: App) -> Problems:
    """What is wrong with `wsgi_directives.locations`."""
    seen: set[str] = set()
    for key, location in locations_of(application):
        yield from check_path(location["path"], f"{key}.path", seen)
        if names.FOLDER_WILDCARD.search(location["path"]):
            yield f"{key}.path", f"{location['path']!r} is a pattern for httpd; use none of * ? [ ]"
        if set(location) == {"path"}:
            yield key, "it sets nothing; add a directive or remove it"
        yield from mod_wsgi.problems(mod_wsgi.at(mod_wsgi.LOCATION), location, key)
        if "auth_user_script" in location:
            for path in (
                auth["path"] for auth in application["auth"] if names.is_below(auth["path"], location["path"])
            ):
                text = f"the key auth asks for a password at {path!r}, which is below; remove one"
                yield f"{key}.auth_user_script", text
        elif "auth_group_script" in location:
            text = "nothing says who the user is; add auth_user_script, which checks the password"
            yield f"{key}.auth_group_script", text


def scripts(application: App) -> Iterator[tuple[str, str]]:
    """Keys whose value is the path of a script, relative to the source or absolute."""
    yield from _scripts(mod_wsgi.VHOST, directives_of(application), DIRECTIVES)
    for key, location in locations_of(application):
        yield from _scripts(mod_wsgi.LOCATION, location, key)


def _scripts(place: str, values: mod_wsgi.Values, key: str) -> Iterator[tuple[str, str]]:
    for name, setting in mod_wsgi.at(place).items():
        value = values.get(name)
        if value is None or not any(known.type == "script" for known in setting.fields):
            continue
        for where, record in names.entries(values, name) if isinstance(value, list) else [(name, value)]:
            if "script" in record:
                yield f"{key}.{where}.script", record["script"]


def module_version(version: str, install_method: str, host: Mapping[str, Any]) -> str:
    """The version of mod_wsgi that is to serve; the distribution decides it with the method package."""
    known = DISTRIBUTIONS.get(f"{host.get('distribution')}{host.get('release')}")
    return known.module_version if install_method == "package" and known else version


def server_problems(application: App, server: Mapping[str, Any]) -> Problems:
    """What the application asks for and the server will not have.

    ``server``: version (of mod_wsgi), directives (`mod_wsgi_directives`).
    """
    version = str(server["version"])
    yield from mod_wsgi.unavailable(mod_wsgi.daemon_options(), options_of(application), OPTIONS, version)
    for key, group in names.entries(application, GROUPS):
        yield from mod_wsgi.unavailable(mod_wsgi.daemon_options(), options_of(group), f"{key}.{OPTIONS}", version)
    yield from mod_wsgi.unavailable(mod_wsgi.at(mod_wsgi.VHOST), directives_of(application), DIRECTIVES, version)
    for key, location in locations_of(application):
        yield from mod_wsgi.unavailable(mod_wsgi.at(mod_wsgi.LOCATION), location, key, version)
    directives = mod_wsgi.given(server["directives"])
    on = {name for name in ("free_threading", *STANDARD_STREAMS) if boolean(directives.get(name, False))}
    if "free_threading" in on and "switch_interval" in options_of(application):
        text = "it has no effect while mod_wsgi_directives.free_threading is true; remove one"
        yield f"{OPTIONS}.switch_interval", text
    for name in STANDARD_STREAMS:
        if application["debug"] and name in on:
            text = f"debug mode frees standard input and output, and mod_wsgi_directives.{name} is true; remove one"
            yield "debug", text


def unknown_groups(applications: Sequence[App], directives: mod_wsgi.Values | None) -> list[str]:
    """Process groups in `mod_wsgi_directives.interpreter_options` that no application has, one sentence each."""
    known = {"%{GLOBAL}"}
    for each in applications:
        own = [each["name"], *(group_name(each, group) for _, group in names.entries(each, GROUPS))]
        coloured = strategy.is_blue_green(each)
        known |= {name for group in own for name in (strategy.names(group) if coloured else [group])}
    found = []
    for key, options in names.entries(directives or {}, "interpreter_options"):
        name = options.get("process_group")
        if name is not None and name not in known:
            found.append(
                f"mod_wsgi_directives.{key}.process_group: {name!r} is neither the name of an application nor "
                "NAME:GROUP of one of its daemon_groups; correct it."
            )
    return found


def group_name(application: App, group: App) -> str:
    """The daemon process group as mod_wsgi knows it; the launcher takes the part before the colon."""
    return f"{application['name']}:{group['name']}"


def active_groups(application: App) -> list[dict[str, Any]]:
    """The groups beside the first, as applications for the template; none in debug mode, which has one process."""
    if application["debug"]:
        return []
    found = []
    for _, group in names.entries(application, GROUPS):
        own = {key: value for key, value in group.items() if key in (*SIZES, *GROUP_SECONDS, "paths")}
        own[OPTIONS] = {**options_of(application), **options_of(group)}
        own["request_limit"] = request_limit({**application, **own})
        found.append({**application, **own, "group_name": group_name(application, group)})
    return found


def request_limit(group: App) -> int:
    """The option request-timeout with which a request ends its process after `request_timeout` seconds, rounded up.

    From 6.0.0 on mod_wsgi multiplies it by 1 + ln(threads): an application whose 15 threads all hung was out for
    228 s with request-timeout=60 (measured with 6.1.1 on Debian 12, 2026-11).
    """
    seconds, version = int(group["request_timeout"]), str(group.get("module_version") or "")
    if not version or int(version.partition(".")[0]) < MULTIPLIES_FROM:
        return seconds
    return math.ceil(seconds / (1 + math.log(int(group["threads"]))))


def process_groups(application: App) -> list[dict[str, Any]]:
    """The application, and then its other groups."""
    return [{**application, "group_name": application["name"]}, *active_groups(application)]


def defined_groups(application: App, paths: Mapping[str, str]) -> list[dict[str, Any]]:
    """The groups as the template defines them: of an application with two colours, one for each."""
    if not strategy.is_blue_green(application):
        place = {"kind": KINDS[0], "home": paths["current"], "python_home": paths["venv"]}
        return [{**group, **place} for group in process_groups(application)]
    found = []
    for colour in COLOURS:
        own = colours.paths_of(paths, colour)
        place = {"kind": colour, "home": own["current"], "python_home": own["venv"]}
        found += [
            {**group, **place, "group_name": colours.group(group["group_name"], colour)}
            for group in process_groups(application)
        ]
    return found


def paths_of_groups(application: App, only: str = "") -> list[tuple[str, str]]:
    """The paths that the groups beside the first have, or ``only`` one of them, each with the group that serves it."""
    found = []
    for group in active_groups(application):
        name = group["group_name"]
        serving = strategy.expression(name) if strategy.is_blue_green(application) else name
        found += [(path, serving) for path in group["paths"] if only in ("", name)]
    return found


def normalise(application: App, place: Place) -> dict[str, Any]:
    """Sizes of processes, the settings of debug mode, and what follows from both."""
    own = {key: application.get(key, place.sizes[key]) for key in SIZES}
    own |= {"listen_backlog": place.sizes["listen_backlog"], **_connecting(application, place.sizes)}
    own |= DEBUG_SETTINGS if application["debug"] else {}
    own["module_version"] = place.sizes.get("module_version", "")
    own["request_limit"] = request_limit({**application, **own})
    groups = process_groups({**application, **own})
    embedded = application["mode"] == EMBEDDED
    # Not what is said of one group: how often all of it is there.
    times = len(COLOURS) if strategy.is_blue_green(application) else 1
    probed = [group["group_name"] for group in (groups[:1] if embedded else groups)]
    timeouts = {} if embedded else {group["group_name"]: _startup_timeout(group) for group in groups}
    if times > 1:
        probed = [colours.group(name, colour) for colour in COLOURS for name in probed]
        timeouts = {group: seconds for name, seconds in timeouts.items() for group in strategy.names(name)}
    return {
        **own,
        # None: mod_wsgi's default of one is used.
        "all_processes": None if application["debug"] else sum(group["processes"] for group in groups),
        "fewest_threads": min(group["threads"] for group in groups),
        "startup_timeouts": timeouts,
        # How long a process that is replaced may go on with its requests (SIGUSR1: eviction-timeout).
        "replacement_seconds": max(
            application["graceful_timeout"], *(options_of(group).get("eviction_timeout", 0) for group in groups)
        ),
        "probed_groups": probed,
        "colours": list(COLOURS) if times > 1 else [],
        "max_tasks": application.get("max_tasks", _tasks(application, groups * times, place)),
        "max_open_files": application.get("max_open_files", 0),
        # None: what the host computes.
        **{key: application.get(key) for key in OF_ACCOUNT},
        "control_group": _control_group(application, place),
    }


def _control_group(application: App, place: Place) -> str:
    """The socket of the service that moves daemon processes to their control group; empty where they have none.

    httpd's own processes cannot be told from those of an application with httpd's account.
    """
    has_one = place.sizes.get("control_groups") and account_of(application) not in {"", place.instance["user"]}
    return place.instance["limits_socket"] if has_one else ""


def _tasks(application: App, groups: Sequence[App], place: Place) -> int:
    """Processes and threads that no ordinary application ever has; 0 where its account has others as well.

    Twice, since a process and its successor are there at the same time. The kernel counts by accounts, and those of
    containers together with all others of the machine.
    """
    if application["debug"] or application["mode"] == EMBEDDED or "user" in application or not place.instance["unit"]:
        return 0
    serving = sum(int(group["processes"]) * (int(group["threads"]) + THREADS_OF_LIBRARIES) for group in groups)
    return 2 * serving + OTHER_TASKS


def _startup_timeout(group: App) -> int:
    """Seconds for the load of the application in a daemon process group; 0: no limit.

    There is none in debug mode, where somebody may be reading, and httpd's own processes are not ended for one
    application. The launcher keeps them: mod_wsgi's own limit begins with the first request.
    """
    return 0 if group["debug"] else int(group["startup_timeout"])


def _connecting(application: App, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The daemon options, with the computed time for a request to reach a daemon process where the user sets none."""
    timeout = sizes.get("connect_timeout")
    if application["mode"] == EMBEDDED or application["debug"] or timeout is None:
        return {}
    return {OPTIONS: {"connect_timeout": timeout, **options_of(application)}}


def modules(application: App) -> tuple[str, ...]:
    """What makes httpd ask for a password where a script checks it, and what hands on bodies of unknown length."""
    locations = [location for _, location in locations_of(application)]
    asks = any("auth_user_script" in location for location in locations)
    takes = any(_whole_body(values) for values in (directives_of(application), *locations))
    return (*(("auth_basic", "authn_core", "authz_user") if asks else ()), *(("buffer",) if takes else ()))


def _whole_body(values: mod_wsgi.Values) -> Sequence[str]:
    return WHOLE_BODY if values.get(CHUNKED) else ()


def root(application: App) -> str:
    """What comes before the paths that httpd hands to the daemon processes: the folder that they are locked into."""
    return str(options_of(application).get("chroot", "")).rstrip("/")


def preload_lines(application: App, launcher: str, added: Mapping[str, str]) -> list[str]:
    """What loads the application, and says where it runs, instead of the options of WSGIScriptAlias."""
    here, group = added["application-group"], added["process-group"]
    found = _location(application["path"], [f"WSGIProcessGroup {group}", f"WSGIApplicationGroup {here}"])
    for each in process_groups(application):
        name = each["group_name"]
        loaded = strategy.names(name) if strategy.is_blue_green(application) else [name]
        found += [f"WSGIImportScript {quote(launcher)} process-group={own} application-group={here}" for own in loaded]
        for path, serving in paths_of_groups(application, name):
            found += _location(path, [f"WSGIProcessGroup {serving}"])
    return found


def vhost_lines(application: App, code: str, added: Mapping[str, str]) -> list[str]:
    """All other directives of the application, without those of its locations."""
    values = {key: value for key, value in directives_of(application).items() if key != ALIASES}
    path = application["path"]
    if path == "/":
        return [*mod_wsgi.directive_lines(mod_wsgi.VHOST, values, code, added), *_whole_body(values)]
    # The vhost has other applications too. What it says of the header Authorization is not for this one.
    whole = {key: value for key, value in values.items() if key not in mod_wsgi.at(mod_wsgi.LOCATION)}
    own = {
        "pass_authorization": True,
        **{key: value for key, value in values.items() if key in mod_wsgi.at(mod_wsgi.LOCATION)},
    }
    return [
        *mod_wsgi.directive_lines(mod_wsgi.VHOST, whole, code, added),
        *location_lines({**own, "path": path}, code, added),
    ]


def _location(path: str, inner: Sequence[str]) -> list[str]:
    return [f"<Location {quote(path, 'path')}>", *(f"    {line}" for line in inner), "</Location>"]


def location_lines(location: mod_wsgi.Values, code: str, added: Mapping[str, str]) -> list[str]:
    """One location."""
    inner = [*mod_wsgi.directive_lines(mod_wsgi.LOCATION, location, code, added), *_whole_body(location)]
    # The vhost's own is placed by the template; here nobody else writes it.
    if "pass_authorization" in location:
        inner.append(f"WSGIPassAuthorization {_on(location['pass_authorization'])}")
    if "auth_user_script" in location:
        inner += _authentication_lines(location)
    return _location(location["path"], inner)


def _on(value: bool) -> str:
    return "On" if value else "Off"


def logins(application: App) -> list[dict[str, Any]]:
    """Paths where a script checks passwords, and what is required there."""
    return [
        {"path": str(location["path"]), "require": [_required(location)]}
        for _, location in locations_of(application)
        if "auth_user_script" in location
    ]


def _required(location: mod_wsgi.Values) -> str:
    groups = mod_wsgi.given(location.get("auth_group_script")).get("groups")
    return " ".join(["wsgi-group", *(quote(group, "groups") for group in groups)]) if groups else "valid-user"


def _authentication_lines(location: mod_wsgi.Values) -> list[str]:
    """What makes httpd ask for a password, where a script checks it."""
    return [
        "AuthType Basic",
        f"AuthName {quote_realm(location['auth_user_script']['realm'], 'realm')}",
        "AuthBasicProvider wsgi",
        # What is required elsewhere stays required.
        "AuthMerging And",
        f"Require {_required(location)}",
    ]


def vhost_values(application: App, code: str, process_group: str, launcher: str) -> dict[str, Any]:
    """What the template lays out: lines before the application's path, options of that, and all other lines.

    Those of its locations come after the logins of httpd, so that a location has the last word.
    The launcher has to be loaded by a directive of its own with several process groups, since a location may choose one
    only where the alias names none, and in a chroot, where a path from outside means nothing (measured with mod_wsgi
    4.9.1 to 6.1.1 on Debian 12, 2026-11).
    """
    outside, group, values = root(application), application["application_group"], directives_of(application)
    added = {"process-group": process_group, "application-group": group, "launcher": outside + launcher}
    apart = bool(outside or active_groups(application) or strategy.is_blue_green(application))
    return {
        "aliases": mod_wsgi.lines(mod_wsgi.at(mod_wsgi.VHOST)[ALIASES], values[ALIASES], "", added)
        if ALIASES in values
        else [],
        "alias_options": "" if apart else f" process-group={process_group} application-group={group}",
        "directives": [
            *(preload_lines(application, launcher, added) if apart else []),
            *vhost_lines(application, code, added),
        ],
        "locations": [
            line for _, location in locations_of(application) for line in location_lines(location, code, added)
        ],
    }


FILTERS: dict[str, Callable[..., Any]] = {
    "defined_groups": defined_groups,
    "daemon_option": lambda application, key, otherwise: options_of(application).get(key, otherwise),
    # All other options, as words of WSGIDaemonProcess.
    "daemon_words": lambda application: mod_wsgi.daemon_option_words(options_of(application), application["debug"]),
    # On unless the user says otherwise: as a rule the application itself authenticates.
    "pass_authorization": lambda application: _on(directives_of(application).get("pass_authorization", True)),
}
"""For the template of the vhost; the options that it places itself are asked for by name."""

SUBJECT = Subject(
    check,
    check_all,
    normalise=normalise,
    modules=modules,
    possible=("auth_basic", "authn_core", "authz_user", "buffer"),
)
