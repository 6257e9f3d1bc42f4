# SPDX-License-Identifier: Apache-2.0
"""Requests to httpd's own listeners. What they send is not trusted: nobody waits, or reads, without a bound."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence

USER_AGENT = "modwsgi.deploy"
UNKNOWN = "modwsgi-unknown.invalid"
"""A name that no site has."""


def any_certificate() -> ssl.SSLContext:
    """For a host that asks itself: whose certificate it is, is another question than what is answered."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def answer(address: str, port: int, head: Sequence[str], seconds: float, tls: str | None = None) -> Iterator[bytes]:
    """What is sent as the answer to a request with this head, as it comes, for so many seconds.

    ``tls`` is the name to ask for over TLS, empty for none; None without TLS. Raises OSError, among them TimeoutError
    when the time is over, and ValueError for a name that TLS cannot carry.
    """
    deadline = time.monotonic() + seconds
    lines = [*head, f"User-Agent: {USER_AGENT}", "Connection: close", "", ""]
    with socket.create_connection((address, port), seconds) as plain:
        secured = plain if tls is None else any_certificate().wrap_socket(plain, server_hostname=tls or None)
        with secured as connection:
            connection.sendall("\r\n".join(lines).encode("ascii", "replace"))
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("timed out")
                connection.settimeout(left)
                part = connection.recv(65536)
                if not part:
                    return
                yield part
