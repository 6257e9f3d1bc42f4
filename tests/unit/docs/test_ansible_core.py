# SPDX-License-Identifier: Apache-2.0
"""The oldest ansible-core that we promise is the same wherever it stands, and is tested."""

from __future__ import annotations

import re

import yaml
from support.scripts import ROOT


def test_the_oldest_ansible_core_is_tested_and_said_everywhere() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    oldest = runtime["requires_ansible"].removeprefix(">=")
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    tested = [each["requirement"] for each in workflow["jobs"]["ansible-core"]["strategy"]["matrix"]["include"]]
    assert tested == [f"ansible-core=={oldest}", "ansible-core"]
    commands = [each.get("run", "") for each in workflow["jobs"]["ansible-core"]["steps"]]
    assert ".lab/venv/bin/pytest tests/unit/plugin_utils" in commands, "each of them reads values of a vault"
    assert (ROOT / "tests/unit/plugin_utils/test_vaulted.py").is_file()
    said = re.findall(r"ansible-core`? (\d+\.\d+) or later", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(said) == {oldest.rpartition(".")[0]}
    for meta in ROOT.glob("roles/*/meta/main.yml"):
        galaxy = yaml.safe_load(meta.read_text(encoding="utf-8"))["galaxy_info"]
        assert galaxy["min_ansible_version"] == oldest.rpartition(".")[0], meta
