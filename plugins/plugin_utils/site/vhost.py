# SPDX-License-Identifier: Apache-2.0
"""What a vhost has beyond its application: checks, and the complete form. Runs on the control node only.

Applications with the same `server_name`, `address` and `port` share one vhost, each under its own `path`. The one with
the shortest path is the *site*: it says what holds for the whole vhost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, extra_config
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import tls as httpd_tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import (
    PLAIN_PATH,
    URL_PATH,
    is_below,
    is_host_pattern,
    network,
)

Application = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]
"""Pairs of a key and what is wrong with it."""

DEFAULTS: dict[str, Any] = {
    "path": "/",
    "extra_ports": [],
    "redirect_names": [],
    "redirects": [],
    "headers": [],
    "error_documents": [],
    "body_limits": [],
    "auth": [],
    "trusted_proxies": [],
    "trusted_proxy_headers": ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"],
    "backends": [],
    "extra_config": "",
}
"""Values of the keys that the user left out; meta/argument_specs.yml repeats them, and a test compares."""

STATIC_DEFAULTS: dict[str, Any] = {"precompressed": False, "immutable": False}
REDIRECT_DEFAULTS: dict[str, Any] = {"to": "", "status": 301, "exact": False}
HEADER_DEFAULTS: dict[str, Any] = {"value": "", "action": "set"}
MAINTENANCE_DEFAULTS: dict[str, Any] = {"enabled": False, "during_deploy": False, "page": "", "retry_after": 300}
AUTH_DEFAULTS: dict[str, Any] = {
    "path": "/",
    "type": "Basic",
    "realm": "Restricted",
    "users": {},
    "user_file": "",
    "require": ["valid-user"],
    "modules": [],
    "directives": "",
}
BACKEND_DEFAULTS: dict[str, Any] = {"websocket": False, "preserve_host": True, "timeout": 60}

SITE_KEYS = (
    "server_aliases",
    "default_vhost",
    "extra_ports",
    "tls",
    "redirect_names",
    "error_documents",
    "trusted_proxies",
    "trusted_proxy_headers",
    "extra_config",
)
"""What holds for a whole vhost, so that only the site may have it."""

INTERNAL = "/.modwsgi"
"""Where a vhost has its own error documents."""

COMPRESSED = {
    "css": "text/css",
    "csv": "text/csv",
    "geojson": "application/geo+json",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "js": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "mjs": "text/javascript",
    "otf": "font/otf",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "xml": "application/xml",
}
"""Kinds of files that are worth compressing, by the ending of the name. httpd would take `x.css.gz` for an archive."""

ENCODINGS = {"br": "br", "gz": "gzip"}
"""Endings of precompressed files and the names of their encodings, the better one first."""

PROXY_HEADERS = (
    "X-Forwarded-For", "X-Client-IP", "X-Real-IP", "X-Forwarded-Scheme", "X-Scheme", "X-Forwarded-Proto",
    "X-Forwarded-HTTPS", "X-Forwarded-SSL", "X-HTTPS", "X-Forwarded-Host", "X-Host", "X-Forwarded-Server",
    "X-Forwarded-Port", "X-Script-Name", "X-Forwarded-Script-Name",
)  # fmt: skip
"""What WSGITrustedProxyHeaders knows."""

TOKEN = re.compile(r"[A-Za-z0-9!#&'*+.^_|~-]+", re.ASCII)
TARGET = re.compile(r"(?:/(?!/)|https?://[A-Za-z0-9.\[\]:-]+(?=/|$))[\x21\x25-\x5b\x5d-\x7e#&]*")
HASH = re.compile(r"\$(?:2[aby]|5|6|y|apr1)\$[A-Za-z0-9./$=,]+", re.ASCII)
USER = re.compile(r"[^\x00-\x20\x7f:#]+")
ARGUMENTS = re.compile(r"[\x20-\x7e]+")
AUTH_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
MODULE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
BACKEND = re.compile(
    r"(?:unix:/[A-Za-z0-9_./-]+\|)?(?P<scheme>https?|wss?)://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9_.~/%-]*)?",
    re.ASCII,
)
TLS_MODULES = ("ssl", "socache_shmcb", "setenvif")
REDIRECT_STATUSES = (301, 302, 303, 307, 308, 410)


def given(application: Application, key: str) -> Any:
    """The value of a key, or its default."""
    value = application.get(key)
    return DEFAULTS[key] if value is None else value


def site_key(application: Application) -> tuple[str, str, int]:
    """What applications of one vhost have in common."""
    address, port = application.get("address", "*"), application.get("port", 80)
    return str(application["server_name"]).lower(), str(address), int(port)


def path_of(application: Application) -> str:
    """The path of an application without a slash at its end, but for `/`."""
    return "/" + str(given(application, "path")).strip("/")


def sites(applications: Iterable[Application]) -> dict[tuple[str, str, int], list[Application]]:
    """The applications of each vhost, that with the shortest path first."""
    found: dict[tuple[str, str, int], list[Application]] = {}
    for application in applications:
        found.setdefault(site_key(application), []).append(application)
    return {key: sorted(members, key=lambda a: (len(path_of(a)), path_of(a))) for key, members in found.items()}


# ---------------------------------------------------------------- checks of one application


def _plain_path(key: str, value: object) -> Problems:
    if not PLAIN_PATH.fullmatch(str(value)):
        yield key, f"{str(value)!r} is not usable; begin with / and use letters, digits, '-', '_', '.' and '~'"


def check_paths(application: Application) -> Problems:
    """Where the application is."""
    yield from _plain_path("path", given(application, "path"))
    for index, port in enumerate(given(application, "extra_ports")):
        if not 1 <= int(port) <= 65535:
            yield f"extra_ports[{index}]", f"{port} is not a port; use 1 to 65535"
    for index, name in enumerate(given(application, "redirect_names")):
        if not is_host_pattern(str(name)):
            yield f"redirect_names[{index}]", f"{name!r} is not a host name; write it like www.example.com"
    for index, limit in enumerate(given(application, "body_limits")):
        yield from _plain_path(f"body_limits[{index}].path", limit["path"])
        if int(limit["max_body_size"]) < 0:
            yield f"body_limits[{index}].max_body_size", f"{limit['max_body_size']} is negative; use 0 or more"


def check_certificate_names(application: Application) -> Problems:
    """httpd proves a name to an authority by answering for it, which nobody can for any name below another."""
    tls = application.get("tls") or {}
    wild = [name for name in certificate_names(application) if name.startswith("*.")]
    if httpd_tls.is_acme(tls) and wild:
        yield "tls.acme", f"it cannot get a certificate for {wild[0]}, any name; list the names, or give a certificate"


def certificate_names(application: Application) -> list[str]:
    """All names that the certificate of a site has to be for, its first one first."""
    others = [*(application.get("server_aliases") or []), *given(application, "redirect_names")]
    return [str(name) for name in (application["server_name"], *others)]


def check_redirects(application: Application) -> Problems:
    """Old paths and where they are now."""
    for index, redirect in enumerate(given(application, "redirects")):
        key = f"redirects[{index}]"
        entry = {**REDIRECT_DEFAULTS, **redirect}
        origin, target, status = str(entry["from"]), str(entry["to"]), int(entry["status"])
        if not URL_PATH.fullmatch(origin):
            yield f"{key}.from", f"{origin!r} is not a URL path; begin with / and use neither blanks nor ? and #"
        if status not in REDIRECT_STATUSES:
            yield f"{key}.status", f"{status} is not a redirect; use one of {', '.join(map(str, REDIRECT_STATUSES))}"
        elif status == 410 and target:
            yield f"{key}.to", "410 means that the page is gone, so there is nowhere to go; remove one of the two"
        elif status != 410 and not TARGET.fullmatch(target):
            yield f"{key}.to", f"{target!r} is neither a path nor an http(s) address; begin with / or https://"
        elif status != 410 and is_below(target, origin) and not boolean(entry["exact"]):
            yield f"{key}.to", f"{target!r} is below {origin!r}, so browsers would run in a circle; use exact: true"


def check_headers(application: Application) -> Problems:
    """Headers of answers."""
    for index, header in enumerate(given(application, "headers")):
        key, entry = f"headers[{index}]", {**HEADER_DEFAULTS, **header}
        name, value = str(entry["name"]), str(entry["value"])
        if not TOKEN.fullmatch(name):
            yield f"{key}.name", f"{name!r} is not the name of a header; write it like X-Frame-Options"
        elif name.lower() == "strict-transport-security":
            yield f"{key}.name", "HSTS belongs to TLS; use tls.hsts_seconds"
        elif entry["action"] not in ("set", "append", "unset"):
            yield f"{key}.action", f"{entry['action']!r} is not known; use set, append or unset"
        elif (entry["action"] == "unset") == bool(value):
            yield f"{key}.value", "set and append need a value, and unset has none; correct it"
        elif value.lower().startswith("expr="):
            yield f"{key}.value", "httpd takes what begins with expr= for an expression; begin the value otherwise"


def check_pages(application: Application) -> Problems:
    """Pages that httpd shows in the place of its own."""
    for index, document in enumerate(given(application, "error_documents")):
        status = int(document["status"])
        if not 400 <= status <= 599:
            yield f"error_documents[{index}].status", f"{status} is not an error; use 400 to 599"
        yield from _page(f"error_documents[{index}].file", str(document["file"]))
    statuses = [int(document["status"]) for document in given(application, "error_documents")]
    for status in sorted({status for status in statuses if statuses.count(status) > 1}):
        yield "error_documents", f"{status} is there {statuses.count(status)} times; keep one"
    maintenance = application.get("maintenance") or {}
    if str(maintenance.get("page") or ""):
        yield from _page("maintenance.page", str(maintenance["page"]))
    if int(maintenance.get("retry_after", 1)) < 1:
        yield "maintenance.retry_after", f"{maintenance['retry_after']} is too short; the least is 1 (seconds)"
    if maintenance and not PLAIN_PATH.fullmatch(health_path(application)):
        yield (
            "health.path",
            "with maintenance, use letters, digits, '-', '_', '.' and '~': the page has to leave it out",
        )


def _page(key: str, file: str) -> Problems:
    if ".." in file.split("/") or not re.fullmatch(r"[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]", file):
        yield key, f"{file!r} is not a file of the source, nor an absolute path; correct it"


def check_auth(application: Application) -> Problems:
    """Who may see what. A hash is never repeated in a message."""
    for index, auth in enumerate(given(application, "auth")):
        key, entry = f"auth[{index}]", {**AUTH_DEFAULTS, **auth}
        yield from _plain_path(f"{key}.path", entry["path"])
        yield from _auth_users(key, entry)
        for number, words in enumerate(entry["require"]):
            if not ARGUMENTS.fullmatch(str(words)) or re.search(r'[\\"<>]|\$\{', str(words)):
                yield f"{key}.require[{number}]", f"{words!r} is not what Require takes; write it like valid-user"
        if not AUTH_TYPE.fullmatch(str(entry["type"])):
            yield f"{key}.type", f"{entry['type']!r} is not the name of a type; write it like Basic or openid-connect"
        for number, name in enumerate(entry["modules"]):
            if not MODULE.fullmatch(str(name)):
                yield f"{key}.modules[{number}]", f"{name!r} is not a module; write it as a2enmod takes it"
        for text in extra_config.problems(str(entry["directives"])):
            yield f"{key}.directives", text
    paths = [path_of(auth) for auth in given(application, "auth")]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield "auth", f"the path {path} is there {paths.count(path)} times; keep one"


def _auth_users(key: str, entry: Mapping[str, Any]) -> Problems:
    basic = str(entry["type"]).lower() == "basic"
    own = basic and not entry["directives"]
    if bool(entry["users"]) and bool(entry["user_file"]):
        yield f"{key}.users", "both users and user_file are given; give one of the two"
    elif own and not entry["users"] and not entry["user_file"]:
        yield f"{key}.users", "nobody could log in; give users with hashed passwords, a user_file, or directives"
    elif not basic and (entry["users"] or entry["user_file"]):
        yield f"{key}.users", "users are for the type Basic; another module has users of its own"
    if entry["user_file"] and not httpd_tls.FILE.fullmatch(str(entry["user_file"])):
        yield f"{key}.user_file", f"{entry['user_file']!r} is not the absolute path of a file on the host"
    for name, value in entry["users"].items():
        if not USER.fullmatch(str(name)):
            yield f"{key}.users", f"{name!r} is not usable as a user's name; use neither blanks nor ':' and '#'"
        elif not HASH.fullmatch(str(value)):
            yield f"{key}.users.{name}", "the value is not a hashed password; make one with `htpasswd -nB NAME`"


def check_proxies(application: Application) -> Problems:
    """Proxies before the application, and servers beside it."""
    for index, proxy in enumerate(given(application, "trusted_proxies")):
        if not network(str(proxy)):
            yield f"trusted_proxies[{index}]", f"{proxy!r} is neither an IP address nor a network like 192.0.2.0/24"
    known = {name.lower() for name in PROXY_HEADERS}
    for index, name in enumerate(given(application, "trusted_proxy_headers")):
        if str(name).lower() not in known:
            yield (
                f"trusted_proxy_headers[{index}]",
                f"{name!r} is not known to mod_wsgi; use {', '.join(PROXY_HEADERS)}",
            )
    for index, backend in enumerate(given(application, "backends")):
        key = f"backends[{index}]"
        yield from _plain_path(f"{key}.path", backend["path"])
        if path_of(backend) == path_of(application):
            yield f"{key}.path", f"{backend['path']!r} would hide the whole application; choose a path below it"
        if not BACKEND.fullmatch(str(backend["url"])):
            yield (
                f"{key}.url",
                f"{backend['url']!r} is not the address of a server; write it like http://127.0.0.1:9000/",
            )
        if int(backend.get("timeout", 1)) < 1:
            yield f"{key}.timeout", f"{backend['timeout']} is too short; the least is 1 (seconds)"


def check_extra_config(application: Application) -> Problems:
    """Directives of the operator's own."""
    text = str(given(application, "extra_config"))
    for problem in extra_config.problems(text):
        yield "extra_config", problem
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        yield "extra_config", "it holds a lone surrogate, which UTF-8 cannot encode; remove it"


CHECKS = (
    check_paths,
    check_certificate_names,
    check_redirects,
    check_headers,
    check_pages,
    check_auth,
    check_proxies,
    check_extra_config,
)


# ---------------------------------------------------------------- checks of the whole list

Sentence = tuple[str, str, str]
"""The name of the application, the key, and what is wrong."""


def site_problems(applications: Sequence[Application]) -> Iterator[Sentence]:
    """Applications of one vhost that contradict each other."""
    for members in sites(applications).values():
        site, *mounted = members
        owners: dict[str, str] = {}
        for member in members:
            owner = owners.setdefault(path_of(member), member["name"])
            if owner != member["name"] and path_of(member) != "/":
                yield member["name"], "path", f"{path_of(member)} is already the application {owner!r}; change one"
        for member in mounted:
            if path_of(member) == path_of(site):
                continue  # reported above, or as two sites of one name
            for key in SITE_KEYS:
                if member.get(key):
                    yield (
                        member["name"],
                        key,
                        f"it is for the whole vhost, which is that of the application {site['name']!r}; move it there",
                    )
        yield from _hidden(members)


def _hidden(members: Sequence[Application]) -> Iterator[Sentence]:
    """Paths that something of the same vhost takes before the application that has them."""
    for member in members:
        taken = [(f"static[{i}].url", path_of({"path": s["url"]})) for i, s in enumerate(member.get("static") or [])]
        taken += [(f"backends[{i}].path", path_of(b)) for i, b in enumerate(member.get("backends") or [])]
        for other in members:
            for key, path in taken:
                if other is not member and is_below(path_of(other), path):
                    yield member["name"], key, f"{path} would hide the application {other['name']!r}; change one"


# ---------------------------------------------------------------- the complete form


def normalise(application: Application, current: str, state_directory: str) -> dict[str, Any]:
    """The keys of this module, complete. ``current`` is the folder of the release in use."""
    name = str(application["name"])
    tls = application.get("tls")
    maintenance = application.get("maintenance")
    return {
        "path": path_of(application),
        "extra_ports": [int(port) for port in given(application, "extra_ports")],
        "redirect_names": [str(entry) for entry in given(application, "redirect_names")],
        "redirects": [_redirect(entry) for entry in given(application, "redirects")],
        "headers": [_header(entry) for entry in given(application, "headers")],
        "error_documents": [
            {
                "status": int(entry["status"]),
                "file": f"{current}/{entry['file']}" if entry["file"][0] != "/" else entry["file"],
            }
            for entry in given(application, "error_documents")
        ],
        "body_limits": [
            {"path": path_of(entry), "max_body_size": int(entry["max_body_size"])}
            for entry in given(application, "body_limits")
        ],
        "auth": [_auth(entry, name, index) for index, entry in enumerate(given(application, "auth"))],
        "trusted_proxies": [network(str(entry)) for entry in given(application, "trusted_proxies")],
        "trusted_proxy_headers": [str(entry) for entry in given(application, "trusted_proxy_headers")],
        "backends": [_backend(entry) for entry in given(application, "backends")],
        "extra_config": str(given(application, "extra_config")),
        "maintenance": None if maintenance is None else _maintenance(maintenance, current),
        "tls": None if tls is None else httpd_tls.normalise(tls, name, state_directory),
    }


def _redirect(entry: Mapping[str, Any]) -> dict[str, Any]:
    complete = {**REDIRECT_DEFAULTS, **entry}
    exact = boolean(complete["exact"])
    origin = str(complete["from"])
    return {
        "directive": "RedirectMatch" if exact else "Redirect",
        "status": int(complete["status"]),
        "from": f"^{re.escape(origin)}$" if exact else origin,
        "to": str(complete["to"]),
    }


def _header(entry: Mapping[str, Any]) -> dict[str, str]:
    complete = {**HEADER_DEFAULTS, **entry}
    # A per cent sign begins a format of mod_headers, and a backslash with a letter stands for a control character.
    return {
        "name": str(complete["name"]),
        "action": str(complete["action"]),
        "value": str(complete["value"]).replace("\\", "\\\\").replace("%", "%%"),
    }


def _auth(entry: Mapping[str, Any], name: str, index: int) -> dict[str, Any]:
    complete = {**AUTH_DEFAULTS, **entry}
    file = user_file(name, index) if complete["users"] else str(complete["user_file"])
    return {
        "path": path_of(complete),
        "type": str(complete["type"]),
        "realm": str(complete["realm"]),
        "user_file": file,
        "require": [str(words) for words in complete["require"]],
        "modules": [str(module) for module in complete["modules"]],
        "directives": extra_lines(str(complete["directives"])),
    }


def user_file(name: str, index: int) -> str:
    """The file of users that the role makes, relative to the server root."""
    return f"modwsgi-users/{name}-{index}"


def user_files(applications: Iterable[Application]) -> dict[str, str]:
    """The content of each such file, from `wsgi_apps` as the user wrote it. These are secrets."""
    return {
        user_file(str(application["name"]), index): "".join(f"{user}:{value}\n" for user, value in users.items())
        for application in applications
        for index, entry in enumerate(given(application, "auth"))
        if (users := entry.get("users"))
    }


def without_users(application: Application) -> dict[str, Any]:
    """The application without hashes of passwords."""
    auth = [{key: value for key, value in entry.items() if key != "users"} for entry in given(application, "auth")]
    return {**application, "auth": auth}


def _backend(entry: Mapping[str, Any]) -> dict[str, Any]:
    complete = {**BACKEND_DEFAULTS, **entry}
    url = str(complete["url"])
    scheme = re.sub(r"^unix:[^|]*\|", "", url).partition(":")[0]
    return {
        "path": path_of(complete),
        "url": url,
        "scheme": scheme,
        # ws:// is mod_proxy_wstunnel's; http:// with the upgrade is mod_proxy_http's own since 2.4.47.
        "upgrade": boolean(complete["websocket"]) and scheme in ("http", "https"),
        "preserve_host": boolean(complete["preserve_host"]),
        "timeout": int(complete["timeout"]),
    }


def _maintenance(entry: Mapping[str, Any], current: str) -> dict[str, Any]:
    complete = {**MAINTENANCE_DEFAULTS, **{key: value for key, value in entry.items() if value is not None}}
    page = str(complete["page"])
    return {
        "enabled": boolean(complete["enabled"]),
        "during_deploy": boolean(complete["during_deploy"]),
        "page": f"{current}/{page}" if page and not page.startswith("/") else page,
        "retry_after": int(complete["retry_after"]),
    }


def extra_lines(text: str) -> list[str]:
    """Additional directives, line by line as the operator wrote them."""
    return (
        [line.rstrip() if not line.endswith("\\") else line for line in text.rstrip("\n").split("\n")] if text else []
    )


def normalise_static(static: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of one folder of static files that belong to this module."""
    complete = {**STATIC_DEFAULTS, **static}
    return {key: boolean(complete[key]) for key in STATIC_DEFAULTS}


def health_path(application: Application) -> str:
    """The path of the health check in the application, without its query."""
    return str((application.get("health") or {}).get("path", "/healthz")).partition("?")[0]


def modules(applications: object) -> list[str]:
    """The modules of httpd that `wsgi_apps` needs beyond those that every site has.

    The role httpd asks before the role wsgi_app has checked the list, so what has a wrong type is passed over here.
    """
    found: set[str] = set()
    for application in _mappings(applications):
        found.update(_modules(application))
    return sorted(found)


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """The entries of a list that are mappings."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, (list, tuple)) else []


def _is_on(value: object) -> bool:
    return bool(boolean(value, strict=False))


def _modules(application: Application) -> Iterator[str]:
    tls = application.get("tls")
    if isinstance(tls, Mapping):
        yield from TLS_MODULES
        if _is_on(tls.get("http2", True)):
            yield "http2"
        if httpd_tls.is_acme(tls):
            yield "md"
    if any(_is_on(static.get("precompressed", False)) for static in _mappings(application.get("static"))):
        yield "rewrite"
    if application.get("trusted_proxies"):
        yield "setenvif"
    yield from _login_modules(application)
    for backend in _mappings(application.get("backends")):
        url = re.sub(r"^unix:[^|]*\|", "", str(backend.get("url", "")))
        yield from ("proxy", "proxy_wstunnel" if url.startswith("ws") else "proxy_http")
        if url.startswith(("https:", "wss:")):
            yield from TLS_MODULES


def _login_modules(application: Application) -> Iterator[str]:
    for auth in _mappings(application.get("auth")):
        yield from ("authn_core", "authz_user")
        if str(auth.get("type", AUTH_DEFAULTS["type"])).lower() == "basic":
            yield from ("auth_basic", "authn_file")
        named = auth.get("modules")
        yield from (str(module) for module in named if MODULE.fullmatch(str(module))) if isinstance(named, list) else ()
    directives = application.get(daemon.DIRECTIVES)
    locations = _mappings(directives.get("locations")) if isinstance(directives, Mapping) else []
    if any(location.get("auth_user_script") is not None for location in locations):
        yield from ("auth_basic", "authn_core", "authz_user")


def tls_ports(applications: object) -> list[int]:
    """The ports on which `wsgi_apps` speaks TLS; what has a wrong type is passed over."""
    found = set()
    for application in _mappings(applications):
        tls = application.get("tls")
        port = str(tls.get("port", httpd_tls.DEFAULTS["port"])) if isinstance(tls, Mapping) else ""
        if port.isascii() and port.isdigit():
            found.add(int(port))
    return sorted(found)
