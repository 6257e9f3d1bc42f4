# SPDX-License-Identifier: Apache-2.0
"""Under which names, ports and paths applications are served.

Applications with the same `server_name`, `address` and `port` share one vhost, each under its own `path`. The one with
the shortest path is the *site*: it says what holds for the whole vhost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import names
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import (
    App,
    Apps,
    Place,
    Problems,
    Sentences,
    Server,
    Subject,
    Vhost,
)


def sites(applications: Iterable[App]) -> list[list[App]]:
    """The applications of each vhost, that with the shortest path first."""
    found: dict[tuple[str, str, int], list[App]] = {}
    for application in applications:
        key = (application["server_name"].lower(), application["address"], application["port"])
        found.setdefault(key, []).append(application)
    return [sorted(members, key=lambda a: (len(names.path_of(a)), names.path_of(a))) for members in found.values()]


def all_names(application: App) -> list[str]:
    """All names of a site, its first one first."""
    return [application["server_name"], *application["server_aliases"], *application["redirect_names"]]


def check(application: App) -> Problems:
    """Names that a Host header can carry, addresses, ports and the path."""
    name, address = application["server_name"], application["address"]
    if not names.is_host(name):
        yield "server_name", f"{name!r} is not a host name; write it like shop.example.com (IDNs in xn-- form)"
    for list_of_names in ("server_aliases", "redirect_names"):
        for key, entry in names.entries(application, list_of_names):
            if not names.is_host_pattern(entry):
                yield key, f"{entry!r} is not a host name; write it like www.example.com"
    for key, port in (("port", application["port"]), *names.entries(application, "extra_ports")):
        if not 1 <= port <= 65535:
            yield key, f"{port} is not a port; use 1 to 65535"
    if address != ANY and not names.is_address(address):
        yield "address", f"{address!r} is neither * nor an IP address; use one of the two"
    yield from names.plain_path("path", application["path"])


def check_all(applications: Apps, server: Server) -> Sentences:
    """Where applications are in each other's way, and where httpd does not listen."""
    yield from _same_hosts(applications)
    yield from _same_ports(applications)
    yield from _same_paths(applications)
    yield from _same_defaults(applications)
    yield from _silent_ports(applications, server.listen)


def ports_of(application: App) -> list[tuple[str, int]]:
    """The keys and numbers of the ports on which a vhost answers."""
    ports = [("port", application["port"]), *names.entries(application, "extra_ports")]
    if "tls" not in application:
        return ports
    secure = application["tls"]["port"]
    # The same port twice: there is only the one with TLS.
    return [(key, port) for key, port in ports if (key, port) != ("port", secure)] + [("tls.port", secure)]


def _same_hosts(applications: Apps) -> Sentences:
    """Two applications that httpd could not tell apart."""
    owners: dict[tuple[str, int, str], str] = {}
    for site, *others in sites(applications):
        for twin in (other for other in others if names.path_of(other) == names.path_of(site) == "/"):
            yield _taken(twin, site["server_name"].lower(), site["port"], site["name"])
        for host in dict.fromkeys(name.lower() for name in all_names(site)):
            for _, port in ports_of(site):
                owner = owners.setdefault((host, port, site["address"]), site["name"])
                if owner != site["name"]:
                    yield _taken(site, host, port, owner)
                    break


def _taken(application: App, host: str, port: int, owner: str) -> tuple[str, str, str]:
    text = f"{host} on port {port} is already the application {owner!r}; change the name or the port of one"
    return application["name"], "server_name", text


def _same_ports(applications: Apps) -> Sentences:
    """Ports that one application names twice, or on which one speaks TLS and another does not."""
    plain: dict[int, str] = {}
    secure: dict[int, str] = {}
    for application in applications:
        seen: set[int] = set()
        for key, port in ports_of(application):
            if port in seen:
                yield application["name"], key, f"the application has the port {port} twice; remove one"
            seen.add(port)
            (secure if key == "tls.port" else plain).setdefault(port, application["name"])
    for port in sorted(port for port in set(plain) & set(secure) if plain[port] != secure[port]):
        yield (
            secure[port],
            "tls.port",
            f"the application {plain[port]!r} speaks plain http on port {port}, and a port speaks one of the two; "
            "choose another port for one",
        )


def _same_paths(applications: Apps) -> Sentences:
    for members in sites(applications):
        owners: dict[str, str] = {}
        for member in members:
            path = names.path_of(member)
            owner = owners.setdefault(path, member["name"])
            if owner != member["name"] and path != "/":
                yield member["name"], "path", f"{path} is already the application {owner!r}; change one"


def hidden(applications: Apps, taken: Callable[[App], Iterator[tuple[str, str]]]) -> Sentences:
    """Applications that are below a path that something else of their vhost takes; ``taken`` has keys and paths."""
    for members in sites(applications):
        for member in members:
            for other in (other for other in members if other is not member):
                for key, path in taken(member):
                    if names.is_below(names.path_of(other), path):
                        yield member["name"], key, f"{path} would hide the application {other['name']!r}; change one"


def _same_defaults(applications: Apps) -> Sentences:
    """Two applications that both want to answer unknown host names of one port."""
    owners: dict[int, str] = {}
    for application in (application for application in applications if application["default_vhost"]):
        name, port = application["name"], application["port"]
        owner = owners.setdefault(port, name)
        if owner != name:
            text = f"the application {owner!r} is already the default of port {port}; only one can be"
            yield name, "default_vhost", text


def _silent_ports(applications: Apps, listen: Sequence[Listener]) -> Sentences:
    there = ", ".join(listener.directive for listener in listen)
    for application in applications:
        address = application["address"]
        for key, port in ports_of(application):
            if not any(port == one.port and (address == ANY or one.address in (ANY, address)) for one in listen):
                wanted = Listener(address, port).directive
                text = f"httpd does not listen on {wanted}; add it to httpd_listen (now {there}) or change the port"
                yield application["name"], key, text


def normalise(application: App, place: Place) -> dict[str, Any]:
    """The path without a slash at its end, and the application whose vhost it is."""
    return {"path": names.path_of(application), "site": place.site["name"]}


def listen(address: str, ports: Iterable[object]) -> str:
    """The arguments of VirtualHost."""
    shown = f"[{address}]" if ":" in address else address
    return " ".join(f"{shown}:{port}" for port in ports)


def values(vhost: Vhost) -> dict[str, Any]:
    """The vhosts that serve the applications, over plain http, over TLS or both, and those that only lead there."""
    site = vhost.site
    tls, ports = site["tls"], [site["port"], *site["extra_ports"]]
    # None when `port` is that of TLS.
    plain = listen(site["address"], [port for port in ports if tls is None or port != tls["port"]])
    secure = listen(site["address"], [tls["port"]]) if tls else ""
    serving = [(secure, True)] if tls and (tls["redirect"] or not plain) else [(plain, False), (secure, True)]
    return {
        "vhosts": [{"listen": where, "tls": is_secure} for where, is_secure in serving if where],
        "redirect_vhosts": list(_redirect_vhosts(site, plain, secure)),
    }


def _redirect_vhosts(site: App, plain: str, secure: str) -> Iterator[dict[str, Any]]:
    tls = site["tls"]
    if secure and tls["redirect"] and plain:
        target = f"https://%{{SERVER_NAME}}{_port(tls['port'], 443)}%{{REQUEST_URI}}"
        known = [site["server_name"], *site["server_aliases"]]
        yield _redirect_vhost(plain, known, target, challenges=tls["acme_challenge_directory"])
    if site["redirect_names"]:
        own = (
            f"https://{site['server_name']}{_port(tls['port'], 443)}"
            if tls
            else (f"http://{site['server_name']}{_port(site['port'], 80)}")
        )
        for where, is_secure in ((plain, False), (secure, True)):
            if where:
                yield _redirect_vhost(where, site["redirect_names"], f"{own}%{{REQUEST_URI}}", is_secure)


def _port(port: int, default: int) -> str:
    return "" if port == default else f":{port}"


def _redirect_vhost(
    where: str, hosts: Sequence[str], target: str, tls: bool = False, challenges: str = ""
) -> dict[str, Any]:
    # 308: the method stays, so that a form is not lost.
    return {"listen": where, "names": hosts, "target": target, "status": 308, "tls": tls, "challenges": challenges}


SUBJECT = Subject(
    check,
    check_all,
    normalise,
    values=values,
    of_site=("server_aliases", "default_vhost", "extra_ports", "redirect_names"),
)
