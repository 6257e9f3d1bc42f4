# SPDX-License-Identifier: Apache-2.0
"""Makes the support of all scenarios importable, and the data about mod_wsgi."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collections")]

from support.breadth import pytest_collection_modifyitems, pytest_terminal_summary  # noqa: E402, F401 - hooks
