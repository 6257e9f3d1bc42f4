# SPDX-License-Identifier: Apache-2.0
"""Where httpd's logs go, and how they look. Runs on the control node only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.log_writer import FIELDS
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import LIBRARY
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import host_program

WRITER = f"{LIBRARY}/log_writer.py"
TEXT, JSON = "text", "json"
FILES, JOURNAL = "files", "journal"

TEXT_FORMATS = {
    "access": '%v:%p %a %u %t "%r" %>s %O %D %{UNIQUE_ID}e "%{Referer}i" "%{User-Agent}i"',
    "error": r"[%{cu}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\ %a] [id\ %L] %M",
}


def writes(logging: Mapping[str, str]) -> bool:
    """Whether httpd hands its lines to our program; text in files it writes itself."""
    return logging["format"] == JSON or logging["destination"] != FILES


def target(logging: Mapping[str, str], kind: str, file: str, instance: Mapping[str, str]) -> str:
    """The argument of ErrorLog or CustomLog for a log of the instance that would be this file."""
    if not writes(logging):
        return file
    name = file.rpartition("/")[2].removesuffix(".log")
    where = file if logging["destination"] == FILES else f"journal:{instance['journal_name']}-{name}"
    return f"|/usr/bin/python3 -I {WRITER} {kind} {logging['format']} {where}"


def log_files(logging: Mapping[str, str], paths: Iterable[str]) -> list[dict[str, Any]]:
    """Log files as entries for httpd_config: with Debian's access, since httpd itself would let all accounts read."""
    if logging["destination"] != FILES:
        return []
    return [{"path": path, "log": True, "mode": "0640", "group": "adm"} for path in paths]


def line_format(logging: Mapping[str, str], kind: str) -> str:
    """The format of the lines, in httpd's words. Fields for our program are separated by tabs."""
    if logging["format"] == TEXT:
        return TEXT_FORMATS[kind]
    return "\t".join(form for _, form in FIELDS[kind])


def writer() -> str:
    """The program that takes lines from httpd."""
    return host_program("httpd/log_writer.py")


def described(log_format: str, destination: str, instance: Mapping[str, str]) -> dict[str, Any]:
    """What the template of the base configuration says about logs."""
    logging = {"format": log_format, "destination": destination}
    return {
        "access_log": target(logging, "access", instance["access_log"], instance),
        "error_log": target(logging, "error", instance["error_log"], instance),
        "access_format": line_format(logging, "access"),
        "error_format": line_format(logging, "error"),
        "writer": writer() if writes(logging) else "",
        # In a container they are its standard streams.
        "files": log_files(logging, [instance["access_log"], instance["error_log"]] if instance["unit"] else []),
    }
