# SPDX-License-Identifier: Apache-2.0
"""What requests and answers may take: the keys `max_body_size`, `body_limits`, `admission` and those of buffering."""

from __future__ import annotations

from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, strategy
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
    # Conditions count after all paths. So where one application has them, all have.
    always = "true" if any(map(strategy.is_blue_green, vhost.applications)) else ""
    admitted = [
        (path, [(condition or always, words) for condition, words in choices])
        for application in reversed(vhost.applications)
        for path, choices in admissions(application)
    ]
    return {"buffered": [] if is_as_ever else buffered, "admitted": admitted}


def admissions(application: App) -> list[tuple[str, list[tuple[str, str]]]]:
    """Paths, and what the directive AdmissionGroup says there: the name of a process group, and what it bears.

    Of two colours, each under the condition that it answers the request: what hangs in one must keep no request from
    the other. Elsewhere the condition is empty. The path of the application comes first. An embedded application has no
    threads of its own that could all be busy, but there is a part of the workers that it may hold. Empty where httpd
    hands on whatever comes.
    """
    if not application["admission"]:
        return []
    if application["mode"] == daemon.EMBEDDED:
        words = f"{quote(application['name'])} waiting={application['listen_backlog']}"
        return [(application["path"], [("", words)])]
    first, *others = daemon.process_groups(application)
    return [
        (application["path"], _admission(first)),
        *((path, _admission(group)) for group in others for path in group["paths"]),
    ]


def _admission(group: App) -> list[tuple[str, str]]:
    waiting = daemon.options_of(group).get("listen_backlog", group["listen_backlog"])
    bears = (
        f"processes={group['processes'] or 1} threads={group['threads']} waiting={waiting} "
        f"queue-timeout={group['queue_timeout']}"
    )
    name = group["group_name"]
    if not strategy.is_blue_green(group):
        return [("", f"{quote(name)} {bears}")]
    return [
        (f"reqenv('{strategy.variable(name)}') == '{coloured}'", f"{quote(coloured)} {bears}")
        for coloured in strategy.names(name)
    ]


SUBJECT = Subject(check, normalise=normalise, values=values)
