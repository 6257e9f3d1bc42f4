# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys on the managed host: whether they can be used, and self-made ones."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, locked

DAYS, RENEWED_BEFORE = 365, 30
"""Mozilla's intermediate profile wants at most 366 days."""


ENTRY_OPTIONS = {
    "name": {"type": "str", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "names": {"type": "list", "elements": "str", "required": True},
    "self_signed": {"type": "bool", "default": False},
}
"""One certificate, as a module takes it."""


class CertificateError(Exception):
    """A certificate cannot be used; the text is one sentence for the user."""


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run openssl; it never asks for a passphrase."""
    return subprocess.run(
        ["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def refusal(entry: dict[str, Any], key: str, text: str) -> CertificateError:
    """The sentence about one certificate."""
    return CertificateError(f"wsgi_apps: application {entry['name']!r}, key tls.{key}: {text}.")


def read(entry: dict[str, Any], key: str) -> bytes:
    """The content of a file. Raises CertificateError when there is none."""
    try:
        with open(entry[key], "rb") as stream:
            return stream.read()
    except OSError as error:
        raise refusal(
            entry, key, f"{entry[key]} cannot be read on the host ({error.strerror}); put the file there"
        ) from error


class Certificate:
    """What openssl says of a certificate file, asked once: each question is a process of its own."""

    def __init__(self, path: str, lasting: int = 0) -> None:
        """``lasting``: seconds for which it is to be valid."""
        # Not -ocsp_uri: OpenSSL 3.0 leaves it out beside -ext.
        extensions = "subjectAltName,authorityInfoAccess"
        shown = openssl(
            "x509", "-in", path, "-noout", "-pubkey", "-enddate", "-ext", extensions, "-checkend", str(lasting)
        )
        keys = re.findall("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", shown.stdout, re.DOTALL)
        self.public_key = "".join(keys).split()
        """Empty when the file holds no certificate."""
        self.lasts = shown.returncode == 0
        ends = re.search(r"^notAfter=(.+)$", shown.stdout, re.MULTILINE)
        self.ends = ssl.cert_time_to_seconds(ends[1]) if ends else 0
        """Until when it is valid, in seconds since 1970."""
        self.names = re.findall(r"(?:DNS|IP Address):([^,\s]+)", shown.stdout)
        """Host names and addresses that it is for."""
        self.responder = bool(re.search(r"^\s*OCSP - URI:", shown.stdout, re.MULTILINE))
        """Whether it names one for OCSP."""


def check_given(entry: dict[str, Any]) -> Certificate:
    """Raise CertificateError for what browsers or httpd would refuse."""
    path = entry["certificate"]
    certificate = Certificate(path)
    if not certificate.public_key:
        raise refusal(entry, "certificate", f"{path} holds no certificate in PEM form; correct the file")
    of_key = openssl("pkey", "-in", entry["key"], "-pubout", "-passin", "pass:")
    if of_key.returncode != 0:
        raise refusal(
            entry, "key", f"{entry['key']} holds no private key in PEM form without a passphrase; correct the file"
        )
    if certificate.public_key != of_key.stdout.split():
        raise refusal(entry, "key", f"{entry['key']} is not the key of {path}; give the pair that belongs together")
    if not certificate.lasts:
        raise refusal(entry, "certificate", f"{path} has expired; renew it")
    if not any(covers(name, entry["names"][0]) for name in certificate.names):
        shown = ", ".join(certificate.names) or "no host name"
        raise refusal(entry, "certificate", f"{path} is for {shown} and not for {entry['names'][0]}; get one that is")
    return certificate


def covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate stands for a host; ``*`` stands for one label."""
    pattern, name = pattern.lower(), name.lower().strip("[]")
    if pattern.startswith("*."):
        return "." in name and name.split(".", 1)[1] == pattern[2:]
    return pattern == name


def current(entry: dict[str, Any]) -> Certificate | None:
    """The self-signed certificate that is there, when it is for these names and lasts long enough."""
    path = entry["certificate"]
    if not (os.path.isfile(path) and os.path.isfile(entry["key"])):
        return None
    found = Certificate(path, RENEWED_BEFORE * 86400)
    return found if found.lasts and sorted(found.names) == sorted(set(entry["names"])) else None


def make(entry: dict[str, Any], folder: str) -> list[Any]:
    """The edits that put a new self-signed certificate and its key in place; ``folder`` is for the work."""
    names = ",".join(
        ("IP:" if re.fullmatch(r"[0-9.]+|.*:.*", name) else "DNS:") + name.strip("[]") for name in entry["names"]
    )
    with tempfile.TemporaryDirectory(dir=folder) as work:
        key, certificate = os.path.join(work, "key"), os.path.join(work, "crt")
        done = openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256",
            "-days", str(DAYS), "-subj", "/CN=self-signed", "-addext", f"subjectAltName={names}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate,
        )  # fmt: skip
        if done.returncode != 0:
            raise refusal(entry, "self_signed", f"openssl cannot make it: {' '.join(done.stderr.split())[-300:]}")
        return [
            Edit(os.path.dirname(entry["key"]), journal.DIRECTORY, mode=0o700),
            Edit(entry["key"], journal.WRITE, _content(key), mode=0o600),
            Edit(entry["certificate"], journal.WRITE, _content(certificate), mode=0o644),
        ]


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def put(described: dict[str, Any], entries: list[Any]) -> None:
    """Make the certificates, as a step of the transaction: when the deployment fails, the previous ones come back."""
    with locked(described["state_directory"]):
        transaction.recover(described)
        edits = [edit for entry in entries for edit in make(entry, described["state_directory"])]
        transaction.begin(described)
        try:
            transaction.journal_of(described).apply(edits, pending.RELOAD)
        except BaseException:
            transaction.forget_unless_steps(described)
            raise


def describe(entry: dict[str, Any], certificate: Certificate) -> dict[str, Any]:
    """What the vhost has to know of a certificate."""
    content = read(entry, "certificate")
    return {
        "fingerprint": hashlib.sha256(content + read(entry, "key")).hexdigest(),
        "stapling": certificate.responder and content.count(b"-----BEGIN CERTIFICATE-----") > 1,
    }


def examine(entries: list[Any]) -> tuple[Any, ...]:
    """Check the given certificates; those entries which have to be made, and the descriptions of the others, by name.

    Changes nothing. Before anything is installed on a fresh host, all that can be found is a file that is not there.
    Raises CertificateError, and OSError for a file that cannot be read.
    """
    given = [entry for entry in entries if not entry["self_signed"]]
    for entry in given:
        read(entry, "certificate")
        read(entry, "key")
    if shutil.which("openssl") is None:
        return [entry for entry in entries if entry["self_signed"]], {}
    found = {entry["name"]: current(entry) if entry["self_signed"] else check_given(entry) for entry in entries}
    missing = [entry for entry in entries if found[entry["name"]] is None]
    there = ((entry, found[entry["name"]]) for entry in entries)
    return missing, {entry["name"]: describe(entry, certificate) for entry, certificate in there if certificate}


def usable(certificates: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The descriptions of those that can be used; what is wrong with another is left to ``examine``."""
    found: dict[str, Any] = {}
    for entry in certificates:
        with suppress(CertificateError, OSError):
            found.update(examine([entry])[1])
    return found


def run(described: dict[str, Any], entries: list[Any], check_mode: bool) -> tuple[Any, ...]:
    """Check all, make what is missing; whether something changed, and the descriptions."""
    missing, there = examine(entries)
    if check_mode or not entries:
        return bool(missing), there
    if shutil.which("openssl") is None:
        raise CertificateError("The program openssl is not on the host; install it (the role httpd does).")
    if missing:
        put(described, missing)
    return bool(missing), {
        **there,
        **{entry["name"]: describe(entry, Certificate(entry["certificate"])) for entry in missing},
    }
