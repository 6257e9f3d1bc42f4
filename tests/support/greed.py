# SPDX-License-Identifier: Apache-2.0
"""An application that takes more than it may have: what it runs, and what is found then."""

from __future__ import annotations

import json

from support.managed_host import ManagedHost

FORKS = """
import os, signal, time
children = []
try:
    for _ in range(2000):
        child = os.fork()
        if not child:
            try:
                signal.pause()
            finally:
                os._exit(0)
        children.append(child)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(len(children), "children", flush=True)
"""
"""The application's error log then has how many children there were."""


def findings(machine: ManagedHost, application: str) -> list[str]:
    """What wsgi-doctor finds of the last minutes."""
    done = machine.attempt("wsgi-doctor", "--json", "--since", "5", "--hung", "0", application)
    return [finding["id"] for finding in json.loads(done.stdout)["findings"]]
