# SPDX-License-Identifier: Apache-2.0
"""Items of security benchmarks: the table, what a host has shown of each, and the reports. On the control node only.

The data is in ``evidence.yml`` beside this file, which also says what its fields mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    NOT_MET,
    STATUSES,
    TO_JUDGE,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_answers

DATA = Path(__file__).resolve().with_name("evidence.yml")
MODULE = "wsgi_benchmarks"


class Item(NamedTuple):
    """What a benchmark asks for."""

    ids: tuple[str, ...]
    title: str
    check: str
    """A function on the host; empty: somebody has to be asked."""
    arguments: Mapping[str, Any]
    ask: str
    setting: str
    why: str


@cache
def benchmarks() -> dict[str, str]:
    """The benchmarks with their versions, by what their numbers begin with."""
    return dict(yaml_load(DATA.read_text(encoding="utf-8"))["benchmarks"])


@cache
def items() -> tuple[Item, ...]:
    """All items in the order of the report."""
    return tuple(_item(entry) for entry in yaml_load(DATA.read_text(encoding="utf-8"))["items"])


def _item(entry: Mapping[str, Any]) -> Item:
    check = dict(entry.get("check") or {})
    name = next(iter(check), "")
    texts = {key: str(entry.get(key, "")) for key in ("title", "ask", "setting", "why")}
    return Item(tuple(entry["ids"]), check=name, arguments=check.get(name) or {}, **texts)


def gather(host: str, ask: Callable[[str, dict[str, Any]], Mapping[str, Any]], instance: str) -> dict[str, Any]:
    """What a host shows of each item: the report of that host. Raises AnswerError, and what ``ask`` raises."""
    asked = [item for item in items() if item.check]
    questions = [{"check": item.check, "arguments": dict(item.arguments)} for item in asked]
    answer = ask(MODULE, {"items": questions, "instance": instance})
    checked = host_answers.evidence_answer(answer, STATUSES, len(asked), host)
    found = iter(checked["judgements"])
    rows = []
    for item in items():
        judgement = next(found) if item.check else {"status": TO_JUDGE, "fact": f"ask {item.ask}"}
        row = {"ids": list(item.ids), "title": item.title, **judgement}
        if judgement["status"] == NOT_MET:
            row |= {key: text for key, text in (("setting", item.setting), ("why", item.why)) if text}
        rows.append(row)
    return {"benchmarks": benchmarks(), "in_force": checked["in_force"], "counts": _counts(rows), "items": rows}


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counted = Counter(row["status"] for row in rows)
    return {status: counted[status] for status in STATUSES}


def cell(text: str) -> str:
    """A text in a cell of a table: one line, in which nothing is HTML, a link or the end of the cell."""
    line = " ".join(text.split())
    for letter in "\\`*_[]<>|&~#":
        line = line.replace(letter, f"\\{letter}")
    return line


def markdown(host: str, report: Mapping[str, Any]) -> str:
    """The report of a host for people."""
    counted = ", ".join(f"{number} {status}" for status, number in report["counts"].items())
    lines = [f"## {cell(host)}", "", f"{counted}.", ""]
    if not report["in_force"]:
        lines += ["httpd has not read all of the configuration that is on the disk and was measured.", ""]
    lines += ["| item | asked for | status | measured | to meet it |", "|---|---|---|---|---|"]
    for row in report["items"]:
        advice = ". ".join(text.rstrip(".") for text in (row.get("setting", ""), row.get("why", "")) if text)
        texts = (", ".join(row["ids"]), row["title"], row["status"], row["fact"], advice)
        lines.append(f"| {' | '.join(map(cell, texts))} |")
    return "\n".join([*lines, ""])


def told(host: str, report: Mapping[str, Any]) -> str:
    """How many items have which status, and a line for each that is not met."""
    counted = ", ".join(f"{number} {status}" for status, number in report["counts"].items())
    lines = [
        f"{host}: {', '.join(row['ids'])}: {row['title']}: {row['status']} ({row['fact']})"
        for row in report["items"]
        if row["status"] == NOT_MET
    ]
    return "\n".join([f"{host}: of {len(report['items'])} items {counted}.", *lines])
