# SPDX-License-Identifier: Apache-2.0
"""Run a program of an application from a root shell without lending it the terminal of that shell.

A process that has a terminal as its controlling one may put lines into its input (TIOCSTI), which the shell then takes
for typed ones; one that stays behind with an open descriptor reads what is typed later, passwords among it. So the
program gets a session and a pseudo terminal of its own, and this process carries bytes between the two terminals:

    shell's terminal <-> relay (root) <-> pseudo terminal: leader of the session (root), command (the application)

The leader stands between, since a process is stopped by Ctrl-Z only where its parent is in the same session. It tells
the relay how the command is, and passes signals on to it. Streams that are no terminals the command gets as they are.

As long as a command runs in the background, or in a pipeline (`... | less`), it leaves the keyboard to others: nothing
is read before it wants to read. That is seen by the signal (SIGTTIN, SIGTTOU) with which the kernel stops it then.

The role wsgi_app installs this file beside wsgi_run.py and wsgi_debug.py, which use it. It needs nothing but Python's
standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import NoReturn

FAILED = 125
"""Exit status, as of env(1): the tool failed and not the command."""

STREAMS = (0, 1, 2)
PASSED_ON = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP,
)  # fmt: skip
TO_FOREGROUND, TO_BACKGROUND = signal.SIGRTMIN, signal.SIGRTMIN + 1
"""What the relay tells the leader: where the command goes on. Nobody but root can send the leader a signal."""

LEADER_SIGNALS = (*PASSED_ON, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, TO_FOREGROUND, TO_BACKGROUND)
RELAY_SIGNALS = (*PASSED_ON, signal.SIGCONT, signal.SIGWINCH)
STATUS = struct.Struct("=I")
WINDOW = struct.Struct("HHHH")
CHUNK = 65536
LAST_BYTES = 1 << 20
"""Of what a command leaves in its terminal; what it has left running may write for ever."""


class TerminalError(Exception):
    """No terminal can be given to the command; the text is one sentence for the operator."""


def apart(program: Callable[[], int], owner: int) -> int:
    """Run `program` where it has no hold on the caller's terminal; its exit status, or minus the signal that ended it.

    `program` is run in a process of its own, or here when there is no terminal; it becomes another account, for whose
    user id `owner` the pseudo terminal is. Raises TerminalError before it has begun.
    """
    terminals = [fd for fd in STREAMS if os.isatty(fd)]
    controlling = controlling_terminal()
    if not terminals and controlling is None:
        return program()
    refuse_different(terminals)
    source, sink = keyboard_and_screen(terminals, controlling)
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise TerminalError(f"There is no pseudo terminal for the command ({error.strerror}).") from None
    os.fchown(slave, owner, -1)
    os.fchmod(slave, 0o600)
    take_over_settings(sink, slave)
    at_once = terminals[:2] == [0, 1] and in_foreground(sink)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the statuses away
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, LEADER_SIGNALS)
    told, tells = os.pipe()
    leader = os.fork()
    if leader == 0:
        with for_good():
            os.close(master)
            Leader(slave, terminals, at_once, tells, blocked).run(program)
    os.close(slave)
    os.close(tells)
    give_back_streams(terminals)
    return Relay(source, sink, master, leader, told).run(at_once, blocked)


def end(status: int) -> NoReturn:
    """End as the command has ended, by the same signal where it was one."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL cannot be set
            signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
        sys.exit(128 - status)  # the first process of a container, which such a signal does not end
    sys.exit(status)


def controlling_terminal() -> int | None:
    """The caller's controlling terminal, opened; None when it has none, or no way to it."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None


def refuse_different(terminals: list[int]) -> None:
    """Raise TerminalError when the standard streams are terminals, and not all the same one."""
    if len({os.fstat(fd).st_rdev for fd in terminals}) > 1:
        raise TerminalError(
            "Standard input, output and error are different terminals, and the command gets one; redirect all to one."
        )


def keyboard_and_screen(terminals: list[int], controlling: int | None) -> tuple[int | None, int]:
    """The descriptors to read from, if there is one, and to write to."""

    def may(fd: int, mode: int) -> bool:
        return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE in (mode, os.O_RDWR)

    further = [] if controlling is None else [controlling]
    sources = [fd for fd in [*terminals, *further] if may(fd, os.O_RDONLY)]
    sinks = [fd for fd in [*(fd for fd in terminals if fd != 0), *further, *terminals] if may(fd, os.O_WRONLY)]
    if not sinks:
        raise TerminalError("Standard input is a terminal that can only be read; open it for writing, too.")
    return (sources[0] if sources else None), sinks[0]


def take_over_settings(terminal: int, slave: int) -> None:
    """Give the pseudo terminal the settings and the size of the terminal."""
    with contextlib.suppress(OSError, termios.error):  # it may be gone
        termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(terminal))
        copy_size(terminal, slave)


def copy_size(terminal: int, other: int) -> None:
    """Let the other terminal have as many lines and columns; its foreground hears of a change (SIGWINCH)."""
    size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(WINDOW.size))
    fcntl.ioctl(other, termios.TIOCSWINSZ, size)


def in_foreground(terminal: int) -> bool:
    """Whether this process may use the terminal. One that is not its controlling terminal it may always use."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True


def ends_lines(terminal: int) -> bool:
    """Whether the terminal makes CR LF of each end of a line."""
    try:
        return termios.tcgetattr(terminal)[1] & (termios.OPOST | termios.ONLCR) == termios.OPOST | termios.ONLCR
    except termios.error:
        return False


def give_back_streams(kept: list[int]) -> None:
    """Let go of the streams that the command has: who reads from it, or writes to it, sees when it lets go of them."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in set(STREAMS).difference(kept):
        os.dup2(null, fd)
    os.close(null)


@contextlib.contextmanager
def for_good() -> Iterator[None]:
    """Run a block in a forked process, which never comes out of it."""
    try:
        yield
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(FAILED)


class Leader:
    """The leader of the session in which the command runs."""

    def __init__(
        self, terminal: int, terminals: list[int], at_once: bool, tells: int, blocked: set[signal.Signals]
    ) -> None:
        """`terminals` are the streams of the command that are to be its terminal; `blocked` its signals.

        `at_once`: it begins in the foreground. `tells` is the pipe for its wait statuses.
        """
        self.terminal = terminal
        self.terminals = terminals
        self.at_once = at_once
        self.tells = tells
        self.blocked = blocked
        self.command = 0

    def run(self, program: Callable[[], int]) -> NoReturn:
        """Start the command, and stay until it has ended."""
        os.setsid()
        fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)
        self.command = os.fork()
        if self.command == 0:
            with for_good():
                os._exit(self.begin(program))
        with contextlib.suppress(OSError):  # the command has done it
            os.setpgid(self.command, self.command)
        give_back_streams([])
        while True:
            number = signal.sigwaitinfo(LEADER_SIGNALS).si_signo
            if number == signal.SIGCHLD:
                self.tell()
            elif number in (TO_FOREGROUND, TO_BACKGROUND):
                self.proceed(self.command if number == TO_FOREGROUND else os.getpgrp())
            elif number in PASSED_ON:
                self.send(number)

    def send(self, number: int) -> None:
        """Send the command and what it has started a signal."""
        with contextlib.suppress(ProcessLookupError):  # it has gone to another process group
            os.killpg(self.command, number)

    def begin(self, program: Callable[[], int]) -> int:
        """In the new process: become the command; the exit status when `program` returns one."""
        os.setpgid(0, 0)
        if self.at_once:
            os.tcsetpgrp(self.terminal, os.getpid())
        for fd in self.terminals:
            os.dup2(self.terminal, fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        try:
            return program()
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else FAILED if ended.code else 0
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()

    def tell(self) -> None:
        """Tell the relay how the command is; end when it has ended.

        Its process number is nobody else's before that, as nobody has fetched its exit status.
        """
        while True:
            pid, status = os.waitpid(self.command, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            with contextlib.suppress(OSError):  # the relay was killed
                os.write(self.tells, STATUS.pack(status))
            if not os.WIFSTOPPED(status):
                os._exit(0)

    def proceed(self, foreground: int) -> None:
        """Let the command go on, with that process group in the foreground."""
        with contextlib.suppress(OSError):  # the terminal was hung up
            os.tcsetpgrp(self.terminal, foreground)
        self.send(signal.SIGCONT)


class Relay:
    """Carries bytes, signals, window sizes and stops between the caller's terminal and the command's."""

    def __init__(self, source: int | None, sink: int, master: int, leader: int, told: int) -> None:
        """`source` and `sink` are the caller's terminal, to read from and to write to."""
        self.source = source
        self.sink = sink
        self.master: int | None = master
        """None once the caller's terminal is gone: then the command's is, too."""
        self.leader = leader
        self.told = told
        self.settings: list | None = None
        """Those of the terminal, while it is ours to read from."""
        self.typed = b""
        self.alone = False
        """Whether nobody else writes to the terminal."""
        self.wanted = False
        """Whether the command has read, or begins with the keyboard."""
        self.continued = False
        self.status: int | None = None
        os.set_blocking(master, False)

    def run(self, at_once: bool, blocked: set[signal.Signals]) -> int:
        """Carry until the command has ended; its exit status, or minus the signal that ended it."""
        with self.signals(blocked) as caught:
            try:
                if at_once:
                    self.alone = self.wanted = True
                    self.take_terminal()
                while self.status is None:
                    self.carry(caught)
                self.show_the_rest()
            finally:
                self.return_terminal()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.leader, 0)
        return self.status

    @contextlib.contextmanager
    def signals(self, blocked: set[signal.Signals]) -> Iterator[int]:
        """Receive signals as bytes, in the descriptor that this gives. Those that the caller ignores stay ignored."""
        caught, wakes = os.pipe()
        os.set_blocking(wakes, False)
        former = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        heard = [number for number in RELAY_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        handlers = {number: signal.signal(number, self.hear) for number in heard}
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        try:
            yield caught
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former)

    def hear(self, number: int, _frame: object) -> None:
        """Note that the shell has let this process go on; everything else waits in the descriptor."""
        if number == signal.SIGCONT:
            self.continued = True

    def carry(self, caught: int) -> None:
        """Wait until there is something to do, and do it."""
        readable = [caught, self.told]
        writable = []
        if self.master is not None:
            readable.append(self.master)
            if self.typed:
                writable.append(self.master)
            elif self.settings is not None and self.source is not None:
                readable.append(self.source)
        ready, free, _ = select.select(readable, writable, [])
        if free:
            self.type()
        if self.master in ready:
            self.show()
        if self.source in ready:
            self.read_keys()
        if caught in ready:
            for number in os.read(caught, CHUNK):
                self.react(number)
        if self.told in ready:
            self.learn()

    # ------------------------------------------------------------ bytes

    def show(self) -> bool:
        """Write what the command has written; whether there was something."""
        if self.master is None:
            return False
        try:
            output = os.read(self.master, CHUNK)
        except OSError:  # nothing there, or nobody
            return False
        if ends_lines(self.sink):
            output = output.replace(b"\r\n", b"\n")  # both terminals would do it
        while output:
            try:
                output = output[os.write(self.sink, output) :]
            except BlockingIOError:  # others have made it so
                select.select([], [self.sink], [])
            except OSError:  # the terminal is gone
                self.hang_up()
                break
        return True

    def show_the_rest(self) -> None:
        """Write what the command has written before it ended."""
        for _ in range(0, LAST_BYTES, 4096):  # a read of a terminal gives 4 KiB at the most
            if not self.show():
                return

    def read_keys(self) -> None:
        """Read what was typed."""
        try:
            self.typed = os.read(self.source, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.typed = b""
        if not self.typed:
            self.hang_up()

    def type(self) -> None:
        """Pass on what was typed, as much as the command's terminal takes."""
        with contextlib.suppress(BlockingIOError):
            self.typed = self.typed[os.write(self.master, self.typed) :]

    def hang_up(self) -> None:
        """Let the command's terminal be gone, as the caller's is: SIGHUP, and the end of its input."""
        if self.master is not None:
            os.close(self.master)
            self.master = None

    # ------------------------------------------------------------ signals and stops

    def react(self, number: int) -> None:
        """A signal has come."""
        if number == signal.SIGWINCH:
            self.copy_size()
        elif number == signal.SIGCONT:
            if self.continued:
                self.go_on()
        elif number == signal.SIGHUP and self.is_gone():
            self.hang_up()
        else:
            self.tell(number)

    def tell(self, number: int) -> None:
        """Send the leader a signal. Nobody has fetched its exit status, so its process number is still its own."""
        os.kill(self.leader, number)

    def learn(self) -> None:
        """The leader tells how the command is, or is gone itself."""
        status = os.read(self.told, STATUS.size)
        if not status:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.leader, 0)[1])
            return
        (value,) = STATUS.unpack(status)
        if not os.WIFSTOPPED(value):
            self.status = os.waitstatus_to_exitcode(value)
        elif os.WSTOPSIG(value) in (signal.SIGTTIN, signal.SIGTTOU):
            self.wanted = True
            self.go_on_with_terminal()
        else:
            self.suspend()

    def suspend(self) -> None:
        """The command was stopped (Ctrl-Z): so is this process, and with it the job of the shell."""
        self.return_terminal()
        self.stop(signal.SIGTSTP)
        self.copy_size()
        if self.wanted and in_foreground(self.sink):
            self.take_terminal()
            self.tell(TO_FOREGROUND)
        else:
            self.tell(TO_BACKGROUND)

    def go_on(self) -> None:
        """This process was stopped by others, and goes on, perhaps in the background."""
        self.continued = False
        self.copy_size()
        if not in_foreground(self.sink):
            if self.settings is not None:
                self.settings = None  # the shell has its own
                self.tell(TO_BACKGROUND)
        elif self.settings is not None:
            self.make_raw()
        elif self.wanted:
            self.go_on_with_terminal()

    def go_on_with_terminal(self) -> None:
        """Let the command have the terminal. In the background this process waits for it first, as any other does."""
        if not in_foreground(self.sink):
            self.stop(signal.SIGTTIN)
        if in_foreground(self.sink) and self.source is not None:
            self.take_terminal()
            self.tell(TO_FOREGROUND)
        elif self.source is None or not self.continued:  # no shell will ever give it to us
            self.hang_up()
            self.tell(TO_BACKGROUND)

    def stop(self, number: int) -> None:
        """Stop this job of the shell; return when it goes on, which is at once where no shell is above it."""
        self.continued = False
        if signal.getsignal(number) is signal.SIG_IGN:
            return
        handler = signal.signal(number, signal.SIG_DFL)
        os.killpg(0, number)
        signal.signal(number, handler)

    # ------------------------------------------------------------ the terminal

    def is_gone(self) -> bool:
        """Whether the caller's terminal was closed."""
        try:
            termios.tcgetattr(self.sink)
        except termios.error:
            return True
        return False

    def copy_size(self) -> None:
        """Give the command's terminal the size of the caller's."""
        if self.master is not None:
            with contextlib.suppress(OSError):
                copy_size(self.sink, self.master)

    def take_terminal(self) -> None:
        """Let each key reach the command's terminal, which alone gives it a meaning."""
        if self.settings is None:
            with contextlib.suppress(termios.error):  # it may be gone
                self.settings = termios.tcgetattr(self.sink)
                self.make_raw()

    def make_raw(self) -> None:
        """Set the terminal; what was typed before stays.

        Where others may write to it, in a pipeline or in the background, it goes on to end their lines.
        """
        with contextlib.suppress(termios.error):
            output = termios.tcgetattr(self.sink)[1]
            tty.setraw(self.sink, termios.TCSADRAIN)
            if not self.alone:
                settings = termios.tcgetattr(self.sink)
                termios.tcsetattr(self.sink, termios.TCSADRAIN, [settings[0], output, *settings[2:]])

    def return_terminal(self) -> None:
        """Let the terminal be as it was, unless the shell has taken it back."""
        if self.settings is not None and in_foreground(self.sink):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.sink, termios.TCSADRAIN, self.settings)
        self.settings = None
