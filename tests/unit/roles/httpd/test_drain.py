# SPDX-License-Identifier: Apache-2.0
"""A stop waits for requests in flight, and for nothing else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import status
from support.answering import answering
from support.scripts import ROOT, load_script

FILE = ROOT / "roles/httpd/files/drain.py"

# As it lies beside it on a host.
sys.modules.setdefault("httpd_status", status)
drain = load_script("roles/httpd/files/drain.py")

LONG = 60.0
"""Seconds; more than any of these tests takes."""

# Stands for httpd: closes its listening socket at SIGWINCH, and the connection when it is told to by standard input.
SERVER = """
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
signal.signal(signal.SIGWINCH, lambda *_: listener.close())
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
print("accepted", flush=True)
sys.stdin.readline()
connection.close()
sys.stdin.readline()
"""


@pytest.fixture(name="status_server")
def fixture_status_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Serve texts as /server-status?auto to who has the key, one after another and then the last one; tell the port."""
    monkeypatch.setattr(drain.httpd_status, "KEY_FILE", str(tmp_path / "key"))
    with ExitStack() as servers:

        def serve(*texts: str) -> int:
            waiting = list(texts)

            def answer(path: str, headers: Message) -> tuple[int, bytes]:
                known = headers["X-Modwsgi-Key"] == (tmp_path / "key").read_text()
                text = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                return 200 if path == "/server-status?auto" and known else 403, text.encode()

            return servers.enter_context(answering(answer))

        yield serve


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("BusyWorkers: 1\nIdleWorkers: 74\n", True),
        ("BusyWorkers: 2\nIdleWorkers: 73\n", False),
        ("BusyWorkers: 10\n", False),
        ("BusyWorkers: 3\nScoreboard: _K_WK_.G\n", True),
        ("BusyWorkers: 3\nScoreboard: _K_WR_.G\n", False),
        ("", False),
    ],
)
def test_a_server_is_idle_when_the_question_is_its_only_request(
    status_server: Callable[..., int], text: str, idle: bool
) -> None:
    assert drain.is_idle(status_server(text)) is idle


def test_a_worker_that_still_writes_its_log_is_no_request(status_server: Callable[..., int]) -> None:
    assert drain.is_idle(status_server("BusyWorkers: 2\n", "BusyWorkers: 3\n", "BusyWorkers: 1\n")) is True


def test_the_key_of_the_status_is_made_once_and_is_no_other_account_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain.httpd_status, "KEY_FILE", str(tmp_path / "key"))
    key = drain.httpd_status.key()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert drain.httpd_status.key() == key
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").stat().st_mode & 0o7777 == 0o640


def test_a_server_that_does_not_tell_counts_as_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain.httpd_status, "KEY_FILE", str(tmp_path / "key"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert drain.is_idle(port) is False


def test_open_connections_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)):
            assert server.stdout.readline() == "accepted\n"
            waits, tables = [], []

            def wait(_: float) -> None:
                waits.append(None)
                if len(waits) == 300:
                    print(file=server.stdin, flush=True)

            read = drain.connections
            monkeypatch.setattr(drain, "connections", lambda: tables.append(None) or read())
            monkeypatch.setattr(drain.time, "sleep", wait)
            drain.finish(server.pid, LONG)
        assert len(waits) >= 300, "it waited for the connection"
        assert len(tables) < 100, "it asked for the connection, and did not read the whole table each time"
        assert server.poll() is None, "it does not end the server itself"
        server.communicate("\n")


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")]
)
def test_the_kernel_tells_of_a_single_connection(family: int, address: str) -> None:
    """In either family, and where a client of IPv4 came to a socket of IPv6."""
    both = address == "::"
    with socket.create_server((address, 0), family=family, dualstack_ipv6=both) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1" if both else address, port))
        accepted, _ = server.accept()
        (known,) = [each for each in drain.connections() if each.port == f"{port:04X}" and each.state == "01"]
        assert known.is_still_open()
        client.close()
        assert known.is_still_open(), "httpd has not closed its side yet"
        accepted.close()
        assert not known.is_still_open()


def test_a_server_that_has_ended_is_no_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    drain.finish(ended.pid, LONG)


def test_the_signal_is_httpd_s_graceful_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(drain.os, "kill", lambda pid, number: sent.append((pid, number)))
    drain.finish(os.getpid(), LONG)
    assert sent == [(os.getpid(), signal.SIGWINCH)]


def test_the_wait_for_requests_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(drain.time, "monotonic", lambda: float(len(waited)))
    monkeypatch.setattr(drain.time, "sleep", waited.append)
    listening = drain.Connection("00000000:0050", "00000000:0000", drain.LISTENING, "7")
    monkeypatch.setattr(drain, "connections", lambda: [listening])
    monkeypatch.setattr(drain, "sockets_of", lambda _: {"7"})
    monkeypatch.setattr(drain.os, "kill", lambda *_: None)
    drain.finish(os.getpid(), 14)
    assert len(waited) == 14, "each wait is a second of this clock"


def test_a_stop_of_a_server_that_has_ended_by_itself_succeeds(tmp_path: Path) -> None:
    """Otherwise systemd takes it for a failure, and starts the server that somebody has stopped."""
    for name, source in (("drain.py", FILE), ("httpd_status.py", Path(status.__file__))):
        shutil.copy(source, tmp_path / name)
    command = [sys.executable, "-I", str(tmp_path / "drain.py"), "", "1", "14"]
    assert subprocess.run(command, check=False).returncode == 0
