# SPDX-License-Identifier: Apache-2.0
"""Files, and parts of files between two marks, that a tool makes from a source of this repository."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Generated:
    """What one tool makes."""

    tool: str
    """Its name below tools/."""
    source: str
    """What it is made from."""
    files: Callable[[Path], Iterable[tuple[Path, str]]]
    """The files below the root of a repository, with their texts. Raises ValueError when one lacks its marks."""
    drift: Callable[[Path], Iterable[str]] = lambda _: ()
    """What else is wrong in a repository, one line each."""

    @property
    def refresh(self) -> str:
        """What to do about a file that is out of date."""
        return f"run tools/{self.tool} --write"

    def between_marks(self, text: str, content: str, part: str = "", comment: str = "<!-- {} -->") -> str:
        """A text with the content between two marks replaced. Raises ValueError when they are not there."""
        name = f"{part}, begin" if part else "begin"
        begin = comment.format(f"From {self.source} (tools/{self.tool} --write): {name}.")
        end = comment.format(f"From {self.source}: end.")
        before, begun, rest = text.partition(begin)
        inner, ended, after = rest.partition(end)
        if not begun or not ended:
            raise ValueError(f"the marks of what tools/{self.tool} makes are missing; put {begin!r} and {end!r} there")
        indentation = inner[len(inner.rstrip(" ")) :]
        return f"{before}{begin}\n{content}{indentation}{end}{after}"

    def stale(self, root: Path = ROOT) -> list[str]:
        """All that is wrong in a repository, one line each."""
        try:
            made = list(self.files(root))
            found = list(self.drift(root))
        except (OSError, ValueError) as error:
            return [str(error)]
        wrong = [path for path, text in made if not (root / path).is_file() or (root / path).read_text("utf-8") != text]
        return found + [f"{path}: is not what {self.source} says; {self.refresh}" for path in wrong]

    def main(self, description: str | None, arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
        """Run the command; the exit status is 1 when something is out of date."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--check", action="store_true", help="print one line for all that is wrong, change nothing")
        mode.add_argument("--write", action="store_true", help="write the files")
        if parser.parse_args(arguments).check:
            findings = self.stale(root)
            print("".join(f"{finding}\n" for finding in findings), end="", file=sys.stderr)
            return 1 if findings else 0
        for path, text in list(self.files(root)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return 0
