# SPDX-License-Identifier: Apache-2.0
"""A deployment goes live step by step; where a step fails, those after it are not gone, and the result says so far."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import go_live, host_code, partial, released
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import ActivationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import GoLive, GoLiveError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.maintenance import PageError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.foreign_answers import WorseAnswerError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance

INSTANCE = instance("apache2")
STEPS = ["files", "switch", "reload", "activate", "prove", "remember", "commit", "pages", "remove"]


class Host:
    """Notes what is done to it; ``faults`` has an exception for a step that fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.faults: dict[str, Exception] = {}
        self.problem = ""
        self.lines: dict[str, list[str]] = {}
        self.open = True
        self.differs = True
        self.proven: dict[str, Any] = {}
        self.problems: dict[str, str] = {}
        self.site: dict[str, Any] = {}
        self.left: Any = None
        self.stopped: dict[str, tuple[str, list[str]]] = {}
        self.looks: list[Any] = []
        pool: dict[str, Any] = {
            "config.run": self.files,
            "Switching": lambda *_: SimpleNamespace(
                changes={"shop": ["release"] if self.differs else []},
                activation=self.differs,
                due=[],
                perform=self.step("switch"),
                diff=lambda: [{"before": "1", "after": "2"}] if self.differs else [],
            ),
            "manager_of": lambda _: None,
            "Service": lambda *_: None,
            "httpd_service.needed": lambda *_: ["reload"] if self.differs else [],
            "httpd_service.perform": lambda _, step: self.step(step)(),
            "Activation": lambda *given: SimpleNamespace(
                look=self.looks.extend(given[2:]),
                perform=self.step("activate"),
                restarted={"shop": [7]},
                killed=dict,
                warnings=lambda: ["Killed 7."],
                stopped=lambda: self.stopped,
            ),
            "Proof": self.proof,
            "transaction.journal_of": lambda _: SimpleNamespace(
                open=self.open, proven=lambda: self.proven, apply=lambda *_: self.step("remember")()
            ),
            "locked": nullcontext,
            "transaction.commit": self.commit,
            "maintenance.switch_all": lambda *_: (self.step("pages")(), ([], True))[1],
            "wsgi_activation.remove_superfluous": lambda *_: (self.step("remove")(), ["/old"])[1],
        }
        for name, replacement in pool.items():
            monkeypatch.setattr(f"{go_live.__name__}.{name}", replacement)
        monkeypatch.setattr(released, "Records", lambda *_: SimpleNamespace(edits=lambda *_: ["an edit"]))
        monkeypatch.setattr(released, "forget", lambda _: [])
        monkeypatch.setattr(host_code, "edits", list)

    def step(self, name: str) -> Callable[[], None]:
        def act() -> None:
            if name in self.faults:
                raise self.faults[name]
            self.done.append(name)

        return act

    def files(self, _instance: Any, sets: dict[str, Any], _foreign: Any, check_mode: bool, left: Any) -> dict[str, Any]:
        self.left = left
        assert list(sets) == ["httpd", "wsgi_app"]
        if not check_mode:
            self.step("files")()
        found = {"changes": ["write a"] if self.differs else [], "diff": [], "noticeable": []}
        return {**found, "changed": self.differs, "unproven": self.differs}

    def commit(self, _instance: Any, site: dict[str, Any]) -> None:
        self.step("commit")()
        self.site = site

    def proof(self, applications: list[Any], _parameters: dict[str, Any]) -> SimpleNamespace:
        if applications:
            self.step("prove")()
        found = SimpleNamespace(
            results={},
            awaited=[],
            problem=self.problem,
            lines=self.lines,
            problems=self.problems or {"shop": self.problem},
        )
        found.add = lambda problems: Proof.add(cast("Proof", found), problems)
        return found

    def go(self, check_mode: bool = False, **changes: Any) -> GoLive:
        parameters = {
            "applications": [{"name": "shop"}],
            "environments": base64.b64encode(b"{}").decode(),
            "files": [],
            "sensitive_files": None,
            "together_with": {"httpd": []},
            "foreign": {},
            "manage_service": True,
            "reap_stuck_children": True,
            "site": {"mod_wsgi_version": ""},
            "maintenance": True,
            "keep_releases": 3,
            "all_or_nothing": False,
            "rollback": True,
            "only": False,
            "others": [],
            **changes,
        }
        return GoLive(INSTANCE, parameters, check_mode)


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@pytest.mark.parametrize("check_mode", [True, False])
def test_nobody_is_asked_in_check_mode(host: Host, check_mode: bool) -> None:
    host.go(check_mode).run()
    assert [look is None for look in host.looks] == [check_mode]


def test_an_application_whose_first_new_process_is_not_well_is_not_asked_again(host: Host) -> None:
    """Its other processes have stayed, and would answer well."""
    host.stopped = {"shop": ("It answers 500.", ["a line"])}
    with pytest.raises(GoLiveError, match=r"^It answers 500[.]$") as failed:
        host.go(all_or_nothing=True).run()
    assert failed.value.log_lines == {"shop": ["a line"]}
    assert host.done == STEPS[: STEPS.index("prove")]


def test_all_steps_in_their_order(host: Host) -> None:
    way = host.go()
    way.run()
    assert host.done == STEPS
    assert way.result["changed"]
    assert way.result["switched"] == {"shop": ["release"]}
    assert way.result["removed"] == ["/old"]
    assert way.warnings == ["Killed 7."]


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("files", TransactionError("It failed.")),
        ("files", OSError(28, "No space left on device")),
        ("switch", ControlError("It failed.")),
        ("switch", OSError(28, "No space left on device")),
        ("reload", ControlError("It failed.")),
        ("activate", ActivationError("It failed.")),
        ("remember", OSError(28, "No space left on device")),
        ("commit", WorseAnswerError("It failed.")),
        ("commit", OSError(28, "No space left on device")),
        ("pages", PageError("It failed.")),
    ],
)
def test_where_a_step_fails_those_after_it_are_not_gone(host: Host, step: str, fault: Exception) -> None:
    host.faults[step] = fault
    way = host.go()
    with pytest.raises(GoLiveError, match=r"It failed\.|No space left on device"):
        way.run()
    assert host.done == STEPS[: STEPS.index(step)]
    assert way.result["unproven"] == (step != "files")


def test_what_is_not_proven_is_not_committed(host: Host) -> None:
    host.problem = "The application shop answered with status 500."
    host.lines = {"shop": ["RuntimeError: broken"]}
    with pytest.raises(GoLiveError, match="status 500") as failure:
        host.go().run()
    assert failure.value.log_lines == host.lines
    assert host.done == STEPS[:5]


def test_processes_that_were_killed_are_told_though_others_stay(host: Host) -> None:
    host.faults["activate"] = ActivationError("They stay.")
    way = host.go()
    with pytest.raises(GoLiveError, match=r"They stay\."):
        way.run()
    assert way.warnings == ["Killed 7."]


def test_check_mode_does_nothing_and_predicts(host: Host) -> None:
    host.open = False
    way = host.go(check_mode=True, maintenance=False, keep_releases=0)
    way.run()
    assert host.done == ["remove"]  # in check mode it only says what it would remove
    assert way.result["changed"]
    assert way.result["diff"] == [{"before": "1", "after": "2"}]


def test_without_a_service_of_ours_nobody_is_started_or_asked(host: Host) -> None:
    host.go(manage_service=False).run()
    assert host.done == ["files", "switch", "commit", "pages"]


def test_without_a_change_the_applications_are_asked_and_no_more(host: Host) -> None:
    host.differs = host.open = False
    way = host.go(maintenance=False)
    way.run()
    assert host.done == ["files", "switch", "prove"]
    assert not way.result["changed"]
    assert not way.result["unproven"]


def test_a_run_for_some_applications_is_proven_together_with_what_the_others_were_proven_by(host: Host) -> None:
    blog = {"name": "blog", "threads": 15}
    host.proven = {"applications": [{"name": "shop", "threads": 5}, blog], "mod_wsgi_version": "6.1.1"}
    shop = {"name": "shop", "threads": 6}
    site = {"applications": [shop], "mod_wsgi_version": "6.1.1"}
    host.go(only=True, others=[{**blog, "threads": 16}], applications=[shop], site=site).run()
    assert host.left.names == {"shop"}
    assert host.site == {"applications": [blog, shop], "mod_wsgi_version": "6.1.1"}
    host.go(applications=[shop], site=site).run()
    assert (host.left, host.site) == (None, site)


class TestOneThatIsNotWellBesideOthers:
    """It goes back alone, where nothing else has to go back with it."""

    @pytest.fixture(name="way")
    def fixture_way(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """The way back of the shop, beside the blog."""
        host.problem, host.problems = "The shop answered 500.", {"shop": "The shop answered 500."}
        host.lines = {"shop": ["RuntimeError: broken"]}
        way = SimpleNamespace(
            is_possible=lambda _: True,
            go_back=self.gone(host),
            names={"shop"},
            previous={"shop": {"name": "shop", "threads": 5}},
            unchanged=[],
            proven={"private_port": 297},
            told=lambda _: "The shop is back.",
        )
        monkeypatch.setattr(partial, "PartialReturn", lambda *_: way)
        return way

    @staticmethod
    def gone(host: Host) -> Callable[[], None]:
        def go_back() -> None:
            host.step("back")()
            host.problem = ""

        return go_back

    def go(self, host: Host, **changes: Any) -> tuple[GoLive, str]:
        both = [{"name": "shop", "threads": 6}, {"name": "blog"}]
        way = host.go(applications=both, site={"applications": both}, **changes)
        with pytest.raises(GoLiveError) as failure:
            way.run()
        assert failure.value.log_lines == {"shop": ["RuntimeError: broken"]}
        return way, str(failure.value)

    @pytest.mark.usefixtures("way")
    def test_the_others_are_committed_with_it_as_it_was(self, host: Host) -> None:
        done, text = self.go(host)
        assert text == "The shop answered 500.\nThe shop is back."
        again = ["back", "reload", "activate", "prove"]
        assert host.done == [*STEPS[:5], *again, *STEPS[5:]]
        assert host.site == {"applications": [{"name": "blog"}, {"name": "shop", "threads": 5}]}
        assert (done.result["unproven"], done.result["switched"]) == (False, {})

    @pytest.mark.usefixtures("way")
    @pytest.mark.parametrize("changes", [{"all_or_nothing": True}, {"rollback": False}])
    def test_all_goes_back_where_that_is_wanted(self, host: Host, changes: dict[str, bool]) -> None:
        done, text = self.go(host, **changes)
        assert (text, host.done, done.result["unproven"]) == ("The shop answered 500.", STEPS[:5], True)

    def test_all_goes_back_where_more_has_to(self, host: Host, way: SimpleNamespace) -> None:
        way.is_possible = lambda _: False
        assert self.go(host)[1] == "The shop answered 500."
        assert host.done == STEPS[:5]

    def test_all_goes_back_where_the_previous_release_is_not_well_either(
        self, host: Host, way: SimpleNamespace
    ) -> None:
        way.go_back = host.step("back")
        _, text = self.go(host)
        assert text.startswith("The shop answered 500.\nThe previous release alone does not serve either: The shop")
        assert "commit" not in host.done


def held(host: Host, tmp_path: Path) -> GoLive:
    """A run that holds a change."""
    way = host.go(hold=True, maintenance=False)
    way.described = {**INSTANCE, "away_file": str(tmp_path / "away")}
    way.run()
    return way


@pytest.mark.parametrize("serving", [True, False])
def test_a_change_that_is_held_is_told_and_not_made(host: Host, tmp_path: Path, serving: bool) -> None:
    host.open = False
    host.proven = {"applications": []} if serving else {}
    found = held(host, tmp_path).result
    assert host.done == []
    assert found == {"changed": False, "unproven": False, "diff": [], "held": True, "serving": serving, "stays": False}


def test_without_a_change_nothing_is_held_unless_the_host_is_away(host: Host, tmp_path: Path) -> None:
    host.differs = host.open = False
    assert "held" not in held(host, tmp_path).result
    assert "prove" in host.done
    (tmp_path / "away").touch()
    host.done.clear()
    host.proven = {"applications": []}
    found = held(host, tmp_path).result
    assert (found["held"], found["serving"]) == (True, False), "it serves nobody, so it comes back first"
    assert host.done == []


def test_a_change_of_an_earlier_run_that_is_not_proven_is_held_too(host: Host, tmp_path: Path) -> None:
    host.differs = False
    assert held(host, tmp_path).result["held"]
