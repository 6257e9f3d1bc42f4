# SPDX-License-Identifier: Apache-2.0
"""The page has what the table says."""

from __future__ import annotations

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.diagnoses import TABLE
from support.scripts import ROOT

from tools import diagnoses


def test_the_page_is_what_the_table_says() -> None:
    text = (ROOT / diagnoses.PAGE).read_text(encoding="utf-8")
    assert [row for row in text.splitlines() if row.startswith("| `")][-len(TABLE) :] == list(diagnoses.rows())[2:]
