# SPDX-License-Identifier: Apache-2.0
"""Old paths and where they are now: the key `redirects`."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import URL_PATH, entries, is_below
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject

TARGET = re.compile(r"(?:/(?!/)|https?://[A-Za-z0-9.\[\]:-]+(?=/|$))[\x21\x25-\x5b\x5d-\x7e#&]*")
STATUSES = (301, 302, 303, 307, 308, 410)


def check(application: App) -> Problems:
    """Paths, statuses and targets that httpd and browsers can follow."""
    for key, entry in entries(application, "redirects"):
        origin, target, status = entry["from"], entry["to"], entry["status"]
        if not URL_PATH.fullmatch(origin):
            yield f"{key}.from", f"{origin!r} is not a URL path; begin with / and use neither blanks nor ? and #"
        if status not in STATUSES:
            yield f"{key}.status", f"{status} is not a redirect; use one of {', '.join(map(str, STATUSES))}"
        elif status == 410 and target:
            yield f"{key}.to", "410 means that the page is gone, so there is nowhere to go; remove one of the two"
        elif status != 410 and not TARGET.fullmatch(target):
            yield f"{key}.to", f"{target!r} is neither a path nor an http(s) address; begin with / or https://"
        elif status != 410 and is_below(target, origin) and not entry["exact"]:
            yield f"{key}.to", f"{target!r} is below {origin!r}, so browsers would run in a circle; use exact: true"


def normalise(application: App, _: Place) -> dict[str, Any]:
    """The directive of each redirect."""
    return {
        "redirects": [
            {
                "directive": "RedirectMatch" if entry["exact"] else "Redirect",
                "status": entry["status"],
                "from": f"^{re.escape(entry['from'])}$" if entry["exact"] else entry["from"],
                "to": entry["to"],
            }
            for entry in application["redirects"]
        ]
    }


SUBJECT = Subject(check, normalise=normalise)
