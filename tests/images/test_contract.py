# SPDX-License-Identifier: Apache-2.0
"""What docs/image.md promises, in containers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pexpect
import pytest
from support.breadth import wider
from support.containers import HARDENED, ROOT_HARDENED, Container, Containers, Shared, docker
from support.waiting import wait_for

MODES = ("daemon", "embedded")
PLAIN = {mode: {"WSGI_MODE": mode, "WSGI_LOG_LEVEL": "error", "OWN": "mine"} for mode in MODES}
"""Settings of the containers without options, at which most tests look."""
IN_JSON = {"WSGI_LOG_FORMAT": "json", "WSGI_LOG_LEVEL": "info"}


def test_httpd_is_the_first_process_and_the_only_program(shared: Shared) -> None:
    assert set(shared.serving(**PLAIN["daemon"]).programs()) == {"apache2"}


@pytest.mark.parametrize("mode", MODES)
def test_a_request_is_served(shared: Shared, mode: str) -> None:
    told = shared.serving(**PLAIN[mode]).get("/somewhere").json
    assert (told["path"], told["own"], told["encoding"]) == ("/somewhere", "mine", "utf-8")
    assert told["process_group"] == {"daemon": "app", "embedded": ""}[mode]
    if mode == "daemon":
        assert (told["prefix"], told["folder"]) == ("/opt/venv", "/app")


class Request:
    """A request in flight."""

    def __init__(self, container: Container, seconds: float) -> None:
        self.status: int | None = None
        self._thread = threading.Thread(target=self._run, args=(container, seconds), daemon=True)
        self._thread.start()
        container.wait_for_output("waiting")

    def _run(self, container: Container, seconds: float) -> None:
        try:
            self.status = container.get(f"/slow?seconds={seconds}").status
        except OSError:
            self.status = 0
        except Exception:
            self.status = 0

    def result(self) -> int | None:
        """The status; 0 when the connection was reset."""
        self._thread.join(timeout=60)
        return self.status


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *((mode, ()) for mode in MODES),
        ("daemon", ("--init",)),
        pytest.param("embedded", ("--init",), marks=pytest.mark.breadth("what hands the signal on knows no modes")),
    ],
)
def test_docker_stop_lets_a_request_finish(containers: Containers, mode: str, options: tuple[str, ...]) -> None:
    container = containers.start(*options, WSGI_MODE=mode)
    request = Request(container, 3)
    status, seconds = container.end("stop", "-t", "30")
    assert (request.result(), status) == (200, 0)
    assert seconds < 8


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_idle_server_stops_soon_and_says_so_at_last(containers: Containers, form: str) -> None:
    """3 s more would be httpd's patience with a program that writes its log and does not end."""
    container = containers.start(WSGI_LOG_FORMAT=form)
    status, seconds = container.end("stop", "-t", "30")
    assert status == 0
    assert seconds < 4
    assert "shutting down gracefully" in container.output()


@pytest.mark.parametrize("mode", MODES)
def test_sigterm_stops_fast(containers: Containers, mode: str) -> None:
    container = containers.start(WSGI_MODE=mode)
    status, seconds = container.end("kill", "--signal=TERM")
    assert status == 0
    assert seconds < 3


def test_no_application_makes_a_stop_outlast_its_bound(containers: Containers) -> None:
    """A thread that keeps the process, and a request that does not end. All stop at once, since they only wait."""
    started = {}
    for mode in MODES:
        for rights, options in {"its own account": (), "root with four capabilities": ROOT_HARDENED}.items():
            container = containers.start(*options, WSGI_MODE=mode, WSGI_STOP_TIMEOUT="16", TEST_THREAD="1")
            Request(container, 120)
            started[mode, rights] = container
    with ThreadPoolExecutor(len(started)) as pool:
        endings = dict(zip(started, pool.map(lambda each: each.end("stop", "-t", "60"), started.values()), strict=True))
    print({which: f"{seconds:.1f} s" for which, (_, seconds) in endings.items()})
    assert {status for status, _ in endings.values()} == {0}
    assert max(seconds for _, seconds in endings.values()) < 16 + 1


HOSTILE = {
    "WSGI_PROCESES": "4",
    "WSGI_PROCESSES": "many",
    "WSGI_THREADS": "0",
    "WSGI_PORT": "8080\nInclude /etc/shadow",
    "WSGI_STATIC_URL": '/x" /etc',
    "WSGI_SCRIPT": "/app/missing.py",
    "WSGI_HOME": "${PATH}",
    "WSGI_TRUSTED_PROXIES": "*",
    "WSGI_STOP_TIMEOUT": "1",
    "WSGI_MODE": "prefork",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_settings_are_refused(shared: Shared, name: str) -> None:
    done = shared.serving(**PLAIN["daemon"]).run(**{name: HOSTILE[name]})
    assert (done.returncode, done.stdout) == (64, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"mod-wsgi: {name} is ")
    assert sentence.endswith((".", "?"))


def test_a_script_that_does_not_import_is_refused(containers: Containers) -> None:
    done = containers.run(WSGI_SCRIPT="/usr/local/lib/modwsgi-image/health.py", WSGI_CALLABLE="nothing")
    assert done.returncode == 64
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "cannot be imported (see above)" in lines[-1]


@pytest.mark.parametrize(
    "mode", wider(MODES, "the same accounts and files, with the application in httpd's own processes")
)
def test_any_user_read_only_and_without_rights(containers: Containers, mode: str) -> None:
    container = containers.start(*HARDENED, WSGI_MODE=mode)
    assert container.get().json["uid"] == 54321
    request = Request(container, 3)
    assert docker("diff", container.name).stdout == ""
    status, _ = container.end("stop", "-t", "30")
    assert (request.result(), status) == (200, 0)


@pytest.mark.parametrize("mode", MODES)
def test_root_with_four_capabilities(shared: Shared, mode: str) -> None:
    container = shared.taken(*ROOT_HARDENED, **PLAIN[mode])
    assert container.get().json["uid"] == 33
    request = Request(container, 3)
    status, seconds = container.end("stop", "-t", "30")
    print(f"{mode}: {seconds:.1f} s")
    assert (request.result(), status) == (200, 0)
    assert seconds < 8


#: Options, and what the user is called.
USERS = {
    "its own account": ((), 65532, "wsgi"),
    "a user of OpenShift's": (("--user=1000660000:0", *HARDENED[1:]), 1000660000, "1000660000"),
    "root": (ROOT_HARDENED, 33, "www-data"),
}


@pytest.mark.parametrize(("who", "mode"), [*((who, "daemon") for who in USERS), ("root", "embedded")])
def test_the_user_has_a_name_and_a_home_that_can_be_written(shared: Shared, who: str, mode: str) -> None:
    options, number, name = USERS[who]
    home = f"/tmp/home-{number}"
    expected = {
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "user": name,
        "entry": [name, "/var/www" if who == "root" else home],
        "same": True,
        "mode": 0o700,
        # Of /etc/passwd alone.
        "others": [1, 65532],
    }
    container = shared.serving(*options, **PLAIN[mode])
    assert container.get("/account").json == expected
    script = "import json, wsgi; print(json.dumps(wsgi.account()))"
    done = container.run("python", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == expected


def test_a_home_and_a_name_of_the_user_s_own_are_kept(containers: Containers) -> None:
    container = containers.start(*HARDENED, "--tmpfs=/data:mode=1777", HOME="/data", USER="shop")
    told = container.get("/account").json
    assert [told[name] for name in ("HOME", "USER", "LOGNAME", "user")] == ["/data", "shop", "shop", "shop"]


@pytest.mark.parametrize("missing", ["CHOWN", "KILL", "SETGID", "SETUID"])
def test_root_without_what_it_needs_is_refused(containers: Containers, missing: str) -> None:
    held = [f"--cap-add={name}" for name in ("CHOWN", "KILL", "SETGID", "SETUID") if name != missing]
    done = containers.run(options=["--user=0:0", "--cap-drop=ALL", *held])
    assert done.returncode == 64
    assert done.stderr == (
        f"mod-wsgi: The container runs as root and lacks {missing}; start it as another user (--user 65532:0), "
        f"or with --cap-add {missing}.\n"
    )


def test_root_s_container_serves_and_runs_hooks_as_another_user(containers: Containers, tmp_path: Any) -> None:
    (tmp_path / "hook").write_text("#!/usr/local/lib/modwsgi-image/python\nimport os\nprint('hook of', os.getuid())\n")
    (tmp_path / "hook").chmod(0o755)
    container = containers.start("--user=0:0", f"--volume={tmp_path}/hook:/etc/mod-wsgi/hooks.d/10-hook:ro")
    container.wait_for_output("hook of 33")
    assert container.get().json["uid"] == 33


def test_a_container_that_was_killed_starts_again(containers: Containers) -> None:
    container = containers.start()
    container.end("kill", "--signal=KILL")
    docker("start", container.name)
    container.wait_until_served()


def test_a_resized_window_does_not_stop_the_server(containers: Containers) -> None:
    name = containers.name()
    arguments = ["run", "-it", "--sig-proxy=false", f"--name={name}", "--publish=127.0.0.1::8080", containers.image]
    terminal = pexpect.spawn("docker", arguments, encoding="utf-8", timeout=30)
    terminal.expect_exact("Port 8080 is served; `docker stop` ends it.")
    container = Container(name)
    container.wait_until_served()
    for columns in (60, 90):
        terminal.setwinsize(20, columns)
        container.stays_up()
    assert container.end("stop", "-t", "30")[0] == 0
    terminal.close()


def test_the_versions_are_json(shared: Shared) -> None:
    done = shared.serving(*HARDENED, **IN_JSON).run("version")
    versions: dict[str, Any] = json.loads(done.stdout)
    assert set(versions) == {"mod_wsgi", "python", "httpd"}
    assert versions["httpd"].startswith("2.4.")


def test_check_tests_import_and_configuration(shared: Shared) -> None:
    done = shared.serving(*HARDENED, **IN_JSON).run("check")
    assert (done.returncode, done.stderr) == (0, "Syntax OK\n")


def test_other_words(containers: Containers, shared: Shared) -> None:
    done = containers.run("python", "-c", "import os, sys; print(os.getcwd(), sys.prefix)")
    assert done.stdout == "/app /opt/venv\n"
    container = shared.serving(**PLAIN["daemon"])
    assert "Usage: docker run" in container.run("--help").stdout
    done = container.run("ls")
    assert done.returncode == 64
    assert "'ls' is not a word of this image" in done.stderr


def test_the_health_check(shared: Shared) -> None:
    container = shared.serving(**PLAIN["daemon"])
    for variables in ({}, {"WSGI_HEALTH_PATH": "/healthz"}):
        assert container.health(**variables).stdout == "healthy\n"
    done = container.health(WSGI_HEALTH_PATH="/boom")
    assert (done.returncode, done.stdout) == (1, "Port 8080 answers /boom with status 500.\n")


def test_the_health_check_asks_as_a_proxy_and_is_believed_on_its_path_alone(containers: Containers) -> None:
    asked = {"WSGI_HEALTH_PATH": "/secure", "WSGI_HEALTH_SCHEME": "https"}
    container = containers.start(WSGI_TRUSTED_PROXIES="192.0.2.7", **asked)
    assert container.health().stdout == "healthy\n"
    # The program asks as well for another path, for which httpd was not told to believe it.
    done = container.health(WSGI_HEALTH_PATH="/secure/")
    assert done.stdout == "healthy\n", "the application sends nobody elsewhere there"
    inside = (
        "import urllib.request; request = urllib.request.Request('http://127.0.0.1:8080/other', "
        "headers={'X-Forwarded-Proto': 'https'}); print(urllib.request.urlopen(request).read().decode())"
    )
    told = json.loads(docker("exec", container.name, "/opt/venv/bin/python", "-c", inside).stdout)
    assert told["scheme"] == "http"
    answer = container.get("/secure", {"X-Forwarded-Proto": "https"})
    assert (answer.status, answer.headers["Location"]) == (301, "https://shop.example.com/secure")
    alone = containers.start(WSGI_TRUSTED_PROXIES="192.0.2.7", WSGI_HEALTH_PATH="/other")
    done = alone.health(**asked)
    assert (done.returncode, done.stdout) == (
        1,
        "Port 8080 answers /secure with status 301 (to 'https://shop.example.com/secure').\n",
    )


def test_the_access_log_is_json(containers: Containers) -> None:
    container = containers.start(WSGI_LOG_FORMAT="json")
    agents = ('x" \\ y', "caf\u00e9", "a\x01b")
    for agent in agents:
        request = b"GET /a%22b\\c?d=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "
        with socket.create_connection(("127.0.0.1", container.port)) as client:
            client.sendall(request + agent.encode() + b"\r\nConnection: close\r\n\r\n")
            while client.recv(4096):
                pass

    def logged(served: bool) -> list[dict[str, Any]]:
        """Lines of the requests for /, which waited for the server, or of the others; each has to be JSON."""
        lines = [json.loads(line) for line in docker("logs", container.name).stdout.splitlines()]
        return [line for line in lines if (line.get("path") == "/") == served]

    # httpd writes a line after the answer, so that of an earlier request can come later.
    wait_for(lambda: len(logged(served=False)) == len(agents), "the requests are in the log")
    assert {line["status"] for line in logged(served=False)} <= {200, 400}
    ordinary, *_ = wait_for(lambda: logged(served=True), "the requests before them are in the log")
    assert {"time", "client", "method", "protocol", "bytes", "microseconds", "id", "referer", "agent"} < set(ordinary)


def test_the_error_log_is_json(shared: Shared) -> None:
    container = shared.serving(*HARDENED, **IN_JSON)
    assert sorted(set(container.programs())) == ["apache2", "python"]
    assert container.get("/boom").status == 500
    container.get("/print?text=caf%C3%A9%22%00")
    with socket.create_connection(("127.0.0.1", container.port)) as client:
        client.sendall(b'GET /\xff\x01"\\ HTTP/1.1\r\nHost: localhost\r\n\r\n')
        while client.recv(4096):
            pass

    def records() -> list[dict[str, Any]]:
        return [json.loads(line) for line in docker("logs", container.name).stderr.splitlines()]

    def about(text: str) -> list[dict[str, Any]]:
        return [record for record in records() if text in record["message"]]

    (raised,) = wait_for(lambda: about("ValueError: boom 42"), "the traceback is in the log")
    assert {"time", "level", "module", "pid", "id"} <= set(raised)
    assert raised["level"] == "error"
    wait_for(lambda: about("said on stdout"), "what the application prints is in the log")


def test_a_reload_keeps_serving_and_the_error_log_json(shared: Shared) -> None:
    container = shared.taken(*HARDENED, **IN_JSON)

    def printed() -> list[str]:
        records = [json.loads(line) for line in docker("logs", container.name).stderr.splitlines()]
        return [record["message"] for record in records if "said on stderr" in record["message"]]

    before, earlier = container.children(), len(printed())
    docker("kill", "--signal=USR1", container.name)
    wait_for(lambda: not before & container.children(), "all processes but the first are new")
    container.wait_until_served()
    container.get("/print")
    wait_for(lambda: len(printed()) > earlier, "what the application prints is in the log")
    assert printed()[-1].endswith("said on stderr")
    assert container.end("stop", "-t", "30")[0] == 0


def test_what_goes_wrong_is_on_stderr_with_its_traceback(shared: Shared) -> None:
    container = shared.serving(**PLAIN["daemon"])
    assert container.get("/boom").status == 500
    for text in ("ValueError: boom 42", '"GET /boom HTTP/1.1" 500'):
        container.wait_for_output(text)
    written = docker("logs", container.name)
    assert 'File "/app/wsgi.py"' in written.stderr
    assert '"GET /boom HTTP/1.1" 500' in written.stdout


@pytest.mark.parametrize("mode", MODES)
def test_an_import_that_hangs_is_ended_and_says_where(containers: Containers, mode: str) -> None:
    faulty = {"WSGI_CHECK_IMPORT": "Off", "WSGI_STARTUP_TIMEOUT": "3", "TEST_IMPORT": "hang"}
    container = containers.begin(*HARDENED, WSGI_MODE=mode, **faulty)
    container.wait_for_output("The application /app/wsgi.py was not loaded within 3 s (WSGI_STARTUP_TIMEOUT)")
    container.wait_for_output("The application /app/wsgi.py is loaded again at once")
    assert 'File "/app/wsgi.py"' in container.output()
    assert container.end("stop", "-t", "30")[0] == 0


def test_why_a_process_ended_is_on_stderr_at_any_level(containers: Containers) -> None:
    container = containers.begin(WSGI_CHECK_IMPORT="Off", WSGI_LOG_LEVEL="error", TEST_IMPORT="exit")
    container.wait_for_output("has died; deregistering and restarting it.")
    container.wait_for_output("terminated by signal 3")  # what mod_wsgi makes of the exit status
    container.wait_for_output("The application /app/wsgi.py is loaded again in 1 s")


@pytest.mark.parametrize("mode", MODES)
def test_what_an_application_prints_is_on_stderr_at_any_level(shared: Shared, mode: str) -> None:
    container = shared.serving(**PLAIN[mode])
    container.get("/print")
    container.wait_for_output("said on stderr")
    container.wait_for_output("said on stdout")
    assert "said on stdout" in docker("logs", container.name).stderr


def test_proxies_are_believed_only_when_they_are_named(containers: Containers, shared: Shared) -> None:
    headers = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example.com",
        "X-Request-ID": "of-the-proxy.1",
    }
    told = shared.serving(**PLAIN["daemon"]).get("/", headers).json
    assert (told["client"], told["scheme"]) != ("192.0.2.7", "https")
    assert told["request_id"] == told["unique_id"]
    container = containers.start(
        WSGI_TRUSTED_PROXIES="10.0.0.0/8, 172.16.0.0/12,192.168.0.0/16", WSGI_LOG_FORMAT="json"
    )
    told = container.get("/", headers).json
    assert (told["client"], told["scheme"], told["host"]) == ("192.0.2.7", "https", "shop.example.com")
    assert told["request_id"] == "of-the-proxy.1" != told["unique_id"]
    container.wait_for_output('"request_id":"of-the-proxy.1"')
    told = container.get("/", {**headers, "X-Request-ID": 'a"b'}).json
    assert told["request_id"] == told["unique_id"], "an id of other characters is not kept"


def test_files_are_served_and_bodies_are_limited(containers: Containers) -> None:
    container = containers.start(
        WSGI_STATIC_URL="/static/", WSGI_STATIC_PATH="/usr/share/zoneinfo", WSGI_MAX_BODY_SIZE="1000", WSGI_PORT="9090"
    )
    answer = container.get("/static/zone.tab")
    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert container.get("/", body=b"x" * 1000).json["bytes"] == 1000
    assert container.get("/", body=b"x" * 1001).status == 413


@pytest.mark.parametrize("user", ["65532:0", "0:0"])
def test_a_static_folder_is_looked_at_as_who_serves_it(containers: Containers, user: str) -> None:
    """Root itself could read all of it."""
    serving = {"WSGI_STATIC_URL": "/static/", "WSGI_STATIC_PATH": "/etc/ssl"}
    done = containers.run("check", options=["--user", user], **serving)
    assert (done.returncode, "/etc/ssl/private cannot be read by user " in done.stderr) == (0, True)
    done = containers.run("check", options=["--user", user], **{**serving, "WSGI_STATIC_PATH": "/etc/ssl/private"})
    assert done.returncode == 64
    assert "WSGI_STATIC_PATH is /etc/ssl/private, which user " in done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_the_application_is_below_a_path_and_has_its_own_variables(containers: Containers, mode: str) -> None:
    container = containers.start(
        WSGI_MODE=mode,
        WSGI_MOUNT_PATH="/shop/",
        WSGI_HEALTH_PATH="/shop/healthz",
        WSGI_APPLICATION_VARIABLES="WSGI_AUTH_CREDENTIALS",
        WSGI_AUTH_CREDENTIALS="of a library ${HOME}",
    )
    told = container.get("/shop/basket?x=1").json
    assert (told["root"], told["path"], told["credentials"]) == ("/shop", "/basket", "of a library ${HOME}")
    assert (container.get("/").status, container.get("/shopping").status) == (403, 403)


def test_interpreters_are_not_destroyed_when_that_is_off(containers: Containers) -> None:
    container = containers.start(WSGI_DESTROY_INTERPRETER="Off", WSGI_MODE="embedded", TEST_THREAD="1")
    status, seconds = container.end("stop", "-t", "30")
    assert status == 0
    assert seconds < 5


def all_have_imported(container: Container, processes: int) -> Callable[[], bool]:
    """Whether so many processes have said so."""
    return lambda: container.output().count("imported\n") == processes


def test_what_is_finalised_is_what_a_stop_of_large_applications_costs(containers: Containers) -> None:
    """Each process takes half a second of CPU to be finalised, which the other setting leaves out."""
    for destroy, finalised in {"On": 3, "Off": 0}.items():
        container = containers.start(WSGI_DESTROY_INTERPRETER=destroy, WSGI_PROCESSES="3", TEST_HEAVY="0.5")
        wait_for(all_have_imported(container, 3), "all processes have the application")
        status, seconds = container.end("stop", "-t", "30")
        assert (status, container.output().count("finalised\n")) == (0, finalised)
        assert seconds < 5


def test_hooks_and_extra_configuration(containers: Containers, tmp_path: Any) -> None:
    (tmp_path / "hook").write_text("#!/usr/local/lib/modwsgi-image/python\nprint('from the hook')\n")
    (tmp_path / "hook").chmod(0o755)
    (tmp_path / "extra.conf").write_text("Header always set X-Extra yes\n")
    container = containers.start(
        f"--volume={tmp_path}/hook:/etc/mod-wsgi/hooks.d/10-hook:ro",
        f"--volume={tmp_path}/extra.conf:/etc/mod-wsgi/conf.d/extra.conf:ro",
    )
    assert container.get().headers["X-Extra"] == "yes"
    container.wait_for_output("from the hook")


@pytest.mark.parametrize("destroy", wider(["On", "Off"], "an option of mod_wsgi-express, which a unit test has"))
@pytest.mark.parametrize("image", ["default"], indirect=True)
def test_debug_opens_the_debugger_in_the_terminal(containers: Containers, destroy: str) -> None:
    name = containers.name()
    options = [f"--name={name}", "--publish=127.0.0.1::8080", f"--env=WSGI_DESTROY_INTERPRETER={destroy}"]
    arguments = ["run", "-it", *options, containers.image, "debug", "--startup"]
    terminal = pexpect.spawn("docker", arguments, encoding="utf-8", timeout=60)
    terminal.expect_exact("The application under the debugger, on port 8080.")
    terminal.expect_exact("(Pdb) ")
    terminal.sendline("c")
    container = Container(name)
    container.wait_until_served()
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(container.get("/boom").status), daemon=True)
    asking.start()
    terminal.expect_exact("(Pdb) ")
    terminal.sendline("p secret_number")
    terminal.expect_exact("42")
    terminal.expect_exact("(Pdb) ")
    terminal.sendline("c")
    asking.join(timeout=30)
    assert statuses == [500]
    assert container.get("/").status == 200
    terminal.setwinsize(20, 60)
    container.stays_up()
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_debug_without_a_terminal_says_what_is_missing(containers: Containers) -> None:
    done = containers.run("debug")
    assert done.returncode == 64
    assert "start the container with both -i and -t (docker run -it IMAGE debug)." in done.stderr


@pytest.mark.parametrize("image", ["default"], indirect=True)
def test_debug_needs_a_tmpfs_that_holds_programs(containers: Containers) -> None:
    arguments = ["run", "-it", f"--name={containers.name()}", *HARDENED, containers.image, "debug"]
    terminal = pexpect.spawn("docker", arguments, encoding="utf-8", timeout=60)
    terminal.expect_exact("add exec: --tmpfs /tmp:exec.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 64


@pytest.mark.parametrize("image", ["slim"], indirect=True)
def test_the_slim_image_says_what_it_lacks(containers: Containers, shared: Shared) -> None:
    done = shared.serving(**PLAIN["daemon"]).run("shell")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "mod-wsgi: This image has no shell; use `python`, or the image whose tag has no -slim.\n"
    terminal = pexpect.spawn(
        "docker", ["run", "-it", f"--name={containers.name()}", containers.image, "debug"], timeout=60
    )
    terminal.expect_exact("`debug` needs a shell, which this image does not have; use the one whose tag has no -slim.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 64
