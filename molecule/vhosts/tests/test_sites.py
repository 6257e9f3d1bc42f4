# SPDX-License-Identifier: Apache-2.0
"""Names, paths, TLS, static files, logins, proxies and pages: each as a visitor meets it."""

from __future__ import annotations

import gzip
import json
import re

import pytest
import requests
from support.managed_host import ManagedHost
from support.secure_site import SecureSite
from support.waiting import wait_for


def test_a_form_over_tls_with_cookies_and_csrf(guestbook: SecureSite) -> None:
    answer = guestbook.post_form("/", {"author": "Zoë", "message": "over TLS"})
    assert answer.status_code == 200, "the redirect after the form was followed"
    assert "over TLS" in answer.text
    assert answer.url == "https://guestbook.example/"
    assert all(cookie.secure for cookie in guestbook.session.cookies)
    assert guestbook.request("POST", "/", data={"author": "x", "message": "y"}).status_code == 403


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://guestbook.example/a%20b?x=1&y=%25", "https://guestbook.example/a%20b?x=1&y=%25"),
        ("http://www.guestbook.example/a", "https://guestbook.example/a"),
        ("https://www.guestbook.example/a", "https://guestbook.example/a"),
        ("http://some.shop.example/x", "https://some.shop.example/x"),
        ("http://guestbook.example//evil.example/", "https://guestbook.example/evil.example/"),
    ],
)
def test_the_site_has_one_address(guestbook: SecureSite, url: str, target: str) -> None:
    answer = guestbook.answer(url)
    assert (answer.status_code, answer.headers["Location"]) == (308, target)


def test_browsers_are_told_to_stay_with_tls(guestbook: SecureSite, shop: SecureSite) -> None:
    assert guestbook.get("/").headers["Strict-Transport-Security"] == "max-age=3600"
    assert "Strict-Transport-Security" not in shop.get("/").headers


def test_http2_is_spoken(machine: ManagedHost) -> None:
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_version}", "--resolve", "*:443:127.0.0.1"]
    assert machine.run(*command, "https://guestbook.example/").strip() == "2"
    assert machine.run(*command, "--http1.1", "https://guestbook.example/").strip() == "1.1"


@pytest.mark.parametrize("protocol", ["--http2", "--http1.1"])
def test_a_body_of_unknown_length_reaches_the_application(machine: ManagedHost, protocol: str) -> None:
    """mod_wsgi alone passes on nothing of it over HTTP/2, with status 200."""
    send = f"head -c 900 /dev/zero | curl -sk {protocol} --resolve '*:443:127.0.0.1' -T - https://guestbook.example/status/"
    assert json.loads(machine.run("sh", "-c", send))["body"] == 900


def test_an_unknown_name_gets_nothing_of_a_site(machine: ManagedHost) -> None:
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", "*:443:127.0.0.1"]
    assert machine.run(*command, "https://nobody.example/").strip() == "404"
    shown = machine.run(
        "sh", "-c", "openssl s_client -connect 127.0.0.1:443 -servername nobody.example </dev/null 2>&1"
    )
    assert "shop" not in shown
    assert "guestbook" not in shown


def test_two_applications_share_a_name_by_path(guestbook: SecureSite, machine: ManagedHost) -> None:
    told = guestbook.get("/status/a").json()
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["wsgi.url_scheme"]) == ("/status", "/a", "https")
    assert guestbook.get("/status/a").headers["X-Part"] == r"status 100% \now"
    assert "X-Part" not in guestbook.get("/").headers
    assert {process.user for process in machine.daemon_processes("status")} == {"wsgi-status"}
    assert guestbook.request("POST", "/status/", data=b"x" * 1001).status_code == 413


def test_limits_of_bodies_are_for_paths(shop: SecureSite) -> None:
    assert shop.request("POST", "/x", data=b"x" * 1001).status_code == 413
    assert shop.request("POST", "/upload", data=b"x" * 1001).json()["body"] == 1001
    assert shop.request("POST", "/upload", data=b"x" * 2001).status_code == 413


@pytest.mark.parametrize(
    ("path", "status", "target"),
    [
        ("/old/x?y=1", 301, "https://shop.example/new/x?y=1"),
        ("/exactly", 302, "https://elsewhere.example/here?x=1"),
        ("/gone", 410, None),
        ("/exactly/not", 200, None),
        ("/older", 200, None),
    ],
)
def test_old_paths_lead_to_new_ones(shop: SecureSite, path: str, status: int, target: str | None) -> None:
    answer = shop.answer(path)
    assert (answer.status_code, answer.headers.get("Location")) == (status, target)


def test_headers_are_set_once_and_removed(shop: SecureSite) -> None:
    answer = shop.get("/x")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "X-Powered-By" not in answer.headers
    assert shop.get("/extra").headers["X-Extra"] == "yes"


@pytest.mark.parametrize(
    ("accepted", "encoding", "content"),
    [
        ("identity", None, b"body { color: black }\n"),
        ("gzip", "gzip", b"body { color: black }\n"),
        ("gzip, br", "br", b"not really brotli"),
        ("br;q=0, gzip;q=0.5", "gzip", b"body { color: black }\n"),
        ("br;q=0", None, b"body { color: black }\n"),
    ],
)
def test_precompressed_files_are_what_the_client_accepts(
    shop: SecureSite, accepted: str, encoding: str | None, content: bytes
) -> None:
    answer = shop.get("/static/shop.css", headers={"Accept-Encoding": accepted}, stream=True)
    sent = answer.raw.read(decode_content=False)
    assert answer.headers.get("Content-Encoding") == encoding
    assert (gzip.decompress(sent) if encoding == "gzip" else sent) == content
    assert answer.headers["Content-Type"] == "text/css"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert "Content-Language" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=3600"


def test_a_file_without_a_compressed_one_is_sent_as_it_is(shop: SecureSite) -> None:
    answer = shop.get("/static/plain.js", headers={"Accept-Encoding": "br, gzip"})
    assert (answer.status_code, answer.content) == (200, b"x")
    assert "Content-Encoding" not in answer.headers


def test_a_link_in_a_release_is_served(shop: SecureSite) -> None:
    answer = shop.get("/static/linked.js")
    assert (answer.status_code, answer.content) == (200, b"x")


def test_a_single_file_is_served_and_nothing_beside_it(shop: SecureSite) -> None:
    answer = shop.get("/robots.txt")
    assert (answer.status_code, answer.content) == (200, b"User-agent: *\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert "python" in shop.get("/wsgi.py").json(), "the application answers"


def test_static_files_that_never_change_say_so(guestbook: SecureSite) -> None:
    answer = guestbook.get("/static/admin/css/base.css")
    assert answer.status_code == 200, "a link of collectstatic's into the virtual environment"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_login_shows_its_realm_as_it_was_given(shop: SecureSite) -> None:
    # Neither an expression of httpd's, nor cut short in the quoted string of the header (RFC 9110, 5.6.4).
    shown = re.fullmatch(r'Basic realm="((?:\\.|[^"\\])*)"', shop.get("/private/x").headers["WWW-Authenticate"])
    assert shown
    assert re.sub(r"\\(.)", r"\1", shown[1]) == r"""The shop's "own" \pages, 100% of %{REQUEST_URI} for $1"""


def test_httpd_asks_for_the_password_and_the_application_gets_the_name(shop: SecureSite) -> None:
    assert shop.get("/private/x").status_code == 401
    assert shop.get("/private/x", auth=("alice", "wrong")).status_code == 401
    told = shop.get("/private/x", auth=("alice", "correct horse")).json()
    assert (told["REMOTE_USER"], told["HTTP_AUTHORIZATION"]) == ("alice", "")
    assert shop.get("/public", auth=("alice", "correct horse")).json()["HTTP_AUTHORIZATION"] != ""


def test_only_httpd_can_read_the_passwords(machine: ManagedHost) -> None:
    shown = machine.run("stat", "-c", "%a %U %G", "/etc/apache2/modwsgi-users/shop-0").strip()
    assert shown == "640 root www-data"


def test_an_error_has_a_page_of_the_site(shop: SecureSite) -> None:
    answer = shop.get("/static/nothing")
    assert answer.status_code == 404
    assert "Nothing of ours is here." in answer.text


# A server that answers each request with what it got; and one that becomes a websocket sends back what it reads.
BACKEND = r"""
import base64, hashlib, http.server, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.wfile.write(self.rfile.readline())
            self.close_connection = True
            return
        body = f"{self.path} {self.headers['Host']} {self.headers['X-Forwarded-Proto']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(("127.0.0.1", 9000), Handler).serve_forever()
"""

# A visitor who asks for a websocket over TLS, and prints the status line and what comes back.
WEBSOCKET = r"""
import json, socket, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", 443), 20), server_hostname="shop.example")
stream.sendall(b"GET /socket/chat HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
file = stream.makefile("rb")
status = file.readline().decode()
while file.readline().strip():
    pass
stream.sendall(b"hello\n")
print(json.dumps([status, file.readline().decode()]))
"""


def test_another_server_answers_beside_the_application(machine: ManagedHost, shop: SecureSite) -> None:
    assert shop.get("/socket/x").status_code == 503, "nobody is there yet, and the application is not asked"
    machine.run("systemd-run", "--unit=backend", "/usr/bin/python3", "-c", BACKEND)
    try:
        # Without retry=0, mod_proxy would leave the server alone for a minute.
        wait_for(lambda: shop.get("/socket/x").status_code == 200, "the backend answers", 10)
        assert shop.get("/socket/x").text == "/x shop.example https"
        status, echoed = machine.python(WEBSOCKET)
        assert status.split()[1] == "101"
        assert echoed == "hello\n"
    finally:
        machine.run("systemctl", "stop", "backend")


def test_a_site_answers_on_more_ports(machine: ManagedHost) -> None:
    for port in (80, 8080):
        answer = requests.get(
            f"http://{machine.address()}:{port}/x",
            headers={"Host": "plain.example"},
            timeout=30,
            proxies={"http": ""},
        )
        assert answer.json()["SCRIPT_NAME"] == ""


def test_only_trusted_proxies_are_believed(machine: ManagedHost) -> None:
    forwarded = {"Host": "plain.example", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    told = requests.get(f"http://{machine.address()}/x", headers=forwarded, timeout=30, proxies={"http": ""}).json()
    assert told["REMOTE_ADDR"] != "203.0.113.9"
    assert told["wsgi.url_scheme"] == "http"
    headers = [f"-H{name}: {value}" for name, value in {**forwarded, "X-Request-ID": "abc-1"}.items()]
    told = json.loads(machine.run("curl", "-s", *headers, "http://127.0.0.1/x"))
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("203.0.113.9", "https")
    assert told["HTTP_X_REQUEST_ID"] == "abc-1"
    assert told["UNIQUE_ID"] != "abc-1"
    told = json.loads(machine.run("curl", "-s", *headers[:-1], "-HX-Request-ID: a b", "http://127.0.0.1/x"))
    assert told["HTTP_X_REQUEST_ID"] == told["UNIQUE_ID"], "an id of other characters is not kept"


def test_visitors_see_the_maintenance_page_and_the_health_check_does_not(
    machine: ManagedHost, shop: SecureSite
) -> None:
    machine.run("touch", "/srv/wsgi/shop/maintenance")
    try:
        answer = shop.get("/x")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "300")
        assert "The shop is being painted." in answer.text
        assert shop.get("/healthz").status_code == 200
        assert machine.probe("shop")["process_group"] == "shop"
    finally:
        machine.run("rm", "/srv/wsgi/shop/maintenance")
    assert shop.get("/x").status_code == 200
