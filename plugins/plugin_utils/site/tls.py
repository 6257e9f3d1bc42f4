# SPDX-License-Identifier: Apache-2.0
"""TLS of a site: the key `tls`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.hosts import all_names, sites
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import ABSOLUTE_FILE, FOLDER_WILDCARD
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import (
    App,
    Apps,
    Certificates,
    Place,
    Problems,
    Sentences,
    Server,
    Subject,
    Vhost,
)

SELF_SIGNED_DIRECTORY = "tls"
"""Below the instance's state directory: certificates that the role makes."""

MD_DIRECTORY = "md"
"""Below the instance's state directory: what mod_md keeps."""

HTTP_PORT, HTTPS_PORT = 80, 443
"""Where an authority asks, whatever the site's own ports are (RFC 8555, 8.3; RFC 8737, 3)."""

MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*")
MODULES = ("ssl", "socache_shmcb", "setenvif")


@cache
def _guidelines() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(role_file("wsgi_app", "tls_profiles.json"))
    return found


def profiles() -> dict[str, dict[str, Any]]:
    """Mozilla's profiles by name."""
    return dict(_guidelines()["profiles"])


def profiles_version() -> str:
    """Which edition of the guidelines the profiles are from."""
    return f"{_guidelines()['version']}, {_guidelines()['date']}"


def is_acme(site: App) -> bool:
    """Whether httpd itself is to get the certificate."""
    return (site.get("tls") or {}).get("acme") is not None


def challenge(secure: int, ports: Collection[int | str]) -> str:
    """How httpd proves to an authority that a name is its own; empty when it cannot.

    ``secure`` is the port with TLS, and ``ports`` are those on which httpd listens. Port 80 comes first, since what is
    before httpd seldom changes it.
    """
    if HTTP_PORT in ports and secure != HTTP_PORT:
        return "http-01"
    return "tls-alpn-01" if secure == HTTPS_PORT and HTTPS_PORT in ports else ""


def md_store(state_directory: str) -> str:
    """The folder in which mod_md keeps accounts, certificates and keys."""
    return f"{state_directory}/{MD_DIRECTORY}"


def acme_certificate(server_name: str, state_directory: str) -> str:
    """The file that is there once httpd serves a certificate that it has got for a site."""
    return f"{md_store(state_directory)}/domains/{server_name.lower()}/pubcert.pem"


def check(application: App) -> Problems:
    """Where the certificate comes from, files, the port and HSTS."""
    tls = application.get("tls")
    if tls is None:
        return
    yield from _check_source(tls)
    for key in ("certificate", "key", "acme_challenge_directory"):
        if tls[key] and not ABSOLUTE_FILE.fullmatch(tls[key]):
            yield f"tls.{key}", f"{tls[key]!r} is not the absolute path of a file on the host; begin it with /"
    challenges = tls["acme_challenge_directory"]
    if FOLDER_WILDCARD.search(challenges):
        yield "tls.acme_challenge_directory", f"{challenges!r} is a pattern for httpd; use none of * ? [ ]"
    if not 1 <= tls["port"] <= 65535:
        yield "tls.port", f"{tls['port']} is not a port; use 1 to 65535"
    if tls["hsts_seconds"] < 0:
        text = f"{tls['hsts_seconds']} is negative; use 0 (no HSTS) or more, e.g. 63072000 for two years"
        yield "tls.hsts_seconds", text
    elif tls["hsts_seconds"] and not tls["redirect"]:
        yield "tls.hsts_seconds", "HSTS keeps browsers from plain http, and redirect is false; set one of them only"
    wild = [name for name in all_names(application) if name.startswith("*.")]
    if is_acme(application) and wild:
        # httpd proves a name by answering for it, which nobody can for any name below another.
        yield "tls.acme", f"it cannot get a certificate for {wild[0]}, any name; list the names, or give a certificate"


def _check_source(tls: Mapping[str, Any]) -> Problems:
    given = [key for key in ("certificate", "self_signed", "acme") if tls.get(key)]
    if len(given) != 1:
        found = " and ".join(given) + " are" if given else "none is"
        yield "tls", f"{found} given; give exactly one of certificate (with key), self_signed and acme"
    elif bool(tls["key"]) != (given == ["certificate"]):
        yield "tls.key", "a key belongs to a certificate and a certificate needs a key; give both or neither"
    elif given == ["acme"]:
        yield from _check_acme(tls["acme"])


def _check_acme(acme: Mapping[str, Any]) -> Problems:
    if not MAIL.fullmatch(acme["contact"]):
        yield "tls.acme.contact", "the certificate authority wants an e-mail address; write it like ops@example.com"
    if not acme["agree_terms"]:
        yield "tls.acme.agree_terms", "an authority gives certificates only to who agrees to its terms; set it to true"
    url = acme["directory_url"]
    if url and not URL.fullmatch(url):
        yield "tls.acme.directory_url", f"{url!r} is not the address of an ACME directory; begin with https://"


def check_all(applications: Apps, server: Server) -> Sentences:
    """Certificates that are no good here, or that httpd cannot get."""
    if server.environment == "production":
        for application in applications:
            if (application.get("tls") or {}).get("self_signed"):
                text = "browsers refuse it, and wsgi_environment is production; give a certificate"
                yield application["name"], "tls.self_signed", text
    listening = [listener.port for listener in server.listen]
    for application in filter(is_acme, applications):
        if not challenge(application["tls"]["port"], listening):
            yield (
                application["name"],
                "tls.acme",
                "an authority asks on port 80, or on port 443 over TLS, and httpd answers on neither; add 80 to "
                "httpd_listen, or give a certificate",
            )
    yield from _shared_names(applications)


def _shared_names(applications: Apps) -> Sentences:
    """Names for which httpd would get two certificates, which mod_md refuses."""
    owners: dict[str, str] = {}
    for site in (site for site, *_ in sites(applications) if is_acme(site)):
        for name in all_names(site):
            owner = owners.setdefault(name.lower(), site["name"])
            if owner != site["name"]:
                yield (
                    site["name"],
                    "tls.acme",
                    f"httpd already gets a certificate for {name}, for the application {owner!r}; give one of the two "
                    "a certificate of its own",
                )
                break


def normalise(application: App, place: Place) -> dict[str, Any]:
    """Where the certificate is, how httpd gets one itself, and the directives; None without TLS."""
    if "tls" not in application:
        return {"tls": None}
    tls = {"acme": None, **application["tls"]}
    if tls["self_signed"]:
        tls |= self_signed_files(application["name"], place.instance["state_directory"])
    if tls["acme"]:
        listening = [listener.port for listener in place.listen]
        tls["acme"] = {**tls["acme"], "challenge": challenge(tls["port"], listening)}
    return {"tls": {**tls, "settings": settings(tls["profile"]), "hsts": hsts(tls)}}


def self_signed_files(name: str, state_directory: str) -> dict[str, str]:
    """Where a self-made certificate and its key are."""
    folder = f"{state_directory}/{SELF_SIGNED_DIRECTORY}"
    return {"certificate": f"{folder}/{name}.crt", "key": f"{folder}/{name}.key"}


def hsts(tls: Mapping[str, Any]) -> str:
    """The value of Strict-Transport-Security; empty without one."""
    if not tls["hsts_seconds"]:
        return ""
    return f"max-age={tls['hsts_seconds']}" + ("; includeSubDomains" if tls["hsts_subdomains"] else "")


def settings(profile: str) -> list[str]:
    """The directives of a profile, in httpd's words. All values are from our own data."""
    data = profiles()[profile]
    directives = [f"SSLProtocol -all {' '.join('+' + protocol for protocol in data['protocols'])}"]
    if data["ciphers"]:
        directives.append(f"SSLCipherSuite {':'.join(data['ciphers'])}")
    return [
        *directives,
        f"SSLCipherSuite TLSv1.3 {':'.join(data['ciphersuites'])}",
        f"SSLHonorCipherOrder {'on' if data['server_preferred_order'] else 'off'}",
        f"SSLOpenSSLConfCmd Curves {':'.join(data['curves'])}",
        "SSLSessionTickets off",
    ]


def modules(application: App) -> Iterator[str]:
    """What speaks TLS and HTTP/2, and what gets certificates."""
    if "tls" in application:
        yield from MODULES
        if application["tls"]["http2"]:
            yield "http2"
        if is_acme(application):
            yield "md"


def ports(applications: Apps) -> list[int]:
    """The ports on which applications speak TLS."""
    return sorted({application["tls"]["port"] for application in applications if "tls" in application})


def certificate_note(name: str, certificates: Certificates) -> str:
    """A comment that changes when the certificate does, so that httpd is told to read it again."""
    return f"SHA-256 of the certificate's files: {certificates.get(name, {}).get('fingerprint', 'not there yet')}"


def values(vhost: Vhost) -> dict[str, Any]:
    """What is known of the certificate."""
    site, tls = vhost.site, vhost.site["tls"]
    able = bool(vhost.certificates.get(site["name"], {}).get("stapling"))
    return {
        "certificate": certificate_note(site["name"], vhost.certificates),
        # mod_md staples for its own certificates; mod_ssl would log an error for each one that names no responder.
        "stapling": bool(tls and tls["stapling"] and able and not tls["acme"]),
    }


# Not md: it asks the store of its certificates at each start.
SUBJECT = Subject(check, check_all, normalise, modules, (*MODULES, "http2"), values, of_site=("tls",))
