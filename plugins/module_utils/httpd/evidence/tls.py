# SPDX-License-Identifier: Apache-2.0
"""Items about TLS."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import control, effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import Certificate, covers
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective, Server
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.configuration import everywhere, told
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    NOT_APPLICABLE,
    TO_JUDGE,
    Judgement,
    judged,
    no_tls,
    shown,
)

WEAK = re.compile(r"NULL|EXP|RC2|RC4|(?<!3)DES-|IDEA|SEED|MD5|^ADH|^AECDH", re.IGNORECASE)
MEDIUM = re.compile(r"3DES|DES-CBC3", re.IGNORECASE)
WEAK_BITS, MEDIUM_BITS = 112, 128
EPHEMERAL = ("ECDHE-", "DHE-")


def protocols(words: str) -> set[str]:
    """The protocols that SSLProtocol allows."""
    every = {"sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"}
    found: set[str] = set()
    for each in words.lower().split() or ["all"]:
        sign, name = (each[0], each[1:]) if each[0] in "+-" else ("", each)
        named = every - {"sslv3"} if name == "all" else {name}
        found = found - named if sign == "-" else found | named if sign == "+" else named
    return found & every


def tls_versions(host: Effective, refused: list[str]) -> Judgement:
    """No vhost with TLS allows one of these protocols."""
    if not host.tls_servers():
        return no_tls()
    values = everywhere(host, "SSLProtocol", host.tls_servers())
    met = all(not protocols(value) & {each.lower() for each in refused} for value in values)
    return judged(met, told("SSLProtocol", values))


def cipher_suites(host: Effective, refused: str) -> Judgement:
    """No vhost with TLS offers a cipher that is ``weak``, ``medium`` or ``lasting`` (without forward secrecy).

    By what OpenSSL of the host makes of the list. Those of TLS 1.3 are none of these.
    """
    if not host.tls_servers():
        return no_tls()
    bad: set[str] = set()
    for suite in {_suite(host, server) for server in host.tls_servers()}:
        try:
            bad |= {str(cipher["name"]) for cipher in effective.ciphers(suite) if _is(refused, cipher)}
        except ValueError as error:
            return Judgement(TO_JUDGE, str(error))
    return judged(not bad, f"offered: {shown(sorted(bad))}" if bad else f"no {refused} cipher is offered")


def _suite(host: Effective, server: Server) -> str:
    """The list of ciphers that holds for a server, up to TLS 1.2."""
    for number in (server.number, 0):
        plain = [
            each.arguments[-1]
            for each in host.own("sslciphersuite", number)
            if each.arguments and each.arguments[0] != "TLSv1.3"
        ]
        if plain:
            return plain[-1]
    return "DEFAULT"


def _is(kind: str, cipher: Mapping[str, Any]) -> bool:
    name, bits = str(cipher["name"]), int(cipher.get("strength_bits", 0))
    if kind == "weak":
        return bool(WEAK.search(name)) or bits < WEAK_BITS
    if kind == "medium":
        return bool(MEDIUM.search(name)) or bits < MEDIUM_BITS
    return not name.startswith(EPHEMERAL)


def _certificates(host: Effective) -> dict[str, Certificate]:
    """The certificate of each site with TLS whose file the configuration names, by the site."""
    found = {}
    for server in host.sites():
        files = host.own("sslcertificatefile", server.number)
        if host.over_tls(server) and files and os.path.exists(files[-1].arguments[0]):
            found[server.name] = Certificate(files[-1].arguments[0])
    return found


def trusted_certificates(host: Effective) -> Judgement:
    """Each certificate is valid, for its site, and comes from an authority that the host trusts."""
    found = _certificates(host)
    if not found:
        return no_tls()
    left = [problem for server in host.sites() for problem in [_of_certificate(host, server, found)] if problem]
    return judged(not left, shown(left) if left else f"{len(found)} certificates are valid and trusted")


def _of_certificate(host: Effective, server: Server, found: Mapping[str, Certificate]) -> str:
    if server.name not in found:
        return ""
    certificate = found[server.name]
    if not certificate.lasts:
        return f"that of {server.name} has expired"
    if server.server_name and not any(covers(name, server.server_name) for name in certificate.names):
        return f"that of {server.name} is for {shown(certificate.names, 'no name')}"
    path = host.own("sslcertificatefile", server.number)[-1].arguments[0]
    verified = control.run_command(["openssl", "verify", "-untrusted", path, path], effective.COMMAND_SECONDS)
    return "" if verified.status == 0 else f"no authority of the host has signed that of {server.name}"


def stapling(host: Effective) -> Judgement:
    """Where a certificate names a responder, its answer is stapled."""
    found = {name for name, certificate in _certificates(host).items() if certificate.responder}
    if not found:
        return Judgement(NOT_APPLICABLE, "no certificate of a site names an OCSP responder")
    off = [
        server.name
        for server in host.sites()
        if server.name in found and host.value("sslusestapling", server).lower() != "on"
    ]
    return judged(not off, f"SSLUseStapling is off: {shown(off)}" if off else f"on: {shown(sorted(found))}")


def client_certificates(host: Effective) -> Judgement:
    """Somebody looks whose client certificates are accepted, where some are asked for."""
    asked = [each for each in host.everywhere("sslverifyclient") if each.arguments[:1] != ("none",)]
    if not asked:
        return Judgement(NOT_APPLICABLE, "no site asks for client certificates")
    authorities = host.everywhere("sslcacertificatefile", "sslcacertificatepath")
    return Judgement(TO_JUDGE, f"authorities: {shown(each.arguments[0] for each in authorities if each.arguments)}")
