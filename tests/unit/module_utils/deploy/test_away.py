# SPDX-License-Identifier: Apache-2.0
"""A host is marked as away from its balancer, and waits once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import away


def test_a_mark_comes_and_goes_and_only_a_new_one_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(away.time, "sleep", waited.append)
    path = tmp_path / "state/away"
    described = {"away_file": str(path)}
    assert not away.mark(described, away=False, seconds=10, check_mode=False)
    assert away.mark(described, away=True, seconds=10, check_mode=True)
    assert not away.is_away(described)
    assert away.mark(described, away=True, seconds=10, check_mode=False)
    assert away.is_away(described)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not away.mark(described, away=True, seconds=10, check_mode=False)
    assert away.mark(described, away=False, seconds=10, check_mode=False)
    assert not away.is_away(described)
    assert waited == [10]
