# SPDX-License-Identifier: Apache-2.0
"""From which releases somebody has gone back by a command, which the next run must not undo. On the managed host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record

FILE = "refused"
"""Beside the records of releases; no record has its name."""


def refused_file(paths: Mapping[str, str]) -> str:
    """Where it is said which releases must not come again; absent where nobody has gone back."""
    return os.path.join(paths["records"], FILE)


def read_refused(paths: Mapping[str, str]) -> dict[str, Any]:
    """Which ``releases`` must not come again, ``to`` which one somebody has gone back, ``by`` whom and since when.

    Empty where nobody has gone back since the last deployment.
    """
    # Of an earlier version, which knew no records, in what it has kept for a return.
    return read_record(refused_file(paths)) if "records" in paths else {}


def refusal(application: Mapping[str, Any], release: str, refused: Mapping[str, Any], again: bool) -> str:
    """Why a release must not come again, in one sentence; empty when it may."""
    if again or release not in refused.get("releases", ()):
        return ""
    return (
        f"wsgi_apps: application {application['name']!r}, key source: this host was rolled back by hand from release "
        f"{release} to {refused.get('to')} ({refused.get('by')}, {refused.get('since')}), so it does not come again; "
        "change the source, or run with -e release_again=true."
    )


def notice(application: Mapping[str, Any], release: str, refused: Mapping[str, Any]) -> str:
    """What an operator should know who deploys to a host that was rolled back by hand; empty where it was not."""
    if not refused or release == refused.get("to"):
        return ""
    return (
        f"{application['name']} was rolled back by hand to release {refused.get('to')} ({refused.get('by')}, "
        f"{refused.get('since')}); this run brings release {release}."
    )
