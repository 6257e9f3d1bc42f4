# SPDX-License-Identifier: Apache-2.0
"""The mod_wsgi that the roles install when nothing else is said; tools/versions.py compares it with its table."""

from __future__ import annotations

import json

from support.scripts import ROOT

TABLE = json.loads((ROOT / "images/versions.json").read_text(encoding="utf-8"))
NEWEST: str = TABLE["module"]
IMAGE = f"mod-wsgi:{NEWEST}-python{TABLE['images'][0]['python']}"
"""Its image, in the default form."""
