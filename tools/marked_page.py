# SPDX-License-Identifier: Apache-2.0
"""A part of a page between two marks, which a tool makes from a source of this repository."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MarkedPage:
    """The part of one page."""

    page: Path
    """Below the root of the repository."""
    source: str
    """What it is made from."""
    tool: str
    """What makes it."""
    rows: Callable[[], Iterable[str]]
    """Its lines."""

    @property
    def begin(self) -> str:
        """The mark before it."""
        return f"<!-- From {self.source} ({self.tool} --write): begin. -->"

    @property
    def end(self) -> str:
        """The mark after it."""
        return f"<!-- From {self.source}: end. -->"

    def renewed(self, text: str) -> str:
        """The text of the page with the part renewed. Raises ValueError when the marks are not there."""
        before, begun, rest = text.partition(self.begin)
        _, ended, after = rest.partition(self.end)
        if not begun or not ended:
            raise ValueError(f"{self.page} lacks the marks {self.begin!r} and {self.end!r}; put them there")
        return "\n".join([before + self.begin, "", *self.rows(), "", self.end + after])

    def main(self, description: str | None, arguments: list[str] | None, root: Path) -> int:
        """Run the command; the exit status is 1 when the page is out of date."""
        parser = argparse.ArgumentParser(description=description)
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--check", action="store_true", help="compare, change nothing")
        mode.add_argument("--write", action="store_true", help=f"write that part of {self.page}")
        chosen = parser.parse_args(arguments)
        file = root / self.page
        text = file.read_text(encoding="utf-8")
        wanted = self.renewed(text)
        if chosen.write:
            file.write_text(wanted, encoding="utf-8")
        elif text != wanted:
            print(f"{self.page}: is not what {self.source} says; run {self.tool} --write", file=sys.stderr)
            return 1
        return 0
