#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the list of docs/evidence.md of the items of benchmarks that playbooks/evidence.yml measures.

The source is plugins/plugin_utils/evidence.yml, and the first sentence that each check says of itself. `--check` says
when the page is not what they say; `--write` writes the part of the page between its two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(ROOT))

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.checks import CHECKS  # noqa: E402
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.evidence import Item, benchmarks, items  # noqa: E402

from tools.generated import Generated  # noqa: E402
from tools.specification import cell  # noqa: E402

PAGE = Path("docs/evidence.md")
SOURCE = "plugins/plugin_utils/evidence.yml"


def how(item: Item) -> str:
    """How an item is looked at."""
    if not item.check:
        return f"not measured; ask {item.ask}"
    doc = str(CHECKS[item.check].__doc__).strip().splitlines()[0].replace("``", "`")
    given = "; ".join(f"{name}: {_shown(value)}" for name, value in item.arguments.items())
    return f"{doc} ({given})" if given else doc


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else f"`{value}`"


def rows() -> Iterator[str]:
    """The benchmarks and the table, in the order of the report."""
    for prefix, name in benchmarks().items():
        yield f"- `{prefix}`: {name}"
    yield ""
    yield "| item | asked for | how the host is looked at | to meet it |"
    yield "|---|---|---|---|"
    for item in items():
        advice = " ".join(text.rstrip(".") + "." for text in (item.setting, item.why) if text)
        texts = (", ".join(item.ids), item.title, how(item), advice)
        yield f"| {' | '.join(cell(text) for text in texts)} |"


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """The page with its part of now."""
    text = (root / PAGE).read_text(encoding="utf-8")
    yield PAGE, MADE.between_marks(text, "\n".join(["", *rows(), "", ""]))


MADE = Generated(Path(__file__).name, SOURCE, files)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
