# SPDX-License-Identifier: Apache-2.0
"""The sites of others are asked before and after a change: what answered before has to answer as well afterwards.

Only the status counts. What these sites send is not trusted: the first line is read, with limits of bytes and time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import asking

MARK = "foreign"
"""The mark of the journal that keeps the answers before the change."""

QUESTIONS = 64
AT_ONCE = 8
ANSWER_SECONDS = 10
"""For one answer; a site that takes longer counts as one that does not answer."""

SETTLE_SECONDS = 20
"""Until a site has to be as it was: httpd's processes, and Pythons in them, may just have started."""

RETRY_SECONDS = 0.2
STATUS_LINE_BYTES = 512


class WorseAnswerError(Exception):
    """Sites of others answer worse than before the change; the text is for the user."""


_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r|\Z)")


def questions(vhosts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What to ask vhosts in the form of ``httpd_foreign.find``: their paths; ``/`` also by a name that no site has."""
    found = []
    for vhost in vhosts:
        common = {key: vhost[key] for key in ("address", "port", "tls", "file", "line")}
        name = vhost["name"] or vhost["address"]
        found += [{**common, "name": name, "path": path} for path in vhost["paths"]]
        if vhost["first"] and vhost["name"]:
            found.append({**common, "name": asking.UNKNOWN, "path": "/"})
    return found[:QUESTIONS]


def status(question: Mapping[str, Any]) -> int:
    """The status that answers a question; 0 when nothing does within its time."""
    usual = question["port"] == (443 if question["tls"] else 80)
    name = f"[{question['name']}]" if ":" in question["name"] else question["name"]
    host = name if usual else f"{name}:{question['port']}"
    head = [f"GET {question['path']} HTTP/1.1", f"Host: {host}"]
    received = b""
    try:
        tls = question["name"] if question["tls"] else None
        for part in asking.answer(question["address"], question["port"], head, ANSWER_SECONDS, tls):
            received += part
            if b"\n" in received or len(received) > STATUS_LINE_BYTES:
                break
    except (OSError, ValueError):
        return 0
    found = _STATUS.match(received)
    return int(found[1]) if found else 0


def ask(vhosts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The questions with their answers, for :func:`worse`. Those that nothing answers are left out: nothing is lost."""
    return [answer for answer in _answers(vhosts) if answer["status"]]


def _answers(vhosts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    asked = questions(vhosts)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        statuses = list(pool.map(status, asked))
    return [{**question, "status": found} for question, found in zip(asked, statuses)]


def silent(vhosts: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each question that nothing answers."""
    return [
        f"The site of others in {answer['file']}, line {answer['line']}, gives no answer to {_url(answer)} within "
        f"{ANSWER_SECONDS} s; its error log says why."
        for answer in _answers(vhosts)
        if not answer["status"]
    ]


def rank(found: int) -> int:
    """How bad a status is: 0 a page or a redirection, 1 refused or not there, 2 an error of the server, 3 no answer."""
    if not found:
        return 3
    return max(found // 100 - 3, 0)


def worse(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each site that answers worse than it did; asked until it is as it was, or the time is over."""
    answers = list(answers)
    if not answers:
        return []
    deadline = time.monotonic() + SETTLE_SECONDS
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        now = list(pool.map(lambda answer: _settled(answer, deadline), answers))
    return [_sentence(answer, found) for answer, found in zip(answers, now) if rank(found) > rank(answer["status"])]


def told(answers: list[dict[str, Any]]) -> list[str]:
    """Whether the sites answer as they did, in sentences; none where there are none."""
    return worse(answers) or (["The sites of others answer as before."] if answers else [])


def prove(answers: Iterable[Mapping[str, Any]]) -> None:
    """Raises WorseAnswerError when a site answers worse than it did."""
    problems = worse(answers)
    if problems:
        raise WorseAnswerError("\n".join(problems))


def _settled(answer: Mapping[str, Any], deadline: float) -> int:
    while True:
        found = status(answer)
        if rank(found) <= rank(answer["status"]) or time.monotonic() + RETRY_SECONDS >= deadline:
            return found
        time.sleep(RETRY_SECONDS)


def _url(question: Mapping[str, Any]) -> str:
    scheme = "https" if question["tls"] else "http"
    return f"{scheme}://{question['name']}:{question['port']}{question['path']}"


def _sentence(answer: Mapping[str, Any], found: int) -> str:
    after = f"with status {found}" if found else "not at all"
    return (
        f"The site of others in {answer['file']}, line {answer['line']}, answered {_url(answer)} "
        f"with status {answer['status']} before the change, and {after} now; its error log says why."
    )
