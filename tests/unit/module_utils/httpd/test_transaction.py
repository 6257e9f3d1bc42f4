# SPDX-License-Identifier: Apache-2.0
"""The previous configuration comes back with the weakest action that serves it, wherever a run was cut off."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError, Service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import Process
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from support.fake_manager import FakeManager


class Host:
    """A configuration of one file, and a server."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "conf"
        self.file.write_text("old\n")
        self.instance = {**instance("apache2"), "state_directory": str(directory / "state")}
        (directory / "state").mkdir()
        self.journal = Journal(self.instance["state_directory"])
        self.manager = FakeManager(self.instance)
        self.main: Process | None = Process(10, 1)
        self.failure = ""
        self.done: list[tuple[str, str]] = []

    def change(self, action: str, note: dict[str, object] | None = None) -> None:
        """One step."""
        transaction.begin(self.instance)
        pending.add(self.instance, action)
        self.journal.apply([Edit(str(self.file), journal.WRITE, b"new\n")], action, note)

    def act(self, name: str) -> None:
        """An action of the service; with which configuration."""
        self.done.append((name, self.file.read_text()))
        if self.failure:
            raise ControlError(self.failure)
        self.main = None if name == "stop" else Process(11, 2) if name != "reload" else self.main

    def back(self) -> list[str]:
        return transaction.roll_back(self.instance, self.manager)


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    for module in (transaction, pending):
        monkeypatch.setattr(module, "httpd_main_process", lambda _: host.main)
    monkeypatch.setattr(transaction, "manager_of", lambda _: host.manager)
    monkeypatch.setattr(Service, "main", lambda _: host.main)
    for name in ("start", "stop", "reload", "restart"):
        monkeypatch.setattr(Service, name, lambda _, name=name: host.act(name))
    return host


def restored(host: Host) -> bool:
    """Whether all is as it was before the change."""
    return (
        host.file.read_text() == "old\n"
        and not host.journal.open
        and pending.read(host.instance) == pending.NONE
        and sorted(os.listdir(host.file.parent)) == ["conf", "state"]
    )


def test_httpd_that_has_not_read_the_change_is_left_alone(host: Host) -> None:
    host.change(pending.RESTART)
    assert pending.read(host.instance) == pending.RESTART
    assert host.back() == [
        "The previous configuration is back on the disk.",
        "httpd had not read the new one, and was left alone.",
    ]
    assert host.done == []
    assert restored(host)


@pytest.mark.parametrize("action", [pending.RELOAD, pending.RESTART])
def test_httpd_that_has_read_the_change_does_what_the_change_has_needed(host: Host, action: str) -> None:
    host.change(pending.NONE)
    host.change(action)
    host.journal.mark(journal.ACTED)
    assert host.back()[-1] == {"reload": "httpd was reloaded.", "restart": "httpd was restarted."}[action]
    assert host.done == [(action, "old\n")]
    assert restored(host)


def test_httpd_that_somebody_has_restarted_meanwhile_is_reloaded(host: Host) -> None:
    host.change(pending.RELOAD)
    host.main = Process(12, 3)
    assert "httpd had ended, and was started again." in host.back()
    assert host.done == [("reload", "old\n")]


def test_httpd_that_has_ended_is_started(host: Host) -> None:
    host.change(pending.RELOAD)
    host.main = None
    assert "httpd had ended, and was started again." in host.back()
    assert host.done == [("start", "old\n")]


def test_httpd_that_did_not_run_before_is_stopped(host: Host) -> None:
    host.main = None
    host.change(pending.RELOAD)
    host.main = Process(10, 1)
    assert "httpd, which did not run before, is stopped." in host.back()
    assert host.done == [("stop", "old\n")]


def test_httpd_that_did_not_run_and_does_not_stays_so(host: Host) -> None:
    host.main = None
    host.change(pending.RELOAD)
    assert "httpd did not run before, and does not run." in host.back()
    assert host.done == []


def test_without_a_change_there_is_nothing_to_undo(host: Host) -> None:
    assert host.back() == []
    assert host.done == []


def test_a_return_that_fails_says_so_and_is_continued(host: Host) -> None:
    host.change(pending.RELOAD)
    host.journal.mark(journal.ACTED)
    host.failure = "httpd did not reload: no reason"
    with pytest.raises(ControlError, match="is back on the disk, but not served: httpd did not reload: no reason"):
        host.back()
    assert host.file.read_text() == "old\n"
    host.failure = ""
    assert transaction.recover(host.instance) != []
    assert host.done == [("reload", "old\n")] * 2
    assert restored(host)


def test_the_units_are_read_again_and_the_reaper_is_as_it_was(host: Host) -> None:
    host.change(pending.RELOAD)
    host.manager.reaping, host.manager.is_stale = True, True
    host.back()
    assert host.manager.steps == ["do not reap", "refresh"]


def test_a_reaper_that_was_turned_off_is_turned_on_again(host: Host) -> None:
    host.manager.reaping = True
    host.change(pending.RELOAD)
    host.manager.reaping = False
    host.back()
    assert host.manager.steps == ["reap"]


@pytest.mark.parametrize(
    ("installed", "runs", "steps"),
    [
        (True, False, ["refresh", "watch"]),
        (False, True, ["do not watch", "refresh"]),
        (True, True, ["refresh"]),
        (False, False, ["refresh"]),
    ],
)
def test_the_timer_for_renewals_is_as_its_file_says(host: Host, installed: bool, runs: bool, steps: list[str]) -> None:
    host.change(pending.RELOAD)
    host.manager.is_stale = True
    host.manager.timer_installed, host.manager.timer_runs = installed, runs
    host.back()
    assert host.manager.steps == steps


@pytest.mark.parametrize(
    ("before", "earlier", "stale"),
    [
        ([], {}, [[7, 70], [8, 80]]),
        ([], {"earlier": [[7, 70], [9, 90]]}, [[8, 80]]),
        ([[7, 70]], {"earlier": [[7, 70]]}, [[7, 70], [8, 80]]),
    ],
    ids=["all", "without those that are older than the change", "but with those that were to go before"],
)
def test_processes_of_a_release_that_was_current_for_a_moment_are_to_be_replaced(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: list[list[int]],
    earlier: dict[str, list[list[int]]],
    stale: list[list[int]],
) -> None:
    record = tmp_path / "state" / "deployment.json"
    record.write_text(json.dumps({"stale_processes": before}))
    monkeypatch.setattr(daemon, "account", lambda _: 1000)
    monkeypatch.setattr(daemon, "processes", lambda *_: [daemon.Process(7, 70), daemon.Process(8, 80)])
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    host.change(pending.NONE, {"applications": [{"name": "a", "user": "a", "record": str(record), **earlier}]})
    host.journal.mark(journal.ACTED)
    assert host.back()[-1] == "httpd itself needed nothing."
    assert json.loads(record.read_text()) == {"stale_processes": stale}


def test_a_step_that_was_cut_off_is_undone_and_whole_ones_go_on(host: Host) -> None:
    host.change(pending.RELOAD)
    assert transaction.recover(host.instance) == []
    assert host.file.read_text() == "new\n"
    (Path(host.journal.directory) / "01-applied.json").rename(Path(host.journal.directory) / "01-applying.json")
    assert transaction.recover(host.instance) == ["A change that an earlier run had begun is undone."]
    assert restored(host)
    assert host.done == []


def test_a_change_of_an_earlier_boot_is_undone_in_the_server_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.change(pending.RELOAD)
    monkeypatch.setattr(journal, "boot", lambda: "another")
    host.main = Process(5, 5)  # started at the boot, with what was there
    transaction.recover(host.instance)
    assert host.done == [("reload", "old\n")]
    assert restored(host)
