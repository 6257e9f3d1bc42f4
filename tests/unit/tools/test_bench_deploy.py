# SPDX-License-Identifier: Apache-2.0
"""The benchmark of deployments has hosts of its own."""

from __future__ import annotations

import pytest
import yaml

from tools import bench_deploy


@pytest.mark.parametrize("hosts", [1, 3])
def test_one_host_begins_with_nothing_and_several_with_the_module(hosts: int) -> None:
    group = yaml.safe_load(bench_deploy.inventory(hosts))["wsgi"]
    assert len(group["hosts"]) == hosts
    assert all(name.startswith(bench_deploy.HOST) for name in group["hosts"])
    assert group.get("vars", {}) == ({} if hosts == 1 else {"lab_mod_wsgi": True})
