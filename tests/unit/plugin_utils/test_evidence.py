# SPDX-License-Identifier: Apache-2.0
"""The table of items is consistent, a host is asked once for all, and what it answers reaches the reports as text."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.action import wsgi_benchmarks as plugin
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.checks import CHECKS
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import STATUSES
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import evidence
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError
from support import actions

ITEMS = evidence.items()
IDS = [number for item in ITEMS for number in item.ids]
FORM = re.compile(r"CIS (?:[1-9]|1[0-2])\.[1-9][0-9]?|AS24-U[12]-000[0-9]{2}0|AS24-U1-000065")
MEASURED = [item for item in ITEMS if item.check]


class Machine:
    """Answers as the module does."""

    def __init__(self) -> None:
        self.judgements: list[Any] = [{"status": "met", "fact": "as asked for"} for _ in MEASURED]
        self.in_force = True
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, module: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        """What a module would say."""
        self.asked.append((module, arguments))
        return {"judgements": self.judgements, "in_force": self.in_force, "changed": False}


@pytest.fixture(name="machine")
def fixture_machine() -> Machine:
    return Machine()


def test_each_number_is_there_once_and_of_a_benchmark_that_is_named() -> None:
    assert len(IDS) == len(set(IDS))
    assert [number for number in IDS if not FORM.fullmatch(number)] == []
    assert {re.split(r" |-000", number)[0] for number in IDS} == set(evidence.benchmarks())


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.ids[0])
def test_an_item_is_measured_or_somebody_is_asked(item: evidence.Item) -> None:
    assert item.title
    assert bool(item.check) != bool(item.ask)
    if item.check:
        inspect.signature(CHECKS[item.check]).bind(None, **item.arguments)


def test_no_way_to_look_is_left_over() -> None:
    assert {item.check for item in MEASURED} == {*CHECKS} - {"at_least"}, "persistent_connections uses that"


def test_the_host_is_asked_once_for_all_items(machine: Machine) -> None:
    report = evidence.gather("web1", machine.ask, "apache2")
    ((module, arguments),) = machine.asked
    assert module == "wsgi_benchmarks"
    assert arguments["instance"] == "apache2"
    assert [each["check"] for each in arguments["items"]] == [item.check for item in MEASURED]
    assert len(report["items"]) == len(ITEMS)
    assert report["counts"] == {
        "met": len(MEASURED),
        "not met": 0,
        "not applicable": 0,
        "to judge": len(ITEMS) - len(MEASURED),
    }
    json.dumps(report)


def test_what_is_not_met_comes_with_what_to_set(machine: Machine) -> None:
    at = next(place for place, item in enumerate(MEASURED) if item.ids == ("CIS 9.1",))
    machine.judgements[at] = {"status": "not met", "fact": "Timeout 60 everywhere; at most 10"}
    report = evidence.gather("web1", machine.ask, "apache2")
    (row,) = [row for row in report["items"] if row["status"] == "not met"]
    assert row == {
        "ids": ["CIS 9.1"],
        "title": "httpd waits at most 10 s",
        "status": "not met",
        "fact": "Timeout 60 everywhere; at most 10",
        "setting": "httpd_timeout",
        "why": "An application may take longer to answer; slow clients are ended by other limits.",
    }
    assert evidence.told("web1", report).splitlines()[1:] == [
        "web1: CIS 9.1: httpd waits at most 10 s: not met (Timeout 60 everywhere; at most 10)"
    ]
    assert "| CIS 9.1 | httpd waits at most 10 s | not met | Timeout 60 everywhere; at most 10 | httpd" in (
        evidence.markdown("web1", report)
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "wonderful", "fact": "x"},
        {"status": "met", "fact": "two\nlines"},
        {"status": "met", "fact": "\x1b[31m"},
        {"status": "met", "fact": "x" * 5000},
        {"status": "met"},
        "met",
    ],
    ids=["status", "lines", "control characters", "too long", "no fact", "no mapping"],
)
def test_what_no_honest_host_answers_is_refused(machine: Machine, answer: Any) -> None:
    machine.judgements[0] = answer
    with pytest.raises(AnswerError, match="Host web1 answers"):
        evidence.gather("web1", machine.ask, "apache2")


def test_a_judgement_too_few_is_refused(machine: Machine) -> None:
    del machine.judgements[0]
    with pytest.raises(AnswerError, match=f"which is not {len(MEASURED)} judgements"):
        evidence.gather("web1", machine.ask, "apache2")


def test_nothing_that_a_host_says_is_markup(machine: Machine) -> None:
    machine.judgements[0] = {"status": "met", "fact": "a|b <script>alert(1)</script> [x](http://evil) `c` \\"}
    text = evidence.markdown("web1", evidence.gather("web1", machine.ask, "apache2"))
    assert r"a\|b \<script\>alert(1)\</script\> \[x\](http://evil) \`c\` \\ |" in text
    assert (
        len({line.replace(r"\\", "").replace(r"\|", "").count("|") for line in text.splitlines() if "|" in line}) == 1
    )


def test_a_reload_that_is_due_is_told(machine: Machine) -> None:
    machine.in_force = False
    report = evidence.gather("web1", machine.ask, "apache2")
    assert report["in_force"] is False
    assert "httpd has not read all of the configuration" in evidence.markdown("web1", report)


def test_all_statuses_are_counted(machine: Machine) -> None:
    assert tuple(evidence.gather("web1", machine.ask, "apache2")["counts"]) == STATUSES


class TestAction:
    def made(self, machine: Machine, **arguments: Any) -> Any:
        return actions.made(plugin, arguments, machine.ask, check_mode=True)

    def test_it_has_the_reports_and_changes_nothing(self, machine: Machine) -> None:
        result = self.made(machine).run(None, {"inventory_hostname": "web1"})
        assert result["changed"] is False
        assert result["told"].startswith(f"web1: of {len(ITEMS)} items {len(MEASURED)} met, 0 not met, ")
        assert result["markdown"].startswith("## web1\n")
        assert machine.asked[0][1]["instance"] == "apache2"

    def test_the_inventory_need_not_be_right(self, machine: Machine) -> None:
        variables = {"inventory_hostname": "web1", "httpd_instance": "apache2-second", "wsgi_apps": "{{ nowhere }}"}
        self.made(machine).run(None, variables)
        assert machine.asked[0][1]["instance"] == "apache2-second"

    def test_a_host_that_cannot_be_measured_is_a_failure_in_one_sentence(self, machine: Machine) -> None:
        action = self.made(machine)
        action._execute_module = lambda *_, **__: {"failed": True, "msg": "httpd does not tell its configuration."}
        with pytest.raises(AnsibleActionFail, match=r"^web1: httpd does not tell its configuration\.$"):
            action.run(None, {"inventory_hostname": "web1"})
