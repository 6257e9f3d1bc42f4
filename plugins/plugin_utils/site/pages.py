# SPDX-License-Identifier: Apache-2.0
"""Pages that httpd shows in the place of the application's: the keys `error_documents` and `maintenance`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import health
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import PLAIN_PATH, entries, is_below, repeated
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost

INTERNAL = "/.modwsgi"
"""Where a vhost has its own error documents."""

MAINTENANCE_TEXT = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Maintenance</title>"
    "<h1>We will be back soon</h1><p>This site is being worked on. Please try again in a few minutes.</p></html>"
)


def check(application: App) -> Problems:
    """Statuses, files, and what is left out while a maintenance page is shown."""
    for key, document in entries(application, "error_documents"):
        if not 400 <= document["status"] <= 599:
            yield f"{key}.status", f"{document['status']} is not an error; use 400 to 599"
        yield from _check_file(f"{key}.file", document["file"])
    for status, times in repeated(document["status"] for document in application["error_documents"]):
        yield "error_documents", f"{status} is there {times} times; keep one"
    maintenance = application.get("maintenance")
    if maintenance is None:
        return
    if maintenance["page"]:
        yield from _check_file("maintenance.page", maintenance["page"])
    if maintenance["retry_after"] < 1:
        yield "maintenance.retry_after", f"{maintenance['retry_after']} is too short; the least is 1 (seconds)"
    if not PLAIN_PATH.fullmatch(health.path_of(application)):
        text = "with maintenance, use letters, digits, '-', '_', '.' and '~': the page has to leave it out"
        yield "health.path", text


def _check_file(key: str, file: str) -> Problems:
    if ".." in file.split("/") or not re.fullmatch(r"[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]", file):
        yield key, f"{file!r} is not a file of the source, nor an absolute path; correct it"


def normalise(application: App, place: Place) -> dict[str, Any]:
    """The absolute paths of the files."""
    current, maintenance = place.paths["current"], application.get("maintenance")
    documents = application["error_documents"]
    return {
        "error_documents": [{**entry, "file": os.path.join(current, entry["file"])} for entry in documents],
        "maintenance": maintenance
        and {**maintenance, "page": maintenance["page"] and os.path.join(current, maintenance["page"])},
    }


def values(vhost: Vhost) -> dict[str, Any]:
    """Whether the vhost has pages of its own, and what stands for one."""
    return {
        "pages": any(are_shown(application, vhost.site) for application in vhost.applications),
        "internal": INTERNAL,
        "maintenance_text": MAINTENANCE_TEXT,
    }


def are_shown(application: App, site: App) -> bool:
    """Whether files of an application are pages of the vhost."""
    shows_errors = application["name"] == site["name"] and bool(site["error_documents"])
    return shows_errors or bool(application["maintenance"] and application["maintenance"]["page"])


def condition(member: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The condition under which visitors get the maintenance page, as an expression of httpd's."""
    application = member["application"]
    if not application["maintenance"]:
        return {}
    own = application["path"]
    others = [m["application"]["path"] for m in members if m is not member and is_below(m["application"]["path"], own)]
    left_out = [regex(INTERNAL), *(regex(path) for path in others)]
    found = [
        f"-f '{member['paths']['code']}/maintenance'",
        f"%{{REQUEST_URI}} != '{health.path_of(application)}'",
        *([f"%{{REQUEST_URI}} =~ m#^{regex(own)}(?:/|$)#"] if own != "/" else []),
        f"%{{REQUEST_URI}} !~ m#^(?:{'|'.join(left_out)})(?:/|$)#",
    ]
    return {"maintenance_condition": " && ".join(found)}


def regex(path: str) -> str:
    """A plain path as a regular expression in quotes."""
    return path.replace(".", r"\.")


SUBJECT = Subject(check, normalise=normalise, values=values, of_site=("error_documents",))
