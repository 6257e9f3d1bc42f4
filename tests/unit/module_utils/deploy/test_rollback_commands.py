# SPDX-License-Identifier: Apache-2.0
"""What an application undoes itself before an earlier release serves: first, as its account, or nothing happens."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import failure_log, release_tool, rollback
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import RollbackError, Wish, go_back
from support.releasing import Host
from support.waiting import wait_for

pytestmark = pytest.mark.root("gives files to root")

SHOP = {
    "name": "shop",
    "source": {"git": "https://git.example/all", "version": "main"},
    "server_name": "shop.example.com",
    "environment": {"KEY": "a long secret"},
    "release_commands": ["python manage.py migrate"],
}
BEN = Wish("ben@host")


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One on which commands run as nobody, in a folder that they may write to."""
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if stat.S_IMODE(folder.stat().st_mode) == 0o700:
            folder.chmod(0o711)
    monkeypatch.setattr(failure_log, "FOLDER", str(tmp_path / "log"))
    (tmp_path / "written").mkdir()
    (tmp_path / "written").chmod(0o777)
    return Host(tmp_path, monkeypatch)


def deployed(host: Host, *commands: Any, **more: Any) -> Host:
    host.deploy("r1-aaaa", SHOP)
    host.deploy("r2-bbbb", {**SHOP, "rollback_commands": list(commands), **more})
    return host


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def written(host: Host) -> str:
    return (host.directory / "written/out").read_text()


def test_they_run_in_the_release_that_is_left_as_the_application(host: Host) -> None:
    out = host.directory / "written/out"
    text = f'echo "$(id -un) $PWD $KEY $WSGI_ROLLBACK_RELEASE $WSGI_ROLLBACK_DIRECTORY $VIRTUAL_ENV" > {out}'
    deployed(host, shell(text))
    way = go_back(host.described, "shop", BEN)
    paths = host.paths("shop")
    assert written(host).split() == [
        "nobody",
        f"{paths['releases']}/r2-bbbb",
        *SHOP["environment"]["KEY"].split(),  # type: ignore[index]
        "r1-aaaa",
        f"{paths['releases']}/r1-aaaa",
        f"{paths['venvs']}/venv-r2-bbbb",
    ]
    assert host.serves() == ("r1-aaaa", "venv-r1-aaaa")
    assert any("rollback_commands have undone before: sh -c " in sentence for sentence in way.told)
    assert rollback.NOT_BACK not in way.told


def test_they_run_while_the_other_release_still_serves(host: Host) -> None:
    current, out = host.paths("shop")["current"], host.directory / "written/out"
    deployed(host, f"cp --no-dereference {current} {out}")
    go_back(host.described, "shop", BEN)
    assert out.readlink().name == "r2-bbbb"


def test_when_one_fails_nothing_changes(host: Host) -> None:
    out = host.directory / "written/out"
    deployed(host, f"touch {out}", shell("echo a long secret; echo no such table; exit 3"), f"rm {out}")
    before = host.tree()
    with pytest.raises(RollbackError) as error:
        go_back(host.described, "shop", BEN)
    text = str(error.value)
    assert text.startswith("wsgi_apps: application 'shop', key rollback_commands: sh -c ")
    assert "ended with exit status 3: no such table; its whole output is in" in text
    assert f"stays as it is, after touch {out}; correct the cause" in text
    assert "rollback --without-commands" in text
    assert error.value.lines == ["********", "no such table"]
    assert out.exists()
    record = host.paths("shop")["deployment"]
    assert {path for path, content in host.tree().items() if before.get(path) != content} <= {
        record,
        str(out),
        str(host.directory / "log/shop-rollback-command.log"),
    }
    assert not host.journal.open
    assert host.serves()[0] == "r2-bbbb"


def test_release_commands_run_again_where_some_of_them_was_undone(host: Host) -> None:
    deployed(host, "true", "false")
    with pytest.raises(RollbackError, match=r"the next run of site.yml runs release_commands of shop again\."):
        go_back(host.described, "shop", BEN)
    assert read_record(host.paths("shop")["deployment"])["commands"] == ""


def test_likewise_when_the_earlier_release_is_not_well(host: Host) -> None:
    deployed(host, "true")
    host.problem = "The shop answered with status 500."
    with pytest.raises(RollbackError, match=r"(?s)status 500\..*runs release_commands of shop again\."):
        go_back(host.described, "shop", BEN)
    assert host.serves()[0] == "r2-bbbb"
    assert read_record(host.paths("shop")["deployment"])["commands"] == ""


def test_without_release_commands_there_is_nothing_to_run_again(host: Host) -> None:
    deployed(host, "false", release_commands=[])
    before = read_record(host.paths("shop")["deployment"])
    with pytest.raises(RollbackError, match=r"without-commands\)\.$"):
        go_back(host.described, "shop", BEN)
    assert read_record(host.paths("shop")["deployment"]) == before


def test_what_httpd_refuses_is_found_before_they_run(host: Host) -> None:
    out = host.directory / "written/out"
    deployed(host, f"touch {out}")
    record = Path(host.paths("shop")["records"], "r1-aaaa.json")
    record.write_text(record.read_text().replace("<VirtualHost", "BROKEN\\n<VirtualHost"))
    with pytest.raises(RollbackError, match="httpd refuses the configuration"):
        go_back(host.described, "shop", BEN)
    assert not out.exists()


@pytest.mark.parametrize("wish", [Wish("ben", check_mode=True), Wish("ben", commands=False)])
def test_they_do_not_run_where_nobody_wants_that(host: Host, wish: Wish) -> None:
    out = host.directory / "written/out"
    deployed(host, f"touch {out}")
    way = go_back(host.described, "shop", wish)
    assert not out.exists()
    told = f"but for what its rollback_commands would undo before: touch {out}." in " ".join(way.told)
    assert told is wish.check_mode


def test_a_release_that_an_earlier_version_has_recorded_has_none(host: Host) -> None:
    deployed(host)
    journal = Path(host.described["state_directory"], "proven.json")
    journal.write_text(journal.read_text().replace('"rollback_commands"', '"other"'))
    assert go_back(host.described, "shop", BEN).told[2] == rollback.NOT_BACK


def test_what_they_leave_running_is_ended_and_told(host: Host) -> None:
    deployed(host, shell("sleep 600 & exit 0"))
    way = go_back(host.described, "shop", BEN)
    assert any("left processes running (1), which were ended with it" in warning for warning in way.warnings)


def test_other_commands_are_a_change(host: Host) -> None:
    """Otherwise a way back would not know them."""
    deployed(host, "true")
    host.deploy("r2-bbbb", {**SHOP, "rollback_commands": ["false"]})
    (application,) = host.journal.proven()["applications"]
    assert application["rollback_commands"] == [["false"]]


def test_a_key_ends_them_and_nothing_changes(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = host.directory / "written/out"
    deployed(host, shell(f"touch {begun}; sleep 600"))
    monkeypatch.setattr(release_tool, "instance", lambda _: host.described)

    def press() -> None:
        wait_for(begun.exists, "the command has begun")
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    assert release_tool.main(["shop", "rollback"]) == release_tool.NOT_GOOD
    pressing.join()
    assert "What has served before serves on." in capsys.readouterr().err
    assert host.serves()[0] == "r2-bbbb"
    assert read_record(host.paths("shop")["deployment"])["commands"] == ""
