# SPDX-License-Identifier: Apache-2.0
"""How processes change from one release to the next: `releases.strategy` and `releases.keep_warm`.

By blue and green an application has two daemon process groups. A file on the host says which of them serves
(module_utils/deploy/colours.py); httpd reads it as a RewriteMap, and a variable of the request names the group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import COLOURS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote, quote_rule
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

BLUE_GREEN = "blue_green"
KEY = "releases.strategy"
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

EXCLUSIVE = {
    "daemon_groups": "an application with daemon_groups changes its processes one half after the other",
    "debug": "debug mode has one process",
}
"""Keys that do not go with two groups, and why."""
FIXED = ("script_alias_matches", "restrict_process", "locations")
"""Of `wsgi_directives`: what may name a process group."""


def is_blue_green(application: App) -> bool:
    """Whether the application has two daemon process groups, of which one serves."""
    return bool(application["releases"]["strategy"] == BLUE_GREEN)


def names(application: App) -> list[str]:
    """The two daemon process groups."""
    return [colours.group(application["name"], colour) for colour in COLOURS]


def variable(application: App) -> str:
    """The variable of a request that names the group which serves it."""
    return f"MODWSGI_GROUP_{application['name']}"


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
    return [f'CustomLog {path} "%<{{{variable(application)}}}e %>s" "expr={condition}"']


def cookie(name: str) -> str:
    """The name of the cookie that keeps a visitor of an application with one release while another one is tried."""
    return f"modwsgi-canary-{name}"


def sticky_lines(application: App) -> list[str]:
    """The rules by which a visitor stays with the release that has answered first, and the header that notes it.

    A cookie holds for one trial, whose number stands in the file that says who serves. Whatever it says, it chooses
    between the two groups that this file names.
    """
    name, first = f"modwsgi-{application['name']}", names(application)[0]
    group, sticky = variable(application), f"MODWSGI_STICKY_{application['name']}"
    known = rf"^([0-9]+)@(?:.*;\s*)?{re.escape(cookie(application['name']))}=\1-(new|old)\s*(?:;|$)"
    seconds, path = application["releases"]["canary"]["seconds"] + COOKIE_SECONDS, path_of(application)
    below = f"^{re.escape(path.rstrip('/'))}(?:/|$)"
    text = f"{cookie(application['name'])}=%{{{sticky}}}e; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    # Only with what the application answers, and not where a cache may keep that for other visitors.
    fresh = f"-n reqenv('{sticky}') && {OF_APPLICATION} && resp('Cache-Control') !~ /public|s-maxage/i"
    return [
        f"RewriteCond %{{REQUEST_URI}} {quote_rule(below)} [NV]",
        f"RewriteCond ${{{name}:trial|-}} ^[0-9]+$",
        f"RewriteRule ^ - [E={sticky}:${{{name}:trial|-}}-${{{name}:%{{ENV:{group}}}|old}}]",
        # NV: caches go on to treat answers as ever.
        f'RewriteCond "${{{name}:trial|-}}@%{{HTTP_COOKIE}}" {quote_rule(known)} [NV]',
        # The file may have changed meanwhile: then whoever serves answers.
        f"RewriteRule ^ - [E={group}:${{{name}:%2|${{{name}:active|{first}}}}},E=!{sticky}]",
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
    if application["mode"] != "daemon":
        yield KEY, "blue_green needs daemon processes, and mode is embedded; use rolling"
    for key, why in EXCLUSIVE.items():
        if application.get(key):
            yield key, f"{why}, and {KEY} is blue_green; {other}"
    if application.get("daemon_options", {}).get("chroot"):
        yield "daemon_options.chroot", f"in a chroot the launcher cannot see which release serves ({KEY}); {other}"
    for key in FIXED:
        if application.get("wsgi_directives", {}).get(key):
            yield f"wsgi_directives.{key}", f"it may name a process group, and {KEY} is blue_green; {other}"


def check_canary(canary: App) -> Problems:
    """Shares that httpd can choose by, and times that a run can wait."""
    percent, seconds, errors = (canary[key] for key in ("percent", "seconds", "max_error_percent"))
    if percent % CANARY_STEP or not 0 <= percent <= 50:
        yield f"{CANARY}.percent", f"{percent} is not possible; use a multiple of {CANARY_STEP} up to 50, or 0 for none"
    if not 1 <= seconds <= LONGEST_CANARY:
        yield f"{CANARY}.seconds", f"{seconds} is not possible; use 1 to {LONGEST_CANARY}"
    if not 0 <= errors <= 100:
        yield f"{CANARY}.max_error_percent", f"{errors} is not possible; use 0 to 100"


def has_canary(application: App) -> bool:
    """Whether a share of the requests goes to a new release first."""
    return bool(is_blue_green(application) and application["releases"]["canary"]["percent"])


def check_all(applications: Apps, _: Server) -> Sentences:
    """The private listener tells applications apart by name and path, without the port."""
    seen: dict[tuple[str, str], str] = {}
    for application in filter(is_blue_green, applications):
        place = (str(application["server_name"]).lower(), path_of(application))
        first = seen.setdefault(place, application["name"])
        if first != application["name"]:
            text = f"the application {first!r} has the same server_name and path, and {KEY} blue_green too; use rolling"
            yield application["name"], KEY, text


def rewrite_lines(applications: Iterable[App], condition: str = "") -> list[str]:
    """What names the group for each request: the one that serves, or, under a condition of mod_rewrite, the other."""
    chosen = list(filter(is_blue_green, applications))
    lines = ["RewriteEngine On"] if chosen else []
    for application in chosen:
        name, first = f"modwsgi-{application['name']}", names(application)[0]
        # rnd: one of several that are separated by |, while a release is tried.
        kind = "rnd" if has_canary(application) else "txt"
        lines.append(f"RewriteMap {name} {quote(f'{kind}:' + colours.active_file(application['paths']))}")
        lines.append(f"RewriteRule ^ - [E={variable(application)}:${{{name}:active|{first}}}]")
        if kind == "rnd" and not condition:
            lines.append(f"RewriteCond ${{{name}:canary|off}} =on")
            lines.append(f"RewriteRule ^ - [E={tried_variable(application)}:1]")
            lines += sticky_lines(application) if application["releases"]["canary"]["sticky"] else []
        if condition:
            lines.append(f"RewriteCond {condition}")
            lines.append(f"RewriteRule ^ - [E={variable(application)}:${{{name}:resting|{first}}}]")
    return lines


def values(vhost: Vhost) -> dict[str, Any]:
    """The lines come first, since other rules may end the rewriting."""
    return {"colours": rewrite_lines(vhost.applications)}


def modules(application: App) -> tuple[str, ...]:
    """What reads the file that says which group serves."""
    return ("rewrite",) if is_blue_green(application) else ()


SUBJECT = Subject(check, check_all, modules=modules, values=values)
