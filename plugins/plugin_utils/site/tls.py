# SPDX-License-Identifier: Apache-2.0
"""TLS of a site: what its key `tls` may say, and what httpd is to do. Runs on the control node only."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import FOLDER_WILDCARD

DEFAULTS: dict[str, Any] = {
    "port": 443,
    "certificate": "",
    "key": "",
    "self_signed": False,
    "profile": "intermediate",
    "redirect": True,
    "hsts_seconds": 0,
    "hsts_subdomains": False,
    "stapling": True,
    "http2": True,
    "acme_challenge_directory": "",
}
"""Values of the keys that the user left out; meta/argument_specs.yml repeats them, and a test compares."""

ACME_DEFAULTS: dict[str, Any] = {"contact": "", "directory_url": "", "agree_terms": False}

SELF_SIGNED_DIRECTORY = "tls"
"""Below the instance's state directory: certificates that the role makes."""

MD_DIRECTORY = "md"
"""Below the instance's state directory: what mod_md keeps."""

HTTP_PORT, HTTPS_PORT = 80, 443
"""Where an authority asks, whatever the site's own ports are (RFC 8555, 8.3; RFC 8737, 3)."""

FILE = re.compile(r"/[^\x00-\x1f\x7f\"\\$]+")
MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*")

Problems = Iterator[tuple[str, str]]


@cache
def profiles() -> dict[str, dict[str, Any]]:
    """Mozilla's profiles by name."""
    data = json.loads(role_file("wsgi_app", "tls_profiles.json"))
    found: dict[str, dict[str, Any]] = data["profiles"]
    return found


def profiles_version() -> str:
    """Which edition of the guidelines the profiles are from."""
    data = json.loads(role_file("wsgi_app", "tls_profiles.json"))
    return f"{data['version']}, {data['date']}"


def is_acme(tls: Mapping[str, Any]) -> bool:
    """Whether httpd itself is to get the certificate."""
    return tls.get("acme") is not None


def challenge(tls: Mapping[str, Any], ports: Collection[int | str]) -> str:
    """How httpd proves to an authority that a name is its own; empty when it cannot.

    ``ports`` are those on which httpd listens. Port 80 comes first, since what is before httpd seldom changes it.
    """
    secure = int(tls.get("port", DEFAULTS["port"]))
    if HTTP_PORT in ports and secure != HTTP_PORT:
        return "http-01"
    return "tls-alpn-01" if secure == HTTPS_PORT and HTTPS_PORT in ports else ""


def md_store(state_directory: str) -> str:
    """The folder in which mod_md keeps accounts, certificates and keys."""
    return f"{state_directory}/{MD_DIRECTORY}"


def acme_certificate(server_name: str, state_directory: str) -> str:
    """The file that is there once httpd serves a certificate that it has got for a site."""
    return f"{md_store(state_directory)}/domains/{server_name.lower()}/pubcert.pem"


def problems(tls: Mapping[str, Any], environment: str) -> Problems:
    """What is wrong with one `tls`; ``environment`` is `wsgi_environment`."""
    yield from _source_problems(tls, environment)
    for key in ("certificate", "key", "acme_challenge_directory"):
        value = str(tls.get(key) or "")
        if value and not FILE.fullmatch(value):
            yield f"tls.{key}", f"{value!r} is not the absolute path of a file on the host; begin it with /"
    challenges = str(tls.get("acme_challenge_directory") or "")
    if FOLDER_WILDCARD.search(challenges):
        yield "tls.acme_challenge_directory", f"{challenges!r} is a pattern for httpd; use none of * ? [ ]"
    if str(tls.get("profile", DEFAULTS["profile"])) not in profiles():
        yield "tls.profile", f"{tls['profile']!r} is not known; use one of {', '.join(profiles())}"
    if not 1 <= int(tls.get("port", DEFAULTS["port"])) <= 65535:
        yield "tls.port", f"{tls['port']} is not a port; use 1 to 65535"
    seconds = int(tls.get("hsts_seconds", 0))
    if seconds < 0:
        yield "tls.hsts_seconds", f"{seconds} is negative; use 0 (no HSTS) or more, e.g. 63072000 for two years"
    elif seconds and not boolean(tls.get("redirect", True)):
        yield "tls.hsts_seconds", "HSTS keeps browsers from plain http, and redirect is false; set one of them only"


def _source_problems(tls: Mapping[str, Any], environment: str) -> Problems:
    given = [key for key in ("certificate", "self_signed", "acme") if _asks(tls, key)]
    if len(given) != 1:
        found = " and ".join(given) + " are" if given else "none is"
        yield "tls", f"{found} given; give exactly one of certificate (with key), self_signed and acme"
    elif bool(tls.get("key")) != (given == ["certificate"]):
        yield "tls.key", "a key belongs to a certificate and a certificate needs a key; give both or neither"
    elif given == ["self_signed"] and environment == "production":
        yield "tls.self_signed", "browsers refuse it, and wsgi_environment is production; give a certificate"
    elif given == ["acme"]:
        yield from _acme_problems(tls["acme"])


def _asks(tls: Mapping[str, Any], key: str) -> bool:
    if key == "acme":
        return is_acme(tls)
    return boolean(tls.get(key, False)) if key == "self_signed" else bool(tls.get(key))


def _acme_problems(acme: Mapping[str, Any]) -> Problems:
    if not MAIL.fullmatch(str(acme.get("contact", ""))):
        yield "tls.acme.contact", "the certificate authority wants an e-mail address; write it like ops@example.com"
    if not boolean(acme.get("agree_terms", False)):
        yield "tls.acme.agree_terms", "an authority gives certificates only to who agrees to its terms; set it to true"
    url = str(acme.get("directory_url") or "")
    if url and not URL.fullmatch(url):
        yield "tls.acme.directory_url", f"{url!r} is not the address of an ACME directory; begin with https://"


def normalise(tls: Mapping[str, Any], name: str, state_directory: str) -> dict[str, Any]:
    """The complete form. ``name`` is the application's; self-made certificates are in the state directory."""
    complete = {**DEFAULTS, **{key: value for key, value in tls.items() if value is not None}}
    if boolean(complete["self_signed"]):
        complete.update(self_signed_files(name, state_directory))
    return {
        **complete,
        **{key: int(complete[key]) for key in ("port", "hsts_seconds")},
        **{key: boolean(complete[key]) for key, value in DEFAULTS.items() if isinstance(value, bool)},
        "acme": {**ACME_DEFAULTS, **complete["acme"]} if is_acme(complete) else None,
        "settings": settings(str(complete["profile"])),
        "hsts": hsts(complete),
    }


def self_signed_files(name: str, state_directory: str) -> dict[str, str]:
    """Where a self-made certificate and its key are."""
    folder = f"{state_directory}/{SELF_SIGNED_DIRECTORY}"
    return {"certificate": f"{folder}/{name}.crt", "key": f"{folder}/{name}.key"}


def hsts(tls: Mapping[str, Any]) -> str:
    """The value of Strict-Transport-Security; empty without one."""
    if not int(tls["hsts_seconds"]):
        return ""
    return f"max-age={int(tls['hsts_seconds'])}" + ("; includeSubDomains" if boolean(tls["hsts_subdomains"]) else "")


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
