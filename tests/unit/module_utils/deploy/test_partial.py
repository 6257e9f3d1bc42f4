# SPDX-License-Identifier: Apache-2.0
"""Applications that are not well go back alone, where nothing else has to go back with them."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import partial, record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.partial import PartialReturn
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, Journal
from support import instances


class Host:
    """A host in a folder that serves `shop` and `blog`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.described = instances.below(root)
        self.journal = Journal(self.described["state_directory"])
        self.actions: list[str] = []
        monkeypatch.setattr(pending, "add", lambda _, action: self.actions.append(action))
        monkeypatch.setattr(os, "fchown", lambda *_: None)
        self.applications = [self.application("shop"), self.application("blog")]
        for name in ("shop", "blog"):
            for edit in (*self.switch(name, "1"), *self.vhost(name, "1")):
                Path(edit.path).parent.mkdir(parents=True, exist_ok=True)
                journal.replace(edit)
        self.prove(*self.applications)

    def application(self, name: str, **keys: Any) -> dict[str, Any]:
        code = str(self.root / "srv" / name)
        paths = {"code": code, "configuration": str(self.root / "etc/wsgi" / name)}
        paths["deployment"], paths["previous"] = f"{code}/deployment.json", f"{code}/previous"
        return {"name": name, "site": name, "mode": "daemon", "user": getpass.getuser(), "paths": paths, **keys}

    def prove(self, *applications: dict[str, Any]) -> None:
        (self.root / "state").mkdir(exist_ok=True)
        (self.root / "state/proven.json").write_text(json.dumps({"applications": applications}))

    def switch(self, name: str, release: str) -> list[Edit]:
        code = self.root / "srv" / name
        (code / "releases" / release).mkdir(parents=True, exist_ok=True)
        return [
            Edit(str(self.root / "etc/wsgi" / name / "environment.json"), journal.WRITE, release.encode()),
            Edit(str(code / "current"), journal.LINK, target=f"releases/{release}"),
            Edit(str(code / "previous/static"), journal.LINK, target=f"../releases/{int(release) - 1}"),
            Edit(str(code / "deployment.json"), journal.WRITE, json.dumps({"release": release}).encode()),
        ]

    def vhost(self, name: str, content: str) -> list[Edit]:
        file = f"100-modwsgi-{name}.conf"
        return [
            Edit(str(self.root / "apache2/sites-available" / file), journal.WRITE, content.encode()),
            Edit(str(self.root / "apache2/sites-enabled" / file), journal.LINK, target=f"../sites-available/{file}"),
        ]

    def shared(self, name: str) -> list[Edit]:
        return [Edit(str(self.root / "apache2/sites-available" / name), journal.WRITE, b"2")]

    def change(self, *steps: list[Edit], note: dict[str, Any] | None = None) -> None:
        self.journal.begin(process=None, pending="none", reaps=False)
        for edits in steps:
            self.journal.apply(edits, "none", note)

    def way(self, *failing: str) -> PartialReturn:
        return PartialReturn(self.described, self.applications, failing)

    def serves(self, name: str) -> list[str]:
        """Variables, release, record and vhost; what is not there is left out."""
        vhost = self.root / "apache2/sites-enabled" / f"100-modwsgi-{name}.conf"
        current, deployment = (self.root / "srv" / name / part for part in ("current", "deployment.json"))
        found = [(self.root / "etc/wsgi" / name / "environment.json"), vhost]
        texts = [path.read_text() for path in found if path.exists()]
        texts += [os.readlink(current)] if current.is_symlink() else []
        return texts + ([json.loads(deployment.read_text())["release"]] if deployment.exists() else [])


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


OLD, NEW = ["1", "1", "releases/1", "1"], ["2", "2", "releases/2", "2"]
PROBES = "060-modwsgi-probes.conf"


def test_a_release_goes_back_and_the_other_one_stays(host: Host) -> None:
    host.change([*host.switch("shop", "2"), *host.switch("blog", "2")])
    way = host.way("shop")
    assert way.is_possible()
    way.go_back()
    assert host.actions == ["none"], "httpd itself has nothing to do"
    host.journal.commit({})
    assert (host.serves("shop"), host.serves("blog")) == (OLD, ["2", "1", "releases/2", "2"])
    links = [os.readlink(host.root / "srv" / name / "previous/static") for name in ("shop", "blog")]
    assert links == ["../releases/0", "../releases/1"]
    assert record.read_record(str(host.root / "srv/shop/deployment.json"))["stale_processes"] == []
    assert list(host.root.rglob("*~")) == [], "nothing is left of the way"
    assert way.told().startswith("Of shop the previous release is back, was asked, and answers. What else has changed")


def test_so_do_vhosts(host: Host) -> None:
    files = [*host.vhost("shop", "2"), *host.vhost("blog", "2"), *host.shared(PROBES)]
    host.change(files, [*host.switch("shop", "2"), *host.switch("blog", "2")])
    way = host.way("shop")
    assert way.is_possible()
    way.go_back()
    assert host.actions == ["reload"]
    assert (host.serves("shop"), host.serves("blog")) == (OLD, NEW)


def test_an_application_that_is_new_is_not_served(host: Host) -> None:
    host.applications.append(host.application("news"))
    files = [*host.vhost("news", "2"), *host.vhost("blog", "2"), *host.shared(PROBES)]
    host.change(files, [*host.switch("news", "2"), *host.switch("blog", "2")])
    way = host.way("news")
    assert way.is_possible()
    way.go_back()
    host.journal.commit({})
    assert (host.serves("news"), host.serves("blog"), way.previous) == ([], NEW, {})
    assert not any((host.root / "apache2").rglob("*news*"))
    assert way.told().startswith("Not served before, and not now: news.")


def test_an_application_that_the_change_has_not_touched_keeps_nothing_back(host: Host) -> None:
    """Its database is away, for example."""
    host.change(host.switch("blog", "2"))
    way = host.way("shop")
    assert way.is_possible()
    way.go_back()
    assert (host.serves("shop"), host.serves("blog"), way.previous) == (OLD, ["2", "1", "releases/2", "2"], {})
    assert way.told().startswith("Nothing of shop was changed. What else has changed is well")


def test_all_can_go_back_afterwards(host: Host) -> None:
    """When not even the previous release is well."""
    host.applications.append(host.application("news"))
    names = ("shop", "news", "blog")
    host.change(
        [edit for name in names for edit in host.vhost(name, "2")],
        [edit for name in names for edit in host.switch(name, "2")],
    )
    host.way("shop", "news").go_back()
    host.journal.undo_all()
    assert [host.serves(name) for name in names] == [OLD, [], OLD]


@pytest.mark.parametrize(
    "why",
    [
        "no good change",
        "settings of the server",
        "a file that all share",
        "another name",
        "a vhost of both",
        "embedded",
    ],
)
def test_where_more_has_to_go_back_all_does(host: Host, why: str) -> None:
    edits = [*host.switch("shop", "2"), *host.switch("blog", "2")]
    if why == "no good change":
        edits = host.switch("shop", "2")
    elif why == "settings of the server":
        edits += [Edit(str(host.root / "apache2/conf-available/modwsgi-httpd.conf"), journal.WRITE, b"2")]
    elif why == "a file that all share":
        edits += host.shared("050-modwsgi-unknown-tls-host.conf")
    elif why == "another name":
        host.applications[0]["server_name"] = "new.example"
    elif why == "a vhost of both":
        host.applications[1]["site"] = "shop"
        host.prove(*host.applications)
        edits += host.vhost("shop", "2")
    else:
        host.applications[0]["mode"] = "embedded"
        host.prove(*host.applications)
    host.change(edits)
    assert not host.way("shop").is_possible()


def test_a_vhost_that_has_another_file_now_takes_all_back(host: Host) -> None:
    default = [Edit(str(host.root / "apache2/sites-available/000-modwsgi-default-shop.conf"), journal.WRITE, b"2")]
    host.change([*default, *host.switch("blog", "2")])
    assert not host.way("shop").is_possible()


def test_processes_that_run_the_failed_release_are_noted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that are older than the change."""
    earlier = {"applications": [{"name": "shop", "earlier": [[6, 60]]}, {"name": "blog", "earlier": [[7, 70]]}]}
    host.change([*host.switch("shop", "2"), *host.switch("blog", "2")], note=earlier)
    monkeypatch.setattr(partial.daemon, "httpd_pid", lambda _: 1)
    running = [partial.daemon.Process(6, 60), partial.daemon.Process(7, 70)]
    monkeypatch.setattr(partial.daemon, "processes", lambda *_: running)
    host.way("shop").go_back()
    noted = record.read_record(str(host.root / "srv/shop/deployment.json"))
    assert noted == {"release": "1", "stale_processes": [[7, 70]]}
