# SPDX-License-Identifier: Apache-2.0
"""The first processes of a new release are asked, unless the application was not well before."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import first_look
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.first_look import FirstLook
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Check, ProbeError

SITE: dict[str, Any] = {"private_port": 297, "log_directory": "/var/log/apache2"}


class Asked:
    """Answers health checks: each with a problem, or nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[str] = []
        self.timeouts: list[int] = []

        def health(check: Check) -> None:
            self.answer(check)

        monkeypatch.setattr(Check, "health", health)
        monkeypatch.setattr(Check, "evidence", lambda _: ["a traceback"])

    def answer(self, check: Check) -> None:
        self.timeouts.append(check.application["health"]["timeout"])
        problem = self.answers.pop(0) if self.answers else ""
        if problem:
            raise ProbeError(problem, ["a line"])


@pytest.fixture(name="asked")
def fixture_asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def look(processes: int) -> FirstLook:
    return FirstLook({"name": "shop", "all_processes": processes, "health": {"timeout": 30}}, SITE)


@pytest.mark.parametrize(("processes", "questions"), [(2, 8), (5, 20), (64, 40)])
def test_it_asks_several_times_for_each_process(asked: Asked, processes: int, questions: int) -> None:
    assert look(processes).problem(has_ended=False) == ("", [])
    assert asked.timeouts == [first_look.SHORT_SECONDS] + [30] * questions


def test_one_bad_answer_is_enough(asked: Asked) -> None:
    asked.answers = ["", "", "", "It answers 500."]
    assert look(2).problem(has_ended=False) == ("It answers 500.", ["a line"])
    assert len(asked.timeouts) == 4


def test_what_was_not_well_before_is_not_asked(asked: Asked) -> None:
    asked.answers = ["It answers 500."]
    assert look(2).problem(has_ended=False) == ("", [])
    assert len(asked.timeouts) == 1


def test_one_that_has_ended_is_a_problem_without_a_question(asked: Asked) -> None:
    assert look(2).problem(has_ended=True) == (
        "A new process of shop ended while it loaded the application; see /var/log/apache2/shop-error.log.",
        ["a traceback"],
    )
    assert len(asked.timeouts) == 1
