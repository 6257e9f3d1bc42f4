# SPDX-License-Identifier: Apache-2.0
"""Makes `ansible_collections.modwsgi.deploy` importable, as Ansible does at run time; `tools` and `support` too."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "collections"), str(REPOSITORY / "tests")]

from support.breadth import pytest_collection_modifyitems, pytest_terminal_summary  # noqa: E402, F401 - hooks

# Whoever started the tests in the background may have had these ignored, and what the tests begin would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
