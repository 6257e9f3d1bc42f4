#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_certificates
short_description: Check the certificates that httpd is to use, and make those for development
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Refuses a certificate that is missing, damaged or expired, that does not belong to its key, or that is for another
    name, before httpd is told about it. C(apache2ctl -t) accepts most of these.
  - Makes self-signed certificates (ECDSA P-256, valid for a year), again 30 days before their end or when the names
    change. Keys are readable by root only and never leave the host. The files are a step of the transaction that
    M(modwsgi.deploy.httpd_transaction) commits or rolls back.
options:
  certificates:
    description: The certificates, each with the name under which the result has it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the application.
        type: str
        required: true
      certificate:
        description: Absolute path of the file with the certificate, and those between it and the root's.
        type: path
        required: true
      key:
        description: Absolute path of the private key's file.
        type: path
        required: true
      names:
        description: Host names; the first one has to be covered.
        type: list
        elements: str
        required: true
      self_signed:
        description: Whether it is made here.
        type: bool
        default: false
  make:
    description: Whether self-signed certificates are made; V(false) only checks the others.
    type: bool
    default: true
  instance:
    description: The httpd instance, in whose transaction the files are made.
    type: str
    default: apache2
attributes:
  check_mode:
    support: full
    description: Predicts which certificates would be made.
  diff_mode:
    support: none
notes:
  - Needs root and the program openssl.
"""

EXAMPLES = r"""
- name: The certificate can be used
  modwsgi.deploy.httpd_certificates:
    certificates:
      - name: shop
        certificate: /etc/ssl/shop.pem
        key: /etc/ssl/private/shop.key
        names: [shop.example.com]
  become: true
"""

RETURN = r"""
certificates:
  description: >-
    By name, C(fingerprint) (SHA-256 of both files, hexadecimal) and C(stapling) (whether the certificate names an OCSP
    responder and its issuer's certificate is in the file).
  returned: success
  type: dict
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils import httpd_journal, httpd_pending, httpd_return
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import UnknownInstanceError, instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_journal import Edit, JournalError, locked

DAYS, RENEWED_BEFORE = 365, 30
"""Mozilla's intermediate profile wants at most 366 days."""


class CertificateError(Exception):
    """A certificate cannot be used; the text is one sentence for the user."""


def openssl(*arguments: str) -> subprocess.CompletedProcess:
    """Run openssl; it never asks for a passphrase."""
    return subprocess.run(
        ["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def refusal(entry: dict, key: str, text: str) -> CertificateError:
    """The sentence about one certificate."""
    return CertificateError(f"wsgi_apps: application {entry['name']!r}, key tls.{key}: {text}.")


def read(entry: dict, key: str) -> bytes:
    """The content of a file. Raises CertificateError when there is none."""
    try:
        with open(entry[key], "rb") as stream:
            return stream.read()
    except OSError as error:
        raise refusal(
            entry, key, f"{entry[key]} cannot be read on the host ({error.strerror}); put the file there"
        ) from error


def check_given(entry: dict) -> None:
    """Raise CertificateError for what browsers or httpd would refuse."""
    path = entry["certificate"]
    of_certificate = openssl("x509", "-in", path, "-noout", "-pubkey")
    if of_certificate.returncode != 0:
        raise refusal(entry, "certificate", f"{path} holds no certificate in PEM form; correct the file")
    of_key = openssl("pkey", "-in", entry["key"], "-pubout", "-passin", "pass:")
    if of_key.returncode != 0:
        raise refusal(
            entry, "key", f"{entry['key']} holds no private key in PEM form without a passphrase; correct the file"
        )
    if of_certificate.stdout.split() != of_key.stdout.split():
        raise refusal(entry, "key", f"{entry['key']} is not the key of {path}; give the pair that belongs together")
    if openssl("x509", "-in", path, "-noout", "-checkend", "0").returncode != 0:
        raise refusal(entry, "certificate", f"{path} has expired; renew it")
    names = covered_names(path)
    if not any(covers(name, entry["names"][0]) for name in names):
        shown = ", ".join(names) or "no host name"
        raise refusal(entry, "certificate", f"{path} is for {shown} and not for {entry['names'][0]}; get one that is")


def covered_names(path: str) -> list:
    """The host names and addresses that a certificate is for."""
    shown = openssl("x509", "-in", path, "-noout", "-ext", "subjectAltName").stdout
    return re.findall(r"(?:DNS|IP Address):([^,\s]+)", shown)


def covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate stands for a host; ``*`` stands for one label."""
    pattern, name = pattern.lower(), name.lower().strip("[]")
    if pattern.startswith("*."):
        return "." in name and name.split(".", 1)[1] == pattern[2:]
    return pattern == name


def is_current(entry: dict) -> bool:
    """Whether a self-signed certificate is there, for these names and for long enough."""
    path = entry["certificate"]
    if not (os.path.isfile(path) and os.path.isfile(entry["key"])):
        return False
    if openssl("x509", "-in", path, "-noout", "-checkend", str(RENEWED_BEFORE * 86400)).returncode != 0:
        return False
    return sorted(covered_names(path)) == sorted(set(entry["names"]))


def make(entry: dict, folder: str) -> list:
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
            Edit(os.path.dirname(entry["key"]), httpd_journal.DIRECTORY, mode=0o700),
            Edit(entry["key"], httpd_journal.WRITE, _content(key), mode=0o600),
            Edit(entry["certificate"], httpd_journal.WRITE, _content(certificate), mode=0o644),
        ]


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def put(described: dict, entries: list) -> None:
    """Make the certificates, as a step of the transaction: when the deployment fails, the previous ones come back."""
    with locked(described["state_directory"]):
        httpd_return.recover(described)
        edits = [edit for entry in entries for edit in make(entry, described["state_directory"])]
        httpd_return.begin(described)
        try:
            httpd_return.journal_of(described).apply(edits, httpd_pending.RELOAD)
        except BaseException:
            httpd_return.forget_unless_steps(described)
            raise


def describe(entry: dict) -> dict:
    """What the vhost has to know of a certificate."""
    content = read(entry, "certificate")
    responder = openssl("x509", "-in", entry["certificate"], "-noout", "-ocsp_uri").stdout.strip()
    return {
        "fingerprint": hashlib.sha256(content + read(entry, "key")).hexdigest(),
        "stapling": bool(responder) and content.count(b"-----BEGIN CERTIFICATE-----") > 1,
    }


def run(described: dict, entries: list, making: bool, check_mode: bool) -> tuple:
    """Check all, make what is missing; whether something changed, and the descriptions.

    Before anything is installed on a fresh host, all that can be found is a file that is not there.
    """
    given = [entry for entry in entries if not entry["self_signed"]]
    for entry in given:
        read(entry, "certificate")
        read(entry, "key")
    if shutil.which("openssl") is None:
        if making and not check_mode:
            raise CertificateError("The program openssl is not on the host; install it (the role httpd does).")
        return making and len(given) < len(entries), {}
    for entry in given:
        check_given(entry)
    missing = [entry for entry in entries if entry["self_signed"] and making and not is_current(entry)]
    if missing and not check_mode:
        put(described, missing)
    there = entries if making else given
    return bool(missing), {entry["name"]: describe(entry) for entry in there if not (check_mode and entry in missing)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "certificates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "certificate": {"type": "path", "required": True},
                    "key": {"type": "path", "required": True, "no_log": False},
                    "names": {"type": "list", "elements": "str", "required": True},
                    "self_signed": {"type": "bool", "default": False},
                },
            },
            "make": {"type": "bool", "default": True},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        described = instance(module.params["instance"])
        changed, found = run(described, module.params["certificates"], module.params["make"], module.check_mode)
    except CertificateError as error:
        module.fail_json(msg=str(error))
    except (ControlError, JournalError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The certificates cannot be made: {error}; become root, or correct the host.")
    module.exit_json(changed=changed, certificates=found)


if __name__ == "__main__":
    main()
