# SPDX-License-Identifier: Apache-2.0
"""A change of mod_wsgi or Python: the old pair answers while the new one is made, and one restart lies between them.

The first step changes both; with breadth a step before it changes the module alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support import breadth
from support.deployment import Deployment, deploy
from support.managed_host import ManagedHost
from support.newest import NEWEST
from support.site import Site
from support.visitor import Answer, Visitor, visiting
from support.waiting import wait_for

APPLICATION = Path(__file__).resolve().parents[1] / "applications" / "site"
MACHINE = ManagedHost("upgrade-debian12")
SITE = Site(MACHINE.address(), "site.example")
FEW = 5
"""Fewer answers would not show that somebody has watched."""
OUTAGE_LIMIT = 3.0
"""Seconds from the last answer of the old pair to the first of the new one: 0.3 (Debian 12, Apache 2.4, 2026-11)."""
BUILT = "The wheel is built from the verified source"
"""The task that runs on a host that builds."""
MOMENT = 0.5
"""Seconds that systemd and a client may differ about when a server answers."""


@dataclass(frozen=True)
class Python:
    """An interpreter on the host."""

    setting: str
    """What `mod_wsgi_python` says."""
    version: str
    folder: str
    """Where its shared library is."""


DISTRIBUTION = Python("3.11", "3.11", "/usr/lib/{multiarch}")
LOCAL = Python("/usr/local/bin/python3.13", "3.13", "/usr/local/lib")
MOVED = Python("/opt/pythons/3.13/bin/python3.13", "3.13", "/opt/pythons/3.13/lib")


@dataclass(frozen=True)
class Step:
    """A change of the host."""

    name: str
    module: str
    python: Python
    builds: bool = False
    """Whether the wheel has to be built first."""

    def serves(self, text: str) -> bool:
        """Whether this is the site's answer with this pair, and no library of another Python is in its process."""
        if not text:
            return False
        content = json.loads(text)
        version, multiarch = self.python.version, content["multiarch"]
        return content == {
            "python": version,
            "mod_wsgi": self.module,
            "multiarch": multiarch,
            "libraries": [self.library(multiarch)],
            "extension": f"_speedups.cpython-{version.replace('.', '')}-{multiarch}.so",
        }

    def library(self, multiarch: str) -> str:
        """The Python's shared library."""
        return f"{self.python.folder.format(multiarch=multiarch)}/libpython{self.python.version}.so.1.0"


FIRST = Step("where it begins", "4.9.4", LOCAL)
STEPS = [
    *([Step("a newer module", NEWEST, LOCAL, builds=True)] if breadth.wanted() else []),
    Step("another Python", NEWEST, DISTRIBUTION),
    Step("a Python that was moved, with an older module", "5.0.2", MOVED, builds=True),
]


def ask() -> str:
    """What the site answers now; nothing where it does not."""
    try:
        answer = SITE.get("/", timeout=10, headers={"Connection": "close"})
    except requests.RequestException:
        return ""
    return answer.text if answer.ok else ""


@dataclass(frozen=True)
class Server:
    """The unit of httpd, as systemd sees it."""

    pid: int
    stopped: float
    """When its last stop began."""
    started: float
    """When its last start was done."""

    @classmethod
    def now(cls) -> Server:
        """Ask systemd."""
        names = ("MainPID", "ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        shown = MACHINE.run("systemctl", "show", "apache2", *(f"--property={name}" for name in names))
        values = {name: int(value) for name, _, value in (line.partition("=") for line in shown.split())}
        return cls(values[names[0]], values[names[1]] / 1e6, values[names[2]] / 1e6)


def change_to(step: Step, **variables: Any) -> Deployment:
    """Run the play for a step."""
    return deploy(variables={"mod_wsgi_version": step.module, "mod_wsgi_python": step.python.setting, **variables})


@pytest.fixture(name="begun", scope="module", autouse=True)
def fixture_begun() -> None:
    """The host is where it begins, also when the tests run again; beside its Python there is the moved one.

    That is a copy, which finds its parts by where it is.
    """
    if not FIRST.serves(ask()):
        outcome = change_to(FIRST)
        assert outcome.status == 0, outcome.output
        for step in STEPS:  # of an earlier run of the tests
            MACHINE.run("rm", "-rf", f"/opt/mod_wsgi/{step.module}-cp{step.python.version.replace('.', '')}")
        MACHINE.run("rm", "-rf", "/var/cache/modwsgi", "/opt/pythons")
        MACHINE.run("apt-get", "purge", "--yes", "libpython3.11", "python3.11-venv")
    assert FIRST.serves(ask())
    MACHINE.run("mkdir", "-p", "/opt/pythons")
    MACHINE.run("cp", "-a", "--no-target-directory", "/usr/local", "/opt/pythons/3.13")


def test_a_python_of_the_administrators_needs_none_of_the_distributions_packages() -> None:
    """The first of these tests, since a later step has the distribution's Python."""
    installed = MACHINE.installed_packages()
    assert "apache2-dev" in installed, "the module was built here, with tools that stay in this scenario"
    assert {name for name in installed if name.startswith(("python3.13", "libpython3.13"))} == set()
    assert {name for name in installed if name.startswith(("python", "libpython")) and name.endswith("-dev")} == set()
    assert "libpython3.11" not in installed


def installations() -> set[str]:
    """Names and inodes of the installed modules."""
    return set(
        MACHINE.run("find", "/opt/mod_wsgi", "-mindepth", "1", "-maxdepth", "1", "-printf", "%f %i\n").splitlines()
    )


@contextmanager
def only_where_it_is(python: Python) -> Iterator[None]:
    """Meanwhile the place that a moved Python comes from has no library that could be taken for its own."""
    hidden = "/opt/hidden"
    if python is not MOVED:
        yield
        return
    MACHINE.run("sh", "-c", f"mkdir -p {hidden} && mv /usr/local/lib/libpython* {hidden}/ && ldconfig")
    try:
        yield
    finally:
        MACHINE.run("sh", "-c", f"mv {hidden}/libpython* /usr/local/lib/ && ldconfig")


@pytest.mark.parametrize(("old", "new"), zip([FIRST, *STEPS[:-1]], STEPS, strict=True), ids=lambda step: step.name)
def test_one_restart_lies_between_the_old_pair_and_the_new(old: Step, new: Step) -> None:
    before, installed = Server.now(), installations()
    client = Visitor(SITE.address, {SITE.host_name: b"}"}, interval=0.05)

    def asked_after(moment: float) -> list[Answer]:
        return [answer for answer in client.answers if answer.begun > moment]

    with only_where_it_is(new.python), visiting(client):
        outcome = change_to(new)
        assert outcome.status == 0, outcome.output
        after = Server.now()
        there = after.started + MOMENT
        wait_for(lambda: len(asked_after(there)) > FEW, "the watcher has seen the new pair for a while")
    assert not new.builds or BUILT in outcome.output

    # A reload would have kept the library of the old Python.
    assert after.pid != before.pid
    assert before.started < after.stopped < after.started

    # A request that was begun before the restart is answered, and by the old pair.
    earlier = [answer for answer in client.answers if answer.begun < after.stopped]
    assert len(earlier) > FEW
    assert [answer for answer in earlier if not old.serves(answer.text)] == []

    # From the moment on when the server is there again, the new one answers.
    later = asked_after(there)
    assert [answer for answer in later if not new.serves(answer.text)] == []

    last = max(answer.ended for answer in client.answers if old.serves(answer.text))
    first = min(answer.ended for answer in client.answers if new.serves(answer.text))
    assert first - last < OUTAGE_LIMIT

    # All processes of httpd are new ones, the parent as well.
    mapped = MACHINE.run("grep", "--only-matching", "/[^ ]*libpython[^ ]*", f"/proc/{after.pid}/maps").split()
    assert set(mapped) == {new.library(json.loads(later[0].text)["multiarch"])}

    # What was there stays, for a way back that builds nothing.
    assert installed <= installations()


def test_a_python_that_an_application_cannot_follow_is_not_taken(tmp_path: Path) -> None:
    """The way back to a pair that was served earlier, up to the application: nothing is built for it."""
    serving, wanted = STEPS[-1], STEPS[-2]
    source = tmp_path / "site"
    shutil.copytree(APPLICATION, source)
    with (source / "requirements.txt").open("a") as file:
        condition = f'python_version == "{wanted.python.version}"'
        file.write(f"nothing @ file:///nowhere/nothing-1.0-py3-none-any.whl ; {condition}\n")
    application = {"name": "site", "source": {"directory": str(source)}, "requirements": "requirements.txt"}
    installed = installations()
    outcome = change_to(wanted, wsgi_apps=[application | {"server_name": SITE.host_name}])
    assert outcome.status != 0
    assert "application 'site', key requirements: pip install" in outcome.message
    assert installations() == installed
    assert BUILT not in outcome.output
    assert serving.serves(ask())
    # As a boot would do: nothing waits on the disk for its chance.
    MACHINE.run("systemctl", "restart", "apache2")
    assert serving.serves(ask())
