# SPDX-License-Identifier: Apache-2.0
"""What brings httpd into a wanted state. Runs on the managed host."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import Service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal


def needed(service: Service, state: str | None, enabled: bool | None, reap: bool | None = None) -> list[str]:
    """What has to be done for the wanted state, in this order."""
    manager = service.manager
    if not manager.installed():  # in check mode on a fresh host; else the steps say what is missing
        wishes = (("enable", enabled), ("start", state in ("started", "applied")), ("reap", reap))
        return [step for step, wanted in wishes if wanted]
    renewals = state == "applied" and manager.should_watch() != manager.watches()
    # A timer whose file has gone fails when systemd reads the units again, so it ends before.
    steps = ["do not watch renewals"] if renewals and not manager.should_watch() else []
    steps += ["refresh"] if manager.stale() else []
    if enabled is not None and manager.enabled() != enabled:
        steps.append("enable" if enabled else "disable")
    running = service.main() is not None
    if state == "stopped" and running:
        steps.append("stop")
    elif state in ("started", "applied") and not running:
        steps.append("start")
    elif state == "applied" and pending.read(service.instance) != pending.NONE:
        steps.append(pending.read(service.instance))
    if reap is not None and manager.reaps() != reap:
        steps.append("reap" if reap else "do not reap")
    if renewals and manager.should_watch():
        steps.append("watch renewals")
    return steps


def perform(service: Service, step: str) -> None:
    """Do one step."""
    if step in ("start", "reload", "restart"):
        Journal(service.instance["state_directory"]).mark(journal.ACTED)
    steps: dict[str, Callable[[], object]] = {
        "refresh": service.manager.refresh,
        "enable": lambda: service.manager.enable(True),
        "disable": lambda: service.manager.enable(False),
        "start": service.start,
        "stop": service.stop,
        "reload": service.reload,
        "restart": service.restart,
        "reap": lambda: service.manager.reap(True),
        "do not reap": lambda: service.manager.reap(False),
        "watch renewals": lambda: service.manager.watch(True),
        "do not watch renewals": lambda: service.manager.watch(False),
    }
    steps[step]()
