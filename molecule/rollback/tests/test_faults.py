# SPDX-License-Identifier: Apache-2.0
"""An application in use that hangs or ends at its import, or hangs for all its visitors, harms nobody else for long."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

MACHINE = ManagedHost("rollback-debian12")
ERROR_LOGS = ("/var/log/apache2/error.log", "/var/log/apache2/blog-error.log")
"""httpd's parent writes to the first, the processes of the application to the second."""
SCRIPT = "/srv/wsgi/blog/current/wsgi.py"
START_LIMIT = 5.0
"""Seconds until a start of httpd has succeeded and the other application answers; measured 0.5."""
HUNG = 1100
"""Requests to an application that hangs: more than httpd's 1,024 workers."""
PATIENCE = 15.0
"""Seconds until the first of those that find no room is refused; measured 2."""
ANSWERS = 50
ANSWER_LIMIT = 0.5
"""Seconds in which half of the requests to the other application are answered; measured 0.02."""


def shop() -> Site:
    """The application beside it."""
    return Site(MACHINE.address(), "shop.example")


def blog() -> Site:
    """The application that fails."""
    return Site(MACHINE.address(), "blog.example")


@contextmanager
def logged(*parts: str) -> Iterator[None]:
    """httpd or the application logs these meanwhile, or soon after."""
    sizes = [int(size) for size in MACHINE.run("stat", "-c", "%s", *ERROR_LOGS).split()]

    def said() -> str:
        parts = zip(sizes, ERROR_LOGS, strict=True)
        return "".join(MACHINE.run("tail", "-c", f"+{size + 1}", log) for size, log in parts)

    yield
    for part in parts:
        wait_for(lambda: part in said(), f"httpd logs {part}")  # noqa: B023


def told(number: signal.Signals) -> set[int]:
    """Send a signal to the daemon processes of the application."""
    pids = {process.pid for process in MACHINE.daemon_processes("blog")}
    MACHINE.run("kill", f"-{number.value}", *map(str, pids))
    return pids


@pytest.fixture(name="good_script")
def fixture_good_script() -> Iterator[str]:
    """The script of the release in use, which comes back after the test."""
    MACHINE.run("cp", "--preserve", SCRIPT, "/root/wsgi.py")
    yield MACHINE.run("cat", SCRIPT)
    MACHINE.run("cp", "--preserve", "/root/wsgi.py", SCRIPT)
    MACHINE.run("systemctl", "restart", "apache2")
    blog().wait_until_it_answers()


@pytest.mark.usefixtures("good_script")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(3000)", "The application blog was not loaded within 3 s (startup_timeout), so its"),
        ("import os; os.kill(os.getpid(), 11)", "exit signal Segmentation fault (11)"),
    ],
    ids=["hangs", "crashes"],
)
def test_httpd_starts_with_a_release_whose_import_fails_as_at_a_boot(code: str, reason: str) -> None:
    MACHINE.run("systemctl", "stop", "apache2")
    MACHINE.run("sh", "-c", f"echo '{code}' > {SCRIPT}")
    with logged(reason, "Process 'blog' (pid=", "terminated by signal"):
        begun = time.monotonic()
        MACHINE.run("systemctl", "start", "apache2")
        assert shop().get("/").text == "shop\n"
        assert time.monotonic() - begun < START_LIMIT


def test_a_process_that_ends_at_each_import_is_started_more_and_more_rarely_until_it_is_repaired(
    good_script: str,
) -> None:
    """As at night, when a process is replaced and what the import needs is not there."""
    MACHINE.run("sh", "-c", f"echo 'import os; os._exit(3)' > {SCRIPT}")
    with logged(
        "terminated by signal 9",  # what was killed
        "terminated by signal 3",  # what mod_wsgi makes of the exit status
        "The application blog is loaded again in 2 s, since the last 3 of its processes ended while they loaded it",
        "The application blog is loaded again in 4 s, since the last 4 of its processes ended while they loaded it",
    ):
        told(signal.SIGKILL)
    MACHINE.run("cp", "--preserve", "/root/wsgi.py", SCRIPT)
    with logged("terminated normally, exit code 0"):
        told(signal.SIGUSR1)
    blog().wait_until_it_answers()
    assert blog().get("/").text == "blog\n"
    assert "blog" in good_script


async def status(address: str, host: str, path: str) -> bytes:
    """The status of one request."""
    reader, writer = await asyncio.open_connection(address, 80)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline())[9:12]
    finally:
        writer.close()


async def seconds_beside_a_hung_application(address: str) -> list[float]:
    """How long the other application takes to answer while more requests than httpd has workers wait for one."""
    hung = [asyncio.create_task(status(address, "shop.example", "/slow?300")) for _ in range(HUNG)]
    refused, _ = await asyncio.wait(hung, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    assert refused, "nobody was refused, so whoever waits holds a worker"
    found = []
    for _ in range(ANSWERS):
        begun = time.monotonic()
        assert await status(address, "blog.example", "/") == b"200"
        found.append(time.monotonic() - begun)
    assert {task.result() for task in hung if task.done()} == {b"503"}
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    return found


def test_an_application_that_hangs_leaves_workers_to_the_others() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * HUNG), hard), hard))
    try:
        assert median(asyncio.run(seconds_beside_a_hung_application(MACHINE.address()))) < ANSWER_LIMIT
    finally:
        # What waits would wait for 300 s.
        MACHINE.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "apache2")
        MACHINE.run("systemctl", "restart", "apache2")
    blog().wait_until_it_answers()
