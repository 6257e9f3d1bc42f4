# SPDX-License-Identifier: Apache-2.0
"""What the templates of a vhost lay out. Runs on the control node only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, vhost
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import is_below

Site = Mapping[str, Any]
Members = Sequence[Mapping[str, Any]]
Certificates = Mapping[str, Mapping[str, Any]]
"""What the module httpd_certificates found, by name: `fingerprint` and `stapling`."""

MAINTENANCE_TEXT = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Maintenance</title>"
    "<h1>We will be back soon</h1><p>This site is being worked on. Please try again in a few minutes.</p></html>"
)


def regex(value: object) -> str:
    """A plain path as a regular expression in quotes."""
    return str(value).replace(".", r"\.")


def listen(address: str, ports: Iterable[object]) -> str:
    """The arguments of VirtualHost."""
    shown = f"[{address}]" if ":" in address else address
    return " ".join(f"{shown}:{port}" for port in ports)


def certificate_note(name: str, certificates: Certificates) -> str:
    """A comment that changes when the certificate does, so that httpd is told to read it again."""
    return f"SHA-256 of the certificate's files: {certificates.get(name, {}).get('fingerprint', 'not there yet')}"


def site_values(site: Site, members: Members, certificates: Certificates) -> dict[str, Any]:
    """The values for a vhost with its applications."""
    ordered = sorted(members, key=lambda member: (-len(member["application"]["path"]), member["application"]["path"]))
    ordered = [{**member, **_maintenance(member, ordered)} for member in ordered]
    auths = sorted((auth for m in ordered for auth in m["application"]["auth"]), key=lambda auth: len(auth["path"]))
    logins = [*auths, *_script_logins(ordered)]
    published = [m["paths"]["code"] for m in ordered if m["application"]["static"] or _pages(m, site)]
    return {
        "site": site,
        "members": ordered,
        "launchers": list(dict.fromkeys((m["launcher_directory"], m["launcher_file"]) for m in ordered)),
        "statics": [static for member in ordered for static in member["application"]["static"]],
        "published_code": list(dict.fromkeys(published)),
        "pages": any(_pages(member, site) for member in ordered),
        "auths": auths,
        "health_checks": _health_checks(ordered, logins) if logins else [],
        "internal": vhost.INTERNAL,
        "maintenance_text": MAINTENANCE_TEXT,
        "encodings": vhost.ENCODINGS,
        "compressed": sorted(vhost.COMPRESSED),
        "compressed_types": _by_type(),
        "certificate": certificate_note(str(site["name"]), certificates),
        "stapling": _staples(site, certificates),
        "vhosts": _vhosts(site),
        "redirect_vhosts": _redirect_vhosts(site),
    }


def _pages(member: Mapping[str, Any], site: Site) -> bool:
    application = member["application"]
    shows_errors = application["name"] == site["name"] and bool(site["error_documents"])
    return shows_errors or bool(application["maintenance"] and application["maintenance"]["page"])


def _by_type() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for ending, kind in vhost.COMPRESSED.items():
        found.setdefault(kind, []).append(ending)
    return found


def _staples(site: Site, certificates: Certificates) -> bool:
    able = bool(certificates.get(str(site["name"]), {}).get("stapling"))
    # mod_md staples for its own certificates; mod_ssl would log an error for each one that names no responder.
    return bool(site["tls"] and site["tls"]["stapling"] and able and not site["tls"]["acme"])


def health_values(site: Site, members: Members) -> dict[str, Any]:
    """The values for the private vhost on which a site's health is asked until it has a certificate."""
    return {
        "name": site["server_name"],
        "members": sorted(members, key=lambda member: -len(member["application"]["path"])),
        "paths": sorted({f"^{re.escape(_health_path(member))}$" for member in members}),
        "launchers": list(dict.fromkeys((m["launcher_directory"], m["launcher_file"]) for m in members)),
    }


def _health_path(member: Mapping[str, Any]) -> str:
    return str(member["application"]["health"]["path"]).partition("?")[0]


def _vhosts(site: Site) -> list[dict[str, Any]]:
    """The vhosts that serve the applications: over plain http, over TLS, or both."""
    address, tls = str(site["address"]), site["tls"]
    plain = {"listen": listen(address, _plain_ports(site)), "tls": False}
    if tls is None:
        return [plain]
    secure = {"listen": listen(address, [tls["port"]]), "tls": True}
    return [secure] if tls["redirect"] or not _plain_ports(site) else [plain, secure]


def _plain_ports(site: Site) -> list[Any]:
    """The ports with plain http; none when `port` is that of TLS."""
    ports = [site["port"], *site["extra_ports"]]
    return [port for port in ports if site["tls"] is None or port != site["tls"]["port"]]


def _redirect_vhosts(site: Site) -> list[dict[str, Any]]:
    """The vhosts that only lead to another one."""
    address, tls, names = str(site["address"]), site["tls"], [site["server_name"], *site.get("server_aliases", [])]
    plain = listen(address, _plain_ports(site))
    found = []
    if tls and tls["redirect"] and plain:
        port = "" if tls["port"] == 443 else f":{tls['port']}"
        target = f"https://%{{SERVER_NAME}}{port}%{{REQUEST_URI}}"
        challenges = tls["acme_challenge_directory"]
        found.append(_redirect_vhost(plain, names, target, challenges=challenges))
    if site["redirect_names"]:
        scheme, default, own = ("https", 443, tls["port"]) if tls else ("http", 80, site["port"])
        target = f"{scheme}://{site['server_name']}{'' if own == default else f':{own}'}%{{REQUEST_URI}}"
        if plain:
            found.append(_redirect_vhost(plain, site["redirect_names"], target))
        if tls:
            found.append(_redirect_vhost(listen(address, [tls["port"]]), site["redirect_names"], target, tls=True))
    return found


def _redirect_vhost(
    where: str, names: Sequence[str], target: str, tls: bool = False, challenges: str = ""
) -> dict[str, Any]:
    # 308: the method stays, so that a form is not lost.
    return {"listen": where, "names": names, "target": target, "status": 308, "tls": tls, "challenges": challenges}


def _script_logins(members: Members) -> list[dict[str, Any]]:
    """Logins that scripts check, in the order in which the vhost has them."""
    return [login for member in reversed(members) for login in daemon.logins(member["application"])]


def _health_checks(members: Members, auths: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Health paths that a login would hide from the host itself."""
    found = []
    for member in members:
        path = str(member["application"]["health"]["path"]).partition("?")[0]
        # `auths` are in the order of httpd: the last one counts.
        covering = [auth for auth in auths if is_below(path, auth["path"])]
        if covering:
            found.append({"path": path, "require": covering[-1]["require"]})
    return found


def _maintenance(member: Mapping[str, Any], members: Members) -> dict[str, str]:
    """The condition under which visitors get the maintenance page, as an expression of httpd's."""
    application = member["application"]
    if not application["maintenance"]:
        return {}
    own = application["path"]
    health = str(application["health"]["path"]).partition("?")[0]
    others = [m["application"]["path"] for m in members if m is not member and is_below(m["application"]["path"], own)]
    left_out = [re.escape(vhost.INTERNAL).replace("\\-", "-"), *(regex(path) for path in others)]
    condition = [f"-f '{member['paths']['code']}/maintenance'", f"%{{REQUEST_URI}} != '{health}'"]
    if own != "/":
        condition.append(f"%{{REQUEST_URI}} =~ m#^{regex(own)}(?:/|$)#")
    condition.append(f"%{{REQUEST_URI}} !~ m#^(?:{'|'.join(left_out)})(?:/|$)#")
    return {"maintenance_condition": " && ".join(condition)}
