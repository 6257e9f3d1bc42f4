# SPDX-License-Identifier: Apache-2.0
"""How processes change from one release to the next: `releases.strategy` and `releases.keep_warm`.

By blue and green an application has two daemon process groups. A file on the host says which of them serves
(module_utils/deploy/colours.py); httpd reads it as a RewriteMap, and a variable of the request names the group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import COLOURS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote, quote_rule
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import part_of_memory
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import path_of
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import (
    App,
    Apps,
    Problems,
    Sentences,
    Server,
    Subject,
    Vhost,
)

AUTO, BLUE_GREEN, ROLLING = "auto", "blue_green", "rolling"
"""What `releases.strategy` can be; where nobody decides the first for a host, it is as the last."""
OVERLAPPING = "overlapping"
"""What is decided for one that is rolling, with one process: its successor is loaded before it goes.

mod_wsgi starts no second process for the time of a switch. So there are two groups, of which one holds nothing.
"""
CARRIED_OUT = {OVERLAPPING: {"strategy": BLUE_GREEN, "keep_warm": 0}}
"""The key `releases` that does it, by strategy; the others say it themselves."""
KEY = "releases.strategy"
STAYS = 1.25
"""Which part of the memory for daemon processes the applications may take before one changes as by default no longer.

To begin with it, 1 is the limit: a host near it whose memory is told a little differently stays as it is.
"""
OLDEST = 6
"""The major version of mod_wsgi from which on blue_green is the default."""
NAMED = re.compile(r"process-?group", re.IGNORECASE)
"""What a configuration of the user's has that names a daemon process group."""
CANARY = "releases.canary"
CANARY_STEP = 5
"""Percent: a line of a RewriteMap has 1,024 bytes at the most."""
LONGEST_CANARY = 3600
COOKIE_SECONDS = 60
"""How much longer a cookie holds than a trial should take, since it ends a moment later. It is for that one alone."""
OF_APPLICATION = "%{HANDLER} == 'wsgi-script'"
"""Whether the application is asked, and no static file; for httpd."""
LONGEST_WARM = 7 * 24 * 3600
"""Seconds for which a release that no longer serves may be held."""

NAMING = "it may name a process group"
FIXED = {
    **dict.fromkeys(("dispatch_script", "script_alias_matches", "restrict_process", "locations"), NAMING),
    "import_scripts": "the group that rests loads nothing",
}
"""Of `wsgi_directives`: what does not go with two groups, and why."""


def is_blue_green(application: App) -> bool:
    """Whether the application has two daemon process groups, of which one serves."""
    return bool(application["releases"]["strategy"] == BLUE_GREEN)


def names(group: str) -> list[str]:
    """The two daemon process groups in place of one."""
    return [colours.group(group, colour) for colour in COLOURS]


def variable(group: str) -> str:
    """The variable of a request that names the one of two groups which serves it."""
    # In a rule, a colon would end the name.
    return f"MODWSGI_GROUP_{group.replace(':', '.')}"


def expression(group: str) -> str:
    """The same, as mod_wsgi reads it."""
    return f"%{{ENV:{variable(group)}}}"


class Map(NamedTuple):
    """The RewriteMap of an application, which is the file that says which of two groups serves."""

    name: str
    first: str
    """The group that serves where the file does not say."""

    @classmethod
    def of(cls, application: App) -> Map:
        """That of one application."""
        return cls(f"modwsgi-{application['name']}", names(application["name"])[0])

    def value(self, key: str, otherwise: str = "") -> str:
        """What stands there, for mod_rewrite."""
        return f"${{{self.name}:{key}|{otherwise or self.first}}}"


def variable_rule(name: str, value: str) -> str:
    """The rule that gives a variable to each request."""
    return f"RewriteRule ^ - [E={name}:{value}]"


def tried_variable(application: App) -> str:
    """The variable of a request that is there while a release is tried."""
    return f"MODWSGI_CANARY_{application['name']}"


def canary_log(application: App, log_directory: str) -> list[str]:
    """The line that lets httpd write which group has answered a request with which status, while a release is tried."""
    if not has_canary(application):
        return []
    path = quote(colours.canary_log(log_directory, application["name"]))
    # <: of the request itself, also where an error page is another one within.
    condition = f"-n reqenv('{tried_variable(application)}') && {OF_APPLICATION}"
    return [f'CustomLog {path} "%<{{{variable(application["name"])}}}e %>s" "expr={condition}"']


def cookie(name: str) -> str:
    """The name of the cookie that keeps a visitor of an application with one release while another one is tried."""
    return f"modwsgi-canary-{name}"


def sticky_lines(application: App) -> list[str]:
    """The rules by which a visitor stays with the release that has answered first, and the header that notes it.

    A cookie holds for one trial, whose number stands in the file that says who serves. Whatever it says, it chooses
    between the two groups that this file names.
    """
    serving = Map.of(application)
    group, sticky = variable(application["name"]), f"MODWSGI_STICKY_{application['name']}"
    trial, word = serving.value("trial", "-"), serving.value(f"%{{ENV:{group}}}", "old")
    known = rf"^([0-9]+)@(?:.*;\s*)?{re.escape(cookie(application['name']))}=\1-(new|old)\s*(?:;|$)"
    seconds, path = application["releases"]["canary"]["seconds"] + COOKIE_SECONDS, path_of(application)
    below = f"^{re.escape(path.rstrip('/'))}(?:/|$)"
    text = f"{cookie(application['name'])}=%{{{sticky}}}e; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    # Only with what the application answers, and not where a cache may keep that for other visitors.
    fresh = f"-n reqenv('{sticky}') && {OF_APPLICATION} && resp('Cache-Control') !~ /public|s-maxage/i"
    return [
        f"RewriteCond %{{REQUEST_URI}} {quote_rule(below)} [NV]",
        f"RewriteCond {trial} ^[0-9]+$",
        variable_rule(sticky, f"{trial}-{word}"),
        # NV: caches go on to treat answers as ever.
        f'RewriteCond "{trial}@%{{HTTP_COOKIE}}" {quote_rule(known)} [NV]',
        # The file may have changed meanwhile: then whoever serves answers.
        variable_rule(group, f"{serving.value('%2', serving.value('active'))},E=!{sticky}"),
        f"Header always add Set-Cookie {quote(text)} \"expr={fresh} && %{{HTTPS}} != 'on'\"",
        f"Header always add Set-Cookie {quote(f'{text}; Secure')} \"expr={fresh} && %{{HTTPS}} == 'on'\"",
    ]


def check(application: App) -> Problems:
    """What blue and green do not go with."""
    seconds = application["releases"]["keep_warm"]
    if not 0 <= seconds <= LONGEST_WARM:
        yield "releases.keep_warm", f"{seconds} is not possible; use 0 (not at all) to {LONGEST_WARM} (a week)"
    yield from check_canary(application["releases"]["canary"])
    if not is_blue_green(application):
        if application["releases"]["canary"]["percent"]:
            yield f"{CANARY}.percent", f"only blue_green can send a share of the requests to a release; set {KEY}"
        return
    other = "use rolling, or remove it"
    if not application["releases"]["overlap"]:
        yield "releases.overlap", f"both releases are loaded at a switch, and {KEY} is blue_green; {other}"
    if application["mode"] != "daemon":
        yield KEY, "blue_green needs daemon processes, and mode is embedded; use rolling"
    if application["debug"]:
        yield "debug", f"debug mode has one process, and {KEY} is blue_green; {other}"
    if application.get("daemon_options", {}).get("chroot"):
        yield "daemon_options.chroot", f"in a chroot the launcher cannot see which release serves ({KEY}); {other}"
    for key, why in FIXED.items():
        if application.get("wsgi_directives", {}).get(key):
            yield f"wsgi_directives.{key}", f"{why}, and {KEY} is blue_green; {other}"


def check_canary(canary: App) -> Problems:
    """Shares that httpd can choose by, and times that a run can wait."""
    percent, seconds, errors = (canary[key] for key in ("percent", "seconds", "max_error_percent"))
    if percent % CANARY_STEP or not 0 <= percent <= 50:
        yield f"{CANARY}.percent", f"{percent} is not possible; use a multiple of {CANARY_STEP} up to 50, or 0 for none"
    if not 1 <= seconds <= LONGEST_CANARY:
        yield f"{CANARY}.seconds", f"{seconds} is not possible; use 1 to {LONGEST_CANARY}"
    if not 0 <= errors <= 100:
        yield f"{CANARY}.max_error_percent", f"{errors} is not possible; use 0 to 100"


def with_strategies(applications: Apps, strategies: Mapping[str, str]) -> list[dict[str, Any]]:
    """The applications, written or complete, with the strategies that were decided for them."""
    found = [dict(application) for application in applications]
    for application in found:
        if application.get("name") in strategies:
            strategy = strategies[str(application["name"])]
            carried_out = CARRIED_OUT.get(strategy, {"strategy": strategy})
            application["releases"] = {**(application.get("releases") or {}), **carried_out}
    return found


def defaults(applications: Apps, host: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, str]:
    """The strategies of those applications that leave it to the host, by name, and of those that are OVERLAPPING.

    blue_green for all of them where the memory of the host holds them twice, with the processes that they have anyway.
    Else those go on with it that have it, as long as all take no more than STAYS of it; where one process is all that
    an application has, httpd's configuration is the same without it, so it does not go on.

    ``host`` is the fact ``httpd_host``; ``server`` has the version of mod_wsgi, `mod_wsgi_directives` (directives) and
    `httpd_site_modules` (site_modules).
    """
    free = [each for each in applications if each["releases"]["strategy"] == AUTO]
    lone = [each for each in applications if each.get("processes") == 1]
    rolling = [each for each in lone if each["releases"]["strategy"] == ROLLING]
    two = {each["name"] for each in (*free, *rolling) if _is_able(each, applications, host, server)}
    able = two & {each["name"] for each in free}
    overlapping = two & {each["name"] for each in lone}
    there = (able & set(host.get("blue_green", ()))) - overlapping
    sized = with_strategies(applications, dict.fromkeys(two - able, OVERLAPPING))
    size = host["cores"], host["memory_mebibytes"], sized
    chosen: set[str] = set()
    if part_of_memory(*size, able) <= 1:
        chosen = able
    elif part_of_memory(*size, there) <= STAYS:
        chosen = there
    decided = {each["name"]: BLUE_GREEN if each["name"] in chosen else ROLLING for each in free}
    return {**decided, **dict.fromkeys(overlapping - chosen, OVERLAPPING)}


def _is_able(application: App, applications: Apps, host: Mapping[str, Any], server: Mapping[str, Any]) -> bool:
    """Whether an application that does not say so can have two groups, and nothing else notices their names.

    Beside sites of others the memory is not ours alone. There, and where httpd loads only what somebody asks for, it
    would have to be restarted for mod_rewrite.
    """
    if host.get("foreign") or server["site_modules"] == "needed" or int(server["version"].split(".")[0]) < OLDEST:
        return False
    if _is_named(application, applications, server["directives"]):
        return False
    coloured = {**application, "releases": {**application["releases"], "strategy": BLUE_GREEN}}
    places = [_place(other) for other in applications if other["name"] != application["name"]]
    return not any(True for _ in check(coloured)) and _place(application) not in places


def _is_named(application: App, applications: Apps, directives: Mapping[str, Any]) -> bool:
    """Whether the user's own settings name the daemon process group of an application."""
    options = [each.get("process_group", "") for each in directives.get("interpreter_options") or []]
    return any(str(name).partition(":")[0] == application["name"] for name in options) or any(
        NAMED.search(str(each.get("extra_config") or "")) for each in applications
    )


def has_canary(application: App) -> bool:
    """Whether a share of the requests goes to a new release first."""
    return bool(is_blue_green(application) and application["releases"]["canary"]["percent"])


def check_all(applications: Apps, _: Server) -> Sentences:
    """The private listener tells applications apart by name and path, without the port."""
    seen: dict[tuple[str, str], str] = {}
    for application in filter(is_blue_green, applications):
        first = seen.setdefault(_place(application), application["name"])
        if first != application["name"]:
            text = f"the application {first!r} has the same server_name and path, and {KEY} blue_green too; use rolling"
            yield application["name"], KEY, text


def _place(application: App) -> tuple[str, str]:
    return str(application["server_name"]).lower(), path_of(application)


def rewrite_lines(applications: Iterable[App], condition: str = "") -> list[str]:
    """What names the group for each request: the one that serves, or, under a condition of mod_rewrite, the other."""
    chosen = list(filter(is_blue_green, applications))
    lines = ["RewriteEngine On"] if chosen else []
    for application in chosen:
        serving, group = Map.of(application), variable(application["name"])
        # rnd: one of several that are separated by |, while a release is tried.
        kind = "rnd" if has_canary(application) else "txt"
        lines.append(f"RewriteMap {serving.name} {quote(f'{kind}:' + colours.active_file(application['paths']))}")
        lines.append(variable_rule(group, serving.value("active")))
        if kind == "rnd" and not condition:
            lines.append(f"RewriteCond {serving.value('canary', 'off')} =on")
            lines.append(variable_rule(tried_variable(application), "1"))
            lines += sticky_lines(application) if application["releases"]["canary"]["sticky"] else []
        if condition:
            lines.append(f"RewriteCond {condition}")
            lines.append(variable_rule(group, serving.value("resting")))
        # All of its groups have the same colour, also where a share of the requests tries another one.
        for part in (each["name"] for each in application.get("daemon_groups", [])):
            lines.append(variable_rule(variable(f"{application['name']}:{part}"), f"%{{ENV:{group}}}:{part}"))
    return lines


def values(vhost: Vhost) -> dict[str, Any]:
    """The lines come first, since other rules may end the rewriting."""
    return {"colours": rewrite_lines(vhost.applications)}


def modules(application: App) -> tuple[str, ...]:
    """What reads the file that says which group serves."""
    return ("rewrite",) if is_blue_green(application) else ()


SUBJECT = Subject(check, check_all, modules=modules, values=values)
