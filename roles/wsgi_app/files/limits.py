#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Hold each application to its limits by a control group of its own: `limits.py UNIT SOCKET`, a service of systemd.

mod_wsgi starts the daemon processes of all applications in httpd's unit, whose control group systemd has left to us
(Delegate). This service makes a group for httpd's own processes there, "httpd", and one for each application,
"app-NAME", writes the limits into it, and moves each process of the application's account from httpd's group to there.
It looks once a second, and at once when somebody connects to SOCKET: the launcher does, and waits for the end of the
connection before it loads the application. Nothing is read from the connection, and whose a process is, the kernel
says. So an application can neither choose its group nor leave it.

Only files below /etc/wsgi that root alone can write say which limits there are. When the kernel has ended a process,
or refused one, for the sake of a limit, this service says so in the journal.

Installed by the role wsgi_app; changes are overwritten.
"""

import contextlib
import errno
import glob
import json
import os
import pwd
import re
import select
import socket
import stat
import subprocess
import sys
import time

CONFIGURATIONS = "/etc/wsgi/*/application*.json"
GROUPS = "/sys/fs/cgroup"
SERVER = "httpd"
PREFIX = "app-"
CONTROLLERS = ("cpu", "memory", "pids")
INTERVAL = 1.0  # seconds between two looks
ANSWER_SECONDS = 60  # for systemctl, which itself waits 25 s for a systemd that is busy
QUEUE = 128  # connections that wait
ROUNDS = 50  # of moving processes that start others meanwhile
LARGEST = 1 << 20  # bytes that are read of a file
QUIET_SECONDS = 60.0  # between two messages about refused tasks of one application
SHARE_OF_MEMORY = 0.8  # that an application may have which sets no memory_max
NO_LIMIT = "max"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")


def content(path):
    """The beginning of a small file as text; empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(LARGEST)
    except OSError:
        return ""


def write(path, text):
    """Write into a file of the kernel. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- which limits there are


def configuration(path):
    """(time of the last change, content) of an application's file; None when it is not root's or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, encoding="utf-8", errors="replace") as stream:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
            return None
        try:
            found = json.loads(stream.read(LARGEST))
        except ValueError:
            return None
    return (state.st_mtime_ns, found) if isinstance(found, dict) else None


def applications(pattern):
    """The applications that have a control group; of one with two colours, what was written last."""
    newest = {}
    for path in sorted(glob.glob(pattern)):
        found = configuration(path)
        name = os.path.basename(os.path.dirname(path))
        if found and NAME.fullmatch(name) and found[0] >= newest.get(name, (0,))[0]:
            newest[name] = found
    return {name: found for name, (_, found) in sorted(newest.items()) if found.get("control_group")}


def number(value):
    """A whole number that is not negative; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def limits_of(application, memory):
    """The files of a control group and what is to be in them. `memory` is that of the host, in bytes."""
    most, tasks, weight = (number(application.get(key)) for key in ("memory_max", "max_tasks", "cpu_weight"))
    if most is None:
        most, swap = int(memory * SHARE_OF_MEMORY), NO_LIMIT
    else:  # what somebody has set is not to go on in the swap
        swap = "0" if most else NO_LIMIT
    return {
        "memory.max": str(most // 4096 * 4096) if most else NO_LIMIT,
        "memory.swap.max": swap,
        "pids.max": str(tasks) if tasks else NO_LIMIT,
        "cpu.weight": str(min(weight, 10000)) if weight else "100",
    }


def loosest(first, second):
    """The limits of two applications with the same account, which therefore share a group."""

    def size(text):
        return float("inf") if text == NO_LIMIT else int(text)

    return {file: max(first[file], second[file], key=size) for file in first}


class Group:
    """What the control group of an account is to be."""

    def __init__(self, name, limits):
        self.name = name
        self.limits = limits


def groups(found, memory, uid_of):
    """By uid, the group of each account. `found` is what `applications` has found."""
    by_uid = {}
    for name, application in found.items():
        uid = uid_of(str(application.get("user")))
        limits = limits_of(application, memory)
        if uid and uid in by_uid:
            by_uid[uid].limits = loosest(by_uid[uid].limits, limits)
        elif uid:
            by_uid[uid] = Group(name, limits)
    return by_uid


def account(user):
    """The uid of an account; None when there is none."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


# ---------------------------------------------------------------- the kernel's side


def uid_of_process(pid, proc="/proc"):
    """The uid of a process; None when it is gone or just changes its account."""
    for line in content("%s/%d/status" % (proc, pid)).splitlines():
        if line.startswith("Uid:"):
            ids = set(line.split()[1:])
            return int(ids.pop()) if len(ids) == 1 else None
    return None


def counter(path, key):
    """A number in a file of "key number" lines; 0 when it is not there."""
    for line in content(path).splitlines():
        words = line.split()
        if words[:1] == [key] and len(words) == 2 and words[1].isdigit():
            return int(words[1])
    return 0


class Tree:
    """The control groups below that of httpd's unit."""

    def __init__(self, path, uid_of=uid_of_process):
        self.path = path
        self.uid_of = uid_of
        self.written = {}
        self.counted = {}
        self.told = {}

    def at(self, *parts):
        """A path below the unit's group."""
        return os.path.join(self.path, *parts)

    def pids(self, group):
        """The processes of a group."""
        return [int(line) for line in content(self.at(group, "cgroup.procs")).split() if line.isdigit()]

    def move(self, pid, group):
        """Move a process; one that has ended is left."""
        try:
            write(self.at(group, "cgroup.procs"), str(pid))
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.EINVAL):  # EINVAL: a process that is ending
                raise

    def arrange(self, wanted):
        """Let the unit's group have limited groups below; whether it has. It may hold no process itself then.

        Not before an application runs: until then systemd may want to start a process of the unit in there, which
        would fail. Later ones (reload, stop) it starts in a group of its own, ".control".
        """
        if not os.path.isdir(self.path):
            return False
        active = content(self.at("cgroup.subtree_control")).split()
        missing = [name for name in CONTROLLERS if name not in active]
        if missing and not any(self.uid_of(pid) in wanted for group in ("", SERVER) for pid in self.pids(group)):
            return False
        self.make(SERVER)
        for _ in range(ROUNDS):
            found = self.pids("")
            for pid in found:
                self.move(pid, SERVER)
            if not found:
                break
        if missing:
            write(self.at("cgroup.subtree_control"), " ".join("+" + name for name in missing))
        return True

    def make(self, group):
        """Make a group."""
        try:
            os.mkdir(self.at(group), 0o755)
        except FileExistsError:
            return
        for kept in (self.written, self.counted):
            kept.pop(group, None)

    def limit(self, wanted):
        """Make the groups of the applications, and write their limits."""
        for group in wanted.values():
            name = PREFIX + group.name
            self.make(name)
            if self.written.get(name) == group.limits:
                continue
            for file, text in group.limits.items():
                if os.path.exists(self.at(name, file)):  # no memory.swap.max where the kernel does not count it
                    write(self.at(name, file), text)
            self.written[name] = group.limits

    def sweep(self, wanted):
        """Move each process of an application to where it belongs, until httpd's group has none."""
        for _ in range(ROUNDS):
            theirs = [(pid, wanted[uid]) for pid in self.pids(SERVER) if (uid := self.uid_of(pid)) in wanted]
            for pid, group in theirs:
                self.move(pid, PREFIX + group.name)
            if not theirs:
                return

    def tidy(self, wanted):
        """Remove the groups of applications that are gone, once nothing runs there."""
        names = {PREFIX + group.name for group in wanted.values()}
        for path in glob.glob(self.at(PREFIX + "*")):
            if os.path.basename(path) not in names and os.path.isdir(path):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def events(self, wanted, now):
        """What the kernel has done for the sake of a limit since the last look, one sentence each."""
        for group in wanted.values():
            name = PREFIX + group.name
            killed = counter(self.at(name, "memory.events"), "oom_kill")
            refused = counter(self.at(name, "pids.events"), "max")
            before = self.counted.setdefault(name, [killed, refused])
            if killed > before[0]:
                yield (
                    "The kernel has ended %d of the processes of the application %s, since memory was short; together "
                    "they may have %s bytes (memory_max)."
                    % (killed - before[0], group.name, group.limits["memory.max"])
                )
            before[0] = max(killed, before[0])
            if refused > before[1] and now - self.told.get(name, -QUIET_SECONDS) >= QUIET_SECONDS:
                yield (
                    "The application %s was refused %d further processes or threads, since it has %s (max_tasks)."
                    % (group.name, refused - before[1], group.limits["pids.max"])
                )
                self.told[name] = now
                before[1] = refused


# ---------------------------------------------------------------- the service


def control_group(unit):
    """The folder of a unit's control group; empty while systemd has none for it. Raises OSError without an answer."""
    command = ["systemctl", "show", "--value", "--property=ControlGroup", unit]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError("systemctl has not answered in %d s" % ANSWER_SECONDS) from None
    found = done.stdout.decode(errors="replace").strip()
    return GROUPS + found if found.startswith("/") and found != "/" else ""


def say(text):
    """A line for the journal."""
    print(text, flush=True)


class Service:
    """Looks again and again."""

    def __init__(self, unit, find=control_group, pattern=CONFIGURATIONS, uid_of=account):
        self.unit = unit
        self.find = find
        self.pattern = pattern
        self.uid_of = uid_of
        self.memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.tree = None
        self.seen = None
        self.wanted = {}
        self.problem = ""

    def read(self):
        """Read the limits again where a file has changed."""
        now = {}
        for path in glob.glob(self.pattern):
            with contextlib.suppress(OSError):
                state = os.lstat(path)
                now[path] = (state.st_mtime_ns, state.st_ino)
        if now != self.seen:
            self.wanted = groups(applications(self.pattern), self.memory, self.uid_of)
            self.seen = now

    def look(self, asked):
        """Once. `asked`: somebody waits, so httpd's unit has a group, wherever it is."""
        try:
            if (self.tree is None or not os.path.isdir(self.tree.path)) and (asked or self.tree is None):
                path = self.find(self.unit)
                if not path:
                    return
                if self.tree is None or self.tree.path != path:
                    self.tree = Tree(path)
            self.read()
            if self.tree.arrange(self.wanted):
                self.tree.limit(self.wanted)
                self.tree.sweep(self.wanted)
                self.tree.tidy(self.wanted)
                for text in self.tree.events(self.wanted, time.monotonic()):
                    say(text)
            self.problem = ""
        except OSError as error:
            if str(error) != self.problem:  # once, and not each second
                say("The limits of the applications cannot be set now (%s); the next look comes in a second." % error)
            self.problem = str(error)

    def serve(self, listener):
        """For ever."""
        while True:
            ready, _, _ = select.select([listener], [], [], INTERVAL)
            waiting = accepted(listener) if ready else []
            try:
                self.look(bool(waiting))
            finally:
                for connection in waiting:
                    connection.close()


def accepted(listener):
    """All connections that wait now."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while len(found) < QUEUE:
            found.append(listener.accept()[0])
    return found


def listen(path):
    """A socket that every account can connect to, in a folder of root's."""
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(new)
    os.chmod(new, 0o666)  # noqa: S103 - the accounts of all applications connect, and nothing is read
    listener.listen(QUEUE)
    os.rename(new, path)  # there is always one, so that a launcher tells "starts again" from "is not installed"
    return listener


def notify(address):
    """Tell systemd that connections are taken."""
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


if __name__ == "__main__":
    server = listen(sys.argv[2])
    notify(os.environ.get("NOTIFY_SOCKET", ""))
    Service(sys.argv[1]).serve(server)
