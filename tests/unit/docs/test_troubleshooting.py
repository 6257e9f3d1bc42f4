# SPDX-License-Identifier: Apache-2.0
"""What docs/troubleshooting.md quotes is what the code says, so that one finds it there by a search."""

from __future__ import annotations

import re

import pytest
from support.scripts import ROOT

# What tools/diagnoses.py has made is proven by lines of real logs.
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").partition("<!-- From ")[0]
BLOCKS = [
    line for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
QUOTED = [*BLOCKS, *(text for text in re.findall(r"`([^`\n]+)`", PAGE) if "…" in text)]
SHORTEST = 6
"""Characters of a piece between two `…` that says something."""


@pytest.fixture(name="said", scope="module")
def fixture_said() -> str:
    """All that the collection can say: its sources, with the parts of each text joined."""
    found = (path for place in ("plugins/**/*.py", "roles/*/files/*") for path in ROOT.glob(place))
    files = [path for path in found if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(files))
    return re.sub(r"[\"']\s*\n\s*f?[\"']", "", text).replace("%%", "%")


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_is_what_the_code_says(message: str, said: str) -> None:
    pieces = [piece for piece in message.split("…") if len(piece.strip(" ;,.()")) >= SHORTEST]
    assert pieces
    assert [piece for piece in pieces if piece not in said] == []
