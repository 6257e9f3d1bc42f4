# SPDX-License-Identifier: Apache-2.0
"""The probe names both sides of a difference, waits for a start, and never waits for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.modules import wsgi_probe

ANSWER = {
    "version_info": [3, 11, 2, "final", 0],
    "prefix": "/srv/wsgi/shop/venv",
    "mod_wsgi_version": [6, 1, 1],
    "process_group": "shop",
    "application_group": "",
    "release": "/srv/wsgi/shop/releases/1",
    "venv": "/srv/wsgi/shop/venvs/1",
    "pid": 7,
}
EXPECTED = {
    "Python": "3.11.2",
    "prefix": "/srv/wsgi/shop/venv",
    "virtual environment": "/srv/wsgi/shop/venvs/1",
    "mod_wsgi": "6.1.1",
    "daemon process group": "shop",
    "application group": "%{GLOBAL}",
    "release": "/srv/wsgi/shop/releases/1",
}


def test_an_answer_as_expected() -> None:
    assert wsgi_probe.mismatches(ANSWER, EXPECTED) == []
    assert wsgi_probe.mismatches({**ANSWER, "mod_wsgi_version": [4, 9, 4]}, {**EXPECTED, "mod_wsgi": None}) == []


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("version_info", [3, 12, 1, "final", 0], "Python is 3.12.1 and should be 3.11.2"),
        ("prefix", "/usr", "prefix is /usr and should be /srv/wsgi/shop/venv"),
        ("venv", "", "virtual environment is none and should be /srv/wsgi/shop/venvs/1"),
        ("mod_wsgi_version", [4, 9, 4], "mod_wsgi is 4.9.4 and should be 6.1.1"),
        ("process_group", "blog", "daemon process group is blog and should be shop"),
        ("application_group", "x|", "application group is x| and should be %{GLOBAL}"),
        ("release", "/old", "release is /old and should be /srv/wsgi/shop/releases/1"),
    ],
)
def test_a_difference_names_both_sides(key: str, value: Any, sentence: str) -> None:
    assert wsgi_probe.mismatches({**ANSWER, key: value}, EXPECTED) == [sentence]


@pytest.fixture(name="check")
def fixture_check(tmp_path: Path) -> wsgi_probe.Check:
    return wsgi_probe.Check({"name": "shop"}, {"log_directory": str(tmp_path)})


def test_a_traceback_that_reaches_the_log_after_the_answer_is_told(check: wsgi_probe.Check, tmp_path: Path) -> None:
    text = 'Traceback (most recent call last):\n  File "wsgi.py", line 1\nRuntimeError: broken\n'

    def write() -> None:
        time.sleep(wsgi_probe.RETRY_SECONDS)  # as a log that is written late
        (tmp_path / "shop-error.log").write_text(text)

    writer = threading.Thread(target=write)
    writer.start()
    evidence = check.evidence()
    writer.join()
    assert evidence.splitlines()[-1] == "RuntimeError: broken"


def test_a_log_without_a_traceback_is_told_by_its_last_lines(
    check: wsgi_probe.Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_probe, "LOG_TIMEOUT", 0)
    assert check.evidence() == ""
    (tmp_path / "error.log").write_text("[x] nothing to see\n")
    assert check.evidence() == "\nLast lines of the error log:\nnothing to see"


def test_an_embedded_application_has_the_prefix_of_the_server_s_python() -> None:
    application = {
        "name": "shop",
        "mode": "embedded",
        "application_group": "%{GLOBAL}",
        "paths": {"venv": "/srv/wsgi/shop/venv", "current": "/srv/wsgi/shop/current"},
    }
    parameters = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": "6.1.1"}
    expected = wsgi_probe.expectation(application, parameters, "shop")
    assert expected["prefix"] == "/usr"
    assert expected["daemon process group"] == ""
    daemon = wsgi_probe.expectation({**application, "mode": "daemon"}, parameters, "shop:slow")
    assert daemon["prefix"] == "/srv/wsgi/shop/venv"
    assert daemon["daemon process group"] == "shop:slow"


@pytest.mark.parametrize(
    ("change", "limit", "setting"),
    [
        ({"startup_timeouts": {"shop": 15}}, 20, "startup_timeout is 15 s"),
        ({"startup_timeouts": {"shop": 60, "shop:slow": 5}}, 65, "startup_timeout is 60 s"),
        ({"startup_timeouts": {"shop": 0}}, 35, "health.timeout is 30 s"),
        ({"startup_timeouts": {}, "mode": "embedded"}, 35, "health.timeout is 30 s"),
        ({"startup_timeout": 25}, 30, "startup_timeout is 25 s"),  # a record of an earlier version
    ],
)
def test_the_probe_waits_as_long_as_a_load_may_take(change: dict[str, Any], limit: int, setting: str) -> None:
    application = {"mode": "daemon", "health": {"timeout": 30}, **change}
    found, words = wsgi_probe.probe_limit(application, "shop")
    assert found == limit
    assert words.startswith(setting)


@pytest.mark.parametrize("outcome", [TimeoutError(), (503, b"")])
def test_a_probe_that_fails_says_which_setting_has_ended_it(
    check: wsgi_probe.Check, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    waited = []

    def answer(*arguments: Any) -> tuple[int, bytes]:
        waited.append(arguments[4])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(wsgi_probe, "LOG_TIMEOUT", 0)
    monkeypatch.setattr(wsgi_probe, "get_until", answer)
    check.application.update(mode="daemon", startup_timeouts={"shop": 60})
    check.parameters["private_port"] = 8079
    check.run()
    assert waited == [65]
    assert "65 s" in check.problem
    assert "(startup_timeout is 60 s, and Python itself has 5 s" in check.problem


def test_each_daemon_process_group_is_asked_and_the_one_that_is_wrong_is_named(
    check: wsgi_probe.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.application = {
        "name": "shop",
        "mode": "daemon",
        "application_group": "%{GLOBAL}",
        "probed_groups": ["shop", "shop:slow"],
        "startup_timeouts": {"shop": 15, "shop:slow": 60},
        "paths": {"venv": "/srv/wsgi/shop/venv", "current": "/srv/wsgi/shop/releases/1"},
    }
    python = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": None, "private_port": 8079}
    check.parameters = {**check.parameters, **python}
    asked = []

    def answer(_address: str, _port: int, path: str, *_more: object) -> tuple[int, bytes]:
        asked.append(path)
        facts = {**ANSWER, "process_group": path.rpartition("/")[2], "venv": "/srv/wsgi/shop/venv"}
        return 200, json.dumps({**facts, "release": "/old"} if path.endswith("slow") else facts).encode()

    monkeypatch.setattr(wsgi_probe, "get_until", answer)
    check.run()
    assert asked == ["/probe/shop", "/probe/shop:slow"]
    assert check.problem.startswith("shop:slow does not run as it was deployed: release is /old and should be")
    del check.application["probed_groups"]
    assert wsgi_probe.groups_of(check.application) == ["shop"]


class Handler(BaseHTTPRequestHandler):
    """Answers with the statuses in turn; 0 does not answer before the test is over."""

    statuses: list[int]
    over: threading.Event
    hosts: list[str]

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == 0:
            self.over.wait()
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, *_arguments: object) -> None:
        """Be silent."""


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ThreadingHTTPServer]:
    Handler.over = threading.Event()
    Handler.hosts = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        Handler.over.set()
        server.shutdown()


def ask(server: ThreadingHTTPServer, statuses: list[int], timeout: float) -> tuple[int, bytes]:
    Handler.statuses = statuses
    return wsgi_probe.get_until("127.0.0.1", server.server_port, "/", "shop.example", timeout)


def test_a_start_is_waited_for(server: ThreadingHTTPServer) -> None:
    assert ask(server, [503, 502, 504, 200], 20) == (200, b"body")
    assert Handler.hosts == ["shop.example"] * 4


def test_a_definite_answer_is_not_waited_for(server: ThreadingHTTPServer) -> None:
    assert ask(server, [500, 200], 20) == (500, b"body")


def test_waiting_ends_with_the_deadline(server: ThreadingHTTPServer) -> None:
    assert ask(server, [503], 0.5) == (503, b"body")


def test_a_request_that_hangs_ends_with_the_deadline(server: ThreadingHTTPServer) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError) as error:
        ask(server, [0], 0.5)
    assert time.monotonic() - began < 10
    assert wsgi_probe.describe(error.value) == "the request hangs"


def test_a_page_for_browsers_is_not_repeated_in_a_message() -> None:
    assert wsgi_probe.excerpt(b"<!DOCTYPE html><p>Error") == ""
    assert wsgi_probe.excerpt(b'{"database":\n "unavailable"}') == ' ({"database": "unavailable"})'
    assert wsgi_probe.excerpt(b"") == ""


class Recorder:
    """Stands for the network: what was asked, and 200 as the answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(wsgi_probe, "get_until", self.get)

    def get(self, *request: Any) -> tuple[int, bytes]:
        self.asked.append(request)
        return 200, b""


def certified(tmp_path: Path) -> wsgi_probe.Check:
    health = {
        "address": "192.0.2.1", "port": 443, "host": "shop.example", "path": "/healthz", "timeout": 5, "status": 200,
        "tls": True, "certificate": str(tmp_path / "pubcert.pem"),
    }  # fmt: skip
    return wsgi_probe.Check({"name": "shop", "health": health}, {"log_directory": str(tmp_path), "private_port": 8079})


def test_the_health_is_asked_privately_until_httpd_has_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Recorder(monkeypatch)
    check = certified(tmp_path)
    check.health()
    assert network.asked == [("127.0.0.1", 8079, "/healthz", "shop.example", 5, False)]
    assert wsgi_probe.awaited([check]) == [
        "httpd has no certificate for shop.example yet and answers 503 there over TLS; it asks the authority in the "
        "background, and its error log says what is wrong when that does not succeed in some minutes."
    ]
    (tmp_path / "pubcert.pem").write_text("")
    check = certified(tmp_path)
    check.health()
    assert network.asked[1:] == [("192.0.2.1", 443, "/healthz", "shop.example", 5, True)]
    assert wsgi_probe.awaited([check]) == []


@pytest.mark.parametrize("health", [{}, {"certificate": ""}])
def test_a_site_without_acme_awaits_nothing(health: dict[str, str]) -> None:
    assert wsgi_probe.awaits_certificate(health) is False
