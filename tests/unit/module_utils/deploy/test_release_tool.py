# SPDX-License-Identifier: Apache-2.0
"""What wsgi-release prints, and its exit status."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import go_live, release_tool, rollback
from support.releasing import Host

pytestmark = [
    pytest.mark.root("gives files to root"),
    pytest.mark.usefixtures("host"),
]

SHOP = {"name": "shop", "source": {"git": "https://git.example/all", "version": "v1"}, "server_name": "shop.example"}


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(tmp_path, monkeypatch)
    host.deploy("r1-aaaa", SHOP)
    host.deploy("r2-bbbb", {**SHOP, "environment": {"KEY": "a secret"}})
    monkeypatch.setattr(release_tool, "instance", lambda _: host.described)
    monkeypatch.setenv("SUDO_USER", "ben")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    yield host
    for number, handler in handlers.items():
        signal.signal(number, handler)


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status and both streams."""
    status = release_tool.main(list(words))
    said = capsys.readouterr()
    assert "a secret" not in said.out + said.err
    return status, said.out, said.err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = call(capsys, "shop", "list")
    lines = said.splitlines()
    assert status == 0
    assert lines[0].split() == ["RELEASE", "SOURCE", "SINCE", "BY", "STATE"]
    assert lines[1].startswith("r2-bbbb  v1, commit r2  20")
    assert lines[1].endswith("Z  anna@control  active")
    assert lines[2].endswith("Z  anna@control  kept")
    _, said, _ = call(capsys, "--json", "shop", "list")
    assert [row["release"] for row in json.loads(said)] == ["r2-bbbb", "r1-aaaa"]


def test_a_way_back(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = call(capsys, "shop", "rollback")
    assert status == 0
    assert said.startswith("shop serves release r1-aaaa (v1, commit r1) again")
    assert "Not brought back: the application's data." in said
    assert "site.yml refuses r2-bbbb from now on" in said
    assert host.serves()[0] == "r1-aaaa"
    status, said, _ = call(capsys, "shop", "status")
    assert status == 0
    assert "Rolled back from r2-bbbb (ben@" in said
    status, said, _ = call(capsys, "shop", "list")
    assert said.splitlines()[2].endswith("rolled back")


def test_a_release_that_is_not_well(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.problem = "The shop answered with status 500."
    host.lines = ["RuntimeError: \x1b[1mbroken"]
    status, said, problem = call(capsys, "shop", "rollback", "r1-a")
    assert (status, said) == (1, "")
    assert problem.startswith(
        "wsgi-release: | RuntimeError:  [1mbroken\n"
        "wsgi-release: The shop answered with status 500.\n"
        "wsgi-release: The previous configuration is back on the disk."
    )
    assert host.serves()[0] == "r2-bbbb"
    host.problem = "The shop answered with status 500."
    status, said, _ = call(capsys, "shop", "status")
    assert status == 1
    assert said.endswith(
        "\nReleases change by rolling (releases.strategy); shop serves.\nThe shop answered with status 500.\n"
    )
    host.problem = "The shop answered with status 500."
    status, said, _ = call(capsys, "--json", "shop", "status")
    assert (status, json.loads(said)["problem"]) == (1, "The shop answered with status 500.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(("blog", "list"), "no application blog on this"), (("shop", "rollback", "r9-x"), "never had a release r9-x")],
)
def test_what_cannot_be_done(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str) -> None:
    status, said, problem = call(capsys, *words)
    assert (status, said) == (1, "")
    assert sentence in problem
    assert problem.count("\n") == 1


def test_somebody_else_than_root(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert call(capsys, "shop", "rollback") == (1, "", "wsgi-release: Only root may do this; call it with sudo.\n")


def test_a_fault_is_no_finding(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any) -> None:
        raise KeyError("releases")

    monkeypatch.setattr(rollback.Releases, "rows", fault)
    status, _, problem = call(capsys, "shop", "list")
    assert status == 2
    assert problem.endswith("wsgi-release: This is a fault of wsgi-release; please report it.\n")


def test_half_a_way_is_never_left_by_a_key(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, and a terminal that is lost."""

    def proof(applications: list[Any], parameters: Any) -> Any:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return host.proof(applications, parameters)

    monkeypatch.setattr(go_live, "Proof", proof)
    assert call(capsys, "shop", "rollback")[0] == 0
    assert not host.journal.open


def test_an_operator_can_do_without_the_rollback_commands(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.deploy("r3-cccc", {**SHOP, "rollback_commands": ["false"]})
    assert call(capsys, "shop", "rollback", "--without-commands")[0] == 0
    assert host.serves()[0] == "r2-bbbb"
    with pytest.raises(SystemExit) as ended:
        release_tool.main(["shop", "status", "--without-commands"])
    assert ended.value.code == 2


def test_only_a_way_back_takes_a_release() -> None:
    with pytest.raises(SystemExit) as ended:
        release_tool.main(["shop", "list", "r1"])
    assert ended.value.code == 2
