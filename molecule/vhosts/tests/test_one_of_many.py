# SPDX-License-Identifier: Apache-2.0
"""What is done to one application of the host leaves the others alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support.deployment import deploy
from support.managed_host import ManagedHost
from support.secure_site import visitor
from support.site import Site
from support.snapshot import differences, snapshot
from support.visitor import visiting

OTHER_SHOP = "{{ [guestbook, status, shop | combine({'threads': 6}), plain] }}"
PROVEN = "/var/lib/modwsgi/apache2/proven.json"


SPOILT = "{{ [guestbook, status, shop | combine(changed), plain | combine(spoilt)] }}"


def another_release(folder: Path) -> Path:
    """The source of three applications, with a change."""
    pages = folder / "pages"
    shutil.copytree(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "applications/pages"), pages)
    with (pages / "wsgi.py").open("a") as file:
        file.write("# Another release.\n")
    return pages


def current(machine: ManagedHost, name: str) -> str:
    return machine.run("readlink", f"/srv/wsgi/{name}/current")


def test_a_run_for_one_application_leaves_the_others_as_they_are(machine: ManagedHost, tmp_path: Path) -> None:
    """The code of three has changed, and the vhost of one that is not named."""
    pages = another_release(tmp_path)
    before, earlier = snapshot(machine), machine.daemon_pids("plain")
    variables = {"wsgi_only": "plain", "pages_directory": str(pages), "wsgi_apps": OTHER_SHOP}
    run = deploy(variables=variables)
    assert run.status == 0, run.output
    assert "The configuration of shop is not as the inventory says; it waits" in " ".join(run.output.split())
    changed = differences(before, snapshot(machine))
    files = set(changed.pop("files"))
    assert "/srv/wsgi/plain/current" in files
    assert {path for path in files if path != PROVEN and not path.startswith("/srv/wsgi/plain/")} == set()
    processes = changed.pop("processes")
    assert changed == {}
    others = [[each for each in found if not each[1].startswith("(wsgi:plain)")] for found in processes.values()]
    assert others[0] == others[1]
    assert not earlier & machine.daemon_pids("plain")


def test_a_restart_under_steady_load_loses_nothing(machine: ManagedHost) -> None:
    before, others = machine.daemon_pids("shop"), machine.daemon_pids("plain") | machine.daemon_pids("guestbook")
    with visiting(visitor(machine.address())) as client:
        said = machine.run("wsgi-restart", "shop")
    after = machine.daemon_pids("shop")
    assert said.startswith("shop has new processes after ")
    assert (len(before), len(after), before & after) == (2, 2, set())
    assert machine.daemon_pids("plain") | machine.daemon_pids("guestbook") == others
    assert client.lost == []
    assert len(client.answers) > 10


def test_one_that_is_not_well_goes_back_alone(machine: ManagedHost, tmp_path: Path) -> None:
    """The good release of another one stays."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/wsgi.py").write_text("raise RuntimeError('the release is broken')\n")
    before = {name: current(machine, name) for name in ("shop", "plain")}
    changed = {
        "changed": {"source": {"directory": str(another_release(tmp_path))}},
        "spoilt": {"source": {"directory": str(tmp_path / "broken")}},
    }
    run = deploy(variables={**changed, "wsgi_apps": SPOILT})
    assert run.status != 0
    assert "The application plain answered http://plain.example/healthz with status 500" in run.message
    assert "Of plain the previous release is back, was asked, and answers. What else has changed is well" in run.message
    assert current(machine, "plain") == before["plain"]
    assert current(machine, "shop") != before["shop"]
    assert Site(machine.address(), "plain.example").health() == 200
    assert machine.attempt("test", "-e", "/var/lib/modwsgi/apache2/transaction").returncode != 0
