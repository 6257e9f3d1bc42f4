# SPDX-License-Identifier: Apache-2.0
"""Items that the answers of the server decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Answer, Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.configuration import everywhere, told
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    MET,
    NOT_APPLICABLE,
    TO_JUDGE,
    Judgement,
    judged,
    shown,
)

REDIRECTED, REFUSED = 300, 400
"""The least status of each kind."""


def _statuses(answers: Mapping[str, Answer]) -> str:
    return shown(f"{name}: {answer.status or 'no answer'}" for name, answer in answers.items())


def _by_request(answers: Mapping[str, Answer], refused: Callable[[Answer], bool]) -> Judgement:
    """Whoever was asked has answered, and as it should."""
    if not answers or not all(answer.status for answer in answers.values()):
        return Judgement(TO_JUDGE, f"not all have answered ({_statuses(answers)})")
    return judged(all(map(refused, answers.values())), _statuses(answers))


def trace_refused(host: Effective) -> Judgement:
    """The method TRACE is refused, by what each listener and each site answers."""
    answers = {**host.unknown("TRACE / HTTP/1.1"), **host.pages("TRACE / HTTP/1.1")}
    found = _by_request(answers, lambda answer: answer.status >= REFUSED)
    values = told("TraceEnable", everywhere(host, "TraceEnable"))
    return Judgement(found.status, f"TRACE / on {found.fact}; {values}")


def version_refused(host: Effective, version: str) -> Judgement:
    """A version of HTTP is refused, by what each listener answers."""
    found = _by_request(host.unknown(f"GET / HTTP/{version}"), lambda answer: answer.status in {426, 505})
    return Judgement(found.status, f"GET / HTTP/{version} on {found.fact}")


def address_refused(host: Effective) -> Judgement:
    """Who asks for an address instead of a name gets no site."""
    found = _by_request(host.unknown(host=""), lambda answer: answer.status >= REFUSED)
    return Judgement(found.status, f"GET / with an address as Host on {found.fact}")


def nothing_at(host: Effective, paths: list[str]) -> Judgement:
    """Paths of the distribution's own content, asked by a name that no site has, are not there."""
    answers = {
        f"{path} on {name}": answer for path in paths for name, answer in host.unknown(f"GET {path} HTTP/1.1").items()
    }
    return _by_request(answers, lambda answer: answer.status >= REFUSED)


def server_header(host: Effective) -> Judgement:
    """The header Server tells no version."""
    answers = {**host.unknown(), **host.pages()}
    headers = sorted({answer.headers.get("server", "") for answer in answers.values() if answer.status})
    if not headers:
        return Judgement(TO_JUDGE, "no listener has answered")
    tokens = host.value("servertokens", host.servers()[0])
    return judged(
        not any(re.search(r"[0-9(]", text) for text in headers), f"Server: {shown(headers)}; ServerTokens {tokens}"
    )


def header_of_pages(host: Effective, header: str, pattern: str, tls: bool = False) -> Judgement:
    """Each site sends a header that fits a pattern with its page `/`; ``tls``: those with TLS."""
    names = {server.name for server in host.sites() if host.over_tls(server) or not tls}
    answers = {name: answer for name, answer in host.pages().items() if name in names and answer.status}
    if not answers:
        return Judgement(NOT_APPLICABLE, "no site with TLS has answered" if tls else "no site has answered")
    without = [
        name for name, answer in answers.items() if not re.search(pattern, answer.headers.get(header.lower(), ""), re.I)
    ]
    return judged(not without, f"{header} is missing or weak: {shown(without)}" if without else f"{header}: all sites")


def framing(host: Effective) -> Judgement:
    """Each site says who may show its pages in a frame."""
    old = header_of_pages(host, "X-Frame-Options", r"deny|sameorigin")
    new = header_of_pages(host, "Content-Security-Policy", r"frame-ancestors")
    if MET in {old.status, new.status} or old.status == NOT_APPLICABLE:
        return old if old.status == MET or new.status != MET else new
    return Judgement(old.status, f"{old.fact}; {new.fact}")


def only_tls(host: Effective) -> Judgement:
    """A site without TLS answers nothing but a redirection to one with it."""
    pages = {name: page for name, page in host.pages().items() if page.status}
    plain = {server.name for server in host.sites() if not host.over_tls(server)} & set(pages)
    if not pages:
        return Judgement(TO_JUDGE, "no site has answered")
    left = [
        f"{name} answers {pages[name].status}"
        for name in sorted(plain)
        if not (
            REDIRECTED <= pages[name].status < REFUSED
            and pages[name].headers.get("location", "").startswith("https://")
        )
    ]
    return judged(not left, shown(left) if left else f"{len(plain)} sites without TLS lead to https")
