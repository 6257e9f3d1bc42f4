# SPDX-License-Identifier: Apache-2.0
"""How the processes of the scenario `shutdown` end: the cases, and their measurement on a host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import breadth
from support.deployment import ROOT, Deployment, deploy
from support.managed_host import ManagedHost

PROGRAM = Path(__file__).with_name("measure_endings.py")

QUICK = 2.0
"""Seconds in which whatever is not held up has ended; measured 0.02 to 1.1 (Debian 12 and 13, 2026-11)."""

LEAST_LIMIT = 2.8
"""Seconds: httpd's shortest limit is 3, and a look at the clock comes before it. What ended sooner ended by itself."""

OLD, NEW, NEWEST = EVERY_HOST = ("shutdown-debian12-old", "shutdown-debian12", "shutdown-debian13")
"""Python 3.11 with mod_wsgi 4.9.1, Python 3.11 with 6.1.1, Python 3.13 with 6.1.1."""

HOSTS = tuple(breadth.hosts(ROOT / "molecule" / "shutdown"))
"""The hosts of this run: the second, and with breadth the others."""

GLOBAL, NAMED = "%{GLOBAL}", "named"
"""Application groups of the embedded application; the inventory says the first."""

CHANGED = "/run/deployed-by-a-test"
"""On a host: a test has deployed something else than the inventory says, since the host is there."""


@dataclass(frozen=True)
class Subject:
    """An application of the scenario, and the way to end that it takes on."""

    name: str
    threads: str = "none"
    """none, daemon, or other: one that Python waits for when it finalises."""
    handlers: str = "yes"
    """yes: functions for subscribe_shutdown and atexit."""
    sleep: int = 0
    """Seconds of a request in flight."""

    @property
    def embedded(self) -> bool:
        """Whether it runs in httpd's own processes."""
        return self.name in EMBEDDED_NAMES


EMBEDDED_NAMES = ("embedded", "hand-written-embedded")

WAYS = {
    "plain": Subject("plain", handlers="no"),
    "handlers": Subject("handlers"),
    "daemon thread": Subject("daemon-thread", threads="daemon"),
    "other thread": Subject("other-thread", threads="other"),
    "named group": Subject("named"),
    "named group, other thread": Subject("named-thread", threads="other"),
}
"""The applications with daemon process groups of their own, measured side by side, by what is special about them."""

HAND_WRITTEN = Subject("hand-written", handlers="no")
"""A vhost without our launcher: a named application group, and the application is loaded by the first request."""

HAND_WRITTEN_EMBEDDED = Subject("hand-written-embedded", handlers="no")


def embedded(way: str) -> Subject:
    """The embedded application in the manner of another one; its group is the deployment's matter."""
    like = WAYS[way]
    return Subject("embedded", like.threads, like.handlers)


@dataclass(frozen=True)
class Ending:
    """How one process ended."""

    seconds: float | None
    """From the action on; None: it was still there at the limit."""
    killed: bool
    """httpd says that it had to kill it. Of daemon processes it does not say so."""
    crashed: bool
    """httpd says that it ended by a segmentation fault."""
    handlers: Mapping[str, int] = field(default_factory=dict)
    """How often each handler ran."""

    @property
    def hung(self) -> bool:
        """Whether something held it up, so that only a limit, or nothing, ended it."""
        return self.seconds is None or self.seconds >= LEAST_LIMIT


@dataclass(frozen=True)
class Round:
    """What one action did."""

    action_seconds: float | None
    """How long `systemctl` took."""
    endings: Mapping[str, Ending]
    """By the subjects' names."""

    @property
    def ending(self) -> Ending:
        """That of the only subject."""
        (ending,) = self.endings.values()
        return ending


def measure(host: str, action: str, subjects: Iterable[Subject], limit: float = 40.0) -> Round:
    """Start httpd anew on a host, let the subjects take on their ways, do the action and watch for `limit` seconds."""
    request = {"action": action, "limit": limit, "subjects": [vars(subject) for subject in subjects]}
    done = subprocess.run(
        ["docker", "exec", "-i", host, "/usr/bin/python3", "-", json.dumps(request)],
        input=PROGRAM.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        timeout=limit + 90,
        check=False,
    )
    assert done.returncode == 0, f"{host}, {action}: {done.stderr}"
    found = json.loads(done.stdout)
    return Round(found["action_seconds"], {name: Ending(**ending) for name, ending in found["subjects"].items()})


def set_up(destroy: bool, group: str, **variables: Any) -> Deployment:
    """Deploy to all hosts: the toggle, and the application group of the embedded application."""
    on_all_hosts(lambda host: ManagedHost(host).run("touch", CHANGED))
    done = deploy(variables={"mod_wsgi_destroy_interpreter": destroy, "embedded_application_group": group, **variables})
    assert done.status == 0, done.output
    return done


def as_converged() -> None:
    """Have all hosts as the inventory says, which converge has done, unless a test has been here since."""
    changed = on_all_hosts(lambda host: ManagedHost(host).attempt("test", "-e", CHANGED).returncode == 0)
    if any(changed.values()):
        set_up(True, GLOBAL)


def on_all_hosts(work: Any, at_once: int = 1) -> dict[str, Any]:
    """What `work(host)` returns for each host; one after the other, since another scenario may run beside this one."""
    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(HOSTS, pool.map(work, HOSTS), strict=True))
