#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the table of docs/image.md from the settings of the image, and say when it is out of date."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.generated import Generated  # noqa: E402

DOCUMENT = Path("docs/image.md")
SETTINGS = "images/mod-wsgi/runtime/settings.py"


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """The document with the table of now."""
    table = str(runpy.run_path(str(ROOT / SETTINGS))["table"]())
    yield DOCUMENT, MADE.between_marks((root / DOCUMENT).read_text(encoding="utf-8"), table)


MADE = Generated(Path(__file__).name, SETTINGS, files)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
