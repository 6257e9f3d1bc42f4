# SPDX-License-Identifier: Apache-2.0
"""What wsgi-debug and the playbook refuse, in one sentence, and that the playbook's line is the one to type."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from support.debugger import Session
from support.deployment import Deployment, play
from support.managed_host import ManagedHost
from support.side_by_side import play_side_by_side

ASKED: dict[str, dict[str, str]] = {"shop": {"app": "shop"}, "blog": {"app": "blog"}, "nothing": {}}
"""What the playbook is asked, by a name for it."""

FACTS = "/etc/ansible/facts.d/mod_wsgi.fact"


def refusal(machine: ManagedHost, *arguments: str, options: tuple[str, ...] = ("-i",)) -> str:
    """The sentence of wsgi-debug."""
    command = ["docker", "exec", *options, machine.container, "wsgi-debug", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    return done.stderr.strip()


def test_without_a_terminal_it_refuses(machine: ManagedHost) -> None:
    sentence = "Standard input and output have to be a terminal; give one with `ssh -t` or `docker exec -it`."
    assert refusal(machine, "shop") == f"wsgi-debug: {sentence}"
    assert machine.processes("mod_wsgi-express") == []


def test_strangers_are_refused(machine: ManagedHost) -> None:
    sentence = refusal(machine, "shop", options=("-i", "--user", "nobody"))
    assert sentence == "wsgi-debug: Only root and the account of shop may do this; call it with sudo."


def test_an_unknown_application_is_refused(machine: ManagedHost) -> None:
    sentence = refusal(machine, "blog")
    assert sentence == "wsgi-debug: There is no application blog on this host (there is: shop, sick, watched)."


@pytest.fixture(name="old_record")
def fixture_old_record(machine: ManagedHost) -> Iterator[None]:
    """A host that says it has a module whose debugger has no keyboard; with Python 3.11 it cannot really be there."""
    text = machine.run("cat", FACTS)
    machine.run("tee", FACTS, text=json.dumps({**json.loads(text), "version": "4.9.0"}))
    yield
    machine.run("tee", FACTS, text=text)


@pytest.mark.usefixtures("old_record")
def test_an_old_module_is_refused(machine: ManagedHost) -> None:
    sentence = (
        "The debugger of mod_wsgi 4.9.0 cannot read from a terminal; deploy with mod_wsgi_version 4.9.1 or later."
    )
    assert refusal(machine, "shop") == f"wsgi-debug: {sentence}"
    done = play("playbooks/debug.yml", variables={"app": "shop"})
    assert done.status != 0
    assert sentence in done.message


@pytest.fixture(name="told", scope="module")
def fixture_told(machine: ManagedHost) -> Deployment:
    """The playbook of the installed collection, which is asked all of it in one run."""
    return play_side_by_side("modwsgi.deploy.debug", machine.container, ASKED)


def test_the_playbook_says_what_to_type(machine: ManagedHost, told: Deployment) -> None:
    recap = told.recap("shop")
    assert (recap["failed"], recap["changed"]) == (0, 0)
    line = re.search(r"docker exec -it \S+ wsgi-debug shop", told.message)
    assert line, told.output
    with Session(machine, line[0].split()) as session:
        session.wait_until_it_answers()
        session.interrupt()
        assert session.status() == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "No application is named; say which one, for example with -e app=shop."),
        ("blog", "wsgi-debug: There is no application blog on this host (there is: shop, sick, watched)."),
    ],
)
def test_the_playbook_refuses_what_it_cannot_do(told: Deployment, name: str, sentence: str) -> None:
    (failure,) = told.failures(name)
    assert failure["msg"] == sentence
    assert told.recap(name)["changed"] == 0
