# SPDX-License-Identifier: Apache-2.0
"""Each release that is proven leaves a record of all that it needs to serve again, for root alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import released
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import GoLiveError
from support.applications import App, complete
from support.releasing import Host

pytestmark = pytest.mark.root("gives files to root")

SOURCE = {"git": "https://git.example/all", "version": "main"}
SHOP = {"name": "shop", "source": SOURCE, "server_name": "shop.example.com"}
BLOG = {"name": "blog", "source": SOURCE, "server_name": "blog.example.com"}
BELOW = {"name": "docs", "source": SOURCE, "server_name": "shop.example.com", "path": "/docs"}


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def record(host: Host, release: str, name: str = "shop") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(released.record_file(host.paths(name), release)).read_text())
    return found


def test_a_record_has_the_vhost_and_the_variables_of_its_application_alone(host: Host) -> None:
    host.deploy("r1", {**SHOP, "environment": {"KEY": "secret"}}, BLOG)
    found = record(host, "r1")
    names = {Path(file["path"]).name for file in found["files"]}
    assert names == {"100-modwsgi-shop.conf"}
    assert [file.get("content", "") for file in found["files"]] == [host.vhost(), ""]
    assert found["variables"] == {"KEY": "secret"}
    assert (found["release"], found["venv"], found["by"]) == ("r1", "venv-r1", "anna@control")
    assert "secret" not in json.dumps(record(host, "r1", "blog"))


def test_it_has_the_private_vhost_without_where_that_listens(host: Host) -> None:
    host.deploy("r1", SHOP, BLOG)
    lines = record(host, "r1")["private_vhost"]
    assert lines.startswith("    ServerName shop.example.com\n")
    assert lines.endswith("\n</VirtualHost>")
    assert "/probe/shop " in lines
    assert "blog" not in lines
    host.deploy("r2", SHOP, BELOW)
    assert record(host, "r2")["private_vhost"] is None, "another application is in there"


TWO = """\
<VirtualHost 127.0.0.1:297>
    ServerName "Shop.example"
    # a
</VirtualHost>

<VirtualHost 127.0.0.1:297>
    ServerName shop.example.com
    # b
</VirtualHost>
"""


def test_the_private_vhost_of_one_name_is_replaced() -> None:
    lines = "    ServerName shop.example\n    # new\n</VirtualHost>"
    made = released.with_private_vhost(TWO, "shop.EXAMPLE", lines)
    assert made == TWO.replace('    ServerName "Shop.example"\n    # a\n', "    ServerName shop.example\n    # new\n")
    assert released.with_private_vhost(TWO, "example.com", lines) == TWO


@pytest.mark.parametrize(
    ("colours", "groups", "plain"),
    [
        ([], ["shop", "shop:blue"], ["shop", "shop:blue"]),
        (["blue", "green"], ["shop:blue", "shop:blue:blues", "shop:green", "shop:green:blues"], ["shop", "shop:blues"]),
    ],
)
def test_groups_are_the_same_in_each_colour(colours: list[str], groups: list[str], plain: list[str]) -> None:
    found = released.of_groups({"colours": colours, "probed_groups": groups})
    assert found == {"releases.strategy": bool(colours), "daemon_groups": plain}


def test_root_alone_reads_records(host: Host) -> None:
    host.deploy("r1", SHOP)
    folder = Path(host.paths("shop")["records"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(stat.S_IMODE(file.stat().st_mode), file.stat().st_uid) for file in folder.iterdir()] == [(0o600, 0)]


def test_what_is_not_proven_is_not_recorded(host: Host) -> None:
    host.deploy("r1", SHOP)
    before = record(host, "r1")
    host.problem = "The shop answered with status 500."
    with pytest.raises(GoLiveError):
        host.deploy("r2", SHOP)
    assert os.listdir(host.paths("shop")["records"]) == ["r1.json"]
    assert record(host, "r1") == before


def test_only_what_has_changed_is_recorded_again(host: Host) -> None:
    host.deploy("r1", SHOP, BLOG)
    files = [Path(released.record_file(host.paths(name), "r1")) for name in ("shop", "blog")]
    before = [file.stat().st_ino for file in files]
    host.deploy("r1", SHOP, BLOG, by="another")
    assert [file.stat().st_ino for file in files] == before
    host.deploy("r1", SHOP, {**BLOG, "environment": {"KEY": "2"}}, by="another")
    assert [file.stat().st_ino == inode for file, inode in zip(files, before, strict=True)] == [True, False]


def test_since_when_a_release_serves_stays_when_its_settings_change(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "now", lambda: "2026-01-01T00:00:00Z")
    host.deploy("r1", SHOP)
    monkeypatch.setattr(released, "now", lambda: "2026-02-02T00:00:00Z")
    host.deploy("r1", {**SHOP, "environment": {"KEY": "2"}}, by="ben@control")
    found = record(host, "r1")
    assert (found["since"], found["by"], found["variables"]) == ("2026-01-01T00:00:00Z", "anna@control", {"KEY": "2"})
    host.deploy("r2", SHOP, by="ben@control")
    host.deploy("r1", SHOP, by="carl@control")
    assert (record(host, "r1")["since"], record(host, "r1")["by"]) == ("2026-02-02T00:00:00Z", "carl@control")


def test_the_release_that_an_earlier_version_has_deployed_is_recorded_by_any_change(host: Host) -> None:
    host.deploy("r1", SHOP)
    Path(released.record_file(host.paths("shop"), "r1")).unlink()
    host.deploy("r1", SHOP)
    assert not os.listdir(host.paths("shop")["records"]), "nothing has changed"
    host.deploy("r1", {**SHOP, "releases": {"strategy": "blue_green"}})
    assert (record(host, "r1")["by"], bool(record(host, "r1")["since"])) == ("anna@control", True)


def test_records_go_with_their_releases(host: Host) -> None:
    for number in range(5):
        host.deploy(f"r{number}", SHOP, keep_releases=2)
    assert sorted(os.listdir(host.paths("shop")["records"])) == ["r3.json", "r4.json"]


def test_a_vhost_that_others_are_in_is_not_recorded(host: Host) -> None:
    host.deploy("r1", SHOP, BELOW, BLOG)
    assert record(host, "r1")["files"] is None
    assert record(host, "r1", "docs")["files"] is None
    assert record(host, "r1", "blog")["files"] is not None


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/etc/apache2/sites-available/100-modwsgi-shop.conf", True),
        ("/etc/apache2/sites-enabled/000-modwsgi-default-shop.conf", True),
        ("/etc/apache2/sites-enabled/zz-modwsgi-shop.conf", True),
        ("/etc/apache2/sites-enabled/100-modwsgi-shop-2.conf", False),
        ("/etc/apache2/sites-enabled/060-modwsgi-probes.conf", False),
        ("/usr/local/lib/modwsgi/embedded/shop.py", True),
        ("/usr/local/lib/modwsgi/launcher.py", False),
        ("/etc/apache2/modwsgi-users/shop-0", True),
        ("/etc/apache2/modwsgi-users/shop-2-0", False),
    ],
)
def test_which_files_are_an_application_s_own(path: str, own: bool) -> None:
    assert released.is_own(path, complete(SHOP)[0]) is own


@pytest.mark.parametrize(
    ("source", "release", "words"),
    [
        ({"directory": "/srv/shop"}, "0123456789abcdef0123", "digest 0123456789ab"),
        ({"git": "https://x/y", "version": "v1.2"}, "f" * 40, f"v1.2, commit {'f' * 12}"),
        ({"git": "https://x/y", "version": "f" * 40}, f"{'f' * 40}-12345678", f"commit {'f' * 12}"),
    ],
)
def test_a_source_version_in_words(source: App, release: str, words: str) -> None:
    assert released.source_version({"source": source}, release) == words
