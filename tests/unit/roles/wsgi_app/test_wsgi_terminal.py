# SPDX-License-Identifier: Apache-2.0
"""wsgi-run lends a command nothing of root's terminal, and otherwise behaves as if there were nothing between them."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support.scripts import ROOT
from support.waiting import wait_for

TOOLS = {
    "wsgi_run.py": ROOT / "plugins/module_utils/deploy/run.py",
    "wsgi_terminal.py": ROOT / "roles/wsgi_app/files/wsgi_terminal.py",
}
ACCOUNT = pwd.getpwnam("nobody")
MARKER = "touch-me-not"
SECONDS = 20

pytestmark = [pytest.mark.root("becomes another account"), pytest.mark.slow]

# What a hostile application does to each terminal that it can reach: types a line, and says what happened.
INTRUDER = f"""
import fcntl, json, os, sys, termios
def attempts():
    found = {{}}
    reachable = {{str(fd): fd for fd in range(16)}}
    try:
        reachable["/dev/tty"] = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        pass
    for name, fd in reachable.items():
        if not os.isatty(fd):
            continue
        try:
            for byte in b"{MARKER}\\n":
                fcntl.ioctl(fd, termios.TIOCSTI, bytes([byte]))
            found[name] = "typed"
        except OSError as error:
            found[name] = error.strerror
    return found
def facts():
    stat = open("/proc/self/stat").read().rpartition(")")[2].split()
    return dict(
        pid=os.getpid(), uid=os.geteuid(), session=os.getsid(0), terminal=int(stat[4]),
        streams=[os.fstat(fd).st_rdev if os.isatty(fd) else None for fd in range(3)],
        descriptors=sorted(int(name) for name in os.listdir("/proc/self/fd"))[3:-1],
    )
def report(name, content):
    with open(name + ".new", "w") as stream:
        json.dump(content, stream)
    os.rename(name + ".new", name)
"""

# Root's shell, as far as it matters here: it runs a command, and then looks what somebody has typed meanwhile.
SHELL = """
import fcntl, json, os, subprocess, sys, termios
status = subprocess.run(sys.argv[2:], close_fds=False).returncode
os.set_blocking(0, False)
typed = b""
try:
    while True:
        more = os.read(0, 4096)
        if not more:
            break
        typed += more
except BlockingIOError:
    pass
number = int(open("/proc/self/stat").read().rpartition(")")[2].split()[4])
streams = [os.fstat(fd).st_rdev if os.isatty(fd) else None for fd in range(3)]
with open(sys.argv[1], "w") as stream:
    json.dump(dict(status=status, typed=typed.decode(), terminal=number, session=os.getsid(0), streams=streams), stream)
"""


class Host:
    """A host with the application `shop`, whose account is nobody; the tools are the real ones, with another folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("tools", "etc/shop", "release", "venv/bin"):
            (root / folder).mkdir(parents=True)
        for name, source in TOOLS.items():
            text = source.read_text().replace('"/etc/wsgi"', repr(str(root / "etc")))
            (root / "tools" / name).write_text(text)
        group = grp.getgrgid(ACCOUNT.pw_gid).gr_name
        application = {
            "name": "shop", "user": ACCOUNT.pw_name, "group": group, "lang": "C.UTF-8", "locale": "C.UTF-8",
            "python_path": [], "static_root": "", "state": str(root / "release"), "current": str(root / "release"),
            "venv": str(root / "venv"),
        }  # fmt: skip
        (root / "etc/shop/application.json").write_text(json.dumps(application))
        (root / "etc/shop/environment.json").write_text("{}")
        os.chown(root / "release", ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        # That of the tests may be in a folder that the account cannot enter.
        (root / "venv/bin/python").symlink_to("/usr/bin/python3")

    def command(self, *words: str) -> list[str]:
        """What an operator types."""
        return [sys.executable, str(self.root / "tools" / "wsgi_run.py"), "shop", *words]

    def python(self, program: str, *arguments: str) -> list[str]:
        """A program of the application, as an operator runs it."""
        return self.command("python", "-c", program, *arguments)

    def start(self, *words: str) -> pexpect.spawn[str]:
        """A command in a terminal."""
        return spawn(self.command(*words))

    def shell(self) -> Shell:
        """A shell with job control in a terminal."""
        return Shell(self)

    def told(self, name: str) -> Any:
        """What a program has reported in a file of the release."""
        path = self.root / "release" / name
        wait_for(path.exists, f"{name} was written")
        return json.loads(path.read_text())


def spawn(command: list[str]) -> pexpect.spawn[str]:
    """A command in a terminal."""
    return pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=SECONDS, dimensions=(30, 90))


class Shell:
    """Root's interactive shell; a context that ends it, and looks whether the terminal is as it was."""

    PROMPT = "ready> "

    def __init__(self, host: Host) -> None:
        command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        self.terminal = pexpect.spawn(
            command[0],
            command[1:],
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(30, 90),
            cwd=str(host.root),
            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),  # Python ignores it
            env={**os.environ, "PS1": self.PROMPT, "RUN": " ".join(host.command())},
        )
        self.terminal.expect_exact(self.PROMPT)
        self.before = self.settings()

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        try:
            assert failed or self.settings() == self.before
        finally:
            self.terminal.close(force=True)

    def type(self, line: str) -> None:
        """Type a line."""
        self.terminal.sendline(line)

    def expect(self, text: str) -> str:
        """Wait for a text; what came before it."""
        self.terminal.expect_exact(text)
        return str(self.terminal.before)

    def say(self, line: str) -> str:
        """Type a line at the prompt; what comes until the next prompt."""
        self.type(line)
        return self.expect(self.PROMPT).partition("\r\n")[2]

    def settings(self) -> str:
        """Those of the terminal at the prompt."""
        return self.say("stty -a")


@pytest.fixture(name="host")
def fixture_host() -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="wsgi-terminal-"))  # the account cannot enter tmp_path
    root.chmod(0o755)
    yield Host(root)
    shutil.rmtree(root)


def ended(terminal: pexpect.spawn[str]) -> tuple[str, int | None, int | None]:
    """Output, exit status and signal, once the command has ended."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return str(terminal.before), terminal.exitstatus, terminal.signalstatus


def looked_after(host: Host, program: str, *, redirected: bool = False) -> tuple[dict[str, Any], pexpect.spawn[str]]:
    """Run a program from a shell that then looks at its terminal; what it has found, and its terminal."""
    command = host.python(INTRUDER + program)
    if redirected:
        command = ["sh", "-c", 'exec "$@" </dev/null >/dev/null 2>&1', "sh", *command]
    terminal = spawn([sys.executable, "-c", SHELL, str(host.root / "seen.json"), *command])
    terminal.expect(pexpect.EOF)
    return json.loads((host.root / "seen.json").read_text()), terminal


# ---------------------------------------------------------------- what an application cannot do


@pytest.mark.parametrize("redirected", [False, True], ids=["on the terminal", "all streams redirected"])
def test_nothing_is_typed_into_root_s_terminal(host: Host, redirected: bool) -> None:
    program = "report('facts', facts()); report('attempts', attempts())"
    seen, _ = looked_after(host, program, redirected=redirected)
    assert seen["status"] == 0
    assert host.told("attempts"), "it had a terminal to type into"
    assert MARKER not in seen["typed"]
    facts = host.told("facts")
    # Where the kernel allows no such typing at all, these are what keeps the rest from happening.
    assert facts["uid"] == ACCOUNT.pw_uid
    assert facts["session"] != seen["session"]
    assert facts["terminal"] not in (0, seen["terminal"])
    own = None if redirected else facts["streams"][0]
    assert facts["streams"] == [own] * 3
    assert own not in seen["streams"]
    assert facts["descriptors"] == []


def test_what_it_leaves_running_has_no_hold_on_the_terminal(host: Host) -> None:
    program = f"""
import select, signal
ready, prepared = os.pipe()
alive, ends = os.pipe()
if os.fork():
    os.close(prepared)
    os.read(ready, 1)
    sys.exit(0)
os.close(ends)
os.setsid()
signal.signal(signal.SIGHUP, signal.SIG_IGN)
before = attempts()
os.close(prepared)
os.read(alive, 1)  # until the command has ended
terminal = select.poll()
terminal.register(1, 0)  # until the terminal has
terminal.poll(10000)
found = {{}}
for name, action in (("write", lambda: os.write(1, b"{MARKER}")), ("read", lambda: os.read(0, 1))):
    try:
        found[name] = repr(action())
    except OSError as error:
        found[name] = error.strerror
report("left", dict(found, before=before, after=attempts()))
"""
    seen, terminal = looked_after(host, program)
    assert MARKER not in seen["typed"] + str(terminal.before)
    left = host.told("left")
    assert (left["read"], left["write"]) == ("b''", "Input/output error")
    assert left["after"] == {}


@pytest.mark.parametrize("terminal", [True, False])
def test_it_inherits_no_descriptor_of_root_s(host: Host, terminal: bool) -> None:
    command = ["sh", "-c", 'exec "$@" 5</etc/shadow', "sh", *host.python(INTRUDER + "report('facts', facts())")]
    if terminal:
        assert ended(spawn(command))[1] == 0
    else:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, start_new_session=True)
    assert host.told("facts")["descriptors"] == []


def test_different_terminals_are_refused(host: Host) -> None:
    master, slave = os.openpty()
    terminal = spawn(["sh", "-c", f'exec "$@" 2>{os.ttyname(slave)}', "sh", *host.command("id")])
    _, status, _ = ended(terminal)
    assert status == 125
    assert b"different terminals, and the command gets one; redirect all to one." in os.read(master, 4096)
    os.close(master)
    os.close(slave)


# ---------------------------------------------------------------- what an operator notices


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_exit_status_is_the_command_s(host: Host, status: int) -> None:
    assert ended(host.start("sh", "-c", f"echo begun; exit {status}"))[1:] == (status, None)


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "INT", "PIPE"])
def test_a_signal_that_ends_the_command_is_passed_on(host: Host, name: str) -> None:
    assert ended(host.start("sh", "-c", f"kill -{name} $$"))[1:] == (None, signal.Signals[f"SIG{name}"])


def test_a_program_that_does_not_exist(host: Host) -> None:
    output, status, _ = ended(host.start("no-such-program"))
    assert status == 125
    assert output == "wsgi-run: There is no program no-such-program in the virtual environment or on the PATH.\r\n"


def test_all_of_a_long_output_arrives(host: Host) -> None:
    output, status, _ = ended(host.start("seq", "200000"))
    assert status == 0
    assert output == "".join(f"{number}\r\n" for number in range(1, 200001))


def test_a_long_paste_and_a_long_output_do_not_block_each_other(host: Host) -> None:
    program = "import sys\nprint('go', flush=True)\nprint('x' * 2000000)\nprint(len(sys.stdin.read()))"
    terminal = host.start("sh", "-c", f'stty -icanon -echo; exec python -c "{program}"')
    terminal.expect_exact("go")
    # Not canonical, so a byte is a byte, until the terminal is hung up.
    os.set_blocking(terminal.child_fd, False)
    try:
        while True:
            os.write(terminal.child_fd, b"y" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(terminal.child_fd, True)
    terminal.expect_exact("x" * 100 + "\r\n")
    terminal.close(force=True)


@pytest.mark.parametrize(("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_keys_that_end_a_command(host: Host, key: str, number: int) -> None:
    terminal = host.start("sh", "-c", "echo begun; exec sleep 60")
    terminal.expect_exact("begun")
    terminal.send(key)
    assert ended(terminal)[1:] == (None, number)


def test_the_end_of_input(host: Host) -> None:
    terminal = host.start("sh", "-c", "echo begun; exec cat")
    terminal.expect_exact("begun")
    terminal.sendline("typed")
    terminal.expect_exact("typed\r\ntyped\r\n")
    terminal.sendeof()
    assert ended(terminal)[1:] == (0, None)


def test_the_size_of_the_window_and_its_changes(host: Host) -> None:
    terminal = host.start("sh", "-c", "trap 'stty size' WINCH; stty size; while :; do read line; done")
    terminal.expect_exact("30 90")
    terminal.setwinsize(20, 60)
    terminal.expect_exact("20 60")
    terminal.close(force=True)


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_a_signal_to_the_tool_reaches_the_command_and_the_terminal_is_as_before(host: Host, name: str) -> None:
    with host.shell() as shell:
        shell.type("$RUN sh -c 'echo begun; exec sleep 60'")
        shell.expect("begun\r\n")
        relay = int(subprocess.check_output(["pgrep", "-f", "-o", f"{host.root}/tools/wsgi_run.py shop sh"]))
        os.kill(relay, signal.Signals[f"SIG{name}"])
        shell.expect(Shell.PROMPT)
        assert shell.say("echo status $?").startswith(f"status {128 + signal.Signals[f'SIG{name}']}")


def test_a_closed_terminal_ends_the_command(host: Host) -> None:
    program = f"""{INTRUDER}
import signal
report("begun", facts())
def stop(number, frame):
    report("stopped", number)
    sys.exit(0)
signal.signal(signal.SIGHUP, stop)
print("begun", flush=True)
signal.pause()
"""
    terminal = spawn(host.python(program))
    terminal.expect_exact("begun")
    os.close(terminal.child_fd)
    assert os.waitpid(terminal.pid, 0)[1] == 0
    assert host.told("stopped") == signal.SIGHUP
    terminal.ptyproc.closed = terminal.closed = True


def test_the_command_does_not_outlive_a_tool_that_is_killed(host: Host) -> None:
    terminal = spawn(host.python(INTRUDER + "report('begun', facts())\nimport signal; signal.pause()"))
    command = host.told("begun")["pid"]
    os.kill(terminal.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{command}").exists(), "the command has ended")
    terminal.close(force=True)


def test_control_z_stops_the_job_and_it_goes_on(host: Host) -> None:
    with host.shell() as shell:
        shell.type("$RUN sh -c 'echo begun; read line; echo got $line; exit 7'")
        shell.expect("begun\r\n")
        shell.terminal.send("\x1a")
        assert "Stopped" in shell.expect(Shell.PROMPT)
        assert shell.settings() == shell.before
        shell.type("fg")
        shell.expect("exit 7'\r\n")
        shell.type("text")
        shell.expect("got text\r\n")
        shell.expect(Shell.PROMPT)
        assert shell.say("echo status $?").startswith("status 7\r\n")


def test_in_the_background_it_waits_for_its_turn_to_read(host: Host) -> None:
    with host.shell() as shell:
        shell.type("$RUN sh -c 'echo begun; read line; echo got $line' &")
        shell.expect("begun\r\n")
        wait_for(lambda: "Stopped" in shell.say("jobs"), "the shell knows that it was stopped")
        assert shell.settings() == shell.before
        shell.type("fg")
        shell.type("text")
        shell.expect("got text\r\n")
        shell.expect(Shell.PROMPT)


# ---------------------------------------------------------------- streams that are no terminals


def test_files_are_passed_through_as_they_are(host: Host) -> None:
    content = bytes(range(256)) * 1000
    (host.root / "content").write_bytes(content)
    with host.shell() as shell:
        assert shell.say("$RUN cat < content > copy") == ""
        assert (host.root / "copy").read_bytes() == content
        assert shell.say("$RUN sh -c 'cat; echo told >&2' < content > copy") == "told\r\n"
        assert (host.root / "copy").read_bytes() == content
        assert shell.say("cat content | $RUN cat | $RUN cat > copy") == ""
        assert (host.root / "copy").read_bytes() == content
        assert shell.say("echo typed | $RUN cat") == "typed\r\n"
        assert shell.say("$RUN sh -c 'test -t 0 && test ! -t 1 && test -t 2' > copy; echo $?") == "0\r\n"
        assert shell.say("yes | $RUN head -n 1; echo ${PIPESTATUS[*]}") == "y\r\n141 0\r\n"
        assert shell.say("$RUN yes | head -n 1; echo ${PIPESTATUS[*]}") == "y\r\n141 0\r\n"


def test_in_a_pipeline_the_keyboard_is_left_alone_until_the_command_reads(host: Host) -> None:
    with host.shell() as shell:
        shell.type("$RUN sh -c 'echo begun; exec sleep 60' | sh -c 'read a; echo $a; read b < /dev/tty; echo got $b'")
        shell.expect("begun\r\n")
        shell.type("for the other")
        shell.expect("got for the other\r\n")
        shell.terminal.sendintr()
        shell.expect(Shell.PROMPT)
        shell.type("$RUN sh -c 'echo who? >&2; read line; echo got $line' | cat")
        shell.expect("who?\r\n")
        shell.type("me")
        shell.expect("got me\r\n")
        shell.expect(Shell.PROMPT)


def test_a_question_on_the_terminal_while_all_streams_are_redirected(host: Host) -> None:
    with host.shell() as shell:
        shell.type("$RUN sh -c 'echo who? >/dev/tty; read line </dev/tty; echo got $line' </dev/null >copy 2>&1")
        shell.expect("who?\r\n")
        shell.type("me")
        shell.expect(Shell.PROMPT)
        assert (host.root / "copy").read_text() == "got me\n"


def test_without_a_terminal_the_tool_becomes_the_command(host: Host) -> None:
    command = host.python(INTRUDER + "report('facts', facts())")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        assert process.wait(SECONDS) == 0
    facts = host.told("facts")
    assert (facts["pid"], facts["terminal"]) == (process.pid, 0)


def test_settings_of_the_terminal_are_the_operator_s(host: Host) -> None:
    with host.shell() as shell:
        shell.say("stty erase ^X")
        shell.before = shell.settings()
        assert "erase = ^X;" in shell.say("$RUN stty -a")
