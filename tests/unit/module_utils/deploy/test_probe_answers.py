# SPDX-License-Identifier: Apache-2.0
"""The probe names both sides of a difference, waits for a start, and never waits for ever."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import probe
from support.answering import accept, answering

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
    assert probe.mismatches(ANSWER, EXPECTED) == []
    assert probe.mismatches({**ANSWER, "mod_wsgi_version": [4, 9, 4]}, {**EXPECTED, "mod_wsgi": None}) == []


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
    assert probe.mismatches({**ANSWER, key: value}, EXPECTED) == [sentence]


@pytest.fixture(name="key", autouse=True)
def fixture_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.status, "KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setattr(probe, "LOG_TIMEOUT", 0)


@pytest.fixture(name="check")
def fixture_check(tmp_path: Path) -> probe.Check:
    return probe.Check({"name": "shop"}, {"log_directory": str(tmp_path)})


def test_a_traceback_that_reaches_the_log_after_the_answer_is_told(
    check: probe.Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LOG_TIMEOUT", 2)
    text = 'Traceback (most recent call last):\n  File "wsgi.py", line 1\nRuntimeError: broken\n'

    def write() -> None:
        time.sleep(probe.RETRY_SECONDS)  # as a log that is written late
        (tmp_path / "shop-error.log").write_text(text)

    writer = threading.Thread(target=write)
    writer.start()
    evidence = check.evidence()
    writer.join()
    assert evidence[-1] == "RuntimeError: broken"


def test_a_log_without_a_traceback_is_told_by_its_last_lines(check: probe.Check, tmp_path: Path) -> None:
    assert check.evidence() == []
    (tmp_path / "error.log").write_text("[x] nothing to see\n")
    assert check.evidence() == ["nothing to see"]


@pytest.mark.parametrize(
    ("ordinary", "telling"),
    [
        (
            [
                "Starting daemon process 'shop' with uid=996, gid=996 and threads=15.",
                "Python home set to '/srv/wsgi/shop/venv' for daemon process 'shop'.",
                "Initializing Python runtime in daemon process 'shop'.",
                "Attaching to Python main interpreter in daemon process 'shop'.",
                "Loading WSGI script '/l.py' into main interpreter of daemon process 'shop'.",
                "Process 'shop' (pid=7) has been deregistered and will no longer be monitored.",
            ],
            "Process 'shop' (pid=7) terminated by signal 9",
        ),
        (
            [
                "mod_wsgi (pid=7): Starting process 'shop' with uid=996, gid=996 and threads=15.",
                "mod_wsgi (pid=7): Python home /srv/wsgi/shop/venv.",
                "mod_wsgi (pid=7): Initializing Python.",
                "mod_wsgi (pid=7): Attach interpreter ''.",
                "mod_wsgi (pid=7, process='shop', application=''): Loading Python script file '/l.py'.",
                "mod_wsgi (pid=7): Process 'shop' has been deregistered and will no longer be monitored.",
            ],
            "mod_wsgi (pid=7): Process 'shop' terminated by signal 9",
        ),
    ],
    ids=["6", "4"],
)
def test_processes_that_end_and_start_do_not_hide_why(
    check: probe.Check, tmp_path: Path, ordinary: list[str], telling: str
) -> None:
    lines = [telling, *ordinary * probe.LAST_LINES]
    (tmp_path / "error.log").write_text("".join(f"[wsgi:info] [pid 1:tid 9] {line}\n" for line in lines))
    assert check.evidence() == [telling]


def test_an_embedded_application_has_the_prefix_of_the_server_s_python() -> None:
    application = {
        "name": "shop",
        "mode": "embedded",
        "application_group": "%{GLOBAL}",
        "paths": {"venv": "/srv/wsgi/shop/venv", "current": "/srv/wsgi/shop/current"},
    }
    parameters = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": "6.1.1"}
    expected = probe.expectation(application, parameters, "shop")
    assert expected["prefix"] == "/usr"
    assert expected["daemon process group"] == ""
    daemon = probe.expectation({**application, "mode": "daemon"}, parameters, "shop:slow")
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
    found, words = probe.probe_limit(application, "shop")
    assert found == limit
    assert words.startswith(setting)


@pytest.mark.parametrize("outcome", [TimeoutError(), probe.Answer(503, b"")])
def test_a_probe_that_fails_says_which_setting_has_ended_it(
    check: probe.Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    waited = []

    def answer(asked: probe.Question, timeout: float) -> probe.Answer:
        assert asked.headers == {"X-Modwsgi-Key": (tmp_path / "key").read_text()}, "nobody else may ask"
        assert asked.host == "shop.example:8080", "no vhost of another name reaches the processes"
        waited.append(timeout)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(probe, "get_until", answer)
    check.application.update(mode="daemon", startup_timeouts={"shop": 60}, health={"host": "shop.example:8080"})
    check.parameters["private_port"] = 8079
    check.run()
    assert waited == [65]
    assert "65 s" in check.problem
    assert "(startup_timeout is 60 s, and Python itself has 5 s" in check.problem


def test_each_daemon_process_group_is_asked_and_the_one_that_is_wrong_is_named(
    check: probe.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.application = {
        "name": "shop",
        "mode": "daemon",
        "application_group": "%{GLOBAL}",
        "probed_groups": ["shop", "shop:slow"],
        "startup_timeouts": {"shop": 15, "shop:slow": 60},
        "health": {"host": "shop.example"},
        "paths": {"venv": "/srv/wsgi/shop/venv", "current": "/srv/wsgi/shop/releases/1"},
    }
    python = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": None, "private_port": 297}
    check.parameters = {**check.parameters, **python}
    asked = []

    def answer(question: probe.Question, _: float) -> probe.Answer:
        path = question.path
        asked.append(path)
        facts = {**ANSWER, "process_group": path.rpartition("/")[2], "venv": "/srv/wsgi/shop/venv"}
        found = {**facts, "release": "/old"} if path.endswith("slow") else facts
        return probe.Answer(200, json.dumps(found).encode())

    monkeypatch.setattr(probe, "get_until", answer)
    check.run()
    assert asked == ["/probe/shop", "/probe/shop:slow"]
    assert check.problem.startswith("shop:slow does not run as it was deployed: release is /old and should be")
    del check.application["probed_groups"]
    assert probe.groups_of(check.application) == ["shop"]


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_all_groups_of_one_colour_are_asked(colour: str) -> None:
    groups = [f"shop:{each}{part}" for each in ("blue", "green") for part in ("", ":reports")]
    application = {"name": "shop", "colours": ["blue", "green"], "probed_groups": groups}
    assert probe.groups_of(application, colour) == [f"shop:{colour}", f"shop:{colour}:reports"]


@pytest.mark.parametrize(("resting", "colour"), [(False, "green"), (True, "blue")])
def test_of_two_colours_the_one_that_serves_is_asked_or_the_other_in_private(
    check: probe.Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resting: bool, colour: str
) -> None:
    (tmp_path / "active").write_text("active shop:green\nresting shop:blue\n")
    for name, release in (("current", "2"), ("current-green", "2"), ("current-blue", "1")):
        (tmp_path / name).symlink_to(f"releases/{release}")
    paths = {key: str(tmp_path / key) for key in ("current", "venv", "application", "environment")}
    application = {
        "name": "shop",
        "mode": "daemon",
        "application_group": "%{GLOBAL}",
        "colours": ["blue", "green"],
        "probed_groups": ["shop:blue", "shop:green"],
        "startup_timeouts": {"shop:blue": 15, "shop:green": 15},
        "health": {
            "host": "shop.example",
            "path": "/healthz",
            "status": 200,
            "timeout": 5,
            "tls": True,
            "address": "192.0.2.7",
            "port": 443,
            "headers": {"X-Forwarded-Proto": "https"},
        },
        "paths": {**paths, "code": str(tmp_path)},
    }
    python = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": None, "private_port": 297}
    asked: list[probe.Question] = []

    def answer(question: probe.Question, _: float) -> probe.Answer:
        asked.append(question)
        if not question.path.startswith("/probe/"):
            return probe.Answer(200, b"ok")
        group = question.path.rpartition("/")[2]
        link = tmp_path / f"current-{group.partition(':')[2]}"
        venv = f"{paths['venv']}-{group.partition(':')[2]}"
        facts = {**ANSWER, "process_group": group, "prefix": venv, "venv": venv, "release": str(link.resolve())}
        return probe.Answer(200, json.dumps(facts).encode())

    monkeypatch.setattr(probe, "get_until", answer)
    asking = probe.Check(application, {**check.parameters, **python}, resting)
    asking.run()
    assert asking.problem == ""
    assert [question.path for question in asked] == [f"/probe/shop:{colour}", "/healthz"]
    health = asked[1]
    key = {"X-Modwsgi-Key": (tmp_path / "key").read_text()} if resting else {}
    assert dict(health.headers) == {"X-Forwarded-Proto": "https", **key}
    assert (health.address, health.port, health.tls) == (
        ("127.0.0.1", 297, False) if resting else ("192.0.2.7", 443, True)
    )


class Server:
    """Answers with the statuses in turn; 0 does not answer before the test is over."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.over = threading.Event()
        self.asked: list[Message] = []
        self.port = 0

    def answer(self, _: str, headers: Message) -> tuple[int, bytes]:
        self.asked.append(headers)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == 0:
            self.over.wait()
        return status, b"body"

    def ask(self, statuses: list[int], timeout: float, **headers: str) -> tuple[int, bytes, str]:
        self.statuses = statuses
        asked = probe.Question("127.0.0.1", self.port, "/", "shop.example", headers=headers)
        return probe.get_until(asked, timeout)


@pytest.fixture(name="server")
def fixture_server() -> Iterator[Server]:
    server = Server()
    with answering(server.answer) as server.port:
        yield server
        server.over.set()


def test_a_start_is_waited_for(server: Server) -> None:
    assert server.ask([503, 502, 504, 200], 20) == (200, b"body", "")
    assert [headers["Host"] for headers in server.asked] == ["shop.example"] * 4


def test_further_headers_are_sent_and_the_host_stays(server: Server) -> None:
    server.ask([200], 20, **{"X-Forwarded-Proto": "https", "user-agent": "checker"})
    found = [(name.lower(), value) for name, value in server.asked[0].items()]
    assert [pair for pair in sorted(found) if pair[0] != "accept-encoding"] == [
        ("connection", "close"),
        ("host", "shop.example"),
        ("user-agent", "checker"),
        ("x-forwarded-proto", "https"),
    ]


def test_a_definite_answer_is_not_waited_for(server: Server) -> None:
    assert server.ask([500, 200], 20) == (500, b"body", "")


def test_waiting_ends_with_the_deadline(server: Server) -> None:
    assert server.ask([503], 0.5) == (503, b"body", "")


def test_a_request_that_hangs_ends_with_the_deadline(server: Server) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError) as error:
        server.ask([0], 0.5)
    assert time.monotonic() - began < 10
    assert probe.describe(error.value) == "the request hangs"


def test_a_page_for_browsers_is_told_as_its_text() -> None:
    assert probe.excerpt(b"<!DOCTYPE html><p>Error") == " (Error)"
    assert probe.excerpt(b"<html>\n<TITLE lang=en>\n Not &lt;Found&#27; </TITLE><p>x") == " (Not <Found: x)"
    assert probe.excerpt(
        b"<!DOCTYPE html><!-- a > b --><style>p { x }</style><SCRIPT>1 < 2</SCRIPT ><p>No<br>more"
    ) == (" (No more)")
    django = b"""<!doctype html>
<html lang="en">
<head>
  <title>Not Found</title>
</head>
<body>
  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>
</body>
</html>"""
    assert probe.excerpt(django) == " (Not Found: The requested resource was not found on this server.)"
    assert probe.excerpt(b"<html><head>\n<title>\n500 Internal Server Error</title>") == ""
    assert probe.excerpt(b'{"database":\n "unavailable"}') == ' ({"database": "unavailable"})'
    assert probe.excerpt(b"") == ""


@pytest.mark.parametrize("page", [b"<" * 100000, b"<head" * 50000, b"<!--" * 50000, b"<title>" * 50000, b"<p>" * 50000])
def test_no_page_takes_long_to_be_told(page: bytes) -> None:
    began = time.monotonic()
    assert len(probe.excerpt(b"<" + page)) <= probe.BODY_LENGTH + 3
    assert time.monotonic() - began < 2


def test_an_application_that_logs_nothing_is_told_so(liar: Liar, tmp_path: Path) -> None:
    liar.begin = answer(b"down", status=b"500 No")
    with pytest.raises(
        probe.ProbeError, match=r"It has logged nothing; let it log to standard error \(Django: LOGGING"
    ):
        probing(liar, tmp_path).health()
    (tmp_path / "shop-error.log").write_text("why\n")
    check = probing(liar, tmp_path)
    check.logs[0].size = 0
    with pytest.raises(probe.ProbeError, match=r"see .*shop-error\.log\.$") as failure:
        check.health()
    assert failure.value.lines == ["why"]


class Recorder:
    """Stands for the network: what was asked, and 200 as the answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[probe.Question] = []
        monkeypatch.setattr(probe, "get_until", self.get)

    def get(self, asked: probe.Question, _: float) -> probe.Answer:
        self.asked.append(asked)
        return probe.Answer(200, b"")


def certified(tmp_path: Path) -> probe.Check:
    health = {
        "address": "192.0.2.1", "port": 443, "host": "shop.example", "path": "/healthz", "timeout": 5, "status": 200,
        "tls": True, "certificate": str(tmp_path / "pubcert.pem"),
    }  # fmt: skip
    return probe.Check({"name": "shop", "health": health}, {"log_directory": str(tmp_path), "private_port": 297})


def test_the_health_is_asked_privately_until_httpd_has_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Recorder(monkeypatch)
    check = certified(tmp_path)
    check.health()
    assert network.asked == [("127.0.0.1", 297, "/healthz", "shop.example", False, {})]
    assert probe.awaited([check]) == [
        "httpd has no certificate for shop.example yet and answers 503 there over TLS; it asks the authority in the "
        "background, and its error log says what is wrong when that does not succeed in some minutes."
    ]
    (tmp_path / "pubcert.pem").write_text("")
    check = certified(tmp_path)
    check.application["health"]["headers"] = {"X-A": "1"}
    check.health()
    assert network.asked[1:] == [("192.0.2.1", 443, "/healthz", "shop.example", True, {"X-A": "1"})]
    assert probe.awaited([check]) == []


@pytest.mark.parametrize("health", [{}, {"certificate": ""}])
def test_a_site_without_acme_awaits_nothing(health: dict[str, str]) -> None:
    assert probe.awaits_certificate(health) is False


# ---------------------------------------------------------------- answers of an application that lies


class Liar:
    """A server that answers with these bytes, and then with more of the same until the client has enough."""

    def __init__(self) -> None:
        self.begin = b""
        self.more = b""
        self.pause = 0.0
        self.sent = 0
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = accept(self.listener, self.lie)

    def lie(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.recv(65536)
            client.sendall(self.begin)
            while self.more and not self.over.wait(self.pause):
                client.sendall(self.more)
                self.sent += len(self.more)

    def close(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture(name="liar")
def fixture_liar() -> Iterator[Liar]:
    liar = Liar()
    yield liar
    liar.close()


def probing(liar: Liar, tmp_path: Path) -> probe.Check:
    application = {
        "name": "shop",
        "mode": "daemon",
        "application_group": "%{GLOBAL}",
        "paths": {"venv": "/srv/wsgi/shop/venv", "current": "/srv/wsgi/shop/releases/1"},
        "health": {
            "address": "127.0.0.1", "port": liar.port, "host": "shop.example", "path": "/",
            "timeout": 0.5, "status": 200,
        },
    }  # fmt: skip
    python = {"python_version": "3.11.2", "python_prefix": "/usr", "mod_wsgi_version": None}
    return probe.Check(application, {"log_directory": str(tmp_path), "private_port": liar.port, **python})


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])


def forged(**keys: Any) -> bytes:
    return answer(json.dumps({**ANSWER, **keys}).encode())


def without(key: str) -> bytes:
    return answer(json.dumps({name: value for name, value in ANSWER.items() if name != key}).encode())


CHUNKED = b"Transfer-Encoding: chunked"
NOT_THE_PROBE_S = "The probe of shop got an answer that is not the probe's"
HANGS = "The processes of shop gave no answer within 0.5 s (a short time; the request hangs)"

LIES: dict[str, tuple[bytes, bytes, str]] = {
    "no end of chunks": (answer(b"", CHUNKED), b"1000\r\n" + b"x" * 4096 + b"\r\n", "it has more than 1048576 bytes"),
    "chunks of one byte": (answer(b"", CHUNKED), b"1;" + b"x" * 4000 + b"\r\nx\r\n", "more than 2097152 bytes"),
    "a chunk without an end": (answer(b"", CHUNKED), b"f" * 4096, "gave no answer"),
    "no end of trailers": (answer(b"1\r\nx\r\n0\r\n", CHUNKED), b"X: " + b"y" * 4000 + b"\r\n", "more than 2097152"),
    "no end of a body": (answer(b""), b"x" * 4096, "it has more than 1048576 bytes"),
    "no end of headers": (
        b"HTTP/1.1 200 OK\r\n",
        b"X: y\r\n",
        "gave no answer within 0.5 s (a short time; got more than 100 headers)",
    ),
    "no end of a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096, "gave no answer"),
    "no end of interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "gave no answer"),
    "a length of more digits than memory": (answer(b"{}", b"Content-Length: " + b"9" * 60000), b"", NOT_THE_PROBE_S),
    "a length beyond memory": (answer(b"{}", b"Content-Length: 99999999999999999999"), b"", NOT_THE_PROBE_S),
    "a negative length": (answer(b"{}", b"Content-Length: -1"), b"", NOT_THE_PROBE_S),
    "a negative chunk": (answer(b"-5\r\n", CHUNKED), b"x", "The p"),
    "no HTTP": (b"\x1b[2J\xff" * 1000, b"", "The processes of shop gave no answer within 0.5 s ("),
    "nothing": (b"", b"", "The processes of shop gave no answer within 0.5 s ("),
    "another place": (answer(b"", b"Location: http://192.0.2.1/", status=b"302 Found"), b"", "got status 302"),
    "an empty body": (answer(b""), b"", "it is no JSON, or too deep"),
    "no JSON": (answer(b"{"), b"", "it is no JSON, or too deep"),
    "no UTF-8": (answer(b'{"prefix": "\xff"}'), b"", "it is no JSON, or too deep"),
    "too deep": (answer(b"[" * 500000), b"", "it is no JSON, or too deep"),
    "too deep, in objects": (answer(b'{"a":' * 150000), b"", "it is no JSON, or too deep"),
    "a number without an end": (answer(b'{"pid": ' + b"9" * 1000000 + b"}"), b"", "it is no JSON, or too deep"),
    "a list": (answer(b"[]"), b"", "it is no object"),
    "a text": (answer(b'"x"'), b"", "it is no object"),
    "versions of another type": (forged(version_info="3.11.2"), b"", "version_info is no version"),
    "a version without numbers": (forged(version_info=[{}, [], None]), b"", "version_info is no version"),
    "a version of truths": (forged(mod_wsgi_version=[True] * 3), b"", "mod_wsgi_version is no version"),
    "half a version": (forged(mod_wsgi_version=[6]), b"", "mod_wsgi_version is no version"),
    "a text that acts on terminals": (forged(prefix="\x1b]0;x\x07"), b"", "prefix is no text of one line"),
    "a text of two lines": (forged(release="/a\nb"), b"", "release is no text of one line"),
    "half a character": (answer(json.dumps({**ANSWER, "venv": "\ud800"}).encode()), b"", "venv is no text of one line"),
    "a text without an end": (forged(prefix="x" * 5000), b"", "prefix is no text of one line"),
    "a path of another type": (forged(venv=["/"]), b"", "venv is no text of one line"),
    "a group of another type": (forged(process_group=None), b"", "process_group is no text of one line"),
    "a process of another type": (forged(pid="7"), b"", "pid is no number"),
    **{f"no {key}": (without(key), b"", f"{key} is no ") for key in ANSWER},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_lies_costs_little_and_is_told(
    lie: str, liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "probe_limit", lambda *_: (0.5, "a short time"))
    liar.begin, liar.more, sentence = LIES[lie]
    check = probing(liar, tmp_path)
    began = time.monotonic()
    check.run()
    assert time.monotonic() - began < 5
    assert "shop" in check.problem
    assert sentence in check.problem
    assert len(check.problem) < 1000
    assert check.problem.isprintable()
    assert check.result == {}


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", answer(b""), answer(b"", CHUNKED)])
def test_an_answer_in_drops_ends_with_the_deadline(
    begin: bytes, liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "probe_limit", lambda *_: (0.5, "a short time"))
    liar.begin, liar.more, liar.pause = begin, b"1", 0.05  # each within any time for a single read
    check = probing(liar, tmp_path)
    began = time.monotonic()
    check.run()
    assert time.monotonic() - began < 3
    assert check.problem.startswith(HANGS)


def test_of_a_large_health_answer_no_more_than_needed_is_read(liar: Liar, tmp_path: Path) -> None:
    liar.begin, liar.more = answer(b""), b"x" * 4096
    check = probing(liar, tmp_path)
    check.application["health"]["timeout"] = 20
    check.health()
    assert check.result["status"] == 200
    assert liar.sent < 16 * probe.LARGEST_ANSWER, "what was under way when it was closed is in it"


def test_a_health_answer_cannot_act_on_the_terminal(liar: Liar, tmp_path: Path) -> None:
    liar.begin = answer(b"\x1b]52;c;eA==\x07 down \xff", status=b"500 No")
    check = probing(liar, tmp_path)
    (tmp_path / "shop-error.log").write_text('{"message": "\\u001b[2J"}\n')
    with pytest.raises(probe.ProbeError) as error:
        check.health()
    assert " instead of 200 (]52;c;eA== down \N{REPLACEMENT CHARACTER});" in str(error.value)
    assert len(error.value.lines) == 1, "the log's line"
    assert all(line.isprintable() for line in (str(error.value), *error.value.lines))


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (
            b"301 Moved",
            b"Location: https://shop.example/healthz\x1b\r\n",
            "with status 301 (to https://shop.example/healthz) instead of 200 (down); see ",
        ),
        (b"404 Not Found", b"", "with status 404 instead of 200 (down); see "),
        (b"500 No", b"", "with status 500 instead of 200 (down); see "),
    ],
)
def test_an_answer_that_may_be_right_names_the_keys(
    liar: Liar, tmp_path: Path, status: bytes, headers: bytes, told: str
) -> None:
    liar.begin = answer(b"down", status=status).replace(b"\r\n", b"\r\n" + headers, 1)
    with pytest.raises(probe.ProbeError) as error:
        probing(liar, tmp_path).health()
    assert told in str(error.value)
    assert ("set health.path or health.status" in str(error.value)) is not status.startswith(b"5")


@pytest.mark.parametrize(
    ("location", "names_headers"),
    [
        ("https://shop.example/healthz", True),
        ("https://shop.example:443/healthz/", True),
        ("https://login.example/healthz", False),
        ("http://shop.example/healthz/", False),
        ("/login", False),
    ],
)
def test_a_redirect_to_https_names_the_headers_of_a_proxy(location: str, names_headers: bool) -> None:
    advice = probe.advice(probe.Answer(301, b"", location), "http://shop.example/healthz")
    assert ("health.headers to {X-Forwarded-Proto: https}" in advice) is names_headers
    assert "health.path" in advice


def test_a_folder_that_the_service_may_not_write_is_told_with_the_key(liar: Liar, tmp_path: Path) -> None:
    liar.begin = answer(b"down", status=b"500 No")
    (tmp_path / "shop-error.log").write_text("")
    check = probing(liar, tmp_path)
    (tmp_path / "shop-error.log").write_text("OSError: [Errno 30] Read-only file system: '/srv/uploads/a'\n")
    with pytest.raises(probe.ProbeError, match="or name the folder in httpd_writable_paths"):
        check.health()


def test_a_host_name_that_may_be_refused_is_told() -> None:
    assert "ALLOWED_HOSTS" in probe.advice(probe.Answer(400, b""), "http://shop.example/healthz")
    assert "ALLOWED_HOSTS" not in probe.advice(probe.Answer(404, b""), "http://shop.example/healthz")


def test_only_what_a_probe_can_answer_is_handed_on() -> None:
    body = json.dumps({**ANSWER, "ansible_facts": {"x": 1}, "version_info": [3, 11, 2, "\x1b", {}]}).encode()
    assert probe.parse(body) == {**ANSWER, "version_info": [3, 11, 2]}
