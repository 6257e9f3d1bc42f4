# SPDX-License-Identifier: Apache-2.0
"""wsgi-restart: what it refuses, what it does to processes, and what its exit status says."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate, daemon, restart
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import TURN
from support import instances

WILLING = "import signal; print(flush=True); signal.pause()"


class Host:
    """A host with the application `shop`, whose processes are children of this process, as if it were httpd."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code = folder / "shop"
        self.code.mkdir()
        (folder / "apache2.pid").write_text(str(os.getpid()))
        self.record = self.code / "deployment.json"
        self.record.write_text(json.dumps({"release": "abc", "stale_processes": []}))
        self.described = instances.below(folder, pid_file="apache2.pid", state_directory=".")
        self.application: dict[str, Any] = {
            "name": "shop",
            "mode": "daemon",
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "paths": {"code": str(self.code), "deployment": str(self.record)},
            "replacement_seconds": 0,
            "shutdown_timeout": 0,
            "all_processes": 2,
        }
        self.prove()
        self.started: list[subprocess.Popen[bytes]] = []
        self.problem = ""
        self.asked: list[str] = []
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "fchown", lambda *_: None)
        self.first = ""
        monkeypatch.setattr(restart, "Proof", self.ask)
        monkeypatch.setattr(restart, "FirstLook", self.look)
        monkeypatch.setattr(activate, "ask_to_restart", self.ask_to_go)

    def prove(self, **change: Any) -> None:
        proven = {"applications": [{**self.application, **change}], "private_port": 297}
        (Path(self.described["state_directory"]) / "proven.json").write_text(json.dumps(proven))

    def start(self) -> int:
        process = subprocess.Popen(["(wsgi:shop)", "-c", WILLING], executable=sys.executable, stdout=subprocess.PIPE)
        self.started.append(process)
        assert process.stdout
        process.stdout.readline()
        return process.pid

    def ask_to_go(self, process: daemon.Process) -> None:
        """The process ends, and httpd starts its successor."""
        assert process.pid in [pid for pid, _ in json.loads(self.record.read_text())["stale_processes"]]
        self.asked.append(str(process.pid))
        ended = next(each for each in self.started if each.pid == process.pid)
        ended.terminate()
        ended.wait()
        self.start()

    def ask(self, applications: list[Any], site: dict[str, Any]) -> SimpleNamespace:
        assert site["private_port"] == 297
        names = [each["name"] for each in applications]
        answers = {name: {"status": 200, "seconds": 0.1} for name in names}
        return SimpleNamespace(problem=self.problem, lines={"shop": ["KeyError: 'TOKEN'"]}, results=answers)

    def look(self, application: dict[str, Any], site: dict[str, Any]) -> SimpleNamespace:
        assert (application["name"], site["private_port"]) == ("shop", 297)
        return SimpleNamespace(problem=lambda _: (self.first, ["KeyError: 'TOKEN'"]))

    def call(self, name: str = "shop") -> int:
        return restart.main([name], self.described)


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(tmp_path, monkeypatch)
    yield host
    for process in host.started:
        process.kill()
        process.communicate()


def test_all_processes_are_replaced_and_the_record_is_as_before(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    pids = [host.start(), host.start()]
    assert host.call() == restart.DONE
    assert host.asked == [str(max(pids)), str(min(pids))], "one after the other"
    assert len(host.started) == 4
    assert json.loads(host.record.read_text()) == {"release": "abc", "stale_processes": []}
    said = capsys.readouterr()
    assert said.out.startswith("shop has new processes after ")
    assert f"in place of {min(pids)}, {max(pids)}, and is healthy (200 in 0.1 s)." in said.out
    assert said.err == ""


def test_new_processes_that_are_not_well_are_told_with_what_the_log_has(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.problem = "The application shop answered with status 500 instead of 200."
    assert host.call() == restart.UNWELL
    assert capsys.readouterr().err == f"wsgi-restart: KeyError: 'TOKEN'\n{host.problem}\n"


def test_the_others_stay_when_the_first_one_is_not_well(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    pids = [host.start(), host.start()]
    host.first = "The application shop answered with status 500 instead of 200."
    assert host.call() == restart.UNWELL
    assert host.asked == [str(max(pids))]
    assert capsys.readouterr().err == f"wsgi-restart: KeyError: 'TOKEN'\n{host.first}\n{restart.STAY}\n"


def test_what_is_stopped_half_way_is_left_to_the_next_run(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(_: daemon.Process) -> None:
        raise KeyboardInterrupt

    pids = {host.start(), host.start()}
    monkeypatch.setattr(activate, "ask_to_restart", stop)
    assert host.call() == restart.UNWELL
    assert {pid for pid, _ in json.loads(host.record.read_text())["stale_processes"]} == pids
    assert "the next run of site.yml replaces the rest of shop." in capsys.readouterr().err


class TestRefusals:
    """Nothing is done, and one sentence says why."""

    @pytest.fixture(autouse=True)
    def fixture_nothing_is_done(self, host: Host) -> Iterator[None]:
        before = host.record.read_bytes()
        host.start()
        yield
        assert (host.asked, host.record.read_bytes()) == ([], before)

    def refusal(self, host: Host, capsys: pytest.CaptureFixture[str], name: str = "shop") -> str:
        assert host.call(name) == restart.REFUSED
        said = capsys.readouterr()
        assert said.out == ""
        return said.err.removeprefix("wsgi-restart: ")

    def test_an_unknown_application(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.refusal(host, capsys, "blog") == "There is no application blog on this host (there is: shop).\n"

    def test_an_embedded_application(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        host.prove(mode="embedded")
        assert self.refusal(host, capsys).startswith("shop has no daemon processes")

    def test_a_maintenance_page(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        (host.code / "maintenance").touch()
        assert self.refusal(host, capsys).startswith("Visitors of shop see its maintenance page;")

    def test_an_httpd_that_does_not_run(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        Path(host.described["pid_file"]).unlink()
        assert self.refusal(host, capsys).startswith("httpd does not run, so shop has no processes;")

    def test_an_account_that_is_not_there(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        host.prove(user="wsgi-nobody-of-this-name")
        assert self.refusal(host, capsys).startswith("The account wsgi-nobody-of-this-name does not exist, so shop")

    def test_a_deployment_that_changes_something(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        state = Path(host.described["state_directory"])
        state.mkdir(parents=True, exist_ok=True)
        with (state / TURN).open("w") as turn:  # by another process: this one would go on
            fcntl.flock(turn, fcntl.LOCK_EX)
            assert self.refusal(host, capsys) == "A deployment of this host is in progress; wait until it has ended.\n"

    def test_a_deployment_that_is_not_proven(self, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
        (Path(host.described["state_directory"]) / "transaction").mkdir()
        assert self.refusal(host, capsys).startswith("A deployment is going live on this host, or one was cut off")

    def test_somebody_who_is_not_root(
        self, host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert self.refusal(host, capsys) == "Only root may do this; call it with sudo.\n"
