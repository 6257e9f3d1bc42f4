# SPDX-License-Identifier: Apache-2.0
"""What the actions of a fleet read of the hosts of a play: who changes, and who runs what all run once."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.scripts import ROOT

DIGEST, EARLIER = "a" * 64, "b" * 64
TURNS = {"modwsgi.deploy.wsgi_turns": {"serial": 1}, "run_once": True, "register": "__wsgi_app_turns"}
RESULT = re.compile(r"^(?:ok|fatal): \[\w+\].*? => (?={)", re.MULTILINE)
ONCE = {"modwsgi.deploy.wsgi_once": {}, "run_once": True, "register": "found"}


def told(folder: Path, hosts: dict[str, dict[str, Any]], *tasks: dict[str, Any]) -> dict[str, Any]:
    """What the last task has returned, in a play on hosts with these variables."""
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "A task", **task} for task in tasks]}
    (folder / "play.json").write_text(json.dumps([play]))
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "hosts.json", "-v", "play.json"],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = list(RESULT.finditer(done.stdout))
    assert len(answers) == len(tasks), done.stdout + done.stderr
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout[answers[-1].end() :])[0]
    return found


def live(**found: Any) -> dict[str, Any]:
    """A host after wsgi_go_live."""
    return {"__wsgi_app_live": {"changed": False, **found}}


@pytest.mark.slow
def test_the_hosts_with_a_change_have_turns_and_each_call_is_the_next(tmp_path: Path) -> None:
    hosts = {
        "web1": live(held=True, serving=True),
        "web2": live(),
        "web3": live(held=True, serving=True),
        "new1": live(held=True, serving=False),
        "new2": live(held=True, serving=False),
    }
    found = told(tmp_path, hosts, TURNS, TURNS)
    assert found["turns"] == [["new1", "new2"], ["web1"], ["web3"]]
    assert (found["done"], found["now"], found["later"], found["stopped"]) == (2, ["web1"], ["web3"], [])


@pytest.mark.slow
def test_no_more_hosts_have_a_turn_than_may_be_away(tmp_path: Path) -> None:
    hosts = {f"web{number}": live(held=True, serving=True) for number in range(1, 5)}
    task = {**TURNS, "modwsgi.deploy.wsgi_turns": {"serial": [1, "100%"], "at_most": "50%"}}
    assert told(tmp_path, hosts, task)["turns"] == [["web1"], ["web2", "web3"], ["web4"]]


@pytest.mark.slow
def test_sizes_that_are_none_end_a_play_without_a_preflight(tmp_path: Path) -> None:
    task = {**TURNS, "modwsgi.deploy.wsgi_turns": {"serial": "a half", "at_most": "more"}}
    said = told(tmp_path, {"web1": live(held=True, serving=True)}, task)["msg"]
    assert "wsgi_serial is 'a half'; write numbers" in said
    assert "wsgi_drain_at_most is 'more'; write a number" in said


def prepared(steps: list[str], asked: dict[str, str], done: dict[str, str]) -> dict[str, Any]:
    """A host with the application shop after its preflight, and what it says is to be prepared."""
    inspection = {"steps": steps, "once": done}
    preflight = {"wsgi_app_applications": [{"name": "shop"}], "wsgi_app_inspection": inspection}
    return {"modwsgi_preflight": preflight, "__wsgi_app_asked": {"once": asked}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "leaders"),
    [
        (prepared(["preparation"], {"shop": DIGEST}, {"shop": EARLIER}), {"shop": "web1"}),
        (prepared(["switch"], {"shop": DIGEST}, {"shop": EARLIER}), {"shop": "web2"}),  # asked by an earlier play
        (prepared([], {}, {"shop": DIGEST}), {}),  # it has done it
    ],
    ids=["the first prepares it", "the first prepares nothing", "it is done"],
)
def test_one_host_runs_what_all_run_once(tmp_path: Path, first: dict[str, Any], leaders: dict[str, str]) -> None:
    second = prepared(["preparation"], {"shop": DIGEST}, {"shop": ""})
    assert told(tmp_path, {"web1": first, "web2": second}, ONCE)["leaders"] == leaders


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"blog": DIGEST}, {"shop": "{{ 1 }}"}, {"shop": 7}])
def test_an_answer_that_no_honest_host_gives_ends_the_play(tmp_path: Path, asked: dict[str, Any]) -> None:
    found = told(tmp_path, {"web1": prepared(["preparation"], asked, {})}, ONCE)
    assert "leaders" not in found
    assert "web1" in found["msg"]
