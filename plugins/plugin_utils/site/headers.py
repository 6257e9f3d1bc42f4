# SPDX-License-Identifier: Apache-2.0
"""Headers of all answers: the key `headers`."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject

TOKEN = re.compile(r"[A-Za-z0-9!#&'*+.^_|~-]+", re.ASCII)


def check(application: App) -> Problems:
    """Names of headers, and values where there is to be one."""
    for key, entry in entries(application, "headers"):
        name, value = entry["name"], entry["value"]
        if not TOKEN.fullmatch(name):
            yield f"{key}.name", f"{name!r} is not the name of a header; write it like X-Frame-Options"
        elif name.lower() == "strict-transport-security":
            yield f"{key}.name", "HSTS belongs to TLS; use tls.hsts_seconds"
        elif (entry["action"] == "unset") == bool(value):
            yield f"{key}.value", "set and append need a value, and unset has none; correct it"
        elif value.lower().startswith("expr="):
            yield f"{key}.value", "httpd takes what begins with expr= for an expression; begin the value otherwise"


def normalise(application: App, _: Place) -> dict[str, Any]:
    """A per cent sign begins a format of mod_headers, and a backslash with a letter stands for a control character."""
    return {
        "headers": [
            {**entry, "value": entry["value"].replace("\\", "\\\\").replace("%", "%%")}
            for entry in application["headers"]
        ]
    }


SUBJECT = Subject(check, normalise=normalise)
