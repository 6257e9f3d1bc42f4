# SPDX-License-Identifier: Apache-2.0
"""The page has what the table of items says."""

from __future__ import annotations

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.evidence import items
from support.scripts import ROOT

from tools import evidence


def test_the_page_has_all_items() -> None:
    rows = [row for row in (ROOT / evidence.PAGE).read_text(encoding="utf-8").splitlines() if row.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[-len(items()) :]] == [f"| {', '.join(item.ids)}" for item in items()]
