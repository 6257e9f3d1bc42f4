# SPDX-License-Identifier: Apache-2.0
"""A server of HAProxy leaves its backends or joins them, by the runtime socket. Runs on the balancer's host."""

from __future__ import annotations

import csv
import re
import socket
import time
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9_.:-]+")
"""What HAProxy takes as the name of a backend or a server."""
TOTALS = ("FRONTEND", "BACKEND")
"""What stands in place of a server in the sums."""
MOST_BYTES = 16 << 20
PATIENCE = 10.0
"""Seconds for one answer of the socket."""
PAUSE = 0.1
"""Seconds between two questions: HAProxy tells nobody by itself."""
DRAIN, READY = STATES = ("drain", "ready")


class HaproxyError(Exception):
    """The servers did not get there; the text is for the user."""


def ask(path: str, command: str) -> str:
    """The answer to one command. Raises HaproxyError."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            answer = b""
            while chunk := connection.recv(1 << 16):
                answer += chunk
                if len(answer) > MOST_BYTES:
                    raise HaproxyError(f"HAProxy's socket {path} says more than {MOST_BYTES} bytes; look at it.")
    except OSError as error:
        raise HaproxyError(
            f"HAProxy's socket {path} cannot be asked: {error}; give wsgi_haproxy_socket the path of 'stats socket' in "
            "its configuration, with 'level admin', and look whether HAProxy runs."
        ) from error
    return answer.decode(errors="replace")


def rows(answer: str) -> list[dict[str, str]]:
    """What `show stat` says of each server."""
    return list(csv.DictReader(answer.removeprefix("# ").splitlines()))


class Server:
    """One server in some backends."""

    def __init__(self, path: str, backends: Iterable[str], name: str) -> None:
        """Raises HaproxyError for names that cannot be some, and where HAProxy does not have the server."""
        self.path = path
        self.backends = list(backends)
        self.name = name
        for each in (name, *self.backends):
            if not NAME.fullmatch(each):
                raise HaproxyError(f"{each!r} cannot be the name of a server or a backend of HAProxy; correct it.")
        found = self.found()
        missing = [backend for backend in self.backends if backend not in found]
        if missing:
            raise HaproxyError(
                f"HAProxy has no server {name} in the backend {', '.join(missing)}; correct wsgi_haproxy_backends or "
                "wsgi_haproxy_server."
            )

    def found(self) -> dict[str, dict[str, str]]:
        """What HAProxy says of the server, by backend."""
        all_rows = rows(ask(self.path, "show stat"))
        return {row["pxname"]: row for row in all_rows if row["svname"] == self.name and row["pxname"] in self.backends}

    def last_of(self) -> list[str]:
        """The backends in which no other server gets requests."""
        all_rows = rows(ask(self.path, "show stat"))
        others = [row for row in all_rows if row["svname"] not in (self.name, *TOTALS) and gets_requests(row)]
        return [backend for backend in self.backends if backend not in [row["pxname"] for row in others]]

    def become(self, state: str, seconds: float, check_mode: bool) -> bool:
        """Leave (drain) or join (ready), and wait until it is so; whether that changes something.

        Left is a server without a request; joined is one that HAProxy's checks find well. Raises HaproxyError.
        """
        serving = {backend: gets_requests(row) for backend, row in self.found().items()}
        changed = (state == DRAIN) in serving.values()
        if state == DRAIN:
            self.refuse_the_last(serving)
        if check_mode:
            return changed
        self.set(state)
        if state == DRAIN:
            try:
                self.refuse_the_last(serving)  # another one may have left at the same moment
            except HaproxyError:
                self.set(READY)
                raise
        deadline = time.monotonic() + seconds
        while waiting := {backend: row for backend, row in self.found().items() if not _is_there(row, state)}:
            if time.monotonic() > deadline:
                raise HaproxyError(_late(self.name, state, waiting, seconds))
            time.sleep(PAUSE)
        return changed

    def set(self, state: str) -> None:
        """Tell HAProxy. Raises HaproxyError."""
        for backend in self.backends:
            said = ask(self.path, f"set server {backend}/{self.name} state {state}").strip()
            if said:
                raise HaproxyError(f"HAProxy does not set {backend}/{self.name} to {state}: {said[:200]}")

    def refuse_the_last(self, serving: dict[str, bool]) -> None:
        """Raises HaproxyError when a server that gets requests would leave nobody who does."""
        last = [backend for backend in self.last_of() if serving[backend]]
        if last:
            raise HaproxyError(
                f"Without {self.name}, HAProxy has no server for the backend {', '.join(last)}, so it stays in; bring "
                "another one back, or make turns smaller (wsgi_serial)."
            )


def gets_requests(row: dict[str, str]) -> bool:
    """Whether HAProxy sends requests there: not to a server that was taken out, nor to one that its checks find down.

    Without checks, it takes each server as well.
    """
    return row["status"].split()[0] == "UP" or row["status"] == "no check"


def _is_there(row: dict[str, str], state: str) -> bool:
    if state == DRAIN:
        return not gets_requests(row) and int(row["scur"] or 0) == 0
    return gets_requests(row)


def _late(name: str, state: str, waiting: dict[str, dict[str, str]], seconds: float) -> str:
    where, row = next(iter(waiting.items()))
    if state == DRAIN:
        return (
            f"HAProxy still has {row['scur']} requests for {where}/{name} after {seconds:g} s; give "
            "wsgi_haproxy_seconds more."
        )
    check = row.get("last_chk") or row.get("check_status") or "no result yet"
    return f"HAProxy does not find {where}/{name} well within {seconds:g} s: {row['status']}, {check[:200]}."
