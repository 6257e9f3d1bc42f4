# SPDX-License-Identifier: Apache-2.0
"""A server leaves HAProxy's backends and joins them; what HAProxy does not do is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import haproxy
from ansible_collections.modwsgi.deploy.plugins.module_utils.haproxy import HaproxyError, Server
from support.answering import accept

HEADER = "# pxname,svname,scur,status,check_status,last_chk\n"


class Balancer:
    """Answers on a socket as HAProxy does, one command for each connection."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.said: list[str] = []
        self.status = {"shop": "UP", "api": "UP 1/3"}
        self.sessions = [0]
        """How many requests the server has, at one question after the other."""
        self.other = "UP"
        self.leaves = ["UP"]
        """What becomes of the other server, at one question after the other."""
        self.answer = ""
        self.well = "UP"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        accept(self.listener, self.treat)

    def treat(self, connection: socket.socket) -> None:
        command = connection.makefile().readline().strip()
        self.said.append(command)
        connection.sendall((self.table() if command == "show stat" else self.set(command)).encode())

    def table(self) -> str:
        """What `show stat` answers."""
        count = self.sessions.pop(0) if len(self.sessions) > 1 else self.sessions[0]
        others = [f"{backend},web2,0,{self.other},,\n" for backend in self.status]
        if len(self.leaves) > 1:
            self.other = self.leaves.pop(0)
        rows = others + [f"{backend},web1,{count},{status},L7STS,HTTP 503\n" for backend, status in self.status.items()]
        return HEADER + "visitors,FRONTEND,7,OPEN,,\n" + "".join(rows) + "shop,BACKEND,7,UP,,\n\n"

    def set(self, command: str) -> str:
        """What `set server` does and answers."""
        if not self.answer:
            _, _, server, _, state = command.split()
            self.status[server.partition("/")[0]] = "DRAIN" if state == "drain" else self.well
        return f"{self.answer}\n"


@pytest.fixture(name="balancer")
def fixture_balancer(tmp_path: Path) -> Iterator[Balancer]:
    """One that has the server web1 in two backends."""
    balancer = Balancer(tmp_path / "socket")
    yield balancer
    balancer.listener.close()


def test_a_server_leaves_when_it_has_no_request_left(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "PAUSE", 0.0)
    server = Server(balancer.path, ["shop", "api"], "web1")
    balancer.sessions = [2, 2, 1, 0]
    assert server.become("drain", 60, check_mode=False)
    assert balancer.status == {"shop": "DRAIN", "api": "DRAIN"}
    assert balancer.sessions == [0]
    assert not server.become("drain", 60, check_mode=False)


def test_a_server_joins_when_it_is_found_well(balancer: Balancer) -> None:
    balancer.status = {"shop": "DRAIN", "api": "MAINT"}
    server = Server(balancer.path, ["shop", "api"], "web1")
    assert server.become("ready", 60, check_mode=False)
    assert balancer.status == {"shop": "UP", "api": "UP"}
    assert not server.become("ready", 60, check_mode=False)


def test_a_server_that_is_down_has_left(balancer: Balancer) -> None:
    """HAProxy calls it down, whatever it was set to."""
    balancer.status = {"shop": "DOWN"}
    balancer.answer = "\n"
    assert not Server(balancer.path, ["shop"], "web1").become("drain", 60, check_mode=False)


def test_without_checks_a_server_is_taken_as_well(balancer: Balancer) -> None:
    balancer.status, balancer.well = {"shop": "DRAIN"}, "no check"
    assert Server(balancer.path, ["shop"], "web1").become("ready", 60, check_mode=False)


def test_check_mode_sets_nothing(balancer: Balancer) -> None:
    assert Server(balancer.path, ["shop"], "web1").become("drain", 60, check_mode=True)
    assert set(balancer.said) == {"show stat"}


@pytest.mark.parametrize(
    ("state", "sessions", "well", "said"),
    [
        ("drain", 3, "UP", "HAProxy still has 3 requests for shop/web1 after 0 s; give wsgi_haproxy_seconds more."),
        ("ready", 0, "DOWN", "HAProxy does not find shop/web1 well within 0 s: DOWN, HTTP 503."),
    ],
)
def test_a_server_that_is_late_is_told(balancer: Balancer, state: str, sessions: int, well: str, said: str) -> None:
    balancer.sessions, balancer.well, balancer.status = [sessions], well, {"shop": "UP" if sessions else "DRAIN"}
    with pytest.raises(HaproxyError) as raised:
        Server(balancer.path, ["shop"], "web1").become(state, 0, check_mode=False)
    assert str(raised.value) == said


def test_what_haproxy_refuses_is_told(balancer: Balancer) -> None:
    balancer.answer = "Permission denied"
    with pytest.raises(HaproxyError, match="HAProxy does not set shop/web1 to drain: Permission denied"):
        Server(balancer.path, ["shop"], "web1").become("drain", 60, check_mode=False)


@pytest.mark.parametrize(
    ("backends", "name", "said"),
    [
        (["shop", "blog"], "web1", "HAProxy has no server web1 in the backend blog; correct wsgi_haproxy_backends"),
        (["shop"], "web1; shutdown", "'web1; shutdown' cannot be the name of a server"),
        (["shop\n"], "web1", "cannot be the name of a server or a backend"),
    ],
)
def test_a_server_that_there_is_not_is_refused(balancer: Balancer, backends: list[str], name: str, said: str) -> None:
    with pytest.raises(HaproxyError, match=said):
        Server(balancer.path, backends, name)


def test_a_socket_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(HaproxyError, match=r"cannot be asked: .*; give wsgi_haproxy_socket"):
        Server(str(tmp_path / "none"), ["shop"], "web1")


@pytest.mark.parametrize("said", ["show stat", "set server shop/web1 state ready"])
def test_the_last_server_stays(balancer: Balancer, said: str) -> None:
    """Also when the other one leaves at the same moment: then it comes back."""
    if said == "show stat":
        balancer.other = "DRAIN"
    else:
        # Asked once when it is made, twice before it leaves, and once after.
        balancer.leaves = ["UP", "UP", "DOWN", "DOWN"]
    server = Server(balancer.path, ["shop"], "web1")
    with pytest.raises(HaproxyError, match="Without web1, HAProxy has no server for the backend shop, so it stays in"):
        server.become("drain", 60, check_mode=False)
    assert balancer.status["shop"] == "UP"
    assert balancer.said[-1] == said


def test_one_that_gets_no_requests_may_leave_as_the_last(balancer: Balancer) -> None:
    balancer.other, balancer.status = "DOWN", {"shop": "DOWN"}
    Server(balancer.path, ["shop"], "web1").become("drain", 60, check_mode=True)
