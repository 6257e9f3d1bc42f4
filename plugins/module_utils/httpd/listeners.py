# SPDX-License-Identifier: Apache-2.0
"""Listen addresses: ``80``, ``"192.0.2.1:80"``, ``"[2001:db8::1]:80"``.

In a container also ``"${WSGI_PORT}"``: a port that httpd takes from its environment when it starts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

_LISTEN = re.compile(r"(?:(?:(?P<v4>[0-9.]+|\*)|\[(?P<v6>[0-9A-Fa-f:.]+)\]):)?(?P<port>[0-9]{1,5})\Z", re.ASCII)
_VARIABLE = re.compile(r"\$\{[A-Z][A-Z0-9_]*\}\Z", re.ASCII)
_HIGHEST_PORT = 65535
FIRST_UNPRIVILEGED_PORT = 1024
"""From here on any account may listen, unless the kernel is told otherwise."""
ANY = "*"
LOOPBACK = "127.0.0.1"


class ListenerError(ValueError):
    """A listen address that httpd cannot use; the text is for the user."""


class Listener(NamedTuple):
    """One socket that httpd listens on."""

    address: str  # "*" or an IP address without brackets
    port: int | str  # the name of an environment variable as httpd expands it: "${WSGI_PORT}"

    @property
    def directive(self) -> str:
        """The argument of httpd's Listen."""
        if self.address == ANY:
            return str(self.port)
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def overlaps(self, other: Listener) -> bool:
        """Whether the kernel would refuse to bind both (an address of all interfaces takes the port on each)."""
        return self.port == other.port and (ANY in (self.address, other.address) or self.address == other.address)


def _address(text: str) -> str:
    if text == ANY:
        return ANY
    address = ipaddress.ip_address(text)
    return ANY if address.is_unspecified else str(address)


def parse(entry: int | str, key: str = "httpd_listen", variables: bool = False) -> Listener:
    """Read one listen address; ``variables``: a port may be an environment variable's.

    Raises ListenerError with a sentence that names ``key``.
    """
    if variables and _VARIABLE.match(str(entry)):
        return Listener(ANY, str(entry))
    refusal = ListenerError(
        f"{key} contains {entry!r}, which is no listen address; "
        'write a port (80), "address:port" ("192.0.2.1:80") or "[IPv6 address]:port".'
    )
    match = _LISTEN.match("" if isinstance(entry, bool) else str(entry))
    if not match:
        raise refusal
    try:
        address = _address(match.group("v4") or match.group("v6") or ANY)
    except ValueError:
        raise refusal from None
    port = int(match.group("port"))
    if not 0 < port <= _HIGHEST_PORT:
        raise refusal
    return Listener(address, port)


def listeners(listen: Iterable[int | str], private_port: int, variables: bool = False) -> list[Listener]:
    """All sockets of httpd: those of ``listen``, and the private one on loopback, which comes last.

    Raises ListenerError for an entry that is no listen address, and for two that take the same port and address.
    """
    found: list[Listener] = []
    private = Listener(LOOPBACK, parse(private_port, "httpd_private_port").port)
    for listener in [*(parse(entry, variables=variables) for entry in listen), private]:
        for earlier in found:
            if listener.overlaps(earlier):
                name = "httpd_private_port" if listener is private else "httpd_listen"
                raise ListenerError(
                    f"{name} takes {listener.directive}, which httpd_listen already has as {earlier.directive}; "
                    "remove one of them or choose another port."
                )
        found.append(listener)
    return found


def described(listen: Iterable[int | str], private_port: int, variables: bool = False) -> list[dict[str, Any]]:
    """As ``listeners``: ``address``, ``port`` and ``directive`` of each. Raises ListenerError."""
    return [
        {"address": each.address, "port": each.port, "directive": each.directive}
        for each in listeners(listen, private_port, variables)
    ]


def check_private_port(port: int, is_host: bool) -> None:
    """On a host only root may be able to listen on the private port; a container's httpd may not be root.

    Raises ListenerError with a sentence for the user.
    """
    if is_host and port >= FIRST_UNPRIVILEGED_PORT:
        raise ListenerError(
            f"httpd_private_port is {port}, where any account can listen while httpd is down, and the probe would "
            f"believe it; choose a free port below {FIRST_UNPRIVILEGED_PORT}, or remove the variable."
        )
    if not is_host and port < FIRST_UNPRIVILEGED_PORT:
        raise ListenerError(
            f"httpd_private_port is {port}, where httpd cannot listen in a container without rights; set it to 8079."
        )
