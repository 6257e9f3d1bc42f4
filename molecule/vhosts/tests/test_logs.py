# SPDX-License-Identifier: Apache-2.0
"""Logs in JSON: valid for any request, one id for a request everywhere, and rotated without a reload."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest
from support.managed_host import ManagedHost
from support.secure_site import SecureSite
from support.site import Site
from support.waiting import wait_for

LOGS = "/var/log/apache2"


def entries(machine: ManagedHost, log: str) -> list[dict[str, Any]]:
    """The lines of a log as objects; a line that is no JSON fails here, unless an earlier configuration wrote it."""
    lines = machine.run("cat", f"{LOGS}/{log}").splitlines()
    return [json.loads(line) for line in lines]


def ask_bytes(machine: ManagedHost, request: bytes) -> None:
    """A request that no client library would send; the answer is read to its end."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((machine.address(), 443), 20) as plain,
        context.wrap_socket(plain, server_hostname="shop.example") as stream,
    ):
        stream.sendall(request)
        while stream.recv(65536):
            pass


def test_every_request_is_one_valid_object(machine: ManagedHost) -> None:
    hostile = bytes(byte for byte in range(1, 256) if byte not in (9, 10, 13))
    ask_bytes(
        machine,
        b'GET /caf\xc3\xa9/%22%5c%0a?q="\\x41" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n'
        b'User-Agent: the "hostile" \\ one \xff\xc3\xa9\r\nReferer: a\tb\r\n\r\n',
    )
    ask_bytes(machine, b"GET /" + hostile + b" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")

    def found() -> list[dict[str, Any]]:
        return [entry for entry in entries(machine, "shop-access.log") if "hostile" in str(entry["agent"])]

    wait_for(lambda: bool(found()), "the request is in the access log")
    entry = found()[-1]
    assert entry["path"] == '/café/"\\\n'
    assert entry["agent"] == 'the "hostile" \\ one \\xffé'
    assert entry["method"] == "GET"
    assert isinstance(entry["status"], int)


def test_a_request_has_one_id_everywhere(machine: ManagedHost, shop: SecureSite) -> None:
    told = shop.get("/told", headers={"X-Request-ID": "a-client-s-own"}).json()
    assert told["HTTP_X_REQUEST_ID"] == told["UNIQUE_ID"], "a client's own id is not believed"
    answer = shop.get("/fail")
    assert answer.status_code == 500

    def ids(log: str, **values: str) -> set[str]:
        return {e["id"] for e in entries(machine, log) if all(value in str(e[key]) for key, value in values.items())}

    wait_for(lambda: told["UNIQUE_ID"] in ids("shop-access.log", path="/told"), "the id is in the access log")
    wait_for(
        lambda: bool(ids("shop-access.log", path="/fail") & ids("shop-error.log", message="ValueError: on purpose")),
        "the id of the failed request is in both logs",
    )


def test_the_words_of_an_application_stay_what_they_are(machine: ManagedHost, shop: SecureSite) -> None:
    assert shop.get("/log").status_code == 200

    def messages() -> list[str]:
        return [e["message"] for e in entries(machine, "shop-error.log") if "a line with" in e["message"]]

    wait_for(lambda: bool(messages()), "the application's line is in the error log")
    assert 'a line with "quotes" and \x01 and é and \\x41' in messages()[-1]


@pytest.mark.parametrize("name", ["shop", "plain"])
def test_an_application_reaches_nothing_of_the_others(machine: ManagedHost, shop: SecureSite, name: str) -> None:
    """Whatever it finds among its descriptors: logs and their pipes, locks, and on the private listener."""
    line = f"an-invented-line-of-{name}"
    done = (shop if name == "shop" else Site(machine.address(), "plain.example")).get(f"/attempt?{line}").json()
    assert done["status"] == 403, "the server's status is not for applications"
    assert done["written"] == [], "nothing but its own error log takes a line"
    assert done["read"] == []
    # Only shop has several processes, which take turns.
    assert len(done["locks"]) == (name == "shop")
    log = f"{LOGS}/{name}-error.log"
    wait_for(lambda: machine.attempt("grep", "-q", line, log).returncode == 0, "its own error log has the line")
    mentioning = machine.attempt("sh", "-c", f"grep -l ' {line}\\|: \"{line}' {LOGS}/*.log").stdout.split()
    assert mentioning == [log]


def test_logs_are_for_root_and_those_who_may_read_logs(machine: ManagedHost) -> None:
    files = [f"{LOGS}/{name}-error.log" for name in ("guestbook", "shop", "plain")]
    found = machine.run("stat", "-c", "%a %U:%G", *files, f"{LOGS}/error.log", f"{LOGS}/plain-access.log")
    assert set(found.splitlines()) == {"640 root:adm"}


def test_a_rotated_log_goes_on_without_a_reload(machine: ManagedHost, shop: SecureSite) -> None:
    before = machine.run("cat", "/run/apache2/apache2.pid")
    machine.run("mv", f"{LOGS}/shop-access.log", f"{LOGS}/shop-access.log.moved")
    shop.get("/after-the-rotation")
    wait_for(
        lambda: (
            machine.attempt("test", "-e", f"{LOGS}/shop-access.log").returncode == 0
            and any(e["path"] == "/after-the-rotation" for e in entries(machine, "shop-access.log"))
        ),
        "a new file has the line",
    )
    assert machine.run("cat", "/run/apache2/apache2.pid") == before


def test_lines_are_read_without_root_and_a_killed_reader_is_replaced(machine: ManagedHost, shop: SecureSite) -> None:
    def readers() -> list[int]:
        found = machine.processes(f"log_writer.py error json {LOGS}/shop-error.log")
        return [process.pid for process in found if process.user == "nobody"]

    def messages() -> list[str]:
        return [e["message"] for e in entries(machine, "shop-error.log")]

    def said() -> int:
        return sum("a line with" in message for message in messages())

    wait_for(lambda: len(readers()) == 1, "those of earlier configurations have ended")
    before, (reader,) = said(), readers()
    machine.run("kill", "-KILL", str(reader))
    assert shop.get("/log").status_code == 200
    wait_for(lambda: said() > before, "the application's line is in the error log")
    assert any("this log ended (signal 9) and was started again" in message for message in messages())
    assert readers() not in ([], [reader])
