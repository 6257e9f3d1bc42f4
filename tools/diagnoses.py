#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the list of docs/troubleshooting.md of what wsgi-doctor knows.

The source is plugins/module_utils/deploy/diagnoses.py. `--check` says when the page is not what it says; `--write`
writes the part of the page between its two marks.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(ROOT))

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.diagnoses import (  # noqa: E402
    BY_NAME,
    TABLE,
    Diagnosis,
)

from tools.specification import cell  # noqa: E402

PAGE = Path("docs/troubleshooting.md")
SOURCE = "plugins/module_utils/deploy/diagnoses.py"
BEGIN = f"<!-- From {SOURCE} (tools/diagnoses.py --write): begin. -->"
END = f"<!-- From {SOURCE}: end. -->"
REFRESH = "run tools/diagnoses.py --write"


def link(diagnosis: Diagnosis) -> str:
    """The page that says more, seen from this one."""
    page, _, anchor = diagnosis.link.partition("#")
    if page == PAGE.name:
        return f"[above](#{anchor})"
    return f"[{page}]({diagnosis.link})"


def columns(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The cells of a diagnosis."""
    says = "<br>".join(f"`{text}`" for text in diagnosis.says) or "(not in a log)"
    reasons = ", ".join(f"`{name}`" for name in diagnosis.because if BY_NAME[name].alone)
    cause = diagnosis.cause + (f" Or it follows from {reasons}." if reasons else "")
    return (
        f"`{diagnosis.name}`: {diagnosis.title}",
        says,
        diagnosis.visitors or "nothing of it",
        cause,
        f"{diagnosis.remedy} ({link(diagnosis)})",
    )


def rows() -> Iterator[str]:
    """The table, the most telling first."""
    yield "| what is wrong | what the log says | visitors get | why | what to do |"
    yield "|---|---|---|---|---|"
    for diagnosis in TABLE:
        text = " | ".join(cell(" ".join(column.split())) for column in columns(diagnosis))
        shown = re.sub(r"\bAPP\b", "shop", text)
        yield f"| {shown} |"


def page(text: str) -> str:
    """The text of the page with the part between the marks renewed. Raises ValueError when they are not there."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{PAGE} lacks the marks {BEGIN!r} and {END!r}; put them there")
    return "\n".join([before + BEGIN, "", *rows(), "", END + after])


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; the exit status is 1 when the page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare, change nothing")
    mode.add_argument("--write", action="store_true", help=f"write that part of {PAGE}")
    chosen = parser.parse_args(arguments)
    file = root / PAGE
    text = file.read_text(encoding="utf-8")
    wanted = page(text)
    if chosen.write:
        file.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print(f"{PAGE}: is not what {SOURCE} says; {REFRESH}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
