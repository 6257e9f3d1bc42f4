# SPDX-License-Identifier: Apache-2.0
"""Proxies before httpd and servers beside the application: the keys `trusted_proxies…` and `backends`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.hosts import hidden
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries, network, path_of, plain_path
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.tls import MODULES as TLS_MODULES

PROXY_HEADERS = (
    "X-Forwarded-For", "X-Client-IP", "X-Real-IP", "X-Forwarded-Scheme", "X-Scheme", "X-Forwarded-Proto",
    "X-Forwarded-HTTPS", "X-Forwarded-SSL", "X-HTTPS", "X-Forwarded-Host", "X-Host", "X-Forwarded-Server",
    "X-Forwarded-Port", "X-Script-Name", "X-Forwarded-Script-Name",
)  # fmt: skip
"""What WSGITrustedProxyHeaders knows."""
BACKEND = re.compile(
    r"(?:unix:/[A-Za-z0-9_./-]+\|)?(?P<scheme>https?|wss?)://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]{1,5})?(?:/[A-Za-z0-9_.~/%-]*)?",
    re.ASCII,
)


def check(application: App) -> Problems:
    """Addresses of both."""
    for key, proxy in entries(application, "trusted_proxies"):
        if not network(proxy):
            yield key, f"{proxy!r} is neither an IP address nor a network like 192.0.2.0/24"
    known = {name.lower() for name in PROXY_HEADERS}
    for key, name in entries(application, "trusted_proxy_headers"):
        if name.lower() not in known:
            yield key, f"{name!r} is not known to mod_wsgi; use {', '.join(PROXY_HEADERS)}"
    for key, backend in entries(application, "backends"):
        path, url = backend["path"], backend["url"]
        yield from plain_path(f"{key}.path", path)
        if path_of(backend) == path_of(application):
            yield f"{key}.path", f"{path!r} would hide the whole application; choose a path below it"
        if not BACKEND.fullmatch(url):
            yield f"{key}.url", f"{url!r} is not the address of a server; write it like http://127.0.0.1:9000/"
        if backend["timeout"] < 1:
            yield f"{key}.timeout", f"{backend['timeout']} is too short; the least is 1 (seconds)"


def _taken(application: App) -> Iterator[tuple[str, str]]:
    return ((f"{key}.path", path_of(backend)) for key, backend in entries(application, "backends"))


def _scheme(url: str) -> str:
    return re.sub(r"^unix:[^|]*\|", "", url).partition(":")[0]


def normalise(application: App, _: Place) -> dict[str, Any]:
    """Networks as mod_wsgi reads them, and how httpd speaks with each server."""
    return {
        "trusted_proxies": [network(entry) for entry in application["trusted_proxies"]],
        "backends": [
            {
                "path": path_of(backend),
                "url": backend["url"],
                "scheme": _scheme(backend["url"]),
                # ws:// is mod_proxy_wstunnel's; http:// with the upgrade is mod_proxy_http's own since 2.4.47.
                "upgrade": backend["websocket"] and _scheme(backend["url"]) in ("http", "https"),
                "preserve_host": backend["preserve_host"],
                "timeout": backend["timeout"],
            }
            for backend in application["backends"]
        ],
    }


def modules(application: App) -> Iterator[str]:
    """What reads a proxy's headers, and what speaks with servers."""
    if application["trusted_proxies"]:
        yield "setenvif"
    for scheme in (_scheme(backend["url"]) for backend in application["backends"]):
        yield from ("proxy", "proxy_wstunnel" if scheme.startswith("ws") else "proxy_http")
        if scheme in ("https", "wss"):
            yield from TLS_MODULES


SUBJECT = Subject(
    check,
    lambda applications, _: hidden(applications, _taken),
    normalise,
    modules,
    ("setenvif", "proxy", "proxy_http", "proxy_wstunnel", *TLS_MODULES),
    of_site=("trusted_proxies", "trusted_proxy_headers"),
)
