# SPDX-License-Identifier: Apache-2.0
"""What a listener sends is read as it comes, with any certificate, and only for a while."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import asking, certificates
from support.answering import accept

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture(name="serve")
def fixture_serve() -> Iterator[Serve]:
    """Begins a server that treats connections so; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def begin(treat: Callable[[socket.socket], None]) -> int:
            accept(listener, treat)
            return int(listener.getsockname()[1])

        yield begin


def test_any_certificate_will_do(serve: Serve, tmp_path: Path) -> None:
    files = {"certificate": str(tmp_path / "crt"), "key": str(tmp_path / "key")}
    for edit in certificates.make({"name": "x", **files, "names": ["other.example"]}, str(tmp_path))[1:]:
        Path(edit.path).write_bytes(edit.content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certificate"], files["key"])
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)

    def treat(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.sendall(connection.recv(4096)[:14])

    found = b"".join(asking.answer("127.0.0.1", serve(treat), ["GET / HTTP/1.1"], 20, "shop.example"))
    assert (found, names) == (b"GET / HTTP/1.1", ["shop.example"])


def test_an_answer_in_drops_ends_with_the_time(serve: Serve) -> None:
    def treat(connection: socket.socket) -> None:
        with suppress(OSError):  # the client has had enough
            while connection.send(b"x"):
                time.sleep(0.05)  # within any time for a single read

    began, received = time.monotonic(), []
    with pytest.raises(TimeoutError):
        received.extend(asking.answer("127.0.0.1", serve(treat), ["GET / HTTP/1.1"], 0.5))
    assert time.monotonic() - began < 5
    assert len(received) > 1
