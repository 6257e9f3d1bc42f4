# SPDX-License-Identifier: Apache-2.0
"""httpd itself gets a certificate: from the first deployment, which has none yet, to the one after it is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
PATIENCE = 90
"""Seconds for mod_md, which begins some seconds after a start and asks again after a while."""

CERTIFIED = {
    "name": "certified",
    "source": {"directory": "{{ pages_directory }}"},
    "server_name": NAMES[0],
    "redirect_names": NAMES[1:],
    "processes": 1,
    "threads": 5,
    "tls": {"acme": {"contact": "ops@certified.test", "agree_terms": True, "directory_url": DIRECTORY_URL}},
}
FIVE: dict[str, Any] = {"certified": CERTIFIED, "wsgi_apps": "{{ [guestbook, status, shop, plain, certified] }}"}

STAGED = f"""
import json, pathlib
jobs = pathlib.Path("{STORE}/staging").glob("*/job.json")
print(json.dumps([path.parent.name for path in jobs if json.loads(path.read_text()).get("finished")]))
"""


@pytest.fixture(name="authority", scope="module")
def fixture_authority(machine: ManagedHost) -> Iterator[Authority]:
    """Pebble, which the host believes."""
    authority = Authority(machine)
    authority.start(*NAMES, "sealed.example")
    yield authority
    authority.stop()


@pytest.fixture(name="reloads_before", scope="module")
def fixture_reloads_before(machine: ManagedHost) -> int:
    """How often httpd had been reloaded before the first deployment."""
    return reloads(machine)


@pytest.fixture(name="first", scope="module")
def fixture_first(machine: ManagedHost, authority: Authority, reloads_before: int) -> Iterator[Deployment]:  # noqa: ARG001
    """The first deployment; the last test leaves the host with its four applications again."""
    yield deploy(variables=FIVE)
    machine.run("rm", "-rf", STORE)


def reloads(machine: ManagedHost) -> int:
    """How often systemd has reloaded httpd, whoever asked for it."""
    machine.run("journalctl", "--sync")
    told = machine.run("journalctl", "--quiet", "--no-pager", "--output=cat", "--unit=apache2.service")
    return sum(line.startswith("Reloaded ") for line in told.splitlines())


def is_there(machine: ManagedHost, path: str) -> bool:
    return machine.attempt("test", "-e", path).returncode == 0


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
    wait_for(lambda: name in machine.python(STAGED) or is_there(machine, served), f"a certificate for {name}", PATIENCE)
    let_an_hour_pass(machine)
    machine.run("systemctl", "start", RENEWALS)
    wait_for(lambda: is_there(machine, served), f"the certificate for {name} is in use")


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
    machine.run("systemctl", "start", RENEWALS)
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
    run = deploy(variables=FIVE)
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
        machine.run("systemctl", "start", RENEWALS)
        assert reloads(machine) == before, "there was one less than an hour before"
        let_an_hour_pass(machine)
        machine.run("systemctl", "start", RENEWALS)
        assert reloads(machine) == before + 1
        machine.run("systemctl", "start", RENEWALS)
        machine.run("systemctl", "start", RENEWALS)
        assert reloads(machine) == before + 1
    finally:
        machine.run("rm", "-rf", staged)


def test_a_changed_timer_is_read_by_systemd(machine: ManagedHost, first: Deployment) -> None:
    assert first.status == 0, first.output
    file = f"/etc/systemd/system/{TIMER}"
    machine.run("sh", "-c", f"echo '# changed' >> {file}")
    machine.run("systemctl", "daemon-reload")
    run = deploy(variables=FIVE)
    assert run.status == 0, run.output
    assert "# changed" not in machine.run("cat", file)
    for unit in (TIMER, RENEWALS):
        assert machine.run("systemctl", "show", "--value", "--property=NeedDaemonReload", unit).strip() == "no"
    assert machine.run("systemctl", "is-active", TIMER).strip() == "active"


def test_port_443_alone_is_enough(
    machine: ManagedHost, authority: Authority, first: Deployment, tmp_path: Path
) -> None:
    assert first.status == 0, first.output
    sealed = {**CERTIFIED, "name": "sealed", "server_name": "sealed.example", "redirect_names": [], "port": 443}
    variables = {"sealed": sealed, "wsgi_apps": "{{ [sealed] }}", "httpd_listen": [443]}
    run = deploy(variables=variables)
    assert run.status == 0, run.output
    assert "httpd has no certificate for sealed.example yet" in run.message
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
