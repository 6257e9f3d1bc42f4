# SPDX-License-Identifier: Apache-2.0
"""Whatever a command leaves behind is ended with it, and it has nothing of its caller's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import (
    FAILED,
    Ended,
    give_up_rights,
    run_confined,
)
from support.waiting import wait_for

ACCOUNT = 54321
"""No other file has it: all that runs under it is ended, and files of tests run beside each other."""
"""A user id that nothing on the machine has."""

only_root = pytest.mark.root("only root can become an account")

# Each is a way to outlive one's parent; `mark` begins a process that says who it is, and waits.
MARK = """
import os, signal, sys, time
def mark():
    open(os.path.join(sys.argv[1], str(os.getpid())), "x").close()
    signal.pause()
"""
ESCAPES = {
    "a child": "if os.fork() == 0: mark()",
    "a session of its own": "if os.fork() == 0: os.setsid(); mark()",
    "a daemon": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: mark()\n    os._exit(0)",
    "a child that ignores signals": (
        "if os.fork() == 0:\n    [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]\n    mark()"
    ),
    "a tree": "for _ in range(3):\n    if os.fork() == 0:\n        os.setsid(); os.fork(); mark()",
}
WAIT = """
while len(os.listdir(sys.argv[1])) < int(sys.argv[2]): time.sleep(0.001)
"""


def python(program: str, *arguments: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-I", "-c", textwrap.dedent(program), *arguments])


def run(program: str, *arguments: str, **options: object) -> Ended:
    return run_confined(lambda: python(program, *arguments), **options)  # type: ignore[arg-type]


def alive(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if Path("/proc", path.name).exists()]


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):  # the second is that of one process of several
            folder.chmod(0o755)
    yield tmp_path
    for pid in alive(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("program", "expected"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", -15), ("", 0)])
def test_how_it_ended_is_told(program: str, expected: int) -> None:
    assert run(f"import os, sys\n{program}").status == expected


def test_the_end_of_both_streams_is_kept() -> None:
    ended = run("import sys; print('x' * 200_000); print('the end', file=sys.stderr)", output_limit=1000)
    assert len(ended.output) == 1000
    assert "the end" in ended.output


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_nothing_outlives_the_command(marks: Path, escape: str) -> None:
    count = 6 if "range(3)" in escape else 1
    ended = run(f"{MARK}\n{escape}\n{WAIT}", str(marks), str(count))
    assert (ended.status, ended.reason) == (0, "")
    assert len(list(marks.iterdir())) == count
    assert alive(marks) == []
    assert ended.left == count


def test_a_command_is_ended_with_all_its_own_when_its_time_is_up(marks: Path) -> None:
    ended = run(f"{MARK}\n{ESCAPES['a daemon']}\n{WAIT}\nmark()", str(marks), "1", seconds=0.5)
    assert ended.reason == "it took longer than 0.5 s"
    assert ended.status == -signal.SIGKILL
    assert alive(marks) == []


@only_root
def test_an_account_of_its_own_keeps_nothing_that_was_begun_elsewhere(marks: Path) -> None:
    stranger = os.fork()  # without another program: the account may not be allowed to run this interpreter
    if stranger == 0:
        try:
            os.setresuid(ACCOUNT, ACCOUNT, ACCOUNT)
            (marks / str(os.getpid())).touch()
            signal.pause()
        finally:
            os._exit(0)
    wait_for(lambda: any(marks.iterdir()), "the stranger runs")
    # It has not ended by itself: the command's own end waits for it, and it is ours to take notice of.
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(os.waitpid, stranger, 0)
        run("", own_uid=ACCOUNT)
        assert os.waitstatus_to_exitcode(ended.result()[1]) == -signal.SIGKILL


@only_root
def test_it_ends_with_the_run_that_began_it(marks: Path) -> None:
    caller = os.fork()
    if caller == 0:
        try:
            run(f"{MARK}\n{ESCAPES['a daemon']}\nmark()", str(marks))
        finally:
            os._exit(0)
    wait_for(lambda: len(list(marks.iterdir())) == 2, "both run")
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    wait_for(lambda: alive(marks) == [], "nothing runs any more")


def test_it_has_no_descriptors_terminal_or_signals_of_its_caller(tmp_path: Path) -> None:
    program = """
        import os, signal
        print(sorted(os.listdir("/proc/self/fd"))[:4], os.getsid(0) == os.getpid(), os.read(0, 1))
        print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
        try:
            os.open("/dev/tty", os.O_RDWR)
        except OSError:
            print("no terminal")
    """
    with (tmp_path / "open").open("w") as stream:
        os.set_inheritable(stream.fileno(), True)
        ended = run(program)
    # 3 is the descriptor that lists them.
    assert ended.output.splitlines() == ["['0', '1', '2', '3'] True b''", "True", "no terminal"]


@only_root
def test_rights_are_given_up_for_good() -> None:
    def execute() -> NoReturn:
        give_up_rights(ACCOUNT, ACCOUNT, limits={resource.RLIMIT_FSIZE: 1000})
        ids = (os.getresuid(), os.getresgid(), os.getgroups())
        status = Path("/proc/self/status").read_text().splitlines(keepends=True)
        rights = [line for line in status if line.startswith(("CapPrm", "NoNewPrivs"))]
        # Not by print: pytest has the streams of its own process in mind.
        os.write(1, f"{ids}\n{rights}\n{resource.getrlimit(resource.RLIMIT_FSIZE)}\n".encode())
        try:
            os.setuid(0)
        except PermissionError:
            os.write(1, b"refused\n")
        os._exit(0)

    output = run_confined(execute).output.splitlines()
    assert output == [
        f"(({ACCOUNT}, {ACCOUNT}, {ACCOUNT}), ({ACCOUNT}, {ACCOUNT}, {ACCOUNT}), [])",
        r"['CapPrm:\t0000000000000000\n', 'NoNewPrivs:\t1\n']",
        "(1000, 1000)",
        "refused",
    ]


@only_root
def test_a_folder_of_its_own_lies_over_another_one_for_it_alone(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        # Then the product leaves it out, too; the other tests prove what holds without it.
        pytest.skip("the kernel or a container does not let root make a mount namespace")
    seen, over = tmp_path / "seen", tmp_path / "over"
    seen.mkdir()
    over.mkdir()
    ended = run("import sys; open(sys.argv[1] + '/made', 'x')", str(over), private={str(over): str(seen)})
    assert ended.output == ""
    assert ([*over.iterdir()], [*seen.iterdir()]) == ([], [seen / "made"])


def test_a_command_that_cannot_be_begun_says_why() -> None:
    def execute() -> NoReturn:
        raise ValueError("there is no such program")

    assert run_confined(execute) == Ended(FAILED, "there is no such program\n", "", 0)
