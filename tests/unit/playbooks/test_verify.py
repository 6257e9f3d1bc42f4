# SPDX-License-Identifier: Apache-2.0
"""The report of verify.yml names all hosts, also those of which nothing is known, and so does its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.playbooks import ansible_playbook
from support.scripts import ROOT

INVENTORY = """
wsgi:
  hosts:
    web1:
    web2:
  vars:
    httpd_server_name: "{{ nowhere }}"
"""
"""Hosts that nobody asks anything, since what they are to be is not known."""


@pytest.mark.slow
def test_a_report_has_all_hosts_where_the_command_was_called(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    words = ("--inventory=hosts.yml", "--check", str(ROOT / "playbooks/verify.yml"))
    done = ansible_playbook(tmp_path, *words, "--extra-vars=verify_report=report.json")
    assert done.returncode == 2, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["well"] is False
    assert set(report["hosts"]) == {"web1", "web2"}
    for name, host in report["hosts"].items():
        assert [finding["subject"] for finding in host["findings"]] == ["preflight"]
        assert f"{name}: site.yml would refuse this host: 'nowhere' is undefined" in done.stdout + done.stderr
