# SPDX-License-Identifier: Apache-2.0
"""How one release takes the place of another: the key `releases`."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import EMBEDDED
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject

LONGEST = 7 * 24 * 3600
"""Seconds for which the previous release's static files may stay."""


def check(application: App) -> Problems:
    """Seconds that make sense."""
    seconds = application["releases"]["keep_static_seconds"]
    if not 0 <= seconds <= LONGEST:
        yield (
            "releases.keep_static_seconds",
            f"{seconds} is not possible; use 0 (none of the previous release's files) to {LONGEST} (a week)",
        )


def normalise(application: App, _: Place) -> dict[str, Any]:
    """None are kept where the application is embedded: it may set the time zone of httpd, which looks at its clock."""
    releases = application["releases"]
    return {"releases": {**releases, "keep_static_seconds": 0}} if application["mode"] == EMBEDDED else {}


SUBJECT = Subject(check, normalise=normalise)
