#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Say what is wrong with the pages of the repository: dead links, dead anchors, text that is not wrapped.

Exits with 1 when something is wrong.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.proof import LINK, slugs  # noqa: E402

#: Characters of a line of text; table rows, headings, code and single words may be longer.
WIDTH = 100
#: How the first line of a page that a program has written begins: it keeps the lines of its source.
MADE = ("<!-- Made from", "# modwsgi\\.deploy Release Notes")
UNWRAPPED = re.compile(r"\s*(\||#|<!--)|\s*([-*]\s|\d+\.\s)?\s*\S+$")


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page outside of code blocks, with their numbers."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```|~~~)", line)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        elif not fence:
            yield number, line


def dead(root: Path, page: Path, target: str) -> bool:
    """Whether a link of a page leads to no file of the repository, or to no heading of it."""
    name, _, anchor = target.partition("#")
    if re.match(r"[a-z]+:", name):
        return False
    file = (page.parent / name).resolve() if name else page
    if not file.exists() or not file.is_relative_to(root):
        return True
    return bool(anchor) and anchor not in slugs(file.read_text(encoding="utf-8"))


def problems(root: Path, page: Path) -> Iterator[str]:
    """What is wrong with a page, one line each."""
    text = page.read_text(encoding="utf-8")
    wide = text.startswith(MADE)
    for number, line in lines(text):
        if len(line) > WIDTH and not wide and not UNWRAPPED.match(line):
            yield f"{page.relative_to(root)}:{number}: the line has {len(line)} characters; wrap it at {WIDTH}."
    for target in LINK.findall("\n".join(line for _, line in lines(text))):
        if dead(root, page, target):
            yield f"{page.relative_to(root)}: {target} leads to nothing; correct the link."


def main(root: Path = ROOT) -> int:
    """Look at all pages under version control; 1 when something is wrong."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=root, capture_output=True, text=True, check=True
    )
    found = [problem for name in listed.stdout.split() for problem in problems(root, root / name)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
