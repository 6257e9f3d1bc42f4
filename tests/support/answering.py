# SPDX-License-Identifier: Apache-2.0
"""Servers that a test brings: of HTTP, and of sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def answering(answer: Callable[[str, Message], tuple[int, bytes]], location: str = "") -> Iterator[int]:
    """A server of HTTP on this machine; its port.

    The status and the body follow from the path and the headers; at status 0, it closes the connection. Redirects lead
    to the location.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path, self.headers)
            if status:
                self.send_response(status)
                if location and 300 <= status < 400:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def accept(listener: socket.socket, treat: Callable[[socket.socket], None]) -> threading.Thread:
    """Treat one connection after the other so, until the listener is closed."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                treat(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread
