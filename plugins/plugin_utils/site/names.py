# SPDX-License-Identifier: Apache-2.0
"""The grammar of host names and of the paths in URLs, as far as a configuration of httpd can carry them; lists."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)
URL_PATH = re.compile(r"/[^\s\x00-\x20\x7f?#\"\\]*")

PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*/?)*", re.ASCII)
"""A path without a character that a regular expression, an expression of httpd's or a URL would take for its own,
and without `.` or `..` as a part."""

ABSOLUTE_FILE = re.compile(r"/[^\x00-\x1f\x7f\"\\$]+")

FOLDER_WILDCARD = re.compile(r"[*?\[\]]")
"""What makes a name a pattern in httpd's `<Directory>` and `<Location>`, which would then be about more than that."""


def is_address(value: str) -> bool:
    """Whether the value is an IP address, in brackets or not."""
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def network(value: str) -> str:
    """An IP address or a network such as 192.0.2.0/24 as mod_wsgi reads it, in lower case; empty for anything else."""
    try:
        found = ipaddress.ip_network(value)
    except ValueError:
        return ""
    if found.version == 6 and found.network_address.ipv4_mapped:  # mod_wsgi reads no dots there
        return ""
    return str(found) if "/" in value else str(found.network_address)


def is_host(value: str) -> bool:
    """Whether the value is one host: a name or an address."""
    return bool(_NAME.fullmatch(value)) or is_address(value)


def is_host_pattern(value: str) -> bool:
    """Whether the value is a host, or `*.` and a name."""
    return bool(_PATTERN.fullmatch(value)) or is_address(value)


def is_below(path: str, prefix: str) -> bool:
    """Whether a URL's path is the prefix or below it; everything is below `/`."""
    return (path.rstrip("/") + "/").startswith(prefix.rstrip("/") + "/")


def path_of(entry: Mapping[str, Any]) -> str:
    """The key `path` without a slash at its end, but for `/`."""
    return "/" + str(entry["path"]).strip("/")


def plain_path(key: str, value: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a path that has to be plain."""
    if not PLAIN_PATH.fullmatch(value):
        yield key, f"{value!r} is not usable; begin with / and use letters, digits, '-', '_', '.' and '~'"


def entries(holder: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """The entries of a list, each with the key that leads to it, e.g. ``headers[0]``."""
    return ((f"{key}[{index}]", entry) for index, entry in enumerate(holder.get(key) or []))


def repeated(values: Iterable[Any]) -> list[tuple[Any, int]]:
    """The values that are there more than once, in their order, with their numbers."""
    found = list(values)
    return [(value, found.count(value)) for value in sorted(set(found)) if found.count(value) > 1]
