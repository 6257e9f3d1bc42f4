# SPDX-License-Identifier: Apache-2.0
"""wsgi-debug in a real terminal, and with breadth also with the first module whose debugger works."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from support.breadth import wider
from support.debugger import Session, start, wait_until_nothing_is_left
from support.deployment import deploy
from support.managed_host import ManagedHost
from support.newest import NEWEST
from support.waiting import wait_for

VERSIONS = wider((NEWEST, "4.9.1"), "the same sessions with an older module")
PAGES = "/srv/wsgi/shop/releases/"
OBSTACLE = "/var/lib/wsgi/shop/obstacle"

# Runs wsgi-debug in a terminal of its own, and closes that terminal once the application is served; prints the status.
HANG_UP = """
import json, os, pty, re, socket, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv("/usr/local/bin/wsgi-debug", ["wsgi-debug", "shop"])
output = b""
while not (found := re.search(rb"http://127[.]0[.]0[.]1:(\\d+)/", output)):
    output += os.read(terminal, 4096)
port = int(found[1])
end = time.monotonic() + 30
while time.monotonic() < end:
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", port)) == 0:
            break
    time.sleep(0.05)
os.close(terminal)
print(json.dumps({"port": port, "status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}))
"""


@pytest.fixture(name="version", scope="module", params=VERSIONS, autouse=True)
def fixture_version(request: pytest.FixtureRequest, machine: ManagedHost) -> str:
    """The host serves with this module."""
    version = str(request.param)
    record = json.loads(machine.run("cat", "/etc/ansible/facts.d/mod_wsgi.fact"))
    if record["version"] != version:
        done = deploy(variables={"mod_wsgi_version": version})
        assert done.status == 0, done.output[-3000:]
    return version


@pytest.fixture(name="session")
def fixture_session(machine: ManagedHost) -> Iterator[Session]:
    """A session without options, whose application is served."""
    with start(machine) as session:
        session.wait_until_it_answers()
        yield session


@pytest.mark.usefixtures("undisturbed")
def test_the_debugger_opens_at_the_start_and_where_an_exception_is_raised(machine: ManagedHost, version: str) -> None:
    with start(machine, "--startup") as session:
        assert f"mod_wsgi {version}, Python 3.11.2" in session.prompt()
        session.type("c")
        session.wait_until_it_answers()
        assert session.ask("/average").body == "1.5"

        failing = session.ask_meanwhile("/average-of-nothing")
        session.prompt()
        assert session.say("p prices, total") == "([], 0)"
        trace = session.say("bt")
        assert f"> {PAGES}" in trace
        assert "/lib/pages.py(" in trace
        assert ")average()" in trace
        session.type("c")
        assert failing.result().status == 500
        assert session.ask("/average").status == 200

        session.interrupt()
        assert session.status() == 0
        wait_until_nothing_is_left(machine, session.port)


def test_the_application_finds_what_it_has_with_wsgi_run(machine: ManagedHost, session: Session) -> None:
    facts = json.loads(session.ask("/facts").body)
    program = "import json, os, sys; print(json.dumps([sys.prefix, os.getcwd(), sys.path, dict(os.environ)]))"
    prefix, folder, path, environment = json.loads(machine.run("wsgi-run", "shop", "python", "-c", program))
    assert facts["environment"].pop("TERM") == "xterm", "that of the operator"
    assert facts["environment"] == environment
    assert environment["CURRENCY"] == "€"
    assert (facts["prefix"], facts["folder"]) == (prefix, folder)
    assert facts["path"][:2] == [folder, f"{folder}/lib"]
    assert facts["path"][2:] == path[2:], "the standard library, then the virtual environment"


def test_a_request_has_its_id_as_in_the_vhost(session: Session) -> None:
    told = json.loads(session.ask("/request").body)
    assert told["UNIQUE_ID"]
    assert told["HTTP_X_REQUEST_ID"] == told["UNIQUE_ID"]


def test_static_files_are_served(session: Session) -> None:
    assert session.ask("/static/shop.css").body == "body { color: navy }"


def test_the_application_has_not_the_operator_s_terminal(machine: ManagedHost, session: Session) -> None:
    def terminals(pid: int, user: str) -> set[str]:
        links = [f"/proc/{pid}/fd/{fd}" for fd in range(3)]
        return set(machine.run("runuser", "--user", user, "--", "readlink", *links).split())

    (tool,), (server,) = session.tools(), session.servers()
    assert terminals(server, "wsgi-shop").isdisjoint(terminals(tool, "root"))


def window(machine: ManagedHost, session: Session) -> str:
    """Lines and columns of the terminal as the host sees them."""
    (tool,) = session.tools()
    number = int(machine.run("cat", f"/proc/{tool}/stat").rpartition(")")[2].split()[4])
    return machine.run("stty", "-F", f"/dev/pts/{number & 0xFF}", "size").strip()


@pytest.mark.usefixtures("undisturbed")
def test_a_resized_window_does_no_harm(machine: ManagedHost, session: Session) -> None:
    session.terminal.setwinsize(20, 60)
    wait_for(lambda: window(machine, session) == "20 60", "the host has heard of it")
    assert session.ask("/average").status == 200
    # The signal itself: with a threaded MPM, httpd in debug mode takes no notice.
    (server,) = session.servers()
    machine.run("kill", f"-{signal.SIGWINCH}", str(server))
    assert session.ask("/average").status == 200
    assert session.servers() == [server]
    session.interrupt()
    assert session.status() == 0


def test_control_c_at_the_prompt_ends_it_too(machine: ManagedHost, session: Session) -> None:
    failing = session.ask_meanwhile("/average-of-nothing")
    session.prompt()
    session.interrupt()
    assert session.status() == 0
    assert failing.result().status == 0
    wait_until_nothing_is_left(machine, session.port)


def test_termination_ends_it(machine: ManagedHost, session: Session) -> None:
    (tool,) = session.tools()
    machine.run("kill", "-TERM", str(tool))
    assert session.status() == 0
    wait_until_nothing_is_left(machine, session.port)


def test_a_closed_terminal_ends_it(machine: ManagedHost) -> None:
    ended = machine.python(HANG_UP)
    assert ended["status"] == 0
    wait_until_nothing_is_left(machine, ended["port"])


@pytest.mark.usefixtures("undisturbed")
def test_the_debugger_opens_where_loading_fails(machine: ManagedHost) -> None:
    machine.run("touch", OBSTACLE)
    try:
        with start(machine) as session:
            assert "RuntimeError: there is an obstacle" in session.prompt()
            assert session.say("p obstacle") == f"'{OBSTACLE}'"
            machine.run("rm", OBSTACLE)
            session.type("c")
            session.wait_until_it_answers()  # the next request loads it anew
    finally:
        machine.run("rm", "-f", OBSTACLE)
