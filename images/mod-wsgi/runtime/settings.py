# SPDX-License-Identifier: Apache-2.0
"""The settings of the image: one table, from which everything else comes.

`read` checks the environment variables and fills in the defaults; docs/image.md has the table (tools/image_settings.py
writes it); httpd's configuration has the defaults for a test without the entry point (server/filter_plugins/
image_files.py). httpd puts the values into its configuration as they are, so no kind lets a quote, a backslash, a
control character or `$` through.

Needs nothing but Python's standard library, 3.9 or later.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

PREFIX = "WSGI_"
APPLICATION_VARIABLES = f"{PREFIX}APPLICATION_VARIABLES"
_URL_CHARACTER = r"[A-Za-z0-9._~!&'()*+,;=:@-]"
PRIVATE_PORT = 8079
"""Where httpd tells its status, on loopback; `httpd_private_port` of the role httpd."""

HOME = "/app"
VENV = "/opt/venv"
"""The virtual environment that the application runs in; a derived image puts its own there."""
CONFIGURATION = "/etc/mod-wsgi/conf.d"
HOOKS = "/etc/mod-wsgi/hooks.d"
RUNTIME = "/tmp/modwsgi"  # noqa: S108 - the container is the application alone
"""All that httpd writes is there; /tmp is the one folder that a container with a read-only root needs."""
HOMES = "/tmp/home-"  # noqa: S108
"""Begins the path of the application's home; the number of its user follows, as in build/nss.c. Apart from RUNTIME, and
one for each user: a build step that writes to its home leaves it in the image."""

ERROR_DESCRIPTOR = 3
"""Standard error for the program that writes the error log as JSON; httpd makes its own the way to that program."""
_LIBRARY = "/usr/local/lib/modwsgi-image"
JSON_ERROR_LOG = f"{_LIBRARY}/python -I -S {_LIBRARY}/log_writer.py error json /proc/self/fd/{ERROR_DESCRIPTOR}"

PROCESSES_TO_END = 14
"""Seconds in which httpd ends all processes, whatever they do: 10 s for a child, then 3 s for a daemon process (13.4 s
measured on Debian 12, Apache 2.4, 2026-11)."""

# Nothing above error: that is the level of what an application prints.
LOG_LEVELS = ("error", "warn", "notice", "info", "debug", *(f"trace{n}" for n in range(1, 9)))


class SettingsError(Exception):
    """The settings cannot be used; `sentences` are for the user."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class Refused(Exception):  # noqa: N818 - it says what a value must be, for the sentence
    """A value is not of its kind; the text says what it has to be."""


def whole_number(least: int, most: int) -> Callable[[str], str]:
    """A kind: a whole number within limits."""

    def check(value: str) -> str:
        if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII) or not least <= int(value) <= most:
            raise Refused(f"a whole number from {least} to {most}")
        return str(int(value))

    return check


def choice(*words: str) -> Callable[[str], str]:
    """A kind: one of some words, upper or lower case."""
    known = {word.lower(): word for word in words}

    def check(value: str) -> str:
        if value.lower() not in known:
            raise Refused("one of " + ", ".join(words))
        return known[value.lower()]

    return check


def pattern(expression: str, meaning: str) -> Callable[[str], str]:
    """A kind: a text that a regular expression matches."""

    def check(value: str) -> str:
        if not re.fullmatch(expression, value, re.ASCII):
            raise Refused(meaning)
        return value

    return check


def path(value: str) -> str:
    """A kind: an absolute path."""
    if not value.startswith("/") or re.search(r'[\x00-\x1f\x7f"\\$%{}]', value) or ".." in value.split("/"):
        raise Refused("an absolute path without '..', quotes, backslashes, $, % and braces")
    return value.rstrip("/") or "/"


def addresses(value: str) -> str:
    """A kind: IP addresses and networks, separated by commas or blanks."""
    words = value.replace(",", " ").split()
    try:
        for word in words:
            ipaddress.ip_network(word)
    except ValueError:
        words = []
    if not words:
        raise Refused("IP addresses or networks like 10.0.0.0/8, separated by commas")
    return " ".join(words)


def mount(value: str) -> str:
    """A kind: the path that is the root of the application."""
    return pattern(rf"(/{_URL_CHARACTER}+)*/?", "a URL path like /shop")(value).rstrip("/") or "/"


def variables(value: str) -> str:
    """A kind: names of variables that begin as settings do, separated by commas or blanks."""
    words = value.replace(",", " ").split()
    if not words or any(not re.fullmatch(rf"{PREFIX}\w+", word, re.ASCII) or word in BY_NAME for word in words):
        raise Refused(f"names like {PREFIX}AUTH_TOKEN that are no settings, separated by commas")
    return " ".join(words)


def port(value: str) -> str:
    """A kind: a port which httpd does not have already."""
    number = whole_number(1, 65535)(value)
    if int(number) == PRIVATE_PORT:
        raise Refused(f"another port than {PRIVATE_PORT}, where httpd tells its status")
    return number


SECONDS = whole_number(0, 86400)
COUNT = whole_number(1, 1000)
SWITCH = choice("On", "Off")
URL_PATH = rf"/({_URL_CHARACTER}|/)*"
URL_BELOW = rf"{URL_PATH}{_URL_CHARACTER}/?"


class Setting(NamedTuple):
    """One environment variable. An optional one may be empty, which is as good as not set."""

    name: str
    kind: Callable[[str], str]
    default: str
    meaning: str
    optional: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting("WSGI_SCRIPT", path, f"{HOME}/wsgi.py", "File that has the WSGI application."),
    Setting(
        "WSGI_CALLABLE",
        pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a Python name like application"),
        "application",
        "Name of the WSGI application in it.",
    ),
    Setting(
        "WSGI_MOUNT_PATH",
        mount,
        "/",
        "URL path that is the root of the application (SCRIPT_NAME), like /shop. Other URLs get 403.",
    ),
    Setting(
        APPLICATION_VARIABLES,
        variables,
        "",
        "Names of variables that begin with WSGI_ and are no settings, but the application's own.",
        True,
    ),
    Setting("WSGI_HOME", path, HOME, "Folder that the application runs in; imports look here first."),
    Setting(
        "WSGI_MODE",
        choice("daemon", "embedded"),
        "daemon",
        "Where the application runs: in processes of its own, or in httpd's.",
    ),
    Setting("WSGI_PROCESSES", COUNT, "2", "Processes of the application (mode daemon)."),
    Setting("WSGI_THREADS", COUNT, "15", "Threads of each of them (mode daemon)."),
    Setting(
        "WSGI_REQUEST_TIMEOUT", SECONDS, "60", "Seconds for a request, before its process is replaced (mode daemon)."
    ),
    Setting("WSGI_STARTUP_TIMEOUT", SECONDS, "15", "Seconds for the import of the application; 0: no limit."),
    Setting("WSGI_DEADLOCK_TIMEOUT", SECONDS, "60", "Seconds without Python's global lock (mode daemon)."),
    Setting("WSGI_GRACEFUL_TIMEOUT", SECONDS, "15", "Seconds for requests when one process is replaced (mode daemon)."),
    Setting("WSGI_SHUTDOWN_TIMEOUT", SECONDS, "5", "Seconds for one process to end after that (mode daemon)."),
    Setting("WSGI_QUEUE_TIMEOUT", SECONDS, "45", "Seconds that a request may wait for a process (mode daemon)."),
    Setting(
        "WSGI_STOP_TIMEOUT",
        whole_number(PROCESSES_TO_END + 1, 86400),
        "30",
        f"Seconds that a stop takes at the most. All but {PROCESSES_TO_END} are for requests in flight.",
    ),
    Setting(
        "WSGI_DESTROY_INTERPRETER",
        SWITCH,
        "On",
        "Whether Python is finalised when a process ends. With Off no process hangs, and `atexit` does not run.",
    ),
    Setting("WSGI_PORT", port, "8080", "Port that httpd listens on. Below 1024 needs a capability."),
    Setting(
        "WSGI_STATIC_URL",
        pattern(URL_BELOW, "a URL path below /, like /static/"),
        "",
        "URL below which httpd serves files itself; together with WSGI_STATIC_PATH.",
        True,
    ),
    Setting("WSGI_STATIC_PATH", path, "", "Folder of these files.", True),
    Setting("WSGI_STATIC_CACHE_SECONDS", whole_number(0, 2**31 - 1), "3600", "How long clients may keep them."),
    Setting(
        "WSGI_TRUSTED_PROXIES",
        addresses,
        "",
        "Addresses of proxies whose X-Forwarded-For, -Proto, -Host and X-Request-ID are believed.",
        True,
    ),
    Setting(
        "WSGI_LOG_LEVEL",
        choice(*LOG_LEVELS),
        "warn",
        "From which level on httpd logs on stderr. What the application prints is always there, and so are starts and "
        "ends of its processes.",
    ),
    Setting("WSGI_LOG_FORMAT", choice("text", "json"), "text", "Format of both logs."),
    Setting("WSGI_MAX_BODY_SIZE", whole_number(0, 2**63 - 1), "104857600", "Bytes of a request's body; 0: no limit."),
    Setting(
        "WSGI_HEALTH_PATH",
        pattern(URL_PATH, "a URL path like /healthz"),
        "",
        "What the health check asks the application. Without it, only httpd itself is asked.",
        True,
    ),
    Setting(
        "WSGI_HEALTH_HOST",
        pattern(r"[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]{0,254}", "a host name like shop.example.com"),
        "localhost",
        "Host header of that request.",
    ),
    Setting(
        "WSGI_HEALTH_SCHEME",
        choice("http", "https"),
        "http",
        "With https, it is asked as a proxy asks that speaks TLS: with X-Forwarded-Proto.",
    ),
    Setting(
        "WSGI_CHECK_IMPORT",
        SWITCH,
        "On",
        "Whether a start first imports the application in a process of its own, and is refused when that fails.",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

SERVICE_LINKS = re.compile(r"WSGI_(SERVICE_\w+|PORT_\d+_\w+)")
"""Variables that Kubernetes sets in each container for a service called `wsgi`."""


def unknown_problem(name: str) -> str:
    """What to say of a variable that is no setting."""
    if SERVICE_LINKS.fullmatch(name):
        return (
            f"{name} is not a setting; Kubernetes sets it for a service called wsgi, so set enableServiceLinks: false."
        )
    close = difflib.get_close_matches(name, BY_NAME, 1)
    advice = f"did you mean {close[0]}?" if close else "`help` lists the settings."
    return f"{name} is not a setting; {advice} If it is the application's own, name it in {APPLICATION_VARIABLES}."


def value_problem(setting: Setting, value: str, wanted: Refused) -> str:
    """What to say of a value that is not of its kind."""
    if setting.name == "WSGI_PORT" and value.startswith("tcp://"):
        return (
            f"WSGI_PORT is {value!r}, as Kubernetes sets it for a service called wsgi; set enableServiceLinks: false."
        )
    return f"{setting.name} is {value!r}, and must be {wanted}; correct it or leave it out."


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """Every setting, in its plain form. Raises SettingsError with all that is wrong."""
    known = {*BY_NAME, *environment.get(APPLICATION_VARIABLES, "").replace(",", " ").split()}
    problems = [unknown_problem(name) for name in sorted(environment) if name.startswith(PREFIX) and name not in known]
    values = {}
    for setting in SETTINGS:
        value = environment.get(setting.name, setting.default)
        try:
            values[setting.name] = "" if setting.optional and not value else setting.kind(value)
        except Refused as wanted:
            problems.append(value_problem(setting, value, wanted))
    if not problems and bool(values["WSGI_STATIC_URL"]) != bool(values["WSGI_STATIC_PATH"]):
        problems.append("WSGI_STATIC_URL and WSGI_STATIC_PATH need each other; set both or none.")
    if problems:
        raise SettingsError(problems)
    if values["WSGI_STATIC_URL"]:  # as on hosts: the alias matches with and without the slash
        values["WSGI_STATIC_URL"] = values["WSGI_STATIC_URL"].rstrip("/")
    return values


def request_limit(values: Mapping[str, str], module: str) -> int:
    """The option request-timeout; mod_wsgi multiplies it by 1 + ln(threads) from 6.0.0 on."""
    seconds = int(values["WSGI_REQUEST_TIMEOUT"])
    factor = 1 + math.log(int(values["WSGI_THREADS"])) if int(module.partition(".")[0]) >= 6 else 1
    return math.ceil(seconds / factor)


def derived(values: Mapping[str, str], module: str) -> dict[str, str]:
    """What httpd's configuration refers to besides the settings themselves; ``module`` is the version of mod_wsgi."""
    is_json = values["WSGI_LOG_FORMAT"] == "json"
    proxies = [f"%{{CONN_REMOTE_ADDR}} -ipmatch '{address}'" for address in values["WSGI_TRUSTED_PROXIES"].split()]
    return {
        "MODWSGI_REQUEST_LIMIT": str(request_limit(values, module)),
        "MODWSGI_ERROR_LOG": f"|{JSON_ERROR_LOG}" if is_json else "/proc/self/fd/2",
        "MODWSGI_REQUESTS_TO_END": str(int(values["WSGI_STOP_TIMEOUT"]) - PROCESSES_TO_END),
        "MODWSGI_LOG_LEVEL": values["WSGI_LOG_LEVEL"]
        + ("" if LOG_LEVELS.index(values["WSGI_LOG_LEVEL"]) >= LOG_LEVELS.index("info") else " wsgi:info"),
        "MODWSGI_LOG_FORMAT": "modwsgi-json" if is_json else "modwsgi",
        "MODWSGI_HEALTH_PATTERN": values["WSGI_HEALTH_PATH"] and f"^{re.escape(values['WSGI_HEALTH_PATH'])}$",
        # An expression of httpd's: whether a request comes from one of them.
        "MODWSGI_FROM_PROXY": " || ".join(proxies) or "false",
    }


def defines(values: Mapping[str, str]) -> list[str]:
    """Names that httpd's configuration asks for with IfDefine, as arguments of httpd."""
    asked = {
        # The environment has the settings; without it the configuration takes the defaults.
        "WSGI_SETTINGS": True,
        "WSGI_EMBEDDED": values["WSGI_MODE"] == "embedded",
        "WSGI_STATIC": bool(values["WSGI_STATIC_URL"]),
        "WSGI_PROXIES": bool(values["WSGI_TRUSTED_PROXIES"]),
        "WSGI_HEALTH_AS_PROXY": bool(values["WSGI_TRUSTED_PROXIES"] and values["WSGI_HEALTH_PATH"])
        and values["WSGI_HEALTH_SCHEME"] == "https",
        "WSGI_LOG_JSON": values["WSGI_LOG_FORMAT"] == "json",
    }
    return [f"-D{name}" for name, wanted in asked.items() if wanted]


def table() -> str:
    """The table of docs/image.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.name}` | {default} | {setting.meaning} |")
    return "\n".join(lines) + "\n"


def listing() -> str:
    """The settings for `help`."""
    return "".join(f"  {setting.name}={setting.default}\n      {setting.meaning}\n" for setting in SETTINGS)
