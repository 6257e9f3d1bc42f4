# SPDX-License-Identifier: Apache-2.0
"""The way back: what is done, in which case, and what the report says of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import go_back
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import ActivationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_back import GoBack
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.maintenance import PageError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance

SHOP = {"name": "shop", "maintenance": {"enabled": False}}
SITE = {"applications": [SHOP], "mod_wsgi_version": ""}


class Host:
    """What the steps of a way back find, and which of them were gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.site = True, dict(SITE)
        self.done: list[str] | Exception = ["A.", "B."]
        self.activation: Exception | None = None
        self.problem = ""
        self.page: Exception | None = None
        self.steps: list[str] = []
        for name, replacement in {
            "transaction.journal_of": lambda _: SimpleNamespace(open=self.open, proven=lambda: self.site),
            "transaction.go_back": lambda _: self.step("roll back", self.done),
            "Activation": lambda *_: SimpleNamespace(
                perform=lambda: self.step("activate", self.activation), warnings=lambda: ["Killed 7."]
            ),
            "Proof": lambda *_: SimpleNamespace(problem=self.step("ask", self.problem)),
            "maintenance.switch_all": lambda *_: self.step("pages", self.page),
        }.items():
            monkeypatch.setattr(f"{go_back.__name__}.{name}", replacement)

    def step(self, name: str, outcome: Any) -> Any:
        self.steps.append(name)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def go(self, check_mode: bool = False, **given: Any) -> GoBack:
        parameters = {
            "reason": "No.\n",
            "rollback": True,
            "unproven": False,
            "applications": [SHOP],
            "only": False,
            **given,
        }
        way = GoBack(instance("apache2"), parameters, check_mode)
        self.report = way.run()
        return way


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_the_previous_site_is_back_and_answers(host: Host) -> None:
    way = host.go()
    assert host.report == "No.\nA. B. The previous site was asked, and answers."
    assert host.steps == ["roll back", "activate", "ask", "pages"]
    assert way.warnings == ["Killed 7."]


def test_a_page_ends_that_only_the_failed_deployment_has(host: Host) -> None:
    host.site = {**SITE, "applications": [{"name": "shop"}]}
    host.go()
    assert host.steps[-1] == "pages"
    host.go(applications=[{"name": "shop", "maintenance": None}])
    assert host.steps[-1] == "ask"


def test_an_application_that_is_new_beside_others_is_told_how_to_look_at(host: Host) -> None:
    host.go(applications=[SHOP, {**SHOP, "name": "blog"}])
    assert "and answers. Not served before, and not now: blog; to look at what fails with wsgi-run" in host.report


def test_where_no_site_was_nobody_is_asked(host: Host) -> None:
    host.site = {}
    host.go()
    assert host.report == (
        "No.\nA. B. Not served before, and not now: shop; to look at what fails with wsgi-run, run again with "
        "-e httpd_rollback=false."
    )
    assert host.steps == ["roll back", "pages"]


def test_with_nothing_to_undo_the_reason_is_all(host: Host) -> None:
    host.open = False
    host.go()
    assert host.report == "No."
    host.go(reason="")
    assert host.report == "A task has failed; see above."
    assert host.steps == ["pages", "pages"]


def test_check_mode_changes_nothing(host: Host) -> None:
    host.go(check_mode=True)
    assert host.report == "No."
    assert host.steps == ["pages"]  # which is told that it is check mode


def test_a_site_that_is_not_as_it_was_is_told_and_its_page_stays(host: Host) -> None:
    host.activation, host.problem = ActivationError("Old ones stay."), "500."
    host.go()
    assert host.report == "No.\nA. B. It was asked, and is not as it was: Old ones stay. 500."
    assert host.steps == ["roll back", "activate", "ask"]


def test_the_reason_is_told_whatever_else_fails(host: Host) -> None:
    """For example an account that was removed, or what an earlier version has kept."""
    host.activation = KeyError("getpwnam(): name not found: 'wsgi-shop'")
    host.go()
    assert host.report.startswith("No.\nA. B. It was asked, and is not as it was: It could not be asked (KeyError: ")
    assert host.steps == ["roll back", "activate"]


def test_a_page_that_does_not_end_is_told(host: Host) -> None:
    host.page = PageError("It stays.")
    host.go()
    assert host.report == "No.\nA. B. It was asked, and is not as it was: It stays."


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (ControlError("Not served."), "Not served."),
        (KeyError("unit"), "The way back has failed (KeyError: 'unit'); run the play again."),
        (
            OSError(28, "No space left"),
            "The transaction cannot be ended: [Errno 28] No space left; ",
        ),
    ],
)
def test_a_way_back_that_fails_is_told(host: Host, fault: Exception, sentence: str) -> None:
    host.done = fault
    host.go()
    assert host.report.startswith(f"No.\n{sentence}")
    assert host.steps == ["roll back"]


@pytest.mark.parametrize(("unproven", "steps"), [(True, []), (False, ["pages"])])
def test_without_a_way_back_all_stays_as_it_is(host: Host, unproven: bool, steps: list[str]) -> None:
    host.go(rollback=False, unproven=unproven)
    assert host.report == "No.\nEverything was left as it is, since httpd_rollback is false."
    assert host.steps == steps


def test_after_a_run_for_some_applications_the_others_are_not_asked(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    host.site = {**SITE, "applications": [SHOP, {**SHOP, "name": "blog"}]}
    monkeypatch.setattr(
        f"{go_back.__name__}.Proof", lambda applications, _: asked.extend(applications) or SimpleNamespace(problem="")
    )
    host.go(only=True)
    assert asked == [SHOP]
    host.go(only=True, applications=[{**SHOP, "name": "news"}])
    assert asked == [SHOP], "nothing of what was proven was changed"
