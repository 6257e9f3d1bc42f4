# SPDX-License-Identifier: Apache-2.0
"""A new release takes over without a request lost, whatever is in flight."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import requests
from support.deployment import ROOT, deploy, play
from support.managed_host import ManagedHost
from support.site import Site
from support.visitor import meanwhile

LINES = {"blue_green": 8, "rolling": 5}
"""How many lines a slow answer has, one a second, by the strategy of releases.

At a reload httpd lets a daemon process live for 3 s. A process that is told to go can take up one request too many, at
the very moment of its end, and gives it shutdown_timeout, 5 s. A process that rests has all the time.
"""

NO_CHANGE_SECONDS = 15.0
"""For a run with two applications on each of two hosts that changes nothing: 7.9, and 7.1 for one (two idle cores)."""
ONE_HOST = ManagedHost("default-debian12")
"""For what has nothing to do with how Ansible reaches a host."""
HOSTS = (ONE_HOST, ManagedHost("default-debian12-ssh"))
"""The application flask changes its releases by blue and green on the first one, and rolls on the other one."""


@dataclass
class Visitors:
    """Clients that ask again and again, and note each answer that is not what it should be."""

    site: Site
    answered: int = 0
    slowest: float = 0.0
    """Seconds of the slowest short request."""
    failures: list[str] = field(default_factory=list)

    def come(self, path: str, lines: int, over: threading.Event) -> None:
        """Ask until it is over; every answer must be whole."""
        site = Site(self.site.address, self.site.host_name)
        while not over.is_set():
            begun = time.monotonic()
            try:
                answer = site.get(path)
            except requests.RequestException as error:
                self.failures.append(f"{path}: {error}")
                continue
            if answer.status_code != 200 or len(answer.text.splitlines()) != lines:
                self.failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            self.answered += 1
            if lines == 1:
                self.slowest = max(self.slowest, time.monotonic() - begun)


@contextmanager
def visitors(site: Site, strategy: str) -> Iterator[Visitors]:
    """A stream of short requests and two of slow ones, as long as the block runs."""
    clients = Visitors(site)
    slow = (f"/stream?chunks={LINES[strategy]}&interval=1", LINES[strategy])
    with meanwhile(*(partial(clients.come, *work) for work in [("/healthz", 1), slow, slow])):
        yield clients


@pytest.fixture(name="changed_copy")
def fixture_changed_copy(tmp_path: Path) -> Path:
    """The Flask example with one changed file."""
    copy = tmp_path / "flask"
    shutil.copytree(ROOT / "examples" / "flask", copy)
    api = copy / "catalog" / "api.py"
    release = f'\n\n@blueprint.get("/release")\ndef release() -> str:\n    return "{os.urandom(8).hex()}"\n'
    api.write_text(api.read_text() + release)
    return copy


def test_a_run_without_a_change_is_short() -> None:
    began = time.monotonic()
    run = deploy("-vvv")
    seconds = time.monotonic() - began
    assert run.status == 0, run.output
    assert [run.recap(host.container)["changed"] for host in HOSTS] == [0, 0]
    modules = Counter(re.findall(r"^Using module file .*/(\w+)[.]py$", run.output, re.MULTILINE))
    assert modules == {"httpd_preflight": len(HOSTS), "wsgi_inspect": len(HOSTS)}, "what looks also proves"
    print(f"a run without a change takes {seconds:.1f} s")
    assert seconds < NO_CHANGE_SECONDS


def processes(application: str) -> list[set[int]]:
    """The numbers of the daemon processes of an application, for each host."""
    return [host.daemon_pids(application) for host in HOSTS]


def test_a_code_change_loses_no_request(changed_copy: Path) -> None:
    expected = (changed_copy / "catalog" / "api.py").read_text().rsplit('"', 2)[1]
    before, untouched = processes("flask"), processes("django")
    sites = [Site(host.address(), "flask.example") for host in HOSTS]
    with visitors(sites[0], "blue_green") as first, visitors(sites[1], "rolling") as second:
        done = deploy(variables={"flask_directory": str(changed_copy)})
        assert done.status == 0, done.output
        for site in sites:
            assert site.get("/release").text == expected, "the new release serves as soon as the play has ended"
    for clients in (first, second):
        assert clients.failures == []
        assert clients.answered > 20
        print(f"the slowest short request took {clients.slowest:.2f} s")
    held, gone = (old & new for old, new in zip(before, processes("flask"), strict=True))
    assert len(held) == len(before[0]) / 2, "one colour goes on to hold the earlier release"
    assert not gone, "the old processes are gone"
    assert untouched == processes("django"), "the neighbour noticed nothing"


def test_what_a_play_does_after_the_checks_is_deployed(changed_copy: Path) -> None:
    here = ("--limit", ONE_HOST.container)
    variables = {"flask_directory": str(changed_copy), "built": "built by the play\n"}
    done = play("molecule/default/own_play.yml", *here, variables=variables)
    assert done.status == 0, done.output
    assert ONE_HOST.run("cat", "/srv/wsgi/flask/current/catalog/built.txt") == "built by the play\n"
    assert "\nTimeout 59\n" in ONE_HOST.run("cat", "/etc/apache2/conf-enabled/modwsgi-httpd.conf")
