# SPDX-License-Identifier: Apache-2.0
"""A session of wsgi-debug in a real terminal, and what is left of it on the host."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pexpect

from support.managed_host import ManagedHost
from support.waiting import wait_for

PROMPT = "(Pdb) "
SECONDS = 30
TEMPORARY = ("/tmp", "/var/tmp", "/var/lib/wsgi/shop")

# Prints status and body of a request to the loopback interface; 0 when nobody listens.
ASK = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": "shop.example"})
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
except OSError:
    sys.exit("0")
print(answer.status, answer.read().decode())
"""


@dataclass(frozen=True)
class Answer:
    """What a client got; status 0 when nobody listened."""

    status: int
    body: str = ""


def ask(machine: ManagedHost, port: int, path: str) -> Answer:
    """A request from the host itself."""
    done = machine.attempt("/usr/bin/python3", "-c", ASK, f"http://127.0.0.1:{port}{path}")
    status, _, body = (done.stdout or done.stderr).strip().partition(" ")
    return Answer(int(status), body)


class Session:
    """wsgi-debug in a terminal; a context that ends it whatever happens."""

    def __init__(self, machine: ManagedHost, command: list[str]) -> None:
        """Start it; `command` is what an operator types."""
        self.machine = machine
        self.terminal = pexpect.spawn(
            command[0], command[1:], encoding="utf-8", timeout=SECONDS, dimensions=(40, 150), echo=False
        )
        self.terminal.expect(r"Application shop under the debugger: http://127\.0\.0\.1:(\d+)/")
        self.port = int(self.terminal.match[1])
        self.clients = ThreadPoolExecutor(1)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.tools():
            self.machine.attempt("kill", "-TERM", str(process))
        if not self.terminal.closed:
            self.status()  # it has ended before the next one begins
        self.clients.shutdown()

    def tools(self) -> list[int]:
        """The process numbers of wsgi-debug in the operator's terminal.

        Each has children of the same name, in the terminal of the application's account.
        """
        found = self.machine.processes("/usr/local/bin/wsgi-debug")
        numbers = {process.pid for process in found}
        return [process.pid for process in found if process.parent not in numbers]

    def servers(self) -> list[int]:
        """The process numbers of its httpd."""
        return [
            process.pid for process in self.machine.processes("/httpd.conf") if "wsgi-debug-shop" in process.command
        ]

    def prompt(self) -> str:
        """Wait for the debugger's prompt; what came before it."""
        self.terminal.expect_exact(PROMPT)
        return str(self.terminal.before)

    def type(self, line: str) -> None:
        """Type a line."""
        self.terminal.sendline(line)

    def say(self, line: str) -> str:
        """Type a line at the prompt; what the debugger answers until the next prompt."""
        self.type(line)
        echo, _, answer = self.prompt().partition("\r\n")
        assert echo == line
        return answer.rstrip()

    def ask(self, path: str) -> Answer:
        """A request, whose answer is waited for."""
        return ask(self.machine, self.port, path)

    def ask_meanwhile(self, path: str) -> Future[Answer]:
        """A request, whose answer may be long in coming."""
        return self.clients.submit(self.ask, path)

    def wait_until_it_answers(self) -> None:
        """Return as soon as the application is served."""
        wait_for(lambda: self.ask("/healthz").status == 200, "the debugged application answers")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.terminal.sendintr()

    def status(self) -> int | None:
        """The exit status, once the command has ended."""
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
        return self.terminal.exitstatus


def start(machine: ManagedHost, *options: str) -> Session:
    """A session, as `docker exec -it HOST wsgi-debug OPTIONS shop` begins it."""
    return Session(machine, ["docker", "exec", "-it", machine.container, "wsgi-debug", *options, "shop"])


def left_over(machine: ManagedHost, port: int) -> list[str]:
    """Processes, files and the port of a session; empty when nothing is left."""
    processes = [
        f"process {process.command}"
        for process in machine.processes()
        if process.user == "wsgi-shop" and not process.command.startswith("(wsgi:shop)")
    ]
    names = machine.run("find", *TEMPORARY, "-maxdepth", "1", "-name", "wsgi-debug*").split()
    names += machine.run("find", "/usr/local/lib/modwsgi", "-name", "__pycache__").split()
    listens = [f"port {port}"] if ask(machine, port, "/healthz").status else []
    return processes + names + listens


def wait_until_nothing_is_left(machine: ManagedHost, port: int) -> None:
    """Return when nothing is left; a process that was killed needs a moment."""
    wait_for(lambda: not left_over(machine, port), "nothing is left of the session", 5)
