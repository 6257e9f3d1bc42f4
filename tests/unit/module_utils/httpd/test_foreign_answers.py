# SPDX-License-Identifier: Apache-2.0
"""Sites of others are asked before and after a change; one that answers worse is told with both answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign_answers as answers
from support.answering import accept


class Server:
    """Answers each connection with the same bytes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer: Callable[[int], bytes] = lambda _: b"HTTP/1.1 200 OK\r\n\r\n"
        self.asked: list[bytes] = []
        accept(self.socket, self.treat)

    def treat(self, connection: socket.socket) -> None:
        self.asked.append(connection.recv(4096))
        connection.sendall(self.answer(len(self.asked)))

    def vhost(self, **differing: Any) -> dict[str, Any]:
        return {
            "address": "127.0.0.1",
            "port": self.port,
            "tls": False,
            "name": "old.example",
            "paths": ["/"],
            "first": False,
            "file": "/etc/apache2/sites-enabled/old.conf",
            "line": 3,
            **differing,
        }


@pytest.fixture(name="server")
def fixture_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(answers, "SETTLE_SECONDS", 0)
    server = Server()
    yield server
    server.socket.close()


def test_a_vhost_is_asked_by_its_name_and_the_first_one_by_a_name_that_nobody_has(server: Server) -> None:
    found = answers.ask([server.vhost(first=True, paths=["/", "/app"])])
    assert [(each["name"], each["path"], each["status"]) for each in found] == [
        ("old.example", "/", 200),
        ("old.example", "/app", 200),
        ("modwsgi-unknown.invalid", "/", 200),
    ]
    assert any(f"GET /app HTTP/1.1\r\nHost: old.example:{server.port}\r\n".encode() in asked for asked in server.asked)


@pytest.mark.parametrize(
    ("before", "after"),
    [(200, 404), (200, 403), (200, 500), (302, 404), (404, 500), (401, 503), (200, 0), (500, 0)],
)
def test_a_worse_answer_is_told_with_place_and_both(server: Server, before: int, after: int) -> None:
    server.answer = lambda _: f"HTTP/1.1 {after} x\r\n\r\n".encode() if after else b""
    question = answers.questions([server.vhost()])[0]
    (sentence,) = answers.worse([{**question, "status": before}])
    assert sentence.startswith(
        "The site of others in /etc/apache2/sites-enabled/old.conf, line 3, answered "
        f"http://old.example:{server.port}/ with status {before} before the change, and "
    )
    assert (f"with status {after} now" if after else "not at all now") in sentence


@pytest.mark.parametrize(("before", "after"), [(200, 200), (200, 302), (302, 200), (404, 403), (500, 503), (500, 200)])
def test_an_answer_of_the_same_kind_or_a_better_one_is_none(server: Server, before: int, after: int) -> None:
    server.answer = lambda _: f"HTTP/1.1 {after} x\r\n\r\n".encode()
    assert answers.worse([{**answers.questions([server.vhost()])[0], "status": before}]) == []


def test_a_site_that_needs_a_moment_to_start_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SETTLE_SECONDS", 20)
    server.answer = lambda number: b"HTTP/1.1 503 x\r\n\r\n" if number < 3 else b"HTTP/1.1 200 OK\r\n\r\n"
    assert answers.worse([{**answers.questions([server.vhost()])[0], "status": 200}]) == []
    assert len(server.asked) == 3


def test_a_site_that_did_not_answer_before_is_not_asked_again(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert answers.ask([server.vhost(port=port)]) == []


@pytest.mark.parametrize("answer", [b"no http at all\r\n", b"HTTP/1.1 999 x\r\n", b"x" * 100_000, b""])
def test_what_is_no_answer_of_http_is_none(server: Server, answer: bytes) -> None:
    server.answer = lambda _: answer
    assert answers.ask([server.vhost()]) == []


def test_an_endless_answer_ends_with_the_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_SECONDS", 0.2)
    never = threading.Event()
    server.answer = lambda _: b"x" * never.wait(5)
    assert answers.ask([server.vhost()]) == []
    never.set()


def test_many_vhosts_are_asked_only_so_many_questions(server: Server) -> None:
    vhosts = [server.vhost(name=f"{number}.example") for number in range(answers.QUESTIONS + 10)]
    assert len(answers.questions(vhosts)) == answers.QUESTIONS


def test_who_only_asks_whether_a_site_answers_is_told_of_those_that_do_not(server: Server) -> None:
    server.answer = lambda _: b"HTTP/1.1 500 Internal Server Error\r\n\r\n"
    assert answers.silent([server.vhost()]) == []
    server.answer = lambda _: b""
    where = f"http://old.example:{server.port}/"
    assert answers.silent([server.vhost()]) == [
        f"The site of others in /etc/apache2/sites-enabled/old.conf, line 3, gives no answer to {where} within 10 s; "
        "its error log says why."
    ]
