# SPDX-License-Identifier: Apache-2.0
"""OCSP stapling with a responder, without one and with one that is silent; and Mozilla's profile `modern`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import tls_scanner
from support.deployment import Deployment, deploy
from support.managed_host import ManagedHost
from support.waiting import wait_for

FOLDER = "/etc/ssl/authority"
PORT, SILENT_PORT = 8888, 8889
AIA = "authorityInfoAccess=OCSP;URI:http://127.0.0.1"
SERIALS = {"stapled": "1A", "silent": "1B", "modern": "1C"}
RESPONDERS = {"stapled": f"{AIA}:{PORT}", "silent": f"{AIA}:{SILENT_PORT}", "modern": ""}
"""What the certificate of each site says about its responder."""

# An authority, a certificate for each site, and the list of them that `openssl ocsp` reads.
AUTHORITY = f"""
set -eu
mkdir -p {FOLDER}
cd {FOLDER}
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256"
usage=keyUsage=critical,digitalSignature,keyCertSign
openssl req -x509 $key -days 30 -subj "/CN=test authority" -addext $usage -keyout ca.key -out ca.pem
issue() {{
    openssl req $key -subj "/CN=$1.example" -keyout $1.key -out $1.csr
    printf '%s\\n' "subjectAltName=DNS:$1.example" basicConstraints=critical,CA:FALSE authorityKeyIdentifier=keyid \\
        extendedKeyUsage=serverAuth "$3" > $1.ext
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial 0x$2 -days 30 -sha256 -extfile $1.ext -out $1.crt
    cat $1.crt ca.pem > $1.pem
    ends=$(date -u -d '30 days' +%y%m%d%H%M%SZ)
    printf 'V\\t%s\\t\\t%s\\tunknown\\t/CN=%s.example\\n' "$ends" "$2" "$1" >> index.txt
}}
"""
ISSUE = "\n".join(f"issue {name} {SERIALS[name]} '{extension}'" for name, extension in RESPONDERS.items())

RESPONDER = [
    "openssl", "ocsp", "-index", f"{FOLDER}/index.txt", "-port", str(PORT), "-ndays", "1",
    "-rsigner", f"{FOLDER}/ca.pem", "-rkey", f"{FOLDER}/ca.key", "-CA", f"{FOLDER}/ca.pem",
]  # fmt: skip

QUESTION = [
    "openssl", "ocsp", "-issuer", f"{FOLDER}/ca.pem", "-cert", f"{FOLDER}/stapled.crt", "-CAfile", f"{FOLDER}/ca.pem",
    "-url", f"http://127.0.0.1:{PORT}",
]  # fmt: skip


def described(name: str, **tls: str) -> dict[str, object]:
    """An application whose certificate is from the authority."""
    return {
        "name": name,
        "source": {"directory": "{{ pages_directory }}"},
        "server_name": f"{name}.example",
        "processes": 1,
        "threads": 5,
        "tls": {"certificate": f"{FOLDER}/{name}.pem", "key": f"{FOLDER}/{name}.key", **tls},
    }


@pytest.fixture(name="deployed", scope="module")
def fixture_deployed(machine: ManagedHost) -> Iterator[Deployment]:
    """The authority, its responder, and the sites; after the tests the host has its four applications again."""
    machine.run("sh", "-c", AUTHORITY + ISSUE)
    machine.run("systemd-run", "--unit=responder", *RESPONDER)
    # By a whole question: the responder does not survive a connection without one.
    wait_for(lambda: "stapled.crt: good" in machine.run(*QUESTION, check=False), "the responder answers")
    sites = {name: described(name) for name in RESPONDERS}
    sites["modern"] = described("modern", profile="modern")
    applications = f"{{{{ [guestbook, status, shop, plain, {', '.join(sites)}] }}}}"
    yield deploy(variables={**sites, "wsgi_apps": applications})
    run = deploy()
    assert run.status == 0, run.output
    machine.run("systemctl", "stop", "responder", check=False)
    machine.run("rm", "-r", FOLDER)


def handshake(machine: ManagedHost, name: str) -> str:
    """What a client is told that asks for a stapled answer, and believes the authority."""
    client = f"openssl s_client -connect 127.0.0.1:443 -servername {name}.example -CAfile {FOLDER}/ca.pem -status"
    shown = machine.run("sh", "-c", f"{client} </dev/null 2>&1")
    assert "Verify return code: 0 (ok)" in shown, shown
    return shown


def test_a_site_staples_what_the_responder_says(machine: ManagedHost, deployed: Deployment) -> None:
    assert deployed.status == 0, deployed.output
    shown = handshake(machine, "stapled")
    assert "OCSP Response Status: successful (0x0)" in shown
    assert f"Serial Number: {SERIALS['stapled']}" in shown
    assert "Cert Status: good" in shown


def test_a_certificate_without_a_responder_is_served_without_a_word(machine: ManagedHost, deployed: Deployment) -> None:
    assert deployed.status == 0, deployed.output
    assert "OCSP response: no response sent" in handshake(machine, "modern")
    log = machine.run("cat", "/var/log/apache2/error.log")
    assert [line for line in log.splitlines() if "modern.example" in line or "stapling" in line] == []
    own = machine.run("cat", "/var/log/apache2/modern-error.log").splitlines()
    assert [line for line in own if '"module": "wsgi"' not in line] == [], "nothing but that its processes start"


def test_a_responder_that_does_not_answer_is_no_matter_of_the_visitors(
    machine: ManagedHost, deployed: Deployment
) -> None:
    assert deployed.status == 0, deployed.output
    assert "OCSP response: no response sent" in handshake(machine, "silent")
    wait_for(lambda: "AH01941" in machine.run("cat", "/var/log/apache2/silent-error.log", check=False), "it is logged")


def test_a_site_is_as_the_modern_profile_wants_it(machine: ManagedHost, deployed: Deployment, tmp_path: Path) -> None:
    assert deployed.status == 0, deployed.output
    trusted = tmp_path / "authority.pem"
    trusted.write_text(machine.run("cat", f"{FOLDER}/ca.pem"))
    found = tls_scanner.scan("modern.example", machine.address(), "modern", str(trusted))
    assert "modern.example:443: OK - Compliant" in found, found


def test_a_client_of_tls_1_2_is_turned_away_by_the_modern_profile_alone(
    machine: ManagedHost, deployed: Deployment
) -> None:
    assert deployed.status == 0, deployed.output

    def status(name: str) -> int:
        client = f"openssl s_client -tls1_2 -connect 127.0.0.1:443 -servername {name}.example </dev/null"
        return machine.attempt("sh", "-c", client).returncode

    assert status("modern") != 0
    assert status("stapled") == 0
