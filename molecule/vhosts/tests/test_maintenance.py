# SPDX-License-Identifier: Apache-2.0
"""The page of a deployment ends with it, also when it fails: then visitors see the previous release again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from support.deployment import deploy
from support.managed_host import ManagedHost

FLAG = "/srv/wsgi/plain/maintenance"
SPOILT = "{{ [guestbook, status, shop, plain | combine(spoilt)] }}"


def status(machine: ManagedHost) -> int:
    answer = requests.get(f"http://{machine.address()}/", headers={"Host": "plain.example"}, timeout=20)
    return answer.status_code


@pytest.fixture(name="source")
def fixture_source(tmp_path: Path) -> Path:
    """A release that does not import."""
    (tmp_path / "wsgi.py").write_text("raise RuntimeError('the release is broken')\n")
    return tmp_path


def spoilt(source: Path, **keys: Any) -> dict[str, Any]:
    return {"spoilt": {"source": {"directory": str(source)}, **keys}, "wsgi_apps": SPOILT}


def test_a_release_command_that_fails_ends_the_page(machine: ManagedHost, source: Path) -> None:
    # The first command fails unless visitors see the page by then.
    run = deploy(variables=spoilt(source, release_commands=[f"test -e {FLAG}", "sh -c 'exit 9'"]))
    assert run.status != 0
    assert "exit 9" in run.message
    assert machine.attempt("test", "-e", FLAG).returncode == 1
    assert status(machine) == 200


def test_the_page_stays_where_a_release_that_is_not_healthy_is_in_use(machine: ManagedHost, source: Path) -> None:
    try:
        run = deploy("--extra-vars", "httpd_rollback=false", variables=spoilt(source))
        assert "Everything was left as it is, since httpd_rollback is false." in run.message
        assert machine.attempt("test", "-e", FLAG).returncode == 0
        assert status(machine) == 503
    finally:
        good = deploy()
    assert good.status == 0, good.output
    assert machine.attempt("test", "-e", FLAG).returncode == 1
    assert status(machine) == 200
