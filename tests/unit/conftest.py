# SPDX-License-Identifier: Apache-2.0
"""Makes `ansible_collections.modwsgi.deploy` importable, as Ansible does at run time; `tools` and `support` too."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "collections"), str(REPOSITORY / "tests")]
