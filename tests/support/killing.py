# SPDX-License-Identifier: Apache-2.0
"""Kill a piece of work at each of its steps: SIGKILL, as a power cut or the kernel would, so that nothing cleans up."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

CHANGES = {
    "open", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "subprocess.Popen",
}  # fmt: skip
"""Python's audit events (PEP 578) that come before what they name is done."""


def changes(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether something is changed next. A kill before what changes nothing leaves what the one before it has left."""
    if event not in CHANGES or str(arguments[0]).startswith(("/proc", "/dev")):
        return False
    if event == "open":
        return bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    if event in ("os.remove", "os.rmdir", "os.mkdir"):
        whole = arguments[-1] == -1  # otherwise it is below the folder of that descriptor
        return not whole or os.path.lexists(arguments[0]) == (event != "os.mkdir")
    return True


def killed_at(count: int, work: Callable[[], object]) -> bool:
    """Do the work in a process of its own, and kill that before its n-th change. False: it was done before that.

    AssertionError when the work fails by itself.
    """
    child = os.fork()
    if child == 0:
        left = count

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if changes(event, arguments):
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

    `prepare` makes a fresh state, and returns the work on it. The last moment is that after the last change.
    """
    for count in itertools.count(1):
        killed = killed_at(count, prepare())
        yield count
        if not killed:
            return
