# SPDX-License-Identifier: Apache-2.0
"""The request that an application has to answer as expected: the key `health`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.status import KEY_HEADER
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import auth, names, strategy, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.headers import TOKEN
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost

PATH = re.compile(r"/[\x21-\x7e]*")
HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
LONGEST_NAME = 40
# What says where a request goes or ends is httpd's and the check's own.
FRAMING = (
    "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
)  # fmt: skip


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
        problem = _problem_of_header(str(name), value)
        if problem:
            yield f"health.headers.{str(name)[:LONGEST_NAME]!a}", problem


def _problem_of_header(name: str, value: Any) -> str:
    """What is wrong with a header of the request; empty when nothing is. No value is repeated."""
    if not TOKEN.fullmatch(name):
        return "this is not the name of a header; write it like X-Forwarded-Proto"
    if name.lower() == "host":
        return "the name in Host chooses the vhost, and is server_name; use X-Forwarded-Host, or remove it"
    if name.lower() in FRAMING:
        return "it says how the request is sent, which is not yours to choose here; remove it"
    if not isinstance(value, str):
        return "the value must be a string; put it in quotes"
    return "" if HEADER_VALUE.fullmatch(value) else "the value must be printable ASCII on one line; correct it"


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


def private_values(sites: Sequence[tuple[App, Sequence[Mapping[str, Any]]]]) -> dict[str, Any] | None:
    """The values for the health paths on the private vhost of one name, of its sites with their members.

    They are asked there until a site has a certificate, and where a release is proven before anybody sees it.
    """
    awaiting = next((each for each in sites if tls.is_acme(each[0])), None)
    site = (awaiting or sites[0])[0]
    every = awaiting[1] if awaiting else []
    coloured = [member for _, members in sites for member in members if strategy.is_blue_green(member["application"])]
    members = [*every, *(member for member in coloured if member not in every)]
    if not members:
        return None
    headers = {name.lower() for member in members for name in member["application"]["health"]["headers"]}
    return {
        "members": sorted(members, key=lambda member: -len(member["application"]["path"])),
        "paths": sorted({f"^{re.escape(path_of(member['application']))}$" for member in members}),
        "launchers": list(dict.fromkeys((m["launcher_directory"], m["launcher_file"]) for m in members)),
        # Until there is a certificate, whoever is on the host may ask.
        "is_open": awaiting is not None,
        "secure": site.get("tls") is not None,
        "proxy_headers": [
            name for name in site["trusted_proxy_headers"] if site["trusted_proxies"] and name.lower() in headers
        ],
        "colours": strategy.rewrite_lines(
            (member["application"] for member in members), f'"%{{HTTP:{KEY_HEADER}}}" "!^$"'
        ),
    }


SUBJECT = Subject(check, normalise=normalise, values=values)
