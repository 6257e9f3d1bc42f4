# SPDX-License-Identifier: Apache-2.0
"""What bounds the load of an application in a daemon process: a time limit, and pauses after loads that ended it.

mod_wsgi loads the application before it listens to signals and before its own timers run (4.9.1 to 6.1.1), so nobody
else can end a load that hangs, and httpd starts a process that ends while it loads again at once.

The launcher of the hosts and that of the image share this file. Installed by the role wsgi_app; changes are
overwritten.
"""

import contextlib
import faulthandler
import fcntl
import json
import os
import signal
import sys
import threading
import traceback

LONGEST_PAUSE = 30
"""Seconds that a process waits at the most before it loads the application again."""

WATCHDOG_SECONDS = 1
"""How much later than the limit the process is ended by a thread that needs nothing of Python."""

LARGEST_NOTE = 4096
MOST_NOTES = 1000
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""What httpd and a deployment send to a daemon process that is to end."""


def pause(failures):
    """Seconds to wait before the next load, after this many that ended their process; one may have been chance."""
    return min(LONGEST_PAUSE, 2 ** (min(failures, 10) - 2)) if failures > 1 else 0


def start_time(pid):
    """When a process was started, in clock ticks since the boot; 0 when there is none (proc(5))."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


class Notes:
    """One file for each process that loads the application; what is left of a process that is gone tells of its end.

    A process that loads holds a lock on its file. So one that starts at the same moment is none that has ended, also
    where processes cannot see each other (ProtectProc).

    They are in a folder that the application's account may write, and so may tell anything: they make a start wait
    LONGEST_PAUSE at the most. Without the folder nothing is noted.
    """

    def __init__(self, folder, group, what):
        self.folder = folder
        self.group = group
        # Of another httpd, or of another deployment, nothing is to be learnt.
        self.what = [*what, os.getppid(), start_time(os.getppid())]
        self.own = self.path(os.getpid())
        self.held = None

    def path(self, pid):
        """The file of a process."""
        return os.path.join(self.folder, "%s.%d" % (self.group, pid))

    def left(self):
        """What is left of processes that ended while they loaded: pairs of failures in a row and a path, most first."""
        found = []
        for name in os.listdir(self.folder)[:MOST_NOTES]:
            group, _, pid = name.rpartition(".")
            if group != self.group or not pid.isdecimal():
                continue
            path = self.path(int(pid))
            note = read(path)
            if note is None:
                continue  # it is still loading
            same = note.get("what") == self.what and isinstance(note.get("failures"), int)
            found.append((note["failures"] + 1 if same else 0, path))
        return sorted(found, reverse=True)

    def failures(self):
        """How many loads in a row have ended their processes before this one, which follows on one of them."""
        for number, path in self.left():
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue  # another process, which starts too, follows on that one
            if number:
                return number
        return 0

    def begin(self):
        """Note that this process loads the application; how many loads in a row have failed before."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder, 0o700)
        failures = self.failures()
        # Under a name that nobody looks at, until it is locked and complete.
        new = self.own + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.held = os.fdopen(os.open(new, flags, 0o600), "w")
        fcntl.flock(self.held, fcntl.LOCK_EX)
        json.dump({"what": self.what, "failures": failures}, self.held)
        self.held.flush()
        os.rename(new, self.own)
        return failures

    def end(self):
        """Note that the load is over, and this process still there."""
        with contextlib.suppress(OSError):
            os.unlink(self.own)
        if self.held:
            self.held.close()


def read(path):
    """A note; empty when it is none, None when its process is still loading."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            note = json.loads(stream.read(LARGEST_NOTE))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def wait(seconds, sentence):
    """Say why, and wait; whether a signal came that is to end the process. mod_wsgi would not hear it yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        sys.stderr.write(sentence)
        sys.stderr.flush()
        return seconds > 0 and signal.sigtimedwait(STOPPING, seconds) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stack(thread):
    """What a thread is doing, as a traceback."""
    frame = sys._current_frames().get(thread)
    return ["Traceback (most recent call last):\n", *traceback.format_stack(frame)] if frame else []


@contextlib.contextmanager
def limited(seconds, sentence):
    """End this process when what is done meanwhile takes longer than that; 0 sets no limit.

    A thread of Python says why and where. Code in C can keep it from running: then the watchdog of faulthandler ends
    the process a little later, and writes the stacks to httpd's error log. No thread is left afterwards.
    """
    if not seconds:
        yield
        return
    log, thread = sys.stderr, threading.get_ident()

    def give_up():
        with contextlib.suppress(Exception):
            log.write("".join([*stack(thread), "TimeoutError: %s\n" % sentence]))
            log.flush()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    # sys.stderr is mod_wsgi's, which has no descriptor; 2 is httpd's error log.
    faulthandler.dump_traceback_later(seconds + WATCHDOG_SECONDS, exit=True, file=2)
    timer.start()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        timer.cancel()
        timer.join(1)


def begin(notes, name, limit):
    """Note the load, and wait when earlier ones have ended their processes. `limit`: how long one may take."""
    try:
        failures = notes.begin()
    except OSError as error:
        sys.stderr.write(
            "The application %s is loaded without a pause after failures, since %s cannot be used (%s).\n"
            % (name, notes.folder, error.strerror)
        )
        return
    if not failures:
        return
    seconds = pause(failures)
    sentence = (
        "The application %s is loaded again %s, since the last %d of its processes ended while they loaded it: "
        "by an exit, a crash, a stop, or after %s; see above.\n"
        % (name, "in %d s" % seconds if seconds else "at once", failures, limit)
    )
    if wait(seconds, sentence):
        notes.end()
        os._exit(0)


@contextlib.contextmanager
def bounded(name, seconds, setting, notes):
    """Load an application meanwhile. `setting` is what the user sets the limit with; `notes` may be None."""
    limit = "%s s (%s)" % (seconds, setting)
    if notes:
        begin(notes, name, limit)
    try:
        with limited(
            seconds,
            "The application %s was not loaded within %s, so its process %d was ended; correct what it waits for, or "
            "set %s to more." % (name, limit, os.getpid(), setting),
        ):
            yield
    finally:
        if notes:
            notes.end()
