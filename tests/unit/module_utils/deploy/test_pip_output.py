# SPDX-License-Identifier: Apache-2.0
"""Out of all that pip says, its reason: the frames of pip 20.3 (Debian 11), 23.0 (Debian 12) and 26."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.pip_output import MOST_LINES, failure

PG_CONFIG = """
Error: pg_config executable not found.

Please add the directory containing pg_config to the $PATH:

    python setup.py build_ext --pg-config /path/to/pg_config build ...
"""
COMPILER = """
running build_ext
gcc -c psycopg/adapter.c -o adapter.o
psycopg/adapter.c:1:10: fatal error: libpq-fe.h: No such file or directory
    1 | #include <libpq-fe.h>
      |          ^~~~~~~~~~~~
compilation terminated.
error: command '/usr/bin/gcc' failed with exit code 1
"""
NO_COMPILER = "\nrunning build_ext\nbuilding 'x' extension\nerror: command 'gcc' failed: No such file or directory\n"
CAUGHT = """
Traceback (most recent call last):
  File "setup.py", line 3, in <module>
FileNotFoundError: [Errno 2] No such file or directory: 'xmlsec1-config'
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "setup.py", line 7, in <module>
RuntimeError: Unable to find xmlsec1
"""


def indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines())


def former(text: str) -> str:
    return (
        "Collecting wheel\nCollecting psycopg2==2.9.9\n    ERROR: Command errored out with exit status 1:\n"
        "     command: /venv/bin/python -c 'import sys'\n         cwd: /tmp/pip-install-x/\n"
        f"    Complete output (7 lines):\n{indented(text, '    ')}    {'-' * 40}\n"
        "WARNING: Discarding https://x/psycopg2. Command errored out with exit status 1: python setup.py egg_info\n"
        "ERROR: Command errored out with exit status 1: python setup.py egg_info Check the logs for full output.\n"
    )


def present(text: str) -> str:
    return (
        "Collecting psycopg2==2.9.9 (from -r requirements.txt (line 1))\n  Preparing metadata (setup.py): started\n"
        "Collecting wheel (from -r requirements.txt (line 2))\nFailed to build psycopg2\n"
        "  error: subprocess-exited-with-error\n\n  \u00d7 Building wheel for psycopg2 did not run successfully.\n"
        f"  │ exit code: 1\n  ╰─> [7 lines of output]\n{indented(text, '      ')}      [end of output]\n\n"
        "  note: This error originates from a subprocess, and is likely not a problem with pip.\n"
        "  ERROR: Failed building wheel for psycopg2\n"
        "ERROR: Could not build wheels for psycopg2, which is required to install pyproject.toml-based projects\n"
    )


def newest(text: str) -> str:
    return present(text).partition("  ERROR: Failed building")[0] + (
        "ERROR: Failed to build 'psycopg2' when getting requirements to build wheel\n"
    )


@pytest.mark.parametrize("frame", [former, present, newest])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PG_CONFIG, "Error: pg_config executable not found."),
        (COMPILER, "psycopg/adapter.c:1:10: fatal error: libpq-fe.h: No such file or directory"),
        (NO_COMPILER, "error: command 'gcc' failed: No such file or directory"),
        (CAUGHT, "RuntimeError: Unable to find xmlsec1"),
        ("it is a mystery", "it is a mystery"),
    ],
)
def test_the_reason_is_the_builds_own(frame, text: str, reason: str) -> None:
    found = failure(frame(text))
    assert (found.what, found.reason) == ("built", reason)
    assert found.requirement.startswith("psycopg2==2.9.9")
    assert list(found.lines) == [line.strip() for line in text.splitlines() if line.strip()]


def test_of_a_long_build_the_reason_and_the_last_lines_are_told() -> None:
    found = failure(present("Error: no libpq\n" + "note\n" * 100 + "end"))
    assert found.lines[:2] == ["Error: no libpq", "..."]
    assert (found.lines[-1], len(found.lines)) == ("end", MOST_LINES + 1)


def test_of_a_build_in_a_build_the_inner_one_has_the_reason() -> None:
    assert failure(present(newest(PG_CONFIG))).reason == "Error: pg_config executable not found."


@pytest.mark.parametrize(
    "end",
    [
        "  error: subprocess-exited-with-error\n\n  \u00d7 git clone --quiet https://x /tmp/x did not run.\n"
        "  │ exit code: 128\n  ╰─> See above for output.\n",
        "WARNING: Discarding git+https://x. Command errored out with exit status 128: git clone -q\n"
        "ERROR: No matching distribution found for x (unavailable)\n",
    ],
)
def test_git_speaks_for_itself(end: str) -> None:
    said = "  git@x: Permission denied (publickey).\n  fatal: Could not read from remote repository.\n"
    begun = "Collecting shop@ git+ssh://git@x/shop\n  Running command git clone -q ssh://git@x/shop /tmp/x\n"
    found = failure(begun + said + end)
    assert (found.what, found.requirement) == ("fetched", "shop@ git+ssh://git@x/shop")
    assert found.reason == "git@x: Permission denied (publickey)."
    assert found.lines == [line.strip() for line in said.splitlines()]
    refused = "ERROR: No matching distribution found for y==1\n"
    well = failure(begun + "  Resolved ssh://git@x/shop to commit 1\nCollecting y==1\n" + refused)
    assert (well.what, well.reason) == ("", "No matching distribution found for y==1")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "Collecting x\n  ERROR: Could not find x\nERROR: No distribution found for x\n",
            "No distribution found for x",
        ),
        (
            "ERROR: Cannot install a and b\nThe conflict is:\nERROR: ResolutionImpossible: see https://x",
            "Cannot install a and b",
        ),
        ("a\n\nb\n", "b"),
        ("", "it said nothing"),
    ],
)
def test_what_pip_itself_refuses(output: str, reason: str) -> None:
    assert failure(output)[:3] == ("", "", reason)
