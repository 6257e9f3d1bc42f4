# SPDX-License-Identifier: Apache-2.0
"""A share of the requests goes to a new release, and what it answers decides. Runs on the managed host.

httpd chooses among the names in the file that says who serves (RewriteMap, rnd), and writes into a log of its own which
daemon process group has answered with which status.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours

LOOK_SECONDS = 0.5
LARGEST_PART = 1 << 22
"""Bytes of the log that are read at once."""

SURE = 20
"""So many answers of a new release are enough to give it up before its time is over."""


class Canary:
    """One application while its new release is tried."""

    def __init__(self, application: Mapping[str, Any], log_directory: str) -> None:
        """The log is read from here on."""
        self.name = application["name"]
        self.settings: Mapping[str, int] = application["releases"]["canary"]
        self.serving = colours.active(application["paths"])
        self.tried = colours.other(self.serving)
        # A record that an earlier version has kept does not say whether visitors stay.
        trial = int(time.time()) if self.settings.get("sticky") else 0
        self.text = colours.tried_text(self.name, self.tried, self.settings["percent"], trial)
        """What makes httpd try it."""
        self.file = colours.canary_log(log_directory, self.name)
        self.position = self._size()
        self.begun: float | None = None
        """When the new release was first looked after, by the monotonic clock."""
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """Answers, and those of 5xx, by colour."""

    def _size(self) -> int:
        try:
            return os.stat(self.file).st_size
        except FileNotFoundError:
            return 0

    def read(self) -> None:
        """Count what httpd has written since. Raises OSError."""
        if self._size() < self.position:  # logrotate
            self.position = 0
        with open(self.file, "rb") as stream:
            stream.seek(self.position)
            part = stream.read(LARGEST_PART)
        whole = part[: part.rfind(b"\n") + 1]
        self.position += len(whole)
        for line in whole.decode("ascii", "replace").splitlines():
            group, _, status = line.partition(" ")
            colour = group.rpartition(":")[2]
            self.answers[colour] += 1
            self.errors[colour] += status.startswith("5") and len(status) == 3

    def is_over(self, now: float) -> bool:
        """Whether it has had its time, by the monotonic clock."""
        self.begun = now if self.begun is None else self.begun
        return now - self.begun >= self.settings["seconds"]

    def percent(self, colour: str) -> float:
        """How many of its answers were errors."""
        return 100 * self.errors[colour] / max(1, self.answers[colour])

    @property
    def is_bad(self) -> bool:
        """Whether the new release has too many errors, as far as is known."""
        most = self.percent(self.serving) + self.settings["max_error_percent"]
        return self.errors[self.tried] > 0 and self.percent(self.tried) > most

    def told(self) -> str:
        """What it has answered, in a sentence."""
        return (
            f"The new release of {self.name} answered {self.errors[self.tried]} of {self.answers[self.tried]} requests "
            f"with 5xx, and the one that serves {self.errors[self.serving]} of {self.answers[self.serving]}"
        )

    def problem(self) -> str:
        """Why it must not serve all; empty when it may."""
        if not self.is_bad:
            return ""
        return (
            f"{self.told()}; that is more than releases.canary.max_error_percent "
            f"({self.settings['max_error_percent']}) allows."
        )


def watch(
    canaries: Sequence[Canary],
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, str]:
    """Wait until all have had their time, or one is surely bad; the problems, by application. Raises OSError.

    A second call goes on with those that are left.
    """
    while True:
        over = [canary.is_over(now()) for canary in canaries]
        for canary in canaries:
            canary.read()
        surely = [each for each in canaries if each.is_bad and each.answers[each.tried] >= SURE]
        if surely or all(over):
            return {each.name: each.problem() for each in (surely or canaries) if each.is_bad}
        sleep(LOOK_SECONDS)
