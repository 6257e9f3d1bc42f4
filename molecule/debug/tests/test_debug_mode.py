# SPDX-License-Identifier: Apache-2.0
"""The key `debug` of an application: one process, one thread, and changed code is served; not in production."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

TEXT = "/srv/wsgi/watched/current/text.py"


def test_one_process_with_one_thread_serves(machine: ManagedHost, watched: Site) -> None:
    def visit(_: int) -> tuple[bool, bool, int, int]:
        answer = Site(watched.address, watched.host_name).get("/").json()
        return answer["multiprocess"], answer["multithread"], answer["pid"], answer["thread"]

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(visit, range(24)))
    ((multiprocess, multithread, pid, _),) = answers
    assert (multiprocess, multithread) == (False, False)
    assert [process.pid for process in machine.daemon_processes("watched")] == [pid]


@pytest.fixture(name="text")
def fixture_text(machine: ManagedHost) -> Iterator[str]:
    """The file whose text is served; afterwards as it was."""
    content = machine.run("cat", TEXT)
    yield content
    machine.run("tee", TEXT, text=content)


def test_a_changed_file_is_served(machine: ManagedHost, watched: Site, text: str) -> None:
    before = watched.get("/").json()
    assert before["text"] == "before"
    machine.run("tee", TEXT, text=text.replace("before", "after the change"))
    wait_for(lambda: watched.get("/").json()["text"] == "after the change", "the change is served", 10)
    assert watched.get("/").json()["pid"] != before["pid"]


def test_production_takes_it_where_the_application_insists(machine: ManagedHost) -> None:
    insisted = deploy("--check", variables={"wsgi_environment": "production", "insist": True})
    assert insisted.status == 0, insisted.output[-3000:]
    assert insisted.recap(machine.container)["changed"] == 0
