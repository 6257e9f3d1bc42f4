# SPDX-License-Identifier: Apache-2.0
"""What httpd's own test does not look at, and a reload ends httpd for, is refused before."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import start
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@pytest.fixture(name="described")
def fixture_described(tmp_path: Path) -> dict[str, str]:
    """An instance that does not run."""
    return {**instance("apache2"), "pid_file": str(tmp_path / "pid"), "module_directory": str(tmp_path)}


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def vhost(certificate: Path, key: Path | None = None) -> str:
    """A part of httpd's print."""
    lines = ["<VirtualHost *:443>", "  #  12:", f"  SSLCertificateFile {certificate}"]
    lines += [f'  SSLCertificateKeyFile "{key}"'] if key else []
    return "\n".join([*lines, "</VirtualHost>", ""])


@pytest.mark.parametrize("listen", ["Listen {}", "Listen 127.0.0.1:{} https", "Listen [::]:{}"])
def test_a_port_that_another_program_has_is_refused(described: dict[str, str], taken: int, listen: str) -> None:
    problem = start.problem(described, listen.format(taken))
    assert f"Port {taken} of " in problem
    assert "is in use by " in problem


def test_a_free_port_and_what_is_no_plain_address_are_left_to_httpd(described: dict[str, str], taken: int) -> None:
    assert start.problem(described, "Listen [fe80::1%eth0]:80\nListen ${PORT}\n") == ""
    assert start.problem(described, f"# Listen {taken}\n") == ""


def test_an_address_that_the_host_does_not_have_is_refused(described: dict[str, str]) -> None:
    assert start.problem(described, "Listen 203.0.113.1:8090") == (
        "This host has no address 203.0.113.1, so httpd cannot listen on 203.0.113.1:8090; correct that address or "
        "give it to the host."
    )


def test_a_certificate_and_the_key_of_another_are_refused(described: dict[str, str], tmp_path: Path) -> None:
    (mine, my_key), (_theirs, their_key) = pair(tmp_path, "mine"), pair(tmp_path, "theirs")
    assert start.problem(described, vhost(mine, my_key)) == ""
    problem = start.problem(described, vhost(mine, my_key) + vhost(mine, their_key))
    assert problem.startswith(f"The certificate {mine} and the key {their_key} cannot be used together (")


def test_a_certificate_with_its_key_in_one_file(described: dict[str, str], tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "mine")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    assert start.problem(described, vhost(both)) == ""
    assert "cannot be used together" in start.problem(described, vhost(certificate))


def test_what_is_no_certificate_is_refused_and_what_cannot_be_opened_is_left_to_httpd(
    described: dict[str, str], tmp_path: Path
) -> None:
    _, key = pair(tmp_path, "mine")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense\n")
    assert "cannot be used together" in start.problem(described, vhost(nonsense, key))
    assert start.problem(described, vhost(nonsense, Path("pkcs11:token"))) == ""


def test_a_key_with_a_pass_phrase_is_left_to_httpd(described: dict[str, str], tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path, "mine")
    key = tmp_path / "locked.key"
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    assert start.problem(described, vhost(certificate, key)) == ""
