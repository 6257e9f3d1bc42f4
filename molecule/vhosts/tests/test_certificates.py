# SPDX-License-Identifier: Apache-2.0
"""Certificates of an authority: stapled or not, as the profile `modern` wants it, and got by httpd itself.

A play costs more than all that is asked after it. So one run deploys all these sites, and each test takes the host as
the ones above it have left it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import tls_scanner
from support.authority import DIRECTORY_URL, Authority
from support.deployment import Deployment, deploy
from support.managed_host import PRIVATE_PORT, ManagedHost
from support.secure_site import SecureSite
from support.waiting import wait_for

HOST = "vhosts-debian12"
NAMES = ["certified.example", "www.certified.example"]
STORE = "/var/lib/modwsgi/apache2/md"
RECORD = "/var/lib/modwsgi/apache2/renewals.json"
RENEWALS = "modwsgi-renewals.service"
TIMER = "modwsgi-renewals.timer"
TIMER_FILE = f"/etc/systemd/system/{TIMER}"
PATIENCE = 90
"""Seconds for mod_md, which begins some seconds after a start and asks again after a while."""

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
        "releases": {"strategy": "rolling", "overlap": False},
        "processes": 1,
        "threads": 5,
        "tls": {"certificate": f"{FOLDER}/{name}.pem", "key": f"{FOLDER}/{name}.key", **tls},
    }


CERTIFIED = {
    "name": "certified",
    "source": {"directory": "{{ pages_directory }}"},
    "server_name": NAMES[0],
    "releases": {"strategy": "rolling", "overlap": False},
    "redirect_names": NAMES[1:],
    "processes": 1,
    "threads": 5,
    "tls": {"acme": {"contact": "ops@certified.test", "agree_terms": True, "directory_url": DIRECTORY_URL}},
}
MORE: dict[str, Any] = {
    "certified": CERTIFIED,
    **{name: described(name) for name in RESPONDERS},
    "modern": described("modern", profile="modern"),
}
EIGHT = {**MORE, "wsgi_apps": f"{{{{ [guestbook, status, shop, plain, {', '.join(MORE)}] }}}}"}

# Waits on the host itself until mod_md has got a certificate: to ask from outside again and again costs a core.
OBTAINED = f"""
import json, pathlib, sys, time
store, name, end = pathlib.Path("{STORE}"), sys.argv[1], time.monotonic() + {PATIENCE}
job, served = store / "staging" / name / "job.json", store / "domains" / name / "pubcert.pem"
def finished():
    try:
        return json.loads(job.read_text()).get("finished")
    except (OSError, ValueError):
        return False  # it is not there yet, or just being written
while not finished() and not served.exists() and time.monotonic() < end:
    time.sleep(0.1)
print(json.dumps(time.monotonic() < end))
"""


@pytest.fixture(name="authority", scope="module")
def fixture_authority(machine: ManagedHost) -> Iterator[Authority]:
    """Pebble, which the host believes."""
    authority = Authority(machine)
    authority.start(*NAMES, "sealed.example")
    yield authority
    authority.stop()


@pytest.fixture(name="responder", scope="module")
def fixture_responder(machine: ManagedHost) -> Iterator[None]:
    """Certificates of another authority, and its responder."""
    machine.run("sh", "-c", AUTHORITY + ISSUE)
    machine.run("systemd-run", "--unit=responder", *RESPONDER)
    # By a whole question: the responder does not survive a connection without one.
    wait_for(lambda: "stapled.crt: good" in machine.run(*QUESTION, check=False), "the responder answers")
    yield
    machine.run("systemctl", "stop", "responder", check=False)
    machine.run("rm", "-r", FOLDER)


@pytest.fixture(name="reloads_before", scope="module")
def fixture_reloads_before(machine: ManagedHost) -> int:
    """How often httpd had been reloaded before the first deployment."""
    return reloads(machine)


@pytest.fixture(name="first", scope="module")
def fixture_first(
    machine: ManagedHost,
    authority: Authority,  # noqa: ARG001
    responder: None,  # noqa: ARG001
    reloads_before: int,  # noqa: ARG001
) -> Iterator[Deployment]:
    """The first deployment; the last test leaves the host with its four applications again."""
    yield deploy(variables=EIGHT)
    machine.run("rm", "-rf", STORE)


def reloads(machine: ManagedHost) -> int:
    """How often systemd has reloaded httpd, whoever asked for it."""
    machine.run("journalctl", "--sync")
    told = machine.run("journalctl", "--quiet", "--no-pager", "--output=cat", "--unit=apache2.service")
    return sum(line.startswith("Reloaded ") for line in told.splitlines())


def is_there(machine: ManagedHost, path: str) -> bool:
    return machine.attempt("test", "-e", path).returncode == 0


def renew(machine: ManagedHost) -> None:
    """What the timer does, though more often: systemd refuses a sixth start within ten seconds."""
    machine.run("systemctl", "reset-failed", RENEWALS)
    machine.run("systemctl", "start", RENEWALS)


def let_an_hour_pass(machine: ManagedHost) -> None:
    """For renewals.py, which reloads once an hour at the most."""
    program = f"""
import json, pathlib
path = pathlib.Path("{RECORD}")
if path.exists():
    path.write_text(json.dumps({{**json.loads(path.read_text()), "reloaded": 0}}))
print("null")
"""
    machine.python(program)


def serve_what_is_staged(machine: ManagedHost, name: str) -> None:
    """Wait until mod_md has a certificate, and let the service that the timer starts look for it."""
    served = f"{STORE}/domains/{name}/pubcert.pem"
    assert machine.python(OBTAINED, name), f"no certificate for {name} within {PATIENCE} s"
    let_an_hour_pass(machine)
    renew(machine)
    wait_for(lambda: is_there(machine, served), f"the certificate for {name} is in use")


# ---------------------------------------------------------------- what visitors see of an authority's certificate


def handshake(machine: ManagedHost, name: str) -> str:
    """What a client is told that asks for a stapled answer, and believes the authority."""
    client = f"openssl s_client -connect 127.0.0.1:443 -servername {name}.example -CAfile {FOLDER}/ca.pem -status"
    shown = machine.run("sh", "-c", f"{client} </dev/null 2>&1")
    assert "Verify return code: 0 (ok)" in shown, shown
    return shown


def test_a_site_staples_what_the_responder_says(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    shown = handshake(machine, "stapled")
    assert "OCSP Response Status: successful (0x0)" in shown
    assert f"Serial Number: {SERIALS['stapled']}" in shown
    assert "Cert Status: good" in shown


def test_a_certificate_without_a_responder_is_served_without_a_word(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    assert "OCSP response: no response sent" in handshake(machine, "modern")
    log = machine.run("cat", "/var/log/apache2/error.log")
    assert [line for line in log.splitlines() if "modern.example" in line or "stapling" in line] == []
    own = machine.run("cat", "/var/log/apache2/modern-error.log").splitlines()
    assert [line for line in own if '"module": "wsgi"' not in line] == [], "nothing but that its processes start"


def test_a_responder_that_does_not_answer_is_no_matter_of_the_visitors(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    assert "OCSP response: no response sent" in handshake(machine, "silent")
    wait_for(lambda: "AH01941" in machine.run("cat", "/var/log/apache2/silent-error.log", check=False), "it is logged")


def test_a_site_is_as_the_modern_profile_wants_it(machine: ManagedHost, first: Deployment, tmp_path: Path) -> None:
    assert first.status == 0, first.output
    trusted = tmp_path / "authority.pem"
    trusted.write_text(machine.run("cat", f"{FOLDER}/ca.pem"))
    found = tls_scanner.scan("modern.example", machine.address(), "modern", str(trusted))
    assert "modern.example:443: OK - Compliant" in found, found


def test_a_client_of_tls_1_2_is_turned_away_by_the_modern_profile_alone(
    machine: ManagedHost, first: Deployment
) -> None:
    assert first.status == 0, first.output

    def status(name: str) -> int:
        client = f"openssl s_client -tls1_2 -connect 127.0.0.1:443 -servername {name}.example </dev/null"
        return machine.attempt("sh", "-c", client).returncode

    assert status("modern") != 0
    assert status("stapled") == 0


# ---------------------------------------------------------------- httpd itself gets it


def test_a_site_is_deployed_before_it_has_a_certificate(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    assert "httpd has no certificate for certified.example yet" in first.message
    assert machine.run("systemctl", "is-active", TIMER).strip() == "active"


def test_the_host_asks_for_nothing_but_the_health(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output

    def status(path: str) -> str:
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {NAMES[0]}"]
        return machine.run(*command, f"http://127.0.0.1:{PRIVATE_PORT}{path}").strip()

    assert status("/healthz") == "200"
    assert [status(path) for path in ("/", "/healthz/x", "/healthzx", "/server-status")] == ["403"] * 4


def test_a_new_certificate_costs_one_reload(machine: ManagedHost, first: Deployment, reloads_before: int) -> None:
    assert first.status == 0, first.output
    serve_what_is_staged(machine, NAMES[0])
    assert reloads(machine) == reloads_before + 1
    renew(machine)
    assert reloads(machine) == reloads_before + 1


def test_visitors_see_the_authority_s_certificate(
    machine: ManagedHost, authority: Authority, first: Deployment, tmp_path: Path
) -> None:
    assert first.status == 0, first.output
    trusted = tmp_path / "root.pem"
    trusted.write_text(authority.root())
    site = SecureSite(machine.address(), NAMES[0], str(trusted))
    assert site.get("/x").json()["wsgi.url_scheme"] == "https"
    assert site.answer(f"https://{NAMES[1]}/a").headers["Location"] == f"https://{NAMES[0]}/a"
    assert site.answer(f"http://{NAMES[0]}/a").status_code == 308
    shown = machine.run(
        "sh", "-c", f"openssl s_client -connect 127.0.0.1:443 -servername {NAMES[0]} -showcerts </dev/null 2>/dev/null"
    )
    assert shown.count("BEGIN CERTIFICATE") == 2, "the one between it and the root's comes along"


def test_the_next_run_changes_nothing_and_asks_over_tls(first: Deployment) -> None:
    assert first.status == 0, first.output
    run = deploy(variables=EIGHT)
    assert run.status == 0, run.output
    assert run.recap(HOST)["changed"] == 0
    assert "httpd has no certificate" not in run.message


def test_a_certificate_that_is_not_taken_is_no_reason_to_reload_again(machine: ManagedHost, first: Deployment) -> None:
    """As when mod_md refuses what it has staged: it stays there."""
    assert first.status == 0, first.output
    staged = f"{STORE}/staging/refused.example"
    machine.run("mkdir", "-p", staged)
    machine.run("sh", "-c", f"cat > {staged}/job.json", text=json.dumps({"finished": True}))
    machine.run("sh", "-c", f"cat > {staged}/pubcert.pem", text="not one of ours")
    before = reloads(machine)
    try:
        renew(machine)
        assert reloads(machine) == before, "there was one less than an hour before"
        let_an_hour_pass(machine)
        renew(machine)
        assert reloads(machine) == before + 1
        renew(machine)
        renew(machine)
        assert reloads(machine) == before + 1
    finally:
        machine.run("rm", "-rf", staged)


@pytest.fixture(name="sealed", scope="module")
def fixture_sealed(machine: ManagedHost, first: Deployment) -> Deployment:
    """A deployment of one site on port 443 alone, where somebody has changed the timer."""
    assert first.status == 0, first.output
    machine.run("sh", "-c", f"echo '# changed' >> {TIMER_FILE}")
    machine.run("systemctl", "daemon-reload")
    site = {**CERTIFIED, "name": "sealed", "server_name": "sealed.example", "redirect_names": [], "port": 443}
    return deploy(variables={"sealed": site, "wsgi_apps": "{{ [sealed] }}", "httpd_listen": [443]})


def test_a_changed_timer_is_read_by_systemd(machine: ManagedHost, sealed: Deployment) -> None:
    assert sealed.status == 0, sealed.output
    assert "# changed" not in machine.run("cat", TIMER_FILE)
    for unit in (TIMER, RENEWALS):
        assert machine.run("systemctl", "show", "--value", "--property=NeedDaemonReload", unit).strip() == "no"
    assert machine.run("systemctl", "is-active", TIMER).strip() == "active"


def test_port_443_alone_is_enough(
    machine: ManagedHost, authority: Authority, sealed: Deployment, tmp_path: Path
) -> None:
    assert sealed.status == 0, sealed.output
    assert "httpd has no certificate for sealed.example yet" in sealed.message
    serve_what_is_staged(machine, "sealed.example")
    trusted = tmp_path / "root.pem"
    trusted.write_text(authority.root())
    site = SecureSite(machine.address(), "sealed.example", str(trusted))
    assert site.get("/x").status_code == 200


def test_nothing_of_it_stays_without_such_a_site(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    run = deploy()
    assert run.status == 0, run.output
    assert machine.run("systemctl", "show", "--value", "--property=ActiveState", TIMER).strip() == "inactive"
    found = machine.run("sh", "-c", "find /etc/systemd /etc/apache2 /usr/local/lib/modwsgi -name '*renewals*'")
    assert found == ""
    assert not is_there(machine, "/etc/apache2/sites-enabled/060-modwsgi-health.conf")
