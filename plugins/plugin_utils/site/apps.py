# SPDX-License-Identifier: Apache-2.0
"""The list `wsgi_apps`: what contradicts itself in it, and its complete form. Runs on the control node only.

`problems` says, one sentence each, what is wrong with the list as the user wrote it; `normalise` gives the complete
form of a list without problems: every default filled in, every path and size derived. The argument specification of
the role has checked names and types of the keys before.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import is_excluded
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener, parse
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import BUILD_ACCOUNT, inside, layout
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import ACCOUNT, PATTERNS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import environment as wsgi_variables
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import tls as httpd_tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import vhost
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import (
    all_processes,
    fewest_threads,
    probed_groups,
    replacement_seconds,
    scripts,
    server_problems,
    startup_timeouts,
    unknown_groups,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import check as check_directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import (
    FOLDER_WILDCARD,
    PLAIN_PATH,
    URL_PATH,
    is_address,
    is_host,
    is_host_pattern,
)

DAEMON, EMBEDDED = "daemon", "embedded"
"""Where an application runs: in processes of its own, or in httpd's."""

DEFAULTS: dict[str, Any] = {
    "mode": DAEMON,
    "script": "wsgi.py",
    "callable": "application",
    "python_path": [],
    "requirements": "",
    "environment": {},
    "server_aliases": [],
    "address": "*",
    "port": 80,
    "default_vhost": False,
    "application_group": "%{GLOBAL}",
    "debug": False,
    "debug_in_production": False,
    # The timeouts are those which the maintainer of mod_wsgi chose for mod_wsgi-express.
    "request_timeout": 60,
    "startup_timeout": 15,
    "deadlock_timeout": 60,
    "graceful_timeout": 15,
    "shutdown_timeout": 5,
    "queue_timeout": 45,
    "lang": "C.UTF-8",
    "locale": "C.UTF-8",
    "max_body_size": 100 * 1024 * 1024,
    "static": [],
    "static_root": "",
    "release_commands": [],
    **vhost.DEFAULTS,
}
"""Values of the keys that the user left out. meta/argument_specs.yml repeats them for the reader; a test compares."""

SOURCE_DEFAULTS: dict[str, Any] = {"version": "HEAD", "exclude": []}
STATIC_DEFAULTS: dict[str, Any] = {"cache_seconds": 3600, **vhost.STATIC_DEFAULTS}
HEALTH_DEFAULTS: dict[str, Any] = {"path": "/healthz", "status": 200, "timeout": 30}

NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
RESERVED_NAMES = frozenset({"default", "httpd", "mod_wsgi", "private", "unknown-host"})
"""Names that files and logs of the server itself carry."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OUR_VARIABLES = frozenset({"WSGI_APP", "WSGI_STATE_DIRECTORY", "WSGI_STATIC_ROOT"})
GIT_ADDRESS = re.compile(r"(https|ssh|git|file)://\S+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:\S+|/\S*")
GIT_VERSION = re.compile(r"(?!-)[A-Za-z0-9_./@^~-]+")
HEALTH_PATH = re.compile(r"/[\x21-\x7e]*")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")

PRODUCTION = "production"
"""The value of wsgi_environment in which nobody debugs by accident."""

DEBUG_TIMEOUT = 3600
"""Seconds for whatever has a limit in debug mode: somebody may be reading."""
DEBUG_SETTINGS: dict[str, Any] = {
    # None: the option is left out, since `processes=1` too would make wsgi.multiprocess true.
    "processes": None,
    "threads": 1,
    **{f"{name}_timeout": DEBUG_TIMEOUT for name in ("request", "startup", "deadlock", "queue")},
}
"""What debug mode sets, whatever the application says for its ordinary life."""

POSITIVE = ("processes", "threads")
SECONDS = (
    "request_timeout",
    "startup_timeout",
    "deadlock_timeout",
    "graceful_timeout",
    "shutdown_timeout",
    "queue_timeout",
)
DAEMON_KEYS = ("user", "group", *POSITIVE, *SECONDS, "lang", "locale", "debug")
"""What only a daemon process group has: httpd's own processes have their account, threads and locale already."""

Application = Mapping[str, Any]
Listen = Sequence[Listener]
Problems = Iterator[tuple[str, str]]
"""Pairs of a key and what is wrong with it."""


# ---------------------------------------------------------------- listen addresses


def listens(listen: Listen, address: str, port: int) -> bool:
    """Whether httpd listens where the application wants to be served."""
    return any(port == there.port and (address == ANY or there.address in (ANY, address)) for there in listen)


def local_address(listen: Listen, address: str, port: int) -> str:
    """An address at which this very host reaches the application."""
    if address != ANY:
        return address
    there = [listener.address for listener in listen if listener.port == port]
    return "127.0.0.1" if ANY in there or not there else there[0]


# ---------------------------------------------------------------- checks of one application


def without_credentials(application: Application) -> dict[str, Any]:
    """A copy of an application without what gives builds access."""
    copy = {key: value for key, value in application.items() if key != "pip"}
    if isinstance(copy.get("source"), Mapping):
        copy["source"] = {key: value for key, value in copy["source"].items() if key != "credentials"}
    return copy


def text_values(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Every string in a value, with the key that leads to it, e.g. ``static[0].url``."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from text_values(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from text_values(item, f"{key}[{index}]")


OWN_CHECKS = frozenset({"environment", "release_commands", "extra_config", "auth", "pip"})
"""Keys that may hold line breaks, or lands nowhere in httpd's configuration; they have checks of their own."""


def check_control_characters(application: Application) -> Problems:
    """No value may end a line of a configuration file, or end a string early."""
    configuration = {key: value for key, value in without_credentials(application).items() if key not in OWN_CHECKS}
    for key, value in text_values(configuration, ""):
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            yield key, f"the value {value!r} holds a newline, a NUL or another control character; remove it"


def check_name(application: Application) -> Problems:
    """The name becomes part of paths, of an account and of a process title."""
    name = str(application["name"])
    if not NAME.fullmatch(name):
        yield (
            "name",
            f"{name!r} is not usable; begin with a lower-case letter and use at most 25 of a-z, 0-9, '-' and '_'",
        )
    elif name in RESERVED_NAMES:
        yield "name", f"{name!r} is reserved for the server's own files; choose another name"


def check_accounts(application: Application) -> Problems:
    """The daemon never runs as root."""
    for key in ("user", "group"):
        value = application.get(key)
        if value is None:
            continue
        if value == "root":
            yield key, "an application must not run as root; leave the key out to get an account of its own"
        elif value == BUILD_ACCOUNT:
            yield key, "it is the account for builds, whose processes are ended after each; choose another one"
        elif not ACCOUNT.fullmatch(str(value)):
            yield key, f"{value!r} is not the name of an account; use at most 32 of a-z, 0-9, '-' and '_'"


def check_mode(application: Application) -> Problems:
    """An embedded application takes httpd's processes as they are."""
    if application.get("mode", DEFAULTS["mode"]) != EMBEDDED:
        return
    for key in DAEMON_KEYS:
        value = application.get(key)
        if value is not None and not (key == "debug" and not boolean(value)):
            yield key, "only a daemon process group has it, and mode is embedded; remove it, or use mode: daemon"


def check_server_names(application: Application) -> Problems:
    """Names that a Host header can carry."""
    server_name = str(application.get("server_name", ""))
    if not is_host(server_name):
        yield "server_name", f"{server_name!r} is not a host name; write it like shop.example.com (IDNs in xn-- form)"
    for index, alias in enumerate(application.get("server_aliases") or []):
        if not is_host_pattern(str(alias)):
            yield f"server_aliases[{index}]", f"{alias!r} is not a host name; write it like www.example.com"


def check_numbers(application: Application) -> Problems:
    """Ranges, which the argument specification cannot express."""
    for key in POSITIVE:
        if application.get(key) is not None and int(application[key]) < 1:
            yield key, f"{application[key]} is too small; the least is 1"
    for key in (*SECONDS, "max_body_size"):
        if application.get(key) is not None and int(application[key]) < 0:
            yield key, f"{application[key]} is negative; use 0 or more"
    if not 1 <= int(application.get("port", DEFAULTS["port"])) <= 65535:
        yield "port", f"{application['port']} is not a port; use 1 to 65535"
    health = application.get("health") or {}
    if not 100 <= int(health.get("status", HEALTH_DEFAULTS["status"])) <= 599:
        yield "health.status", f"{health['status']} is not an HTTP status; use 100 to 599"
    if int(health.get("timeout", HEALTH_DEFAULTS["timeout"])) < 1:
        yield "health.timeout", f"{health['timeout']} is too short; the least is 1 (seconds)"


def check_words(application: Application) -> Problems:
    """Values with a grammar of their own."""
    function = str(application.get("callable", DEFAULTS["callable"]))
    if not IDENTIFIER.fullmatch(function):
        yield "callable", f"{function!r} is not a Python name; write it like application"
    group = str(application.get("application_group", DEFAULTS["application_group"]))
    if not PATTERNS["group"][0].fullmatch(group):
        yield "application_group", f"{group!r} is not usable; use %{{GLOBAL}}, or a name of letters, digits, '_.:-'"
    for key in ("lang", "locale"):
        value = str(application.get(key, DEFAULTS[key]))
        if not re.fullmatch(r"[A-Za-z0-9_.@-]+", value):
            yield key, f"{value!r} is not the name of a locale; write it like C.UTF-8"
    path = str((application.get("health") or {}).get("path", HEALTH_DEFAULTS["path"]))
    if not HEALTH_PATH.fullmatch(path):
        yield "health.path", f"{path!r} is not a path; begin with / and use printable ASCII without blanks"
    address = str(application.get("address", DEFAULTS["address"]))
    if address != "*" and not is_address(address):
        yield "address", f"{address!r} is neither * nor an IP address; use one of the two"


def check_environment(application: Application) -> Problems:
    """Names and values that a process can have. A value is never repeated in a message: it may be a secret."""
    for name, value in (application.get("environment") or {}).items():
        key = f"environment.{name}"
        if not VARIABLE.fullmatch(str(name)):
            yield key, "the name of an environment variable has letters, digits and '_' only; rename it"
        elif name in OUR_VARIABLES:
            yield key, "this variable is set by the role itself; remove it"
        elif wsgi_variables.advice(str(name)):
            yield (
                key,
                f"it has no effect in the server, where it is set only when Python runs already; "
                f"{wsgi_variables.advice(str(name))}",
            )
        if not isinstance(value, str):
            yield key, f"the value is of type {type(value).__name__} and must be a string; put it in quotes"
        elif "\x00" in value:
            yield key, "the value holds a NUL byte, which no environment variable can; remove it"


def leaves(path: str) -> bool:
    """Whether a path that is meant to be relative to a folder is absolute or climbs out of it."""
    return path.startswith("/") or ".." in path.split("/")


def relative_paths(application: Application) -> Iterator[tuple[str, str]]:
    """Keys whose value is a path below the application's source."""
    for key in ("script", "requirements", "static_root"):
        if application.get(key):
            yield key, str(application[key])
    for index, path in enumerate(application.get("python_path") or []):
        yield f"python_path[{index}]", str(path)
    for index, static in enumerate(application.get("static") or []):
        if not str(static["directory"]).startswith("/"):
            yield f"static[{index}].directory", str(static["directory"])


def check_relative_paths(application: Application) -> Problems:
    """Nothing may lead out of the release."""
    for key, path in relative_paths(application):
        if leaves(path):
            yield key, f"{path!r} leads out of the source; give a path relative to it, without '..'"
    if application.get("static_root") and os.path.normpath(str(application["static_root"])) == ".":
        yield "static_root", "it must be a folder of its own below the source, e.g. staticfiles"


def check_static(application: Application) -> Problems:
    """What httpd serves itself."""
    seen: set[str] = set()
    for index, static in enumerate(application.get("static") or []):
        url, directory = str(static["url"]), str(static["directory"])
        if not URL_PATH.fullmatch(url):
            yield f"static[{index}].url", f"{url!r} is not a URL path; begin with / and use neither blanks nor ? and #"
        elif not url.strip("/"):
            yield f"static[{index}].url", "'/' would hide the whole application; choose a path below it, e.g. /static/"
        if url.rstrip("/") in seen:
            yield f"static[{index}].url", f"{url!r} is there twice; remove one"
        seen.add(url.rstrip("/"))
        if os.path.normpath(directory) in (".", "/"):
            yield (
                f"static[{index}].directory",
                f"{directory!r} would publish everything; name the folder of static files",
            )
        elif directory.startswith("/") and ".." in directory.split("/"):
            yield f"static[{index}].directory", f"{directory!r} holds '..'; write the path without it"
        if FOLDER_WILDCARD.search(directory):
            yield f"static[{index}].directory", f"{directory!r} is a pattern for httpd; use none of * ? [ ]"
        if boolean(static.get("precompressed", False)):
            yield from _check_precompressed(f"static[{index}]", url, directory)
        if int(static.get("cache_seconds", 0)) < 0:
            yield f"static[{index}].cache_seconds", f"{static['cache_seconds']} is negative; use 0 or more"


def _check_precompressed(key: str, url: str, directory: str) -> Problems:
    """Both become a part of rules of mod_rewrite, which has characters of its own."""
    if not PLAIN_PATH.fullmatch(url):
        yield (
            f"{key}.url",
            f"{url!r} cannot be precompressed; use only letters, digits and _ - . ~ between slashes, or leave that out",
        )
    if re.search(r"[$%]", directory):
        yield f"{key}.directory", f"{directory!r} cannot be precompressed; use neither $ nor %, or leave that out"


def check_commands(application: Application) -> Problems:
    """Each command is a list of words, or a string that splits into one."""
    for index, command in enumerate(application.get("release_commands") or []):
        key = f"release_commands[{index}]"
        try:
            words = argument_list(command)
        except ValueError as error:
            yield key, f"{command!r} cannot be split into words ({error}); correct the quotes or write a list"
            continue
        if not words or not words[0]:
            yield key, "the command is empty; remove it or name a program"
        elif any("\0" in word for word in words):
            yield key, "the command holds a NUL byte, which no command can; remove it"


def argument_list(command: str | Sequence[Any]) -> list[str]:
    """A release command as a list of words; no shell is involved. Raises ValueError for unbalanced quotes."""
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def check_source(application: Application) -> Problems:
    """Exactly one source, and the files in it that other keys name."""
    source = application.get("source") or {}
    given = [key for key in ("directory", "git") if source.get(key)]
    if len(given) != 1:
        found = "both directory and git are" if given else "neither directory nor git is"
        yield "source", f"{found} given; give exactly one of the two"
    elif given == ["git"]:
        yield from _check_git(source)
    else:
        yield from _check_directory(application, os.path.expanduser(str(source["directory"])))


def _check_git(source: Mapping[str, Any]) -> Problems:
    address = str(source["git"])
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
    version = str(source.get("version", SOURCE_DEFAULTS["version"]))
    if not GIT_VERSION.fullmatch(version) or ".." in version:
        yield "source.version", f"{version!r} is not a branch, a tag or a commit; correct it"


def _check_git_credentials(address: str, credentials: Mapping[str, Any]) -> Problems:
    """A secret is never repeated in a message."""
    if not credentials:
        return
    yield from _check_ssh("source.credentials", credentials)
    for key in ("username", "password"):
        if any(ord(character) < 32 for character in str(credentials.get(key) or "")):
            yield f"source.credentials.{key}", "it holds a newline or another control character; remove it"
    if credentials.get("username") and not credentials.get("password"):
        yield "source.credentials.password", "a username is there, and no password or token with it; add it"
    if credentials.get("password"):
        if not address.startswith("https://"):
            yield "source.credentials.password", "it is for https, and the address is none; give ssh_key, or change it"
        elif not credentials.get("username"):
            yield "source.credentials.username", "a password is there, and no username with it; add it"
    if credentials.get("ssh_key") and re.match(r"(https|git|file)://|/", address):
        yield "source.credentials.ssh_key", "it is for ssh, and the address is none; give username and password"


def _check_ssh(key: str, credentials: Mapping[str, Any]) -> Problems:
    ssh_key = str(credentials.get("ssh_key") or "")
    if ssh_key and not ssh_key.lstrip().startswith("-----BEGIN "):
        yield f"{key}.ssh_key", "it is not the text of a private key, which begins with -----BEGIN; give that"
    for name in ("ssh_key", "known_hosts", "netrc"):
        if "\x00" in str(credentials.get(name) or ""):
            yield f"{key}.{name}", "it holds a NUL byte; remove it"


def check_pip(application: Application) -> Problems:
    """What gives pip access. A secret is never repeated in a message."""
    given = application.get("pip") or {}
    yield from _check_ssh("pip", given)
    if given.get("netrc") and not re.search(r"(?m)^\s*(machine|default)\s", str(given["netrc"])):
        yield "pip.netrc", "it has no entry; write lines like: machine HOST login USER password SECRET"


def _check_directory(application: Application, directory: str) -> Problems:
    if not os.path.isabs(directory):
        yield "source.directory", f"{directory!r} is not absolute; write it like '{{{{ playbook_dir }}}}/{directory}'"
        return
    if not os.path.isdir(directory):
        yield "source.directory", f"{directory} is not a folder on the control node; correct the path"
        return
    exclude = [str(pattern) for pattern in (application.get("source") or {}).get("exclude") or []]
    script = str(application.get("script", DEFAULTS["script"]))
    wanted: list[tuple[str, str, Callable[[str], bool]]] = [("script", script, os.path.isfile)]
    if application.get("requirements"):
        wanted.append(("requirements", str(application["requirements"]), os.path.isfile))
    wanted += [(key, path, os.path.isfile) for key, path in scripts(application)]
    wanted += [(f"python_path[{i}]", str(p), os.path.isdir) for i, p in enumerate(application.get("python_path") or [])]
    for index, static in enumerate(application.get("static") or []):
        path = str(static["directory"])
        if not path.startswith("/") and not below(path, str(application.get("static_root") or "")):
            wanted.append((f"static[{index}].directory", path, os.path.isdir))
    for key, path, exists in wanted:
        if not leaves(path):
            yield from _check_present(directory, key, path, exists, exclude)


def below(path: str, folder: str) -> bool:
    """Whether a relative path is a folder or below it; nothing is below the empty name."""
    return bool(folder) and (os.path.normpath(path) + "/").startswith(os.path.normpath(folder) + "/")


def _check_present(
    directory: str, key: str, path: str, exists: Callable[[str], bool], exclude: Sequence[str]
) -> Problems:
    found = inside(directory, path)
    if found is None:
        yield key, f"{path!r} is a link that leads out of the source {directory}; put the file itself there"
    elif not exists(found):
        yield key, f"{path!r} is not in the source {directory}; correct the path or add the file"
    elif is_excluded(os.path.normpath(path), exclude):
        yield key, f"{path!r} is in the source, but an exclude pattern leaves it out; correct source.exclude"


CHECKS: tuple[Callable[[Application], Problems], ...] = (
    check_name,
    check_accounts,
    check_mode,
    check_server_names,
    check_numbers,
    check_words,
    check_environment,
    check_relative_paths,
    check_static,
    check_commands,
    check_directives,
    check_source,
    check_pip,
    *vhost.CHECKS,
)


# ---------------------------------------------------------------- checks of the whole list


def _sentence(name: object, key: str, text: str) -> str:
    return f"wsgi_apps: application {str(name)!r}, key {key}: {text}."


def application_problems(application: Application) -> list[str]:
    """One sentence for each thing that is wrong with one application in itself."""
    name = application.get("name", "?")
    found = [_sentence(name, key, text) for key, text in check_control_characters(application)]
    if found:  # the other checks would only repeat it
        return found
    return [_sentence(name, key, text) for check in CHECKS for key, text in check(application)]


def duplicate_names(applications: Sequence[Application]) -> Iterator[str]:
    """Two applications with one name."""
    names = [application["name"] for application in applications]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _sentence(name, "name", f"{names.count(name)} applications have this name; give each its own")


def ports_of(application: Application) -> list[tuple[str, int]]:
    """The keys and numbers of the ports on which a vhost answers."""
    ports = [("port", int(application.get("port", DEFAULTS["port"])))]
    ports += [(f"extra_ports[{i}]", int(port)) for i, port in enumerate(application.get("extra_ports") or [])]
    if application.get("tls") is not None:
        secure = int(application["tls"].get("port", httpd_tls.DEFAULTS["port"]))
        # The same port twice: there is only the one with TLS.
        ports = [(key, port) for key, port in ports if (key, port) != ("port", secure)] + [("tls.port", secure)]
    return ports


def duplicate_hosts(applications: Sequence[Application]) -> Iterator[str]:
    """Two applications that httpd could not tell apart."""
    owners: dict[tuple[str, int, str], str] = {}
    for members in vhost.sites(applications).values():
        site, *others = members
        twins = [member for member in others if vhost.path_of(member) == vhost.path_of(site) == "/"]
        for twin in twins:
            yield _taken(twin, str(site["server_name"]).lower(), int(site.get("port", DEFAULTS["port"])), site["name"])
        names = [site["server_name"], *(site.get("server_aliases") or []), *(site.get("redirect_names") or [])]
        address = str(site.get("address", DEFAULTS["address"]))
        for host in dict.fromkeys(str(name).lower() for name in names):
            for _key, port in ports_of(site):
                owner = owners.setdefault((host, port, address), site["name"])
                if owner != site["name"]:
                    yield _taken(site, host, port, owner)
                    break


def _taken(application: Application, host: str, port: int, owner: str) -> str:
    return _sentence(
        application["name"],
        "server_name",
        f"{host} on port {port} is already the application {owner!r}; change the name or the port of one",
    )


def repeated_ports(applications: Sequence[Application]) -> Iterator[str]:
    """Ports that one application names twice, or on which one speaks TLS and another does not."""
    plain: dict[int, str] = {}
    secure: dict[int, str] = {}
    for application in applications:
        seen: set[int] = set()
        for key, port in ports_of(application):
            if port in seen:
                yield _sentence(application["name"], key, f"the application has the port {port} twice; remove one")
            seen.add(port)
            (secure if key == "tls.port" else plain).setdefault(port, application["name"])
    for port in sorted(port for port in set(plain) & set(secure) if plain[port] != secure[port]):
        yield _sentence(
            secure[port],
            "tls.port",
            f"the application {plain[port]!r} speaks plain http on port {port}, and a port speaks one of the two; "
            "choose another port for one",
        )


def duplicate_defaults(applications: Sequence[Application]) -> Iterator[str]:
    """Two applications that both want to answer unknown host names of one port."""
    owners: dict[int, str] = {}
    for application in applications:
        if boolean(application.get("default_vhost", False)):
            port = int(application.get("port", DEFAULTS["port"]))
            owner = owners.setdefault(port, application["name"])
            if owner != application["name"]:
                yield _sentence(
                    application["name"],
                    "default_vhost",
                    f"the application {owner!r} is already the default of port {port}; only one can be",
                )


def several_embedded(applications: Sequence[Application]) -> Iterator[str]:
    """Embedded applications beyond the first."""
    first, *others = [a["name"] for a in applications if a.get("mode") == EMBEDDED] or [None]
    for name in others:
        yield _sentence(
            name,
            "mode",
            f"the application {first!r} is embedded already, and httpd's processes have one set of environment "
            "variables; use mode: daemon for one of the two",
        )


def silent_ports(applications: Sequence[Application], listen: Listen) -> Iterator[str]:
    """Applications where httpd does not listen."""
    there = ", ".join(listener.directive for listener in listen)
    for application in applications:
        address = str(application.get("address", DEFAULTS["address"]))
        for key, port in ports_of(application):
            if listens(listen, address, port):
                continue
            wanted = Listener(address, port).directive
            yield _sentence(
                application["name"],
                key,
                f"httpd does not listen on {wanted}; add it to httpd_listen (now {there}) or change the port",
            )


def unprovable_names(applications: Sequence[Application], listen: Listen) -> Iterator[str]:
    """Sites for which httpd is to get a certificate, and where no authority can reach it."""
    ports = [listener.port for listener in listen]
    for application in applications:
        tls = application.get("tls")
        if tls is not None and httpd_tls.is_acme(tls) and not httpd_tls.challenge(tls, ports):
            yield _sentence(
                application["name"],
                "tls.acme",
                "an authority asks on port 80, or on port 443 over TLS, and httpd answers on neither; add 80 to "
                "httpd_listen, or give a certificate",
            )


def shared_certificate_names(applications: Sequence[Application]) -> Iterator[str]:
    """Names for which httpd would get two certificates, which mod_md refuses."""
    owners: dict[str, str] = {}
    for site, *_others in vhost.sites(applications).values():
        if site.get("tls") is None or not httpd_tls.is_acme(site["tls"]):
            continue
        for name in vhost.certificate_names(site):
            owner = owners.setdefault(name.lower(), site["name"])
            if owner != site["name"]:
                yield _sentence(
                    site["name"],
                    "tls.acme",
                    f"httpd already gets a certificate for {name}, for the application {owner!r}; give one of the two "
                    "a certificate of its own",
                )
                break


def debugged_in_production(applications: Sequence[Application], environment: str) -> Iterator[str]:
    """Applications in debug mode where the inventory says that it is production."""
    for application in applications:
        insists = boolean(application.get("debug_in_production", False))
        if environment == PRODUCTION and boolean(application.get("debug", False)) and not insists:
            yield _sentence(
                application["name"],
                "debug",
                f"debug mode serves one request at a time and logs more, and wsgi_environment is {PRODUCTION}; "
                "remove it, or insist with debug_in_production: true",
            )


def problems(applications: Sequence[Application], listen: Iterable[int | str], environment: str = "") -> list[str]:
    """Everything that is wrong with `wsgi_apps`, one sentence each; empty when all is well.

    ``environment`` is `wsgi_environment`: what kind of host the inventory says that it is.
    """
    found = [sentence for application in applications for sentence in application_problems(application)]
    found += [
        _sentence(application["name"], key, text)
        for application in applications
        if application.get("tls") is not None
        for key, text in httpd_tls.problems(application["tls"], environment)
    ]
    if found:
        return found
    return [
        *duplicate_names(applications),
        *duplicate_hosts(applications),
        *repeated_ports(applications),
        *(_sentence(*problem) for problem in vhost.site_problems(applications)),
        *duplicate_defaults(applications),
        *debugged_in_production(applications, environment),
        *several_embedded(applications),
        *silent_ports(applications, [parse(entry) for entry in listen]),
        *unprovable_names(applications, [parse(entry) for entry in listen]),
        *shared_certificate_names(applications),
    ]


def module_problems(applications: Sequence[Application], server: Mapping[str, Any]) -> list[str]:
    """What the applications ask for and the server will not have, one sentence each.

    ``server``: version (of mod_wsgi), directives (`mod_wsgi_directives`).
    """
    return [
        *(
            _sentence(application.get("name", "?"), key, text)
            for application in applications
            for key, text in server_problems(application, server)
        ),
        *unknown_groups(applications, server["directives"]),
    ]


# ---------------------------------------------------------------- the complete form

INTEGERS = (*SECONDS, "port", "max_body_size")


def normalise_static(static: Application, current: str) -> dict[str, Any]:
    """One folder of static files, with its absolute path."""
    complete = {**STATIC_DEFAULTS, **static}
    return {
        "url": "/" + str(complete["url"]).strip("/"),
        "directory": os.path.normpath(os.path.join(current, str(complete["directory"]))),
        "cache_seconds": int(complete["cache_seconds"]),
        **vhost.normalise_static(static),
    }


def normalise_source(source: Application) -> dict[str, Any]:
    """Either {directory, exclude} or {git, version, exclude}."""
    complete = {**SOURCE_DEFAULTS, **source}
    exclude = [str(pattern) for pattern in complete["exclude"] or []]
    if complete.get("git"):
        return {"git": str(complete["git"]), "version": str(complete["version"]), "exclude": exclude}
    return {"directory": os.path.normpath(os.path.expanduser(str(complete["directory"]))), "exclude": exclude}


def normalise_health(
    application: Application, listen: Listen, site: Application, instance: Mapping[str, str]
) -> dict[str, Any]:
    """The health check, with the address at which the host reaches its own application."""
    complete = {**HEALTH_DEFAULTS, **(application.get("health") or {})}
    tls = site.get("tls")
    port = int(application["port"] if tls is None else tls.get("port", httpd_tls.DEFAULTS["port"]))
    host = str(application["server_name"])
    return {
        "path": vhost.path_of(application).rstrip("/") + str(complete["path"]),
        "status": int(complete["status"]),
        "timeout": int(complete["timeout"]),
        "address": local_address(listen, str(application["address"]), port),
        "port": port,
        "host": host if port == (80 if tls is None else 443) else f"{host}:{port}",
        "tls": tls is not None,
        # Where httpd gets the certificate itself: the file that is there as soon as it has one.
        "certificate": httpd_tls.acme_certificate(host, instance["state_directory"])
        if tls is not None and httpd_tls.is_acme(tls)
        else "",
    }


def connecting(application: Application, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The daemon options, with the computed time for a request to reach a daemon process where the user sets none."""
    timeout = sizes.get("connect_timeout")
    if application["mode"] == EMBEDDED or boolean(application["debug"]) or timeout is None:
        return {}
    given = {key: value for key, value in (application.get("daemon_options") or {}).items() if value is not None}
    return {"daemon_options": {"connect_timeout": timeout, **given}}


def normalise_one(
    application: Application,
    listen: Listen,
    sizes: Mapping[str, Any],
    site: Application,
    instance: Mapping[str, str],
) -> dict[str, Any]:
    """One application, complete.

    `sizes` has the computed processes, threads, listen_backlog and connect_timeout for it; `site` is the application of
    its vhost.
    """
    given = {key: value for key, value in application.items() if value is not None}
    complete = {**DEFAULTS, **given}
    name = str(complete["name"])
    paths = layout(name)
    debug = boolean(complete["debug"])
    account = instance["user"] if complete["mode"] == EMBEDDED else f"wsgi-{name}"
    result = {
        **complete,
        **{key: int(complete[key]) for key in INTEGERS},
        **{key: int(given.get(key, sizes[key])) for key in POSITIVE},
        "listen_backlog": int(sizes["listen_backlog"]),
        **connecting(complete, sizes),
        "default_vhost": boolean(complete["default_vhost"]),
        "debug": debug,
        "debug_in_production": boolean(complete["debug_in_production"]),
        **(DEBUG_SETTINGS if debug else {}),
        "user": str(complete.get("user", account)),
        "group": str(complete.get("group", complete.get("user", account))),
        "source": normalise_source(complete["source"]),
        "script": os.path.normpath(str(complete["script"])),
        "requirements": os.path.normpath(str(complete["requirements"])) if complete["requirements"] else "",
        "static_root": os.path.normpath(str(complete["static_root"])) if complete["static_root"] else "",
        "python_path": [os.path.normpath(str(path)) for path in complete["python_path"]],
        "static": [normalise_static(static, paths["current"]) for static in complete["static"]],
        "release_commands": [argument_list(command) for command in complete["release_commands"]],
        "health": normalise_health(complete, listen, site, instance),
        "site": str(site["name"]),
        **vhost.normalise(complete, paths["current"], instance["state_directory"]),
        "paths": paths,
    }
    if result["tls"] and result["tls"]["acme"]:
        challenge = httpd_tls.challenge(result["tls"], [listener.port for listener in listen])
        result["tls"]["acme"] = {**result["tls"]["acme"], "challenge": challenge}
    return {
        **result,
        "all_processes": all_processes(result),
        "fewest_threads": fewest_threads(result),
        "startup_timeouts": startup_timeouts(result),
        "replacement_seconds": replacement_seconds(result),
        "probed_groups": probed_groups(result),
    }


def normalise(
    applications: Sequence[Application],
    listen: Iterable[int | str],
    sizes: Mapping[str, Mapping[str, Any]],
    instance: Mapping[str, str],
) -> list[dict[str, Any]]:
    """`wsgi_apps` in its complete form, ordered by name. `sizes` maps a name to its processes and threads;
    `instance` serves them.

    Raises ValueError with the problems' sentences when there are any.
    """
    ports = list(listen)
    found = problems(applications, ports)
    if found:
        raise ValueError(" ".join(found))
    parsed = [parse(entry) for entry in ports]
    site_of = {m["name"]: members[0] for members in vhost.sites(applications).values() for m in members}
    complete = [
        normalise_one(application, parsed, sizes[application["name"]], site_of[application["name"]], instance)
        for application in applications
    ]
    return sorted(complete, key=lambda application: str(application["name"]))


def notes(applications: Iterable[Application]) -> list[str]:
    """What an operator should know about the applications, one sentence each."""
    return [
        f"The application {application['name']!r} is embedded: when it keeps a process of httpd from ending, a reload "
        "waits for that process without a limit (httpd_reap_stuck_children ends it), and a new release of it needs a "
        "reload; see docs/shutdown.md."
        for application in applications
        if application.get("mode") == EMBEDDED
    ]


def without_environments(applications: Iterable[Application]) -> list[dict[str, Any]]:
    """The applications as modules may log them: no environment variable, credential or hash of a password is there."""
    return [
        {k: v for k, v in vhost.without_users(without_credentials(application)).items() if k != "environment"}
        for application in applications
    ]


CREDENTIALS = {
    "git": ("username", "password", "ssh_key", "known_hosts"),
    "pip": ("netrc", "ssh_key", "known_hosts"),
}


def credentials(applications: Iterable[Application]) -> dict[str, dict[str, dict[str, str]]]:
    """What gives builds access, by application, then `git` and `pip`; what is not given is left out."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for application in applications:
        given = {"git": (application.get("source") or {}).get("credentials"), "pip": application.get("pip")}
        kept = {
            kind: {key: str(values[key]) for key in CREDENTIALS[kind] if values.get(key)}
            for kind, values in given.items()
            if values
        }
        if any(kept.values()):
            found[str(application["name"])] = kept
    return found
