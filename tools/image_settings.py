#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the table of docs/image.md from the settings of the image, and say when it is out of date."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = Path("docs/image.md")
SETTINGS = ROOT / "images" / "mod-wsgi" / "runtime" / "settings.py"
BEGIN, END = "<!-- begin: tools/image_settings.py --write -->\n", "<!-- end: tools/image_settings.py -->\n"


def table() -> str:
    """The table, as the settings give it."""
    return str(runpy.run_path(str(SETTINGS))["table"]())


def replaced(text: str) -> str:
    """The document with the table of now. Raises ValueError when it does not mark the place once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{DOCUMENT} has to have the lines {BEGIN.strip()!r} and {END.strip()!r} once each.")
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; the exit status is 1 when the document is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare, change nothing")
    mode.add_argument("--write", action="store_true", help=f"write {DOCUMENT}")
    chosen = parser.parse_args(arguments)
    target = root / DOCUMENT
    text = target.read_text(encoding="utf-8")
    wanted = replaced(text)
    if chosen.write:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if text == wanted:
        return 0
    print(f"{DOCUMENT}: is not what the settings say; run tools/image_settings.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
