# SPDX-License-Identifier: Apache-2.0
"""A release comes back as it was when it was proven, as one change, or everything stays as it is."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, released, rollback
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.refused import read_refused
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import (
    Releases,
    RollbackError,
    Wish,
    go_back,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_answers
from support.applications import App
from support.releasing import Host

pytestmark = pytest.mark.root("gives files to root")

SOURCE = {"git": "https://git.example/all", "version": "main"}
SHOP = {"name": "shop", "source": SOURCE, "server_name": "shop.example.com"}
FIRST = {**SHOP, "environment": {"KEY": "first"}, "headers": [{"action": "set", "name": "X-Release", "value": "1111"}]}
SECOND = {
    **SHOP,
    "environment": {"KEY": "second"},
    "headers": [{"action": "set", "name": "X-Release", "value": "2222"}],
}
BLOG = {"name": "blog", "source": SOURCE, "server_name": "blog.example.com"}
BELOW = {"name": "docs", "source": SOURCE, "server_name": "shop.example.com", "path": "/docs"}


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path, monkeypatch)
    host.deploy("r1-aaaa", FIRST, BLOG)
    host.deploy("r2-bbbb", SECOND, BLOG)
    return host


OVERLAPPING = {
    "name": "shop",
    "mode": "daemon",
    "processes": 1,
    "releases": {"strategy": "blue_green", "keep_warm": 0},
}
"""Rolling, with one process."""


def back(host: Host, wanted: str = "", check_mode: bool = False) -> rollback.Rollback:
    return go_back(host.described, "shop", Wish("ben@host", wanted, check_mode=check_mode))


def refused(host: Host, sentence: str, wanted: str = "") -> None:
    """A way back is refused with a sentence, and nothing has changed."""
    before = host.tree()
    with pytest.raises(RollbackError, match=sentence) as error:
        back(host, wanted)
    assert str(error.value).endswith(".")
    assert host.tree() == before


def test_everything_of_a_release_comes_back_together(host: Host) -> None:
    first = host.vhost()
    blog = host.vhost("blog"), host.serves("blog")
    way = back(host)
    assert host.serves() == ("r1-aaaa", "venv-r1-aaaa")
    assert host.variables() == {"KEY": "first"}
    assert "1111" in host.vhost()
    assert "1111" not in first
    assert (host.vhost("blog"), host.serves("blog")) == blog
    assert not host.journal.open
    assert host.proven[-1] == ["shop"]
    assert [each["name"] for each in host.journal.proven()["applications"]] == ["blog", "shop"]
    assert "migrations" in " ".join(way.told)
    assert (way.before, way.target.release) == ("r2-bbbb", "r1-aaaa")


def test_what_comes_back_is_what_a_deployment_would_bring(host: Host) -> None:
    back(host)
    before = host.tree()
    host.deploy("r1-aaaa", FIRST)  # of the shop alone, as the blog has gone on
    unlike = {path for path, text in host.tree().items() if before.get(path) != text}
    assert not {path for path in unlike if "shop" in path}


def test_a_release_that_is_not_well_does_not_stay(host: Host) -> None:
    before = host.tree()
    host.problem = "The shop answered with status 500."
    with pytest.raises(RollbackError, match=r"status 500\.\nThe previous configuration is back on the disk") as error:
        back(host)
    assert "and answers" in str(error.value)
    assert host.tree() == before


def test_a_configuration_that_httpd_refuses_changes_nothing(host: Host) -> None:
    file = Path(released.record_file(host.paths("shop"), "r1-aaaa"))
    record = json.loads(file.read_text())
    record["files"][0]["content"] = "BROKEN\n"
    file.write_text(json.dumps(record))
    refused(host, "httpd refuses the configuration of wsgi_app, so nothing was changed: AH00526")


def test_check_mode_says_where_it_would_lead(host: Host) -> None:
    before = host.tree()
    way = back(host, check_mode=True)
    assert way.told[0].startswith("shop would serve release r1-aaaa (main, commit r1) again")
    assert host.tree() == before


def test_the_begin_of_a_name_is_enough(host: Host) -> None:
    assert back(host, "r1-a").target.release == "r1-aaaa"
    host.deploy("r1-aabb", SECOND, BLOG)
    host.deploy("r4-cccc", SECOND, BLOG)
    refused(host, r"r1-aa begins the names of 2 releases of shop; write more of it", "r1-aa")


def gone_release(host: Host) -> None:
    shutil.rmtree(Path(host.paths("shop")["releases"], "r1-aaaa"))


def gone_record(host: Host) -> None:
    Path(released.record_file(host.paths("shop"), "r1-aaaa")).unlink()


def older_record(host: Host) -> None:
    file = Path(released.record_file(host.paths("shop"), "r1-aaaa"))
    record = json.loads(file.read_text())
    del record["application"]["tls"]
    file.write_text(json.dumps(record))


def gone_environment(host: Host) -> None:
    shutil.rmtree(Path(host.paths("shop")["venvs"], "venv-r1-aaaa"))


def other_python(host: Host) -> None:
    host.site["python_version"] = "3.12.1"
    host.deploy("r2-bbbb", {**SECOND, "environment": {}}, BLOG)


def patched_python(host: Host) -> None:
    host.site["python_version"] = "3.11.9"
    host.deploy("r2-bbbb", {**SECOND, "environment": {}}, BLOG)


def other_name(host: Host) -> None:
    host.deploy("r3-cccc", {**SECOND, "server_name": "other.example.com"}, BLOG)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (gone_release, r"Release r1-aaaa of shop is no longer on this host \(wsgi_app_keep_releases\); bring"),
        (gone_record, "Release r1-aaaa of shop has no record of how it has served; bring its source back and run site"),
        (older_record, "Release r1-aaaa of shop was recorded by another version of this collection, without 'tls'"),
        (gone_environment, "Release r1-aaaa of shop has lost its virtual environment venv-r1-aaaa; bring its source"),
        (other_python, r"Release r1-aaaa of shop was built for Python 3\.11\.2 in /usr, and httpd loads 3\.12\.1"),
        (other_name, "Release r1-aaaa of shop was served with another server_name, of which files for all"),
    ],
)
def test_a_release_that_cannot_serve_as_it_did_is_refused(
    host: Host, change: Callable[[Host], None], sentence: str
) -> None:
    change(host)
    refused(host, sentence, "r1-aaaa")


def test_another_patch_of_python_is_no_obstacle(host: Host) -> None:
    patched_python(host)
    assert back(host).target.release == "r1-aaaa"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("r9-none", "shop never had a release r9-none on this host; see wsgi-release shop list"),
        ("../../etc", r"shop never had a release \.\./\.\./etc on this host"),
        ("r2-bbbb", "shop serves release r2-bbbb already"),
        ("r2", "shop never had a release r2 on this host"),
    ],
)
def test_a_release_that_there_is_not_is_refused(host: Host, wanted: str, sentence: str) -> None:
    refused(host, sentence, wanted)


def test_an_application_that_there_is_not_is_refused(host: Host) -> None:
    with pytest.raises(RollbackError, match=r"no application ../blog on this host \(there is: blog, shop\)"):
        go_back(host.described, "../blog", Wish(""))


def test_a_host_that_nobody_has_deployed_to_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Host(tmp_path / "fresh", monkeypatch)
    before = fresh.tree()
    with pytest.raises(RollbackError, match=r"no application shop on this host \(there is: none\)"):
        back(fresh)
    assert fresh.tree() == before
    assert not Path(fresh.described["state_directory"]).exists()


def test_without_an_earlier_release_there_is_no_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Host(tmp_path / "fresh", monkeypatch)
    fresh.deploy("r1-aaaa", FIRST)
    refused(fresh, "shop has no earlier release on this host to go back to")


def test_a_deployment_that_is_in_progress_is_not_disturbed(host: Host) -> None:
    with (Path(host.described["state_directory"]) / journal.TURN).open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        refused(host, "A deployment of this host is in progress; wait until it has ended")


def test_a_change_that_nobody_has_proven_is_not_built_upon(host: Host) -> None:
    host.journal.begin(process=None, pending="none", reaps=False)
    refused(host, "A change of this host is neither proven nor undone; wait for a run that is under way, else run")


def test_a_second_way_back_goes_further(host: Host) -> None:
    host.deploy("r3-cccc", FIRST, BLOG)
    assert back(host).target.release == "r2-bbbb"
    assert back(host).target.release == "r1-aaaa"
    assert read_refused(host.paths("shop"))["releases"] == ["r2-bbbb", "r3-cccc"]
    refused(host, "shop has no earlier release on this host to go back to")


def test_a_way_forward_again_frees_that_release(host: Host) -> None:
    back(host)
    back(host, "r2-bbbb")
    found = read_refused(host.paths("shop"))
    assert (found["releases"], found["to"]) == (["r1-aaaa"], "r2-bbbb")
    assert host.variables() == {"KEY": "second"}


def test_the_next_release_ends_the_refusal(host: Host) -> None:
    back(host)
    host.deploy("r3-cccc", SECOND, BLOG)
    assert read_refused(host.paths("shop")) == {}


def test_a_vhost_that_others_are_in_stays_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path / "fresh", monkeypatch)
    host.deploy("r1-aaaa", FIRST, BELOW)
    host.deploy("r2-bbbb", SECOND, BELOW)
    way = back(host)
    assert way.told[1] == "The vhost stays as it is, since shop shares it with other applications."
    assert host.serves()[0] == "r1-aaaa"
    assert host.serves("docs")[0] == "r2-bbbb"
    assert "2222" in host.vhost()
    assert host.variables() == {"KEY": "first"}


COLOURED = {**SHOP, "releases": {"strategy": "blue_green"}, "health": {"path": "/well"}}
REPORTS = {**SHOP, "daemon_groups": [{"name": "reports", "paths": ["/reports"]}]}


def probes(host: Host) -> str:
    return Path(host.described["server_root"], "sites-enabled/060-modwsgi-probes.conf").read_text()


@pytest.mark.parametrize(
    ("then", "now"),
    [(FIRST, COLOURED), (COLOURED, FIRST), (FIRST, REPORTS), (REPORTS, COLOURED)],
    ids=["from two groups", "to two groups", "to fewer", "with a part"],
)
def test_the_process_groups_of_then_come_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: App, now: App
) -> None:
    host = Host(tmp_path / "fresh", monkeypatch)
    host.deploy("r1-aaaa", then, BLOG)
    was = probes(host), host.vhost(), colours.is_there(host.paths("shop"))
    host.deploy("r2-bbbb", now, BLOG)
    assert probes(host) != was[0]
    back(host)
    assert (probes(host), host.vhost(), colours.is_there(host.paths("shop"))) == was
    assert (host.serves()[0], host.serves("blog")[0]) == ("r1-aaaa", "r2-bbbb")
    served = host.journal.proven()["applications"]
    assert [each["probed_groups"] for each in served] == [["blog"], host.complete(then)[0]["probed_groups"]]
    assert back(host, "r2-bbbb").target.release == "r2-bbbb"


def test_what_has_changed_of_the_private_vhosts_of_others_stays(host: Host) -> None:
    host.deploy("r3-cccc", COLOURED, {**BLOG, "releases": {"strategy": "blue_green"}})
    back(host)
    assert "/probe/blog:green" in probes(host)
    assert "/probe/shop:green" not in probes(host)


def of_an_earlier_version(host: Host, release: str) -> None:
    """Its record lacks what later versions know of."""
    file = Path(released.record_file(host.paths("shop"), release))
    record = json.loads(file.read_text())
    for part, key in ((record, "private_vhost"), (record["application"], "control_group")):
        del part[key]
    file.write_text(json.dumps(record))


def test_after_an_upgrade_the_release_of_before_can_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path / "fresh", monkeypatch)
    host.deploy("r1-aaaa", FIRST, BLOG)
    of_an_earlier_version(host, "r1-aaaa")
    was = probes(host), host.vhost()
    host.deploy("r2-bbbb", COLOURED, {**BLOG, "releases": {"strategy": "blue_green"}})
    assert back(host).target.release == "r1-aaaa"
    assert host.vhost() == was[1]
    assert "/probe/shop " in probes(host)
    assert "/probe/blog:blue " in probes(host)
    assert host.serves()[0] == "r1-aaaa"


def without_private_vhost(host: Host) -> None:
    host.deploy("r3-cccc", COLOURED, BLOG)
    of_an_earlier_version(host, "r1-aaaa")


def of_one_name(host: Host) -> None:
    other = {**BLOG, "server_name": "SHOP.example.com", "port": 8080}
    host.deploy("r1-aaaa", FIRST, other)
    host.deploy("r3-cccc", COLOURED, other)


def below_another(host: Host) -> None:
    host.deploy("r1-aaaa", FIRST, BELOW)
    host.deploy("r3-cccc", COLOURED, BELOW)


@pytest.mark.parametrize("change", [without_private_vhost, of_one_name, below_another])
def test_where_they_are_in_files_of_others_it_is_refused(host: Host, change: Callable[[Host], None]) -> None:
    change(host)
    sentence = "Release r1-aaaa of shop was served with another releases.strategy, of which files for all applications"
    refused(host, sentence, "r1-aaaa")


def test_releases_are_told_without_a_secret(host: Host) -> None:
    rows = Releases(host.described, "shop").rows()
    assert [(row["release"], row["active"], row["can_return"]) for row in rows] == [
        ("r2-bbbb", True, False),
        ("r1-aaaa", False, True),
    ]
    assert "first" not in json.dumps(rows)
    assert rows[0]["source"] == "main, commit r2"
    back(host)
    assert [(row["active"], row["refused"], row["by"]) for row in Releases(host.described, "shop").rows()] == [
        (True, False, "ben@host"),
        (False, True, "anna@control"),
    ]


def test_the_state_says_what_is_wrong(host: Host) -> None:
    assert rollback.status(Releases(host.described, "shop"))["problem"] == ""
    host.problem = "The shop answered with status 500."
    found = rollback.status(Releases(host.described, "shop"))
    assert (found["release"], found["problem"]) == ("r2-bbbb", "The shop answered with status 500.")


@pytest.mark.parametrize(
    ("application", "found"),
    [
        ({"name": "shop", "mode": "embedded"}, {}),
        ({"name": "shop", "mode": "daemon"}, {"strategy": "rolling", "group": "shop"}),
        (
            {"name": "shop", "mode": "daemon", "colours": ["blue", "green"]},
            {"strategy": "blue_green", "group": "shop:green"},
        ),
        ({**OVERLAPPING, "colours": ["blue", "green"]}, {"strategy": "rolling", "group": "shop:green"}),
    ],
)
def test_the_state_says_how_releases_change(tmp_path: Path, application: dict[str, Any], found: dict[str, str]) -> None:
    (tmp_path / "active").write_text("active shop:green\nresting shop:blue\n")
    assert rollback.change_of({**application, "paths": {"code": str(tmp_path)}}) == found


def test_a_way_back_keeps_the_history(host: Host) -> None:
    back(host)
    history = read_record(host.paths("shop")["deployment"])["history"]
    assert [entry["release"] for entry in history] == ["r1-aaaa", "r2-bbbb"]


def test_all_applications_of_a_host_are_told(host: Host) -> None:
    shop, blog = rollback.survey(host.described, "shop"), rollback.survey(host.described)[0]
    assert [(row["application"], row["release"], row["by"], row["health"]) for row in (*shop, blog)] == [
        ("shop", "r2-bbbb", "anna@control", "well"),
        ("blog", "r2-bbbb", "anna@control", "well"),
    ]
    host.problem = "The shop answered\nwith \x1b[1m500."
    assert rollback.survey(host.described, "shop")[0]["health"] == "The shop answered with [1m500."
    assert host_answers.releases_answer({"releases": rollback.survey(host.described)}, "web1")


def test_what_is_there_for_all_applications_stays_as_it_is(host: Host) -> None:
    root = Path(host.described["server_root"])
    shared = [
        {"path": "shared", "directory": True, "mode": "0750"},
        {"path": "shared.conf", "content": "# Shared.\n", "mode": "0640"},
        {"path": "shared.link", "link": "shared.conf"},
        {"path": "never.conf", "absent": True},
    ]
    host.deploy("r3-cccc", FIRST, BLOG, files=[*host.parameters("r3-cccc", FIRST, BLOG)["files"], *shared])
    manifest = host.tree()[str(Path(host.described["state_directory"], "manifests/wsgi_app.json"))]
    back(host)
    assert host.serves()[0] == "r2-bbbb"
    assert (root / "shared").stat().st_mode & 0o7777 == 0o750
    assert (root / "shared.conf").stat().st_mode & 0o7777 == 0o640
    assert os.readlink(root / "shared.link") == "shared.conf"
    assert host.tree()[str(Path(host.described["state_directory"], "manifests/wsgi_app.json"))] == manifest
