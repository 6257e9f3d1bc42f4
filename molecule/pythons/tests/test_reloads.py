# SPDX-License-Identifier: Apache-2.0
"""Reloads leave nothing behind, with any version of mod_wsgi, beyond the number after which httpd was seen to end.

httpd with mod_wsgi has ended after 1,017 graceful restarts elsewhere (GrahamDumpleton/mod_wsgi, issue 936), when the C
library had no key for the data of threads left, of which there are 1,024.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support import breadth
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.reloads import reload

HOST = "pythons-debian12"
PAIRS = breadth.hosts(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])).get(HOST, {"pairs": ["none"]})["pairs"]
FEW = {"httpd_threads_per_child": 25, "httpd_max_request_workers": 25}
"""One child of httpd, so that a reload takes a fraction of the time."""
WARM, RELOADS, AT_ONCE = 100, 1500, 50
LEAST_GROWTH = 1024
"""KiB that memory may grow from the 100th reload to the last; measured 200 to 300, which is 0.2 KiB for a reload."""


@pytest.mark.breadth("1,500 reloads with each version of mod_wsgi take minutes")
@pytest.mark.parametrize("pair", range(len(PAIRS)), ids=PAIRS)
def test_1500_reloads_leave_nothing_behind(pair: int) -> None:
    done = deploy("--limit", HOST, variables={"pair": pair, **FEW})
    assert done.status == 0, done.output
    machine = ManagedHost(HOST)
    parent = machine.run("cat", "/run/apache2/apache2.pid")
    early = reloaded(machine, WARM)
    late = reloaded(machine, RELOADS - WARM)
    assert machine.run("cat", "/run/apache2/apache2.pid") == parent, "httpd has ended meanwhile"
    for what in ("descriptors", "keys_left"):
        assert late[what] == early[what], (early, late)
    for what in ("resident", "data"):
        assert late[what] - early[what] < LEAST_GROWTH, (early, late)


def reloaded(machine: ManagedHost, times: int) -> dict[str, Any]:
    """What httpd's parent holds after so many reloads more."""
    held: dict[str, Any] = {}
    for _ in range(times // AT_ONCE):
        held = reload(machine, "hello", AT_ONCE)
    return held
