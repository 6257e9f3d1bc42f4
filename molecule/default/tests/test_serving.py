# SPDX-License-Identifier: Apache-2.0
"""What visitors ask for, they get; what is none of their business, they do not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from support.managed_host import PRIVATE_PORT, ManagedHost
from support.site import Site, accepts_connections
from support.waiting import wait_for

UPLOAD_BYTES = 5 * 1024 * 1024
CONCURRENCY = 100
SLOW_CLIENTS = 950
"""Fewer than the 1,024 workers of our sizes, far more than the 150 of the distribution."""
UTF8 = "Grüße aus 東京 🐍"


def test_pages_are_served(django: Site, flask: Site) -> None:
    page = django.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>Guestbook</h1>" in page.text
    answer = flask.get("/api/items")
    assert answer.status_code == 200
    assert isinstance(answer.json()["items"], list)


def test_the_admin_site_is_served_with_its_style(django: Site) -> None:
    page = django.get("/admin/")
    assert page.status_code == 200
    assert "Django administration" in page.text
    style = re.search(r'href="(/static/admin/css/base[^"]*\.css)"', page.text)
    assert style
    assert django.get(style[1]).headers["Content-Type"].startswith("text/css")


def test_a_form_with_csrf_token_is_accepted(django: Site) -> None:
    answer = django.post_form("/", {"author": "Zoë", "message": UTF8})
    assert answer.status_code == 302
    assert UTF8 in django.get("/").text


def test_a_form_without_csrf_token_is_refused(django: Site) -> None:
    assert django.request("POST", "/", data={"author": "x", "message": "y"}).status_code == 403


def test_json_is_accepted(flask: Site) -> None:
    answer = flask.request("POST", "/api/items", json={"name": UTF8, "quantity": 3})
    assert answer.status_code == 201
    stored = flask.get(answer.headers["Location"]).json()
    assert (stored["name"], stored["quantity"]) == (UTF8, 3)


def test_an_upload_arrives_and_returns_unchanged(django: Site) -> None:
    content = os.urandom(UPLOAD_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    answer = django.post_form("/uploads/", {}, files={"file": ("großes Bild.bin", content)})
    assert answer.status_code == 302, answer.text
    cells = rf'href="(/uploads/\d+/)">[^<]*</a></td><td>{UPLOAD_BYTES}</td><td><code>{digest}</code>'
    row = re.search(cells, django.get("/uploads/").text)
    assert row, "the page shows the digest of what arrived"
    assert hashlib.sha256(django.get(row[1]).content).hexdigest() == digest


def test_static_files_come_from_httpd_with_cache_headers(django: Site) -> None:
    style = re.search(r'href="(/static/guestbook/guestbook[^"]*\.css)"', django.get("/").text)
    assert style
    answer = django.get(style[1])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert answer.headers["Last-Modified"]
    unchanged = django.get(style[1], headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    # An application adds this header to everything that it answers itself.
    assert "X-Frame-Options" in django.get("/").headers
    assert "X-Frame-Options" not in answer.headers


def test_a_static_directory_is_not_listed(django: Site) -> None:
    assert django.get("/static/guestbook/").status_code in (403, 404)


@pytest.mark.parametrize("path", ["/config/settings.py", "/static/%2e%2e/manage.py", "/static/..%2fmanage.py"])
def test_code_is_never_served(django: Site, path: str) -> None:
    answer = django.get(path)
    assert answer.status_code in (400, 403, 404)
    assert "import" not in answer.text


def test_a_stream_is_passed_on_as_it_is_made(flask: Site) -> None:
    begun = time.monotonic()
    arrivals = []
    with flask.get("/stream?chunks=4&interval=0.3", stream=True) as answer:
        for line in answer.iter_lines(chunk_size=1):
            arrivals.append(time.monotonic() - begun)
            assert line
    assert len(arrivals) == 4
    assert arrivals[3] - arrivals[0] > 0.6, f"the first lines were held back: {arrivals}"


def test_head_has_the_headers_and_no_body(sites: list[Site]) -> None:
    for site in sites:
        answer = site.request("HEAD", "/healthz")
        assert answer.status_code == 200
        assert answer.content == b""
        assert answer.headers["Content-Type"] == site.get("/healthz").headers["Content-Type"]


def test_the_application_s_own_404_is_shown(django: Site, flask: Site) -> None:
    for site in (django, flask):
        assert site.get("/no-such-page").status_code == 404
    assert flask.get("/no-such-page").json()["error"]["code"] == 404


def test_paths_in_utf_8_reach_the_application(django: Site, flask: Site) -> None:
    assert f"<h1>{UTF8}</h1>" in django.get(f"/seiten/{quote(UTF8)}/").text
    assert flask.get(f"/echo/{quote(UTF8)}").json() == {"text": UTF8}


def test_concurrent_requests_are_all_answered(sites: list[Site]) -> None:
    def ask(number: int) -> int:
        site = sites[number % len(sites)]
        return Site(site.address, site.host_name).get("/healthz").status_code

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        statuses = list(pool.map(ask, range(CONCURRENCY)))
    assert statuses == [200] * CONCURRENCY


def test_slow_clients_are_answered_and_keep_nobody_waiting(flask: Site) -> None:
    """Each holds a worker from its first byte on, so with too few of them everyone else would wait.

    Whoever comes new is asked: httpd hands a kept connection to the child that has it, even if slow clients hold all
    of that child's workers, and closes it only through one of them (event.c, shutdown_connection)."""
    visitor = Site(flask.address, flask.host_name, flask.port)
    allow_open_files(SLOW_CLIENTS + 100)
    with contextlib.ExitStack() as stack:
        address = (flask.address, flask.port)
        clients = [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: ")
        assert visitor.get("/healthz", timeout=15).status_code == 200
        for client in clients:
            client.sendall(f"{flask.host_name}\r\n\r\n".encode())
        assert {client.recv(4096).partition(b"\r\n")[0] for client in clients} == {b"HTTP/1.1 200 OK"}


def allow_open_files(number: int) -> None:
    """Raise this process's own limit, as far as the machine lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def test_each_request_has_a_duration_and_an_identifier_of_its_own_in_the_log(machine: ManagedHost, flask: Site) -> None:
    path = f"/stream?chunks=2&interval=0.3&marker={os.urandom(8).hex()}"
    for _ in range(2):
        flask.get(path)

    def logged() -> list[tuple[str, str]]:
        log = machine.run("cat", "/var/log/apache2/flask-access.log")
        return re.findall(rf'"GET {re.escape(path)} HTTP/1.1" 200 \d+ (\d+) ([\w@-]{{24,}}) ', log)

    # A line is written after the answer was sent.
    wait_for(lambda: len(logged()) == 2, "both requests are in the log, with both values")
    for microseconds, _ in logged():
        assert 0.3 < int(microseconds) / 1e6 < 30
    assert len({identifier for _, identifier in logged()}) == 2


def test_an_unknown_host_is_refused(machine: ManagedHost) -> None:
    answer = Site(machine.address(), "unknown.example").get("/healthz")
    assert answer.status_code == 404
    assert "ok" not in answer.text


def test_the_private_listener_cannot_be_reached_from_outside(machine: ManagedHost) -> None:
    assert accepts_connections(machine.address(), 80)
    assert not accepts_connections(machine.address(), PRIVATE_PORT)
    assert machine.probe("django")["process_group"] == "django"


@pytest.mark.parametrize("path", ["/server-status", "/probe/django", "/probe/flask"])
def test_private_pages_are_not_public(sites: list[Site], path: str) -> None:
    for site in sites:
        assert site.get(path).status_code == 404


def test_the_server_does_not_tell_its_version(sites: list[Site]) -> None:
    for site in sites:
        for path in ("/healthz", "/no-such-page"):
            assert site.get(path).headers["Server"] == "Apache"


def test_trace_is_refused(sites: list[Site]) -> None:
    for site in sites:
        assert site.request("TRACE", "/healthz").status_code == 405
