# SPDX-License-Identifier: Apache-2.0
"""What httpd needs to start on a configuration, beyond what its own test looks at.

The test reads the configuration and neither binds a port nor loads a certificate. A reload does both, and when one of
them fails, httpd ends (measured on Debian 12, Apache 2.4, 2026-11). So it is looked at before.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.preflight import HostError, refuse_taken_ports
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.reading import Directive, listeners, parsed

CERTIFICATE, KEY = "sslcertificatefile", "sslcertificatekeyfile"


def problem(instance: Mapping[str, str], dump: str) -> str:
    """Why httpd would not start, in one sentence; empty when nothing is known that would keep it from it."""
    found = list(parsed(dump))
    wanted = [listener for _, listener in listeners(found)]  # what is no plain address is left to httpd
    for listener in wanted:
        if not _is_here(listener.address):
            return (
                f"This host has no address {listener.address}, so httpd cannot listen on {listener.directive}; "
                "correct that address or give it to the host."
            )
    try:
        refuse_taken_ports(instance, wanted, socket.gethostname())
    except HostError as error:
        return str(error)
    for certificate, key in _certificates(found):
        reason = _pair_problem(certificate, key)
        if reason:
            return (
                f"The certificate {certificate} and the key {key} cannot be used together ({reason}); "
                "give both files of one pair."
            )
    return ""


def _is_here(address: str) -> bool:
    """Whether a program on this host can listen on the address."""
    if address == ANY:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as trial:
        try:
            trial.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _certificates(found: list[Directive]) -> Iterator[tuple[str, str]]:
    """Certificates with their keys: the first with the first of each vhost, and so on."""
    for number in sorted({each.vhost for each in found}):
        inside = [each for each in found if each.vhost == number and each.arguments]
        certificates, keys = (
            [each.arguments[0] for each in inside if each.name == name] for name in (CERTIFICATE, KEY)
        )
        # A certificate without a key of its own has it in the same file.
        yield from zip(certificates, [*keys, *certificates[len(keys) :]])


def _pair_problem(certificate: str, key: str) -> str:
    """Why OpenSSL cannot use the two together; empty when it can, or when that cannot be known without a question."""
    try:
        if "ENCRYPTED" in Path(key).read_text(encoding="ascii", errors="replace"):
            return ""
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        return error.reason or str(error)
    except OSError:  # the test of httpd tells of files that are missing; others are of a hardware module
        return ""
    return ""
