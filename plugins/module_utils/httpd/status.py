#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Ask httpd's private listener, as root: `httpd_status.py PORT [/probe/APPLICATION SERVER_NAME]`; else for its status.

It answers nobody else, applications the least: any account can connect to it. So httpd looks for a key in a file that
only root and httpd's own user can read. What httpd has read of its configuration is in the memory of all daemon
processes, so the key is not there.

A program on hosts, as httpd_status.py, for the programs beside it as well; changes are overwritten. Modules import it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import urllib.request

KEY_HEADER = "X-Modwsgi-Key"
KEY_FILE = "/run/modwsgi-status/key"
"""In a folder that gives its group, httpd's, to what is made there."""
LARGEST = 4 * 1024 * 1024
"""Bytes of an answer; the status of 1,024 workers has 0.3 MiB."""


def key() -> str:
    """What opens the private listener; made when it is first asked for after a boot, once for all who ask. OSError."""
    with contextlib.suppress(FileNotFoundError):
        return _kept()
    # Several ask at once after a boot, threads of one process as well: the first name of the finished file wins.
    descriptor, new = tempfile.mkstemp(prefix="new-", dir=os.path.dirname(KEY_FILE))
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(os.urandom(32).hex())
            os.fchmod(descriptor, 0o640)
        with contextlib.suppress(FileExistsError):
            os.link(new, KEY_FILE)
    finally:
        os.unlink(new)
    return _kept()


def _kept() -> str:
    with open(KEY_FILE, encoding="ascii") as file:
        return file.read(64)


def read(private_port: int, form: str, seconds: float) -> str:
    """The status as text: `form` is "auto" for that of the server, "" for HTML, which tells about single processes.

    Raises OSError.
    """
    return ask(private_port, f"/server-status?{form}", "private.invalid", seconds)


def ask(private_port: int, path: str, host: str, seconds: float) -> str:
    """What the private listener answers under the name of a host. Raises OSError."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Host": host, KEY_HEADER: key()}
    question = urllib.request.Request(f"http://127.0.0.1:{private_port}{path}", headers=headers)
    with direct.open(question, timeout=seconds) as answer:
        text: str = answer.read(LARGEST).decode("utf-8", "replace")
    return text


def main(arguments: list[str]) -> None:
    """Print what was asked for."""
    port, further = int(arguments[0]), arguments[1:]
    sys.stdout.write(ask(port, further[0], further[1], 10.0) if further else read(port, "auto", 10.0))


if __name__ == "__main__":
    main(sys.argv[1:])
