# SPDX-License-Identifier: Apache-2.0
"""Kill a piece of work at each of its steps: SIGKILL, as a power cut or the kernel would, so that nothing cleans up."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

CHANGES = {
    "open",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "subprocess.Popen",
}
"""Python's audit events (PEP 578) that come before what they name is done; `open` also for reading."""


def killed_at(count: int, work: Callable[[], object]) -> bool:
    """Do the work in a process of its own, and kill that before its n-th change. False: it was done before that.

    AssertionError when the work fails by itself.
    """
    child = os.fork()
    if child == 0:
        left = count

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in CHANGES and not str(arguments[0]).startswith(("/proc", "/dev")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(audit)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the work has failed by itself ({code})"
    return code != 0


def each_moment(prepare: Callable[[], Callable[[], object]]) -> Iterator[int]:
    """For each moment at which work can be killed: prepare, do it until there, and let the caller look.

    `prepare` makes a fresh state, and returns the work on it.
    """
    count = 1
    while killed_at(count, prepare()):
        yield count
        count += 1
