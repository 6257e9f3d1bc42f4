# SPDX-License-Identifier: Apache-2.0
"""An application that can have what wsgi-doctor is to find; the first part of the path says which."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

STARTED = threading.Semaphore(0)
GATE = os.path.join(os.environ.get("WSGI_STATE_DIRECTORY", "/tmp"), "gate")  # noqa: S108


def crash() -> str:
    """End the process by a signal, as an error in an extension in C does."""
    ctypes.string_at(0)
    return "not reached"


def wait_here() -> str:
    """Keep a thread until the gate is opened, by a writer to a FIFO."""
    with open(GATE, encoding="ascii") as gate:
        return gate.read()


def write_into_release() -> str:
    """What a release does not allow."""
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "mark"), "w", encoding="ascii") as file:
        return str(file.write("x"))


def populate() -> str:
    """What Django says to all further loads, after one that has failed."""
    raise RuntimeError("populate() isn't reentrant")


def ascii_only() -> str:
    """What a process in a locale without UTF-8 says."""
    return "€".encode("ascii").decode("ascii")


WAYS: dict[str, Callable[[], str]] = {
    "crash": crash,
    "wait": wait_here,
    "write": write_into_release,
    "populate": populate,
    "ascii": ascii_only,
    "healthz": lambda: "well",
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do what the path says."""
    way = environ["PATH_INFO"].strip("/")
    headers = [("Content-Type", "text/plain")]
    if way == "header":
        headers.append(("X-Long", "x" * 40000))
    text = WAYS.get(way, lambda: way)()
    start_response("200 OK", headers)
    return [text.encode()]
