# SPDX-License-Identifier: Apache-2.0
"""Items about logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective, Server
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.configuration import everywhere, told
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    TO_JUDGE,
    Judgement,
    judged,
    shown,
)

IDENTIFIERS = {
    "address": ("a", "h"),
    "user": ("u",),
    "time": ("t",),
    "request": ("r", "U"),
    "status": ("s",),
    "bytes": ("b", "B", "O"),
    "referer": ("Referer",),
    "user agent": ("User-Agent",),
}
"""What a line of an access log has to tell, and what httpd writes that with: a letter, or a field of the request."""
PERIODS = {"daily": 1, "weekly": 7, "monthly": 30}
"""Days."""


def error_log(host: Effective) -> Judgement:
    """Each server has an error log, at a level that tells notices."""
    values = everywhere(host, "LogLevel")
    log = bool(host.own("errorlog", 0))
    met = log and all(_level(host, server) in {"notice", "info", "debug"} for server in host.servers())
    return judged(met, f"ErrorLog {'set' if log else 'not set'}; {told('LogLevel', values)}")


def _level(host: Effective, server: Server) -> str:
    found = host.own("loglevel", server.number) or host.own("loglevel", 0)
    plain = [word for each in found for word in each.arguments if ":" not in word]
    return plain[-1].lower() if plain else effective.WITHOUT["loglevel"]


def syslog(host: Effective) -> Judgement:
    """Errors go to the journal or syslog."""
    found = [host.value("errorlog", server) for server in host.servers()]
    there = [text for text in found if text.startswith("syslog") or " journal:" in text]
    return judged(len(there) == len(found) > 0, f"{len(there)} of {len(found)} error logs go to syslog or the journal")


def _formats(host: Effective) -> dict[str, str]:
    named = {each.arguments[-1]: each.arguments[0] for each in host.everywhere("logformat") if len(each.arguments) > 1}
    return {
        each.place: named.get(each.arguments[1], each.arguments[1])
        for each in host.everywhere("customlog")
        if len(each.arguments) > 1
    }


def access_log(host: Effective) -> Judgement:
    """Each line of each access log tells who has asked when for what, and what the answer was."""
    without = [server.name for server in host.sites() if not host.own("customlog", server.number)]
    formats = _formats(host)
    lacking = {name for text in formats.values() for name, letters in IDENTIFIERS.items() if not _writes(text, letters)}
    whole = "log_config" in host.modules and formats and not lacking and (not without or host.own("customlog", 0))
    return judged(bool(whole), f"{len(formats)} access logs; not in their lines: {shown(sorted(lacking))}")


def _writes(text: str, letters: Iterable[str]) -> bool:
    directives = re.findall(r"%[<>!0-9,]*(?:\{([^}]*)\})?(\^?[a-zA-Z]+)", text)
    return any(
        (name.lower() == letter.lower() and kind.startswith("i")) if len(letter) > 1 else kind[:1] == letter
        for name, kind in directives
        for letter in letters
    )


def timestamps(host: Effective) -> Judgement:
    """Lines have a time with a zone, or in UTC, to the second."""
    formats = set(_formats(host).values())
    met = bool(formats) and all(_writes(text, ("t",)) for text in formats)
    return judged(met, f"{len(formats)} formats of access logs{'' if met else ', not all'} with a time and its zone")


def rotation(host: Effective, days: int) -> Judgement:
    """Logs are kept for so many days."""
    try:
        text = Path(host.described["log_rotation"]).read_text(encoding="utf-8")
    except OSError:
        return Judgement(TO_JUDGE, "logs are rotated by something else")
    kept = re.search(r"^\s*rotate\s+([0-9]+)", text, re.MULTILINE)
    period = re.search(r"^\s*(daily|weekly|monthly)", text, re.MULTILINE)
    length = PERIODS.get(period[1] if period else "", 0)
    found = int(kept[1]) * length if kept else 0
    return judged(found >= days, f"{host.described['log_rotation']}: {found} days; at least {days}")
