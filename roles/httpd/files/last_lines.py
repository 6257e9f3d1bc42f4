#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Return when the last lines of the logs are written: `last_lines.py PROGRAM SECONDS`, for ExecStopPost.

The programs that write the logs (PROGRAM) read until httpd has ended, and systemd kills what is left of a unit then.
They end within milliseconds; one that hangs is waited for no longer than SECONDS.

Installed by the role httpd; changes are overwritten.
"""

import os
import re
import sys
import time

INTERVAL = 0.01  # seconds
BELOW_UNIT = re.compile(rb"^(.*\.service)(?:/.*)?$", re.MULTILINE)
LONGEST = 4096  # bytes that are read of a file; command lines are what an application makes them


def content(*path):
    """The beginning of a file of a process; empty when the process is gone."""
    try:
        with open(os.path.join("/proc", *path), "rb") as file:
            return file.read(LONGEST)
    except OSError:
        return b""


def unit_of(pid):
    """The control group of the unit of a process, whichever group below it the process is in (Delegate)."""
    return BELOW_UNIT.sub(rb"\1", content(pid, "cgroup"))


def is_at_work(program):
    """Whether a process of this unit runs the program."""
    unit = unit_of("self")
    return any(
        program in content(pid, "cmdline").split(b"\0")[:3] and unit_of(pid) == unit
        for pid in os.listdir("/proc")
        if pid.isdigit() and int(pid) != os.getpid()
    )


def wait(program, seconds):
    """Wait until no process of this unit runs the program, for this time at the most."""
    end = time.monotonic() + seconds
    while is_at_work(program) and time.monotonic() < end:
        time.sleep(INTERVAL)


if __name__ == "__main__":
    wait(os.fsencode(sys.argv[1]), float(sys.argv[2]))
