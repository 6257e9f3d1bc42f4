# SPDX-License-Identifier: Apache-2.0
"""A state is reached before the service reports it, and a failure carries its reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, control, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import service as httpd_service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError, Manager, Service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import ACTED, Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import Process, Serving
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from support.fake_manager import FakeManager


class Httpd(FakeManager):
    """Plays httpd: a parent process and generations of children."""

    def __init__(self, described: dict[str, str]) -> None:
        super().__init__(described)
        self.main: Process | None = None
        self.children: frozenset[Process] = frozenset()
        self.generation = 0
        self.failure = ""
        self.boots = False

    def installed(self) -> bool:
        return True

    def enabled(self) -> bool:
        return self.boots

    def enable(self, wanted: bool) -> None:
        self.steps.append("enable" if wanted else "disable")
        self.boots = wanted

    def _next_generation(self) -> None:
        self.generation += 1
        self.children = frozenset({Process(100 + self.generation, self.generation)})

    def start(self) -> None:
        self.steps.append("start")
        if self.failure:
            with Path(self.instance["error_log"]).open("a") as log:
                log.write(self.failure + "\n")
            raise ControlError("Job for apache2.service failed.")
        self._next_generation()
        self.main = Process(10 + self.generation, self.generation)

    def stop(self) -> None:
        self.steps.append("stop")
        self.main, self.children = None, frozenset()

    def reload(self) -> None:
        self.steps.append("reload")
        self._next_generation()


@pytest.fixture(name="manager")
def fixture_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Httpd:
    described = {
        **instance("apache2"),
        "error_log": str(tmp_path / "error.log"),
        "state_directory": str(tmp_path / "state"),
    }
    manager = Httpd(described)
    monkeypatch.setattr(control, "httpd_main_process", lambda _: manager.main)
    monkeypatch.setattr(pending, "httpd_main_process", lambda _: manager.main)
    monkeypatch.setattr(control, "serving", lambda _: Serving(manager.children, True))
    monkeypatch.setattr(control, "runs", lambda _: manager.main is not None)
    monkeypatch.setattr(control, "RELOAD_SECONDS", 0.3)
    return manager


@pytest.fixture(name="service")
def fixture_service(manager: Httpd) -> Service:
    return Service(manager.instance, manager)


def bring(service: Service, state: str | None, enabled: bool | None = None, reap: bool | None = None) -> list[str]:
    steps = httpd_service.needed(service, state, enabled, reap)
    for step in steps:
        httpd_service.perform(service, step)
    return steps


def test_started_and_enabled_happens_once(service: Service) -> None:
    assert bring(service, "started", True) == ["enable", "start"]
    assert bring(service, "started", True) == []


def test_the_service_that_reaps_is_turned_on_last_and_once(service: Service) -> None:
    assert bring(service, "started", reap=True) == ["start", "reap"]
    assert bring(service, "started", reap=True) == []
    assert bring(service, "started", reap=False) == ["do not reap"]
    assert bring(service, "started") == []


def test_the_timer_for_renewals_runs_while_its_file_is_there(service: Service, manager: Httpd) -> None:
    assert bring(service, "applied") == ["start"]
    manager.timer_installed = True
    assert bring(service, "stopped") == ["stop"]
    assert bring(service, "applied") == ["start", "watch renewals"]
    assert bring(service, "applied") == []
    manager.timer_installed = False
    assert bring(service, "applied") == ["do not watch renewals"]
    assert bring(service, "applied") == []


class Systemctl:
    """Answers `systemctl show` for each unit, and keeps all other commands."""

    def __init__(self, **properties: str) -> None:
        self.properties = properties
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], seconds: float) -> control.Result:
        del seconds
        if command[1] != "show":
            self.commands.append(command)
            return control.Result(0, "")
        name, units = command[3].partition("=")[2], command[4:]
        # An empty line is between two units.
        return control.Result(0, "\n".join(self.properties.get(f"{name} {unit}", "") + "\n" for unit in units))


@pytest.mark.parametrize(
    "unit", ["apache2.service", "modwsgi-renewals.timer", "modwsgi-renewals.service", "modwsgi-limits.service"]
)
def test_systemd_reads_changed_units_again(unit: str, tmp_path: Path) -> None:
    described = {**instance("apache2"), "unit_drop_in_directory": str(tmp_path)}
    assert control.SystemdManager(described, Systemctl()).stale() is False
    changed = Systemctl(**{f"NeedDaemonReload {unit}": "yes"})
    assert control.SystemdManager(described, changed).stale() is True


@pytest.mark.parametrize(("installed", "verb"), [(True, "try-restart"), (False, "stop")])
def test_the_service_for_limits_follows_its_file(installed: bool, verb: str, tmp_path: Path) -> None:
    systemctl = Systemctl()
    if installed:
        (tmp_path / "modwsgi-limits.service").write_text("")
    control.SystemdManager({**instance("apache2"), "unit_directory": str(tmp_path)}, systemctl).refresh()
    assert systemctl.commands == [["systemctl", "daemon-reload"], ["systemctl", verb, "modwsgi-limits.service"]]


@pytest.mark.parametrize(
    ("installed", "known", "forgotten", "loaded"),
    [
        (True, "modwsgi-apache2 (complain)\n", "", True),
        (True, "", "", False),  # the next start loads it
        (False, "modwsgi-apache2 (enforce)\n", "modwsgi-apache2", False),
    ],
)
def test_the_kernel_has_the_profile_as_its_file_is(
    installed: bool, known: str, forgotten: str, loaded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, profile, systemctl = tmp_path / ".remove", tmp_path / "profile", Systemctl()
    remove.write_text("")
    (tmp_path / "profiles").write_text(known)
    if installed:
        profile.write_text("")
    monkeypatch.setattr(apparmor, "FOLDER", tmp_path)
    described = {**instance("apache2"), "unit_directory": str(tmp_path), "apparmor_file": str(profile)}
    control.SystemdManager(described, systemctl).refresh()
    assert remove.read_text() == forgotten
    assert ([apparmor.PARSER, "--replace", "--write-cache", str(profile)] in systemctl.commands) is loaded
    monkeypatch.setattr(apparmor, "FOLDER", tmp_path / "none")
    control.SystemdManager(described, Systemctl()).refresh()


def test_the_timer_for_renewals_is_started_and_stopped_by_its_file(tmp_path: Path) -> None:
    systemctl = Systemctl(**{"ActiveState modwsgi-renewals.timer": "active"})
    manager = control.SystemdManager({**instance("apache2"), "unit_directory": str(tmp_path)}, systemctl)
    assert (manager.should_watch(), manager.watches()) == (False, True)
    manager.watch(False)
    (tmp_path / "modwsgi-renewals.timer").write_text("")
    assert manager.should_watch() is True
    manager.watch(True)
    assert systemctl.commands == [
        ["systemctl", "stop", "modwsgi-renewals.timer"],
        ["systemctl", "reset-failed", "modwsgi-renewals.timer"],
        ["systemctl", "start", "modwsgi-renewals.timer"],
    ]


@pytest.mark.parametrize(("installed", "runs"), [(True, False), (False, True)])
def test_a_timer_that_has_failed_is_started_or_forgotten(installed: bool, runs: bool, tmp_path: Path) -> None:
    systemctl = Systemctl(**{"ActiveState modwsgi-renewals.timer": "failed"})
    manager = control.SystemdManager({**instance("apache2"), "unit_directory": str(tmp_path)}, systemctl)
    if installed:
        (tmp_path / "modwsgi-renewals.timer").write_text("")
    assert (manager.should_watch(), manager.watches()) == (installed, runs)


def test_the_timer_ends_before_systemd_reads_the_units_again(
    service: Service, manager: Httpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(service, "started")
    manager.timer_runs = True
    monkeypatch.setattr(manager, "stale", lambda: True)
    assert httpd_service.needed(service, "applied", None) == ["do not watch renewals", "refresh"]


def test_nothing_of_the_caller_s_environment_reaches_a_server_that_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/secret")
    told = control.run_command(["env"], 10).output
    assert {line.partition("=")[0] for line in told.splitlines()} == {"LANG", "PATH"}


def test_nothing_reaps_without_systemd() -> None:
    manager = Manager(instance("apache2"))
    assert manager.reaps() is False
    manager.reap(False)
    with pytest.raises(ControlError, match=r"^httpd_reap_stuck_children needs systemd"):
        manager.reap(True)


def test_applied_starts_a_server_that_does_not_run(service: Service) -> None:
    assert bring(service, "applied") == ["start"]
    assert bring(service, "applied") == []


def test_stopped_stops_once(service: Service) -> None:
    bring(service, "started")
    assert bring(service, "stopped") == ["stop"]
    assert bring(service, "stopped") == []


def test_applied_does_the_pending_action_once(service: Service) -> None:
    bring(service, "started")
    pending.add(service.instance, "reload")
    assert bring(service, "applied") == ["reload"]
    assert bring(service, "applied") == []


def test_a_restart_makes_a_reload_unnecessary(service: Service, manager: Httpd) -> None:
    bring(service, "started")
    pending.add(service.instance, "restart")
    pending.add(service.instance, "reload")
    manager.steps.clear()
    assert bring(service, "applied") == ["restart"]
    assert manager.steps == ["stop", "start"]
    assert bring(service, "applied") == []


def test_a_restart_by_others_makes_the_pending_action_unnecessary(service: Service, manager: Httpd) -> None:
    bring(service, "started")
    pending.add(service.instance, "restart")
    manager.stop()
    manager.start()
    assert bring(service, "applied") == []


def test_a_reload_whose_old_children_go_on_serving_is_a_failure(
    service: Service, manager: Httpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(service, "started")
    pending.add(service.instance, "reload")
    monkeypatch.setattr(manager, "reload", lambda: None)
    with pytest.raises(ControlError, match=r"^httpd did not reload: "):
        bring(service, "applied")
    assert pending.read(service.instance) == "reload"


def test_what_was_seen_to_serve_needs_no_second_look(
    service: Service, manager: Httpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload is done once the new children have been seen, whatever starts or ends in the next moment."""
    bring(service, "started")
    before = manager.children
    pending.add(service.instance, "reload")
    looks = iter([before, before, frozenset({Process(200, 1)}), frozenset()])
    monkeypatch.setattr(control, "serving", lambda _: Serving(next(looks), True))
    assert bring(service, "applied") == ["reload"]
    assert pending.read(service.instance) == "none"


def test_a_server_that_ends_at_a_reload_is_a_failure(
    service: Service, manager: Httpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(service, "started")
    pending.add(service.instance, "reload")
    monkeypatch.setattr(manager, "reload", manager.stop)
    with pytest.raises(ControlError, match=r"^httpd did not reload: "):
        bring(service, "applied")


def test_a_failed_start_says_why(service: Service, manager: Httpd) -> None:
    Path(manager.instance["error_log"]).write_text("an old line\n")
    manager.failure = "(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80"
    with pytest.raises(ControlError) as failure:
        bring(service, "started")
    assert str(failure.value) == f"httpd did not start: {manager.failure}; correct that and run the play again."


def test_check_mode_on_a_fresh_host_predicts_the_start(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeManager, "installed", lambda _: False)
    assert httpd_service.needed(service, "started", True, False) == ["enable", "start"]
    assert httpd_service.needed(service, "started", True, True) == ["enable", "start", "reap"]
    assert httpd_service.needed(service, "stopped", None) == []


def test_the_telling_lines_of_a_journal_are_kept_once() -> None:
    journal = """Starting apache2.service - The Apache HTTP Server...
AH00526: Syntax error on line 3 of /etc/apache2/ports.conf:
Port must be specified
AH00526: Syntax error on line 3 of /etc/apache2/ports.conf:
Action 'start' failed.
The Apache error log may have more information.
apache2.service: Control process exited, code=exited, status=1/FAILURE
Failed to start apache2.service - The Apache HTTP Server.
"""
    assert control.relevant_lines(journal, "apache2.service") == [
        "AH00526: Syntax error on line 3 of /etc/apache2/ports.conf:",
        "Port must be specified",
    ]


def test_an_open_journal_learns_before_that_httpd_is_told(
    service: Service, manager: Httpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(service.instance["state_directory"])
    Path(service.instance["state_directory"]).mkdir()
    journal.begin()
    known = []
    monkeypatch.setattr(manager, "start", lambda: known.append(journal.marked(ACTED)))
    with pytest.raises(ControlError):  # nothing was started
        bring(service, "started")
    assert known == [True]
