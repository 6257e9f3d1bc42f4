# SPDX-License-Identifier: Apache-2.0
"""What the scenarios read from a run: each host's own part of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from support.deployment import Deployment
from support.side_by_side import GROUP, inventory, name_of

OUTPUT = r"""
PLAY [Serve WSGI applications] *************************************************

TASK [httpd : Variables are known] *********************************************
[ERROR]: Task failed: Action failed: wrong [here] => {"no": "result"}
fatal: [a-port]: FAILED! => {"changed": false, "msg": "The \"port\" is wrong.\nChange it."}
fatal: [a-port-in-use]: FAILED! => {"changed": false, "msg": "Port 80 is in use."}
ok: [good]

TASK [wsgi_app : Folders are there] ********************************************
failed: [good] (item=0) => {"msg": "no room at all"}
failed: [good -> localhost] (item={'name': '[x] => y'}) => {"ansible_loop_var": "item", "msg": "no room"}
failed: [good] (item=2) => {
    "msg": "no room either"
}
fatal: [gone]: UNREACHABLE! => {"msg": "no such container", "unreachable": true}

PLAY RECAP *********************************************************************
a-port                     : ok=3    changed=0    unreachable=0    failed=1
a-port-in-use              : ok=1    changed=0    unreachable=0    failed=1
good                       : ok=4    changed=2    unreachable=0    failed=1
gone                       : ok=0    changed=0    unreachable=1    failed=0
"""
RUN = Deployment(2, OUTPUT)


def messages(host: str) -> list[str]:
    return [failure["msg"] for failure in RUN.failures(host)]


def test_a_failure_belongs_to_the_host_that_has_it() -> None:
    assert messages("a-port") == ['The "port" is wrong.\nChange it.']
    assert messages("a-port-in-use") == ["Port 80 is in use."]
    assert messages("port") == []


def test_items_results_over_several_lines_and_hosts_out_of_reach_are_failures() -> None:
    assert messages("good") == ["no room at all", "no room", "no room either"]
    assert messages("gone") == ["no such container"]


def test_the_recap_is_that_of_the_host() -> None:
    assert RUN.recap("a-port") == {"ok": 3, "changed": 0, "unreachable": 0, "failed": 1}
    with pytest.raises(AssertionError, match="no recap of port"):
        RUN.recap("port")


def test_what_is_about_a_host_stands_below_its_tasks() -> None:
    lines = RUN.about("good").splitlines()
    assert [line.split()[0] for line in lines] == [
        "TASK", "ok:", "TASK", "failed:", "failed:", "failed:", "PLAY", "good",
    ]  # fmt: skip
    assert not any("a-port" in line for line in lines)


def test_a_case_is_named_as_a_host_can_be() -> None:
    assert name_of("a NUL byte in an environment variable") == "a-nul-byte-in-an-environment-variable"
    assert name_of("(one) mod_wsgi, twice?") == "one-mod-wsgi-twice"


def test_ansible_reads_the_names_as_one_host_with_variables_of_their_own(tmp_path: Path) -> None:
    scenario, names = tmp_path / "scenario.json", tmp_path / "names.json"
    scenario.write_text(json.dumps({"wsgi": {"hosts": {"a-container": {}}, "vars": {"number": 0}}}))
    names.write_text(json.dumps(inventory("a-container", {"first": {"number": 1}, "second": {"secret": "a\0b"}})))
    loader = DataLoader()
    hosts = InventoryManager(loader, [str(names), str(scenario)])
    hosts.subset(GROUP)
    assert [host.name for host in hosts.get_hosts("wsgi")] == ["first", "second"]
    variables = VariableManager(loader, hosts)
    first, second = (variables.get_vars(host=hosts.get_host(name)) for name in ("first", "second"))
    assert (first["ansible_host"], first["number"]) == ("a-container", 1)
    assert (second["ansible_host"], second["number"], second["secret"]) == ("a-container", 0, "a\0b")
    assert "secret" not in first
