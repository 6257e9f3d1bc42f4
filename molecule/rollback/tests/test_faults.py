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
from support.visitor import Visitor, visiting
from support.waiting import wait_for

MACHINE = ManagedHost("rollback-debian12")
ERROR_LOGS = ("/var/log/apache2/error.log", "/var/log/apache2/blog-error.log")
"""httpd's parent writes to the first, the processes of the application to the second."""
SCRIPT = "/srv/wsgi/blog/current/wsgi.py"
START_LIMIT = 5.0
"""Seconds until a start of httpd has succeeded and the other application answers; measured 0.5."""
RETURN_LIMIT = 10.0
"""Seconds until both applications answer after httpd was killed; measured 2, one of them RestartSec of the unit."""
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
    pids = MACHINE.daemon_pids("blog")
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


def children() -> set[int]:
    """The processes of httpd that have the connections."""
    return {process.pid for process in MACHINE.httpd_processes() if process.user == "www-data"}


def both_answer() -> None:
    """New connections reach both applications at once, more of them than there are children."""
    for _ in range(10):
        for site, text in ((shop(), "shop\n"), (blog(), "blog\n")):
            assert Site(site.address, site.host_name).get("/").text == text


def test_a_daemon_process_that_is_killed_has_a_successor_and_the_other_application_notices_nothing() -> None:
    visitor = Visitor(MACHINE.address(), {"shop.example": b"shop\n"})
    with visiting(visitor), logged("Process 'blog' (pid=", "terminated by signal 9"):
        gone = told(signal.SIGKILL)
        wait_for(lambda: MACHINE.daemon_pids("blog") - gone, "it has a successor")
        blog().wait_until_it_answers()
    assert visitor.lost == []
    assert not gone & MACHINE.daemon_pids("blog")


def test_a_child_that_is_killed_takes_no_application_with_it() -> None:
    """httpd starts another one when it needs more. It logs nothing of it; the kernel does where memory was short."""
    killed, daemons = min(children()), MACHINE.daemon_pids("blog")
    MACHINE.run("kill", "-KILL", str(killed))
    both_answer()
    wait_for(lambda: killed not in children(), "the child is gone")
    assert children(), "others serve"
    assert MACHINE.daemon_pids("blog") == daemons


def test_a_parent_that_is_killed_is_started_again_by_systemd() -> None:
    """With all its processes: nothing of the killed one holds the ports or the sockets."""
    old = {process.pid for process in MACHINE.httpd_processes()}
    main = MACHINE.run("systemctl", "show", "--property=MainPID", "--value", "apache2").strip()
    begun, clock = time.monotonic(), MACHINE.run("date", "+%s").strip()
    MACHINE.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "apache2")
    wait_for(lambda: not old & {process.pid for process in MACHINE.httpd_processes()}, "the old processes are gone")
    for site in (shop(), blog()):
        site.wait_until_it_answers()
    assert time.monotonic() - begun < RETURN_LIMIT
    both_answer()
    assert MACHINE.run("systemctl", "show", "--property=MainPID", "--value", "apache2").strip() not in {main, "0"}
    journal = MACHINE.run("journalctl", "--unit=apache2", f"--since=@{clock}", "--output=cat")
    assert "apache2.service: Main process exited, code=killed, status=9/KILL" in journal


LOGS = "/var/log/apache2"
SMALL = "size=256k,mode=0750"


@pytest.fixture(name="full_disk")
def fixture_full_disk() -> Iterator[None]:
    """The logs are on a disk without room; afterwards they are where they were."""
    MACHINE.run("systemctl", "stop", "apache2")
    MACHINE.run("mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", LOGS)
    try:
        MACHINE.run("sh", "-c", f"cat /dev/zero > {LOGS}/filling", check=False)
        assert MACHINE.run("stat", "--file-system", "--format=%a", LOGS).strip() == "0"
        yield
    finally:
        MACHINE.run("systemctl", "stop", "apache2")
        MACHINE.run("umount", LOGS)
        MACHINE.run("systemctl", "start", "apache2")
        for site in (shop(), blog()):
            site.wait_until_it_answers()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_of_logs_stops_nobody_and_lines_come_again_by_themselves() -> None:
    MACHINE.run("systemctl", "start", "apache2")
    for site in (shop(), blog()):
        site.wait_until_it_answers()
    both_answer()
    MACHINE.run("rm", f"{LOGS}/filling")
    assert shop().get("/after-the-disk-was-full").status_code in {200, 404}
    wait_for(
        lambda: "/after-the-disk-was-full" in MACHINE.run("sh", "-c", f"cat {LOGS}/*.log"), "httpd writes lines again"
    )


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
