# SPDX-License-Identifier: Apache-2.0
"""Further runs on a host that serves: two that fail, and the next one, which ends well.

The page of a deployment ends with it, also when it fails: then visitors see the previous release again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support.deployment import Deployment, deploy
from support.managed_host import ManagedHost
from support.secure_site import visitor
from support.visitor import Visitor, visiting

FLAG = "/srv/wsgi/plain/maintenance"
SPOILT = "{{ [guestbook, status, shop, plain | combine(spoilt)] }}"


def page_is_there(machine: ManagedHost) -> bool:
    return machine.attempt("test", "-e", FLAG).returncode == 0


def status(machine: ManagedHost) -> int:
    answer = requests.get(f"http://{machine.address()}/", headers={"Host": "plain.example"}, timeout=20)
    return answer.status_code


@pytest.fixture(name="source", scope="module")
def fixture_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that does not import."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "wsgi.py").write_text("raise RuntimeError('the release is broken')\n")
    return folder


def spoilt(source: Path, **keys: Any) -> dict[str, Any]:
    return {"spoilt": {"source": {"directory": str(source)}, **keys}, "wsgi_apps": SPOILT}


NEW_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 90 -subj /CN=shop.example "
    "-addext subjectAltName=DNS:shop.example,DNS:*.shop.example -addext basicConstraints=critical,CA:FALSE "
    "-keyout /etc/ssl/private/shop.key -out /etc/ssl/shop.pem"
)


def served_certificate(machine: ManagedHost) -> str:
    return machine.run(
        "sh", "-c",
        "openssl s_client -connect 127.0.0.1:443 -servername shop.example </dev/null 2>/dev/null "
        "| openssl x509 -noout -fingerprint -sha256",
    ).strip()  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A run, and what there was after it."""

    run: Deployment
    page: bool
    """Whether visitors of `plain` are to see the page."""
    status: int
    """What they get."""


@dataclass(frozen=True)
class Repaired:
    """A run that has left a release in use that is not healthy, and the next one."""

    failed: Seen
    ended_well: Seen
    certificate: str
    """The fingerprint of the shop's between them."""
    client: Visitor
    """Who came during the second one."""


def test_a_release_command_that_fails_ends_the_page(machine: ManagedHost, source: Path) -> None:
    # The first command fails unless visitors see the page by then.
    run = deploy(variables=spoilt(source, release_commands=[f"test -e {FLAG}", "sh -c 'exit 9'"]))
    assert run.status != 0
    assert "exit 9" in run.message
    assert not page_is_there(machine)
    assert status(machine) == 200


@pytest.fixture(name="repaired", scope="module")
def fixture_repaired(machine: ManagedHost, source: Path) -> Repaired:
    """A run that leaves a release in use that is not healthy; and the next one, which finds a new certificate, too."""
    try:
        run = deploy("--extra-vars", "httpd_rollback=false", variables=spoilt(source))
        failed = Seen(run, page_is_there(machine), status(machine))
    finally:
        before = served_certificate(machine)
        machine.run("sh", "-c", NEW_CERTIFICATE)
        with visiting(visitor(machine.address())) as client:
            run = deploy()
    return Repaired(failed, Seen(run, page_is_there(machine), status(machine)), before, client)


def test_the_page_stays_where_a_release_that_is_not_healthy_is_in_use(repaired: Repaired) -> None:
    failed, ended_well = repaired.failed, repaired.ended_well
    assert "Everything was left as it is, since httpd_rollback is false." in failed.run.message
    assert (failed.page, failed.status) == (True, 503)
    assert ended_well.run.status == 0, ended_well.run.output
    assert (ended_well.page, ended_well.status) == (False, 200)


def test_a_certificate_is_replaced_while_visitors_come(machine: ManagedHost, repaired: Repaired) -> None:
    """No connection is refused or reset, and each request is answered."""
    assert repaired.ended_well.run.status == 0, repaired.ended_well.run.output
    assert repaired.client.lost == []
    assert len(repaired.client.answers) > 50
    assert served_certificate(machine) not in ("", repaired.certificate)
