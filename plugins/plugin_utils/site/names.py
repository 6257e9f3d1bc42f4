# SPDX-License-Identifier: Apache-2.0
"""The grammar of host names and of the paths in URLs, as far as a configuration of httpd can carry them."""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)
URL_PATH = re.compile(r"/[^\s\x00-\x20\x7f?#\"\\]*")

PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*/?)*", re.ASCII)
"""A path without a character that a regular expression, an expression of httpd's or a URL would take for its own,
and without `.` or `..` as a part."""

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
