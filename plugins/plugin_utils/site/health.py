# SPDX-License-Identifier: Apache-2.0
"""The request that an application has to answer as expected: the key `health`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import auth, names, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost

PATH = re.compile(r"/[\x21-\x7e]*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
OURS = {
    "host": "the application is asked under its server_name",
    "connection": "each connection is for one request",
    "user-agent": "logs tell these requests by it",
    **dict.fromkeys(("content-length", "transfer-encoding"), "the request has no body"),
}
"""Headers that the health check has already, and why, in lower case."""


def check(application: App) -> Problems:
    """What is asked, and what counts as well."""
    path, status, timeout = (application["health"][key] for key in ("path", "status", "timeout"))
    if not 100 <= status <= 599:
        yield "health.status", f"{status} is not an HTTP status; use 100 to 599"
    if timeout < 1:
        yield "health.timeout", f"{timeout} is too short; the least is 1 (seconds)"
    if not PATH.fullmatch(path):
        yield "health.path", f"{path!r} is not a path; begin with / and use printable ASCII without blanks"
    for name, value in application["health"]["headers"].items():
        if not HEADER.fullmatch(str(name)):
            yield "health.headers", f"{name!r} is not the name of a header; write it like X-Forwarded-Proto"
        elif reason := OURS.get(str(name).lower()):
            yield "health.headers", f"{name} cannot be set, since {reason}; remove it"
        elif not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            yield "health.headers", f"the value of {name} has to be a text of printable ASCII; put it in quotes"


def path_of(application: App) -> str:
    """The path of the health check, without its query."""
    return str(application["health"]["path"]).partition("?")[0]


def normalise(application: App, place: Place) -> dict[str, Any]:
    """The health check, with the address at which the host reaches its own application."""
    secure, state_directory = place.site.get("tls"), place.instance["state_directory"]
    port, host = secure["port"] if secure else application["port"], application["server_name"]
    return {
        "health": {
            **application["health"],
            "path": names.path_of(application).rstrip("/") + application["health"]["path"],
            "address": _local_address(place.listen, application["address"], port),
            "port": port,
            "host": host if port == (443 if secure else 80) else f"{host}:{port}",
            "tls": secure is not None,
            # Where httpd gets the certificate itself: the file that is there as soon as it has one.
            "certificate": tls.acme_certificate(host, state_directory) if tls.is_acme(place.site) else "",
        }
    }


def _local_address(listen: Sequence[Listener], address: str, port: int) -> str:
    """An address at which this very host reaches the application."""
    if address != ANY:
        return address
    there = [listener.address for listener in listen if listener.port == port]
    return "127.0.0.1" if ANY in there or not there else there[0]


def values(vhost: Vhost) -> dict[str, Any]:
    """Health paths that a login would hide from the host itself."""
    logins = auth.logins(vhost)
    found = []
    for application in vhost.applications:
        # The logins are in the order of httpd: the last one counts.
        covering = [login for login in logins if names.is_below(path_of(application), login["path"])]
        if covering:
            found.append({"path": path_of(application), "require": covering[-1]["require"]})
    return {"health_checks": found, "health_proxies": list(_proxies(vhost))}


def _proxies(vhost: Vhost) -> Iterator[dict[str, Any]]:
    """Health paths on which the host asks as a proxy would; mod_wsgi removes such headers of anybody else."""
    trusted, known = vhost.site["trusted_proxies"], {name.lower() for name in vhost.site["trusted_proxy_headers"]}
    for application in vhost.applications if trusted else ():
        if known & {name.lower() for name in application["health"]["headers"]}:
            # What a host asks at one of its own addresses comes from that address.
            addresses = dict.fromkeys([*trusted, application["health"]["address"]])
            yield {"path": f"^{re.escape(path_of(application))}$", "addresses": list(addresses)}


def private_values(site: App, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values for the private vhost on which a site's health is asked until it has a certificate."""
    return {
        "name": site["server_name"],
        "members": sorted(members, key=lambda member: -len(member["application"]["path"])),
        "paths": sorted({f"^{re.escape(path_of(member['application']))}$" for member in members}),
        "launchers": list(dict.fromkeys((m["launcher_directory"], m["launcher_file"]) for m in members)),
    }


SUBJECT = Subject(check, normalise=normalise, values=values)
