#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the list of docs/troubleshooting.md of what wsgi-doctor knows.

The source is plugins/module_utils/deploy/diagnoses.py. `--check` says when the page is not what it says; `--write`
writes the part of the page between its two marks.
"""

from __future__ import annotations

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

from tools.generated import Generated  # noqa: E402
from tools.specification import cell  # noqa: E402

PAGE = Path("docs/troubleshooting.md")
SOURCE = "plugins/module_utils/deploy/diagnoses.py"


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


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """The page with its part of now."""
    text = (root / PAGE).read_text(encoding="utf-8")
    yield PAGE, MADE.between_marks(text, "\n".join(["", *rows(), "", ""]))


MADE = Generated(Path(__file__).name, SOURCE, files)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
