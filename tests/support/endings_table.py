# SPDX-License-Identifier: Apache-2.0
"""Measure how processes end, in every case, and write the tables of docs/shutdown.md.

`make shutdown-table` calls it with the hosts of the scenario `shutdown` deployed; it takes about ten minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.endings import (
    EVERY_HOST,
    HAND_WRITTEN,
    HAND_WRITTEN_EMBEDDED,
    HOSTS,
    QUICK,
    WAYS,
    Ending,
    Subject,
    embedded,
    measure,
    on_all_hosts,
    set_up,
)
from support.scripts import ROOT

PAGE = ROOT / "docs" / "shutdown.md"
BEGIN, END = "<!-- begin: make shutdown-table -->", "<!-- end: make shutdown-table -->"
PAIRS = dict(zip(EVERY_HOST, ("Python 3.11, mod_wsgi 4.9.1", "3.11, 6.1.1", "3.13, 6.1.1"), strict=True))
ACTIONS = ("stop", "graceful stop", "reload", "told to go")
PATIENCE = {"stop": 40.0, "graceful stop": 40.0, "reload": 20.0, "told to go": 20.0}
"""Seconds after which a process counts as one that never ends."""

Row = tuple[str, str]
"""Mode, and what is special about the application."""
Key = tuple[Row, str]
"""A row and an action."""
Measured = dict[Key, Ending]


def daemon_processes(host: str) -> Measured:
    """All applications with daemon process groups, side by side."""
    found: Measured = {}
    for action in ACTIONS:
        ended = measure(host, action, WAYS.values(), PATIENCE[action]).endings
        found |= {(("daemon", way), action): ended[subject.name] for way, subject in WAYS.items()}
    return found


def children(host: str, rows: Mapping[str, Subject]) -> Measured:
    """The embedded application, one way after another."""
    return {
        (("embedded", way), action): measure(host, action, [subject], PATIENCE[action]).ending
        for way, subject in rows.items()
        for action in ACTIONS[:3]
    }


def hand_written(host: str) -> Measured:
    """The application without our launcher, in both modes."""
    rows = {"daemon": (HAND_WRITTEN, ACTIONS), "embedded": (HAND_WRITTEN_EMBEDDED, ACTIONS[:3])}
    return {
        ((mode, "by hand, named group"), action): measure(host, action, [subject], PATIENCE[action]).ending
        for mode, (subject, actions) in rows.items()
        for action in actions
    }


def measure_setting(destroy: bool) -> dict[str, Measured]:
    """All cases of one value of the toggle, by host."""
    found: dict[str, Measured] = {host: {} for host in EVERY_HOST}
    global_ways = {way: embedded(way) for way in WAYS if not way.startswith("named")}
    named_ways = {way: embedded(way) for way in WAYS if way.startswith("named")}
    for group, ways in (("%{GLOBAL}", global_ways), ("named", named_ways)):
        say(f"toggle {'On' if destroy else 'Off'}, application group of the embedded application {group}")
        set_up(destroy, group)
        for host, measured in on_all_hosts(lambda host, ways=ways: children(host, ways), len(HOSTS)).items():
            found[host] |= measured
    for work in (daemon_processes, hand_written):
        for host, measured in on_all_hosts(work, len(HOSTS)).items():
            found[host] |= measured
    return found


def seconds(ending: Ending | None) -> str:
    """One number of the table."""
    if ending is None:
        return "-"
    if ending.seconds is None:
        return "**never**"
    text = f"{ending.seconds:.1f}" + ("K" if ending.killed else "") + (" crash" if ending.crashed else "")
    return f"**{text}**" if ending.seconds >= QUICK or ending.crashed else text


def handlers(ending: Ending) -> str:
    """Which handlers ran at a stop."""
    ran = [
        f"{name} {count} times" if count > 1 else name for name, count in sorted(ending.handlers.items(), reverse=True)
    ]
    return ", ".join(ran) or "none"


def rows_of(found: Mapping[str, Measured]) -> list[Row]:
    """The rows, daemon mode first, in the order of the applications."""
    ways = [*WAYS, "by hand, named group"]
    return sorted({row for row, _ in found[EVERY_HOST[0]]}, key=lambda row: (row[0], ways.index(row[1])))


def timetable(found: Mapping[str, Measured]) -> Iterator[str]:
    """Seconds until the process is gone."""
    yield f"| mode | application | {' | '.join(PAIRS.values())} |"
    yield "|-|-|" + "-|" * len(PAIRS)
    for row in rows_of(found):
        cells = [" / ".join(seconds(found[host].get((row, action))) for action in ACTIONS) for host in EVERY_HOST]
        yield f"| {row[0]} | {row[1]} | {' | '.join(cells)} |"


def handler_table(found: Mapping[str, Measured]) -> Iterator[str]:
    """Handlers that ran at a stop."""
    yield f"| mode | application | {' | '.join(PAIRS.values())} |"
    yield "|-|-|" + "-|" * len(PAIRS)
    for row in rows_of(found):
        if row[1] not in ("plain", "by hand, named group"):
            yield f"| {row[0]} | {row[1]} | {' | '.join(handlers(found[host][row, 'stop']) for host in EVERY_HOST)} |"


def tables(measured: Mapping[bool, Mapping[str, Measured]], day: dt.date) -> str:
    """The text between the markers."""
    lines = [f"Measured on {day:%Y-%m-%d}, on Debian 12 (Python 3.11) and 13 (3.13). Each cell: {' / '.join(ACTIONS)}."]
    for destroy, title in (
        (True, "`WSGIDestroyInterpreter On` (the default)"),
        (False, "`WSGIDestroyInterpreter Off`"),
    ):
        lines += ["", f"### {title}: seconds until the process is gone"]
        lines += ["", *timetable(measured[destroy])]
    for destroy, title in (
        (True, "`WSGIDestroyInterpreter On` (the default)"),
        (False, "`WSGIDestroyInterpreter Off`"),
    ):
        lines += ["", f"### {title}: handlers that ran at a stop"]
        lines += ["", *handler_table(measured[destroy])]
    return "\n".join(lines)


def replace(page: str, text: str) -> str:
    """The page with other text between the markers. Raises ValueError when it has none."""
    pattern = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE} lacks the lines {BEGIN} and {END}; put them back.")
    return pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page)


def say(what: str) -> None:
    """One line for whoever waits."""
    print(f"shutdown-table: {what}", flush=True)


def environment() -> dict[str, str]:
    """What Molecule tells its verifier, and a deployment needs to know."""
    (folder,) = Path(os.environ["ANSIBLE_HOME"], "tmp").glob("molecule.*.shutdown")
    return {
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        "MOLECULE_SCENARIO_DIRECTORY": str(ROOT / "molecule" / "shutdown"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
    }


def main() -> None:
    """Measure all, then write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    page = PAGE.read_text(encoding="utf-8")
    replace(page, "")  # before the minutes, not after them
    if set(HOSTS) != set(EVERY_HOST):
        raise SystemExit(
            "shutdown-table: the table has a column for each host: `make shutdown-table` makes all of them."
        )
    os.environ.update(environment())
    measured = {destroy: measure_setting(destroy) for destroy in (True, False)}
    PAGE.write_text(replace(page, tables(measured, dt.datetime.now(tz=dt.UTC).date())), encoding="utf-8")
    say(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
