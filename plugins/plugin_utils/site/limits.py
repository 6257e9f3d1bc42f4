# SPDX-License-Identifier: Apache-2.0
"""What requests and answers may take: the keys `max_body_size`, `body_limits` and those of buffering."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import entries, path_of, plain_path
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost


def check(application: App) -> Problems:
    """Sizes in bytes, and for which paths they are."""
    sizes = [("", application)]
    for key, limit in entries(application, "body_limits"):
        yield from plain_path(f"{key}.path", limit["path"])
        sizes.append((f"{key}.", limit))
    for key, limit in sizes:
        if limit["max_body_size"] < 0:
            yield f"{key}max_body_size", f"{limit['max_body_size']} is negative; use 0 or more"


def normalise(application: App, _: Place) -> dict[str, Any]:
    """The limits of paths."""
    return {"body_limits": [{**limit, "path": path_of(limit)} for limit in application["body_limits"]]}


def values(vhost: Vhost) -> dict[str, Any]:
    """Where an application does not want what modwsgi.conf sets for all: then each says what it wants.

    The shortest path comes first, since httpd takes the last of several sections that fit.
    """
    buffered = [
        (application["path"], application["request_buffering"], application["response_buffering"])
        for application in reversed(vhost.applications)
    ]
    is_as_ever = all(requests and responses for _, requests, responses in buffered)
    return {"buffered": [] if is_as_ever else buffered}


SUBJECT = Subject(check, normalise=normalise, values=values)
