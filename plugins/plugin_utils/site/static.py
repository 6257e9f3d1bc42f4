# SPDX-License-Identifier: Apache-2.0
"""What httpd serves itself: the key `static`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.previous import UNTIL
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import STATE_ROOT
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import names, pages
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.hosts import hidden
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Place, Problems, Subject, Vhost

COMPRESSED = {
    "css": "text/css", "csv": "text/csv", "geojson": "application/geo+json", "html": "text/html",
    "ico": "image/vnd.microsoft.icon", "js": "text/javascript", "json": "application/json", "map": "application/json",
    "mjs": "text/javascript", "otf": "font/otf", "svg": "image/svg+xml", "ttf": "font/ttf", "txt": "text/plain",
    "wasm": "application/wasm", "webmanifest": "application/manifest+json", "xml": "application/xml",
}  # fmt: skip
"""Kinds of files that are worth compressing, by the ending of the name. httpd would take `x.css.gz` for an archive."""

ENCODINGS = {"br": "br", "gz": "gzip"}
"""Endings of precompressed files and the names of their encodings, the better one first."""

COMPRESSIBLE = rf"[A-Za-z0-9_./@+~-]+\.(?:{'|'.join(sorted(COMPRESSED))})"
"""The names of such files, as a regular expression."""


def check(application: App) -> Problems:
    """URLs below which there are files, and the folders of these."""
    seen: set[str] = set()
    for key, static in names.entries(application, "static"):
        url = static["url"]
        if not names.URL_PATH.fullmatch(url):
            yield f"{key}.url", f"{url!r} is not a URL path; begin with / and use neither blanks nor ? and #"
        elif not url.strip("/"):
            yield f"{key}.url", "'/' would hide the whole application; choose a path below it, e.g. /static/"
        if url.rstrip("/") in seen:
            yield f"{key}.url", f"{url!r} is there twice; remove one"
        seen.add(url.rstrip("/"))
        if bool(static["directory"]) == bool(static["file"]):
            yield key, "it needs exactly one of directory and file; correct it"
        kind = "file" if static["file"] else "directory"
        yield from _check_place(f"{key}.{kind}", static[kind])
        if static["file"] and static["precompressed"]:
            yield f"{key}.precompressed", "it is for a directory; leave it out, or name the folder of the file"
        if static["precompressed"]:
            yield from _check_precompressed(key, url, static["directory"])
        if static["cache_seconds"] < 0:
            yield f"{key}.cache_seconds", f"{static['cache_seconds']} is negative; use 0 or more"


def _check_place(key: str, path: str) -> Problems:
    if path and os.path.normpath(path) in (".", "/"):
        yield key, f"{path!r} would publish everything; name the folder of static files"
    elif path.startswith("/") and ".." in path.split("/"):
        yield key, f"{path!r} holds '..'; write the path without it"
    elif os.path.normpath(path).startswith(STATE_ROOT + "/"):
        yield (
            key,
            f"{path!r} is in the state folder of an application, which httpd cannot enter, so it answers 403; "
            "name a folder outside of it that httpd can read, and that the application may write where it has to",
        )
    if names.FOLDER_WILDCARD.search(path):
        yield key, f"{path!r} is a pattern for httpd; use none of * ? [ ]"


def _check_precompressed(key: str, url: str, directory: str) -> Problems:
    """Both become a part of rules of mod_rewrite, which has characters of its own."""
    if not names.PLAIN_PATH.fullmatch(url):
        yield (
            f"{key}.url",
            f"{url!r} cannot be precompressed; use only letters, digits and _ - . ~ between slashes, or leave that out",
        )
    if re.search(r"[$%]", directory):
        yield f"{key}.directory", f"{directory!r} cannot be precompressed; use neither $ nor %, or leave that out"


def _taken(application: App) -> Iterator[tuple[str, str]]:
    return ((f"{key}.url", _url(static["url"])) for key, static in names.entries(application, "static"))


def _url(url: str) -> str:
    return "/" + url.strip("/")


def normalise(application: App, place: Place) -> dict[str, Any]:
    """The absolute paths of the folders, with the name of a single file, and whether httpd follows links in them.

    It does in a release, where all belongs to root. Elsewhere the application may write, and between httpd's look at a
    link and its opening of the file could change what it leads to: httpd reads more than an application may
    (SymLinksIfOwnerMatch in httpd's documentation).
    """
    current = place.paths["current"]
    complete = []
    for static in application["static"]:
        path = os.path.normpath(os.path.join(current, static["file"] or static["directory"]))
        folder, file = os.path.split(path) if static["file"] else (path, "")
        of_release = f"{folder}/".startswith(f"{current}/")
        url = _url(static["url"])
        name = previous_name(url, os.path.relpath(folder, current)) if of_release and not file else ""
        complete.append(
            {
                **static,
                "url": url,
                "directory": folder,
                "file": file,
                "links": of_release,
                "previous": name,
            }
        )
    return {"static": complete}


def previous_name(url: str, directory: str) -> str:
    """The name of the link to a folder of the previous release, which is another one for another URL or folder.

    So when these change, what httpd is told to look at is not what the link of before leads to.
    """
    words = re.sub(r"[^A-Za-z0-9]+", "-", url).strip("-")[:40]
    return f"{words}-{hashlib.sha256(f'{url} {directory}'.encode()).hexdigest()[:12]}"


def modules(application: App) -> list[str]:
    """Rules choose a precompressed file, and one of the previous release."""
    keeps = application["releases"]["keep_static_seconds"] > 0
    statics = application["static"]
    return ["rewrite"] if any(each["precompressed"] or (keeps and each["directory"]) for each in statics) else []


# ---------------------------------------------------------------- the previous release


Conditions = list[tuple[str, str]]


def literal(text: str) -> str:
    """What mod_rewrite takes for this very text, where it would put in variables and what was found."""
    return re.sub(r"([\\$%])", r"\\\1", text)


def previous_rules(vhost: Vhost) -> Iterator[dict[str, Any]]:
    """Rules by which httpd serves a file that the current release lacks from the previous one.

    They come before all that maps paths to files, so they leave out what a path below leads to by other means. The
    path of the request stays, and with it what is said of that: logins, headers, limits.
    """
    for member in vhost.members:
        application = member["application"]
        kept = application["releases"]["keep_static_seconds"] > 0
        for static in application["static"] if kept else ():
            if static.get("previous"):
                yield from _rules_of(static, member["paths"]["previous"], list(_elsewhere(static["url"], vhost)))


def _elsewhere(url: str, vhost: Vhost) -> Iterator[str]:
    """Regular expressions for what other keys do with paths below a URL."""
    for application in vhost.applications:
        for path in _paths_of(application):
            if path != url and names.is_below(path, url):
                yield f"^{re.escape(path)}(?:/|$)"
        for redirect in application["redirects"]:
            is_exact = redirect["directive"] == "RedirectMatch"
            yield redirect["from"] if is_exact else f"^{re.escape(redirect['from'].rstrip('/'))}(?:/|$)"


def _paths_of(application: App) -> Iterator[str]:
    yield application["path"]
    yield from (static["url"] for static in application["static"])
    yield from (backend["path"] for backend in application["backends"])


def _rules_of(static: Mapping[str, Any], folder: str, elsewhere: Iterable[str]) -> Iterator[dict[str, Any]]:
    current, previous = literal(static["directory"]), f"{folder}/{static['previous']}"
    lacking: Conditions = [
        *(("%{REQUEST_URI}", f"!{pattern}") for pattern in elsewhere),
        (f"{current}/$1", "!-f"),
    ]
    in_time: Conditions = [("expr", f"%{{TIME}} -lt file('{folder}/{UNTIL}')")]
    for ending, encoding in ENCODINGS.items() if static["precompressed"] else ():
        yield {
            "conditions": [
                ("%{HTTP:Accept-Encoding}", accepts(encoding)),
                *lacking,
                (f"{previous}/$1.{ending}", "-f"),
                *in_time,
            ],
            "pattern": f"^{re.escape(static['url'])}/({COMPRESSIBLE})$",
            "file": f"{previous}/$1.{ending}",
        }
    yield {
        "conditions": [*lacking, (f"{previous}/$1", "-f"), *in_time],
        "pattern": f"^{re.escape(static['url'])}/([^?]+)$",
        "file": f"{previous}/$1",
    }


def folders(member: Mapping[str, Any], static: Mapping[str, Any]) -> list[Any]:
    """The folders of which httpd serves files by an entry: that of the current release, and of the previous one."""
    kept = member["application"]["releases"]["keep_static_seconds"] > 0 and static.get("previous")
    return [static["directory"], *([f"{member['paths']['previous']}/{static['previous']}"] if kept else [])]


def accepts(encoding: str) -> str:
    """What matches an Accept-Encoding that takes an encoding."""
    return rf"(?:^|,)\s*{encoding}\s*(?:;\s*q=(?:1|0?\.\d*[1-9]))?\s*(?:,|$)"


def values(vhost: Vhost) -> dict[str, Any]:
    """The folders, and what is compressed in them."""
    by_type: dict[str, list[str]] = {}
    for ending, kind in COMPRESSED.items():
        by_type.setdefault(kind, []).append(ending)
    published = (
        member["paths"]["code"]
        for member in vhost.members
        if member["application"]["static"] or pages.are_shown(member["application"], vhost.site)
    )
    return {
        "statics": [
            {**static, "folders": folders(member, static)}
            for member in vhost.members
            for static in member["application"]["static"]
        ],
        "published_code": list(dict.fromkeys(published)),
        "encodings": ENCODINGS,
        "compressible": COMPRESSIBLE,
        "accepts": {encoding: accepts(encoding) for encoding in ENCODINGS.values()},
        "previous_rules": list(previous_rules(vhost)),
        "compressed": sorted(COMPRESSED),
        "compressed_types": by_type,
    }


SUBJECT = Subject(
    check,
    lambda applications, _: hidden(applications, _taken),
    normalise=normalise,
    modules=modules,
    possible=("rewrite",),
    values=values,
)
