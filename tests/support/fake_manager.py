# SPDX-License-Identifier: Apache-2.0
"""A service manager for unit tests: it notes what it is told to do."""

from __future__ import annotations

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import Manager


class FakeManager(Manager):
    """It has a reaper, a timer, and units that can be stale."""

    def __init__(self, described: dict[str, str]) -> None:
        super().__init__(described)
        self.steps: list[str] = []
        self.reaping = self.is_stale = False
        self.timer_installed = self.timer_runs = False

    def stale(self) -> bool:
        return self.is_stale

    def refresh(self) -> None:
        self.steps.append("refresh")

    def reaps(self) -> bool:
        return self.reaping

    def reap(self, wanted: bool) -> None:
        self.steps.append("reap" if wanted else "do not reap")
        self.reaping = wanted

    def should_watch(self) -> bool:
        return self.timer_installed

    def watches(self) -> bool:
        return self.timer_runs

    def watch(self, wanted: bool) -> None:
        self.steps.append("watch" if wanted else "do not watch")
        self.timer_runs = wanted
