# SPDX-License-Identifier: Apache-2.0
"""The WSGI script that httpd loads for every application; it loads the application's own script.

The name of the daemon process group is the name of the application; an embedded application has no such group, but a
copy of this file under its own name. Its environment variables are set before any of
its code is imported. When they cannot be read, nothing is imported: an application that starts without its
settings may fall back to unsafe ones.

Installed by the role wsgi_app; changes are overwritten.
"""

import sys

SEARCHED = list(sys.path)
# mod_wsgi searches the folder of the application first, and a module there may be called like one of Python's. So
# Python's own modules come first until all that bounds the load is loaded too.
sys.path.sort(key=lambda path: not path.startswith(sys.base_prefix + "/lib"))

import contextlib
import faulthandler
import fcntl
import functools
import importlib.util
import json
import os
import re
import resource
import signal
import site
import socket
import stat
import threading
import time
import traceback
import types

import mod_wsgi

CONFIGURATION_ROOT = "/etc/wsgi"
CODE_ROOT = "/srv/wsgi"
LARGEST_FILE = 4096  # bytes of a file of one or two lines
LOADING = os.path.join(os.path.dirname(os.path.realpath(__file__)), "loading.py")
CO_COROUTINE = 0x80  # of a code object; inspect.CO_COROUTINE
WATCH_SECONDS = 0.5  # between two looks at the files, in debug mode
OWN_GROUP = re.compile(r"/app-[^/]+$", re.MULTILINE)  # of /proc/self/cgroup; the service modwsgi-limits makes it
GROUP_SECONDS = 5.0  # at the most, until that service has moved this process
GROUP_POLL_SECONDS = 0.05  # between two questions, where it could not
REST_SECONDS = 2  # between two looks at which of two daemon process groups serves
# What wsgi-doctor --stacks sends. Neither httpd nor mod_wsgi uses it (mod_wsgi 6 hands SIGUSR2 on to the application),
# and the kernel ignores it in a process without this handler.
STACK_SIGNAL = signal.SIGURG
# wsgi.PID.GENERATION.GROUP.sock and .lock; without WSGISocketRotation the generation of a socket is an account.
SOCKET = re.compile(r"(.+/[^/]+\.\d+)\.u?\d+\.(\d+)\.sock")
MUTEX = re.compile(r"(.+/[^/]+\.\d+)\.\d+\.(\d+)\.lock(?: \(deleted\))?")


def descriptors():
    """Numbers of the open descriptors of this process beyond the standard streams."""
    try:
        return sorted(number for number in map(int, os.listdir("/proc/self/fd")) if number > 2)
    except OSError:  # a chroot without /proc
        return range(3, 1024)


def path_of(number):
    """Where a descriptor leads to, as the kernel writes it; empty where that cannot be told."""
    try:
        return os.readlink("/proc/self/fd/%d" % number)
    except OSError:
        return ""


def own_mutex(numbers):
    """What is equal in the names of this group's socket and its accept mutex; None when there is no such socket."""
    for number in numbers:
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                name = found.getsockname()
        except OSError:
            continue
        match = SOCKET.fullmatch(name) if isinstance(name, str) else None
        if match:
            return match.groups()
    return None


def is_of_others(state, access, path, mutex):
    """Whether a descriptor is not this application's: httpd has opened it, to a pipe or for writing to a file.

    `state` is os.fstat's, `access` that of F_GETFL, `path` path_of's and `mutex` own_mutex's. What this process has
    opened itself for writing belongs to its account. Sockets are left: mod_wsgi closes all but its own.
    """
    if state.st_uid == os.geteuid():
        return False
    if stat.S_ISFIFO(state.st_mode):
        return True
    if not stat.S_ISREG(state.st_mode) or access & os.O_ACCMODE == os.O_RDONLY:
        return False
    if not path and not state.st_nlink:
        return bool(state.st_size)  # else it may be the mutex, whose name has been removed; that is empty
    match = MUTEX.fullmatch(path)
    return not match or (mutex is not None and match.groups() != mutex)


def leave_what_is_of_others():
    """Let go of what a daemon process has inherited from httpd: logs of other sites, pipes, locks.

    Their numbers lead to nowhere from now on. They are not closed, since httpd's code, which may use one of them later,
    would then write to whatever the application has opened. Descriptor 2 is the error log of the site, and stays.
    """
    numbers = descriptors()
    mutex, log = own_mutex(numbers), os.fstat(2)
    try:
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # a chroot without it; httpd's own standard input is the same
        nowhere = os.dup(0)
    try:
        for number in numbers:
            try:
                state, access = os.fstat(number), fcntl.fcntl(number, fcntl.F_GETFL)
            except OSError:
                continue  # what the list was read from
            if not os.path.samestat(state, log) and is_of_others(state, access, path_of(number), mutex):
                os.dup2(nowhere, number, inheritable=False)
    finally:
        os.close(nowhere)


def own_group():
    """Whether this process is in the control group of its application; None where that cannot be told."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as stream:
            return bool(OWN_GROUP.search(stream.read(LARGEST_FILE)))
    except OSError:  # a chroot without /proc
        return None


def ask(service, seconds):
    """Let the service modwsgi-limits look now. False where it is not installed."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(seconds)
            asked.connect(service)
            asked.recv(1)  # its end: the service has looked
    except FileNotFoundError:
        return False
    except OSError:  # it starts again just now
        return True
    return True


def join_own_group(application):
    """Wait until the service modwsgi-limits has moved this process to its application's control group; whether it has.

    When it does not hear this, it moves the process all the same within a second.
    """
    service = application.get("control_group")  # not in the file of an earlier version of the role
    deadline = time.monotonic() + GROUP_SECONDS
    while service and own_group() is False:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not ask(service, remaining):
            sys.stderr.write(
                "The application %s starts outside of its control group, since the service that listens on %s did not "
                "move it; see `systemctl status modwsgi-limits`.\n" % (application["name"], service)
            )
            return False
        if not own_group():
            time.sleep(GROUP_POLL_SECONDS)
    return bool(service and own_group())


def set_limits(application, has_group):
    """Bound what this process and its children take. `has_group`: a control group bounds memory and tasks.

    A limit counts for the account as far as it is one of tasks, and each application has an account of its own.
    """
    kinds = [(resource.RLIMIT_NPROC, "max_tasks"), (resource.RLIMIT_DATA, "memory_max")]
    for kind, key in [(resource.RLIMIT_NOFILE, "max_open_files")] + ([] if has_group else kinds):
        wanted = application.get(key)  # not in the file of an earlier version of the role
        if wanted:
            hard = resource.getrlimit(kind)[1]
            value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (value, value))


def load(name, file):
    """The content of one of the application's two configuration files."""
    path = os.path.join(CONFIGURATION_ROOT, name, file)
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            "The application %s is not started, because %s cannot be read (%s); deploy it again." % (name, path, error)
        ) from None


def colour_of(name):
    """The ending of the two configuration files where each of two daemon process groups has its own, else nothing.

    Of "shop:blue" and "shop:green" one serves at a time (releases.strategy: blue_green), with "shop:blue:reports" or
    "shop:green:reports", where the application has further groups.
    """
    ending = "".join("-" + colour for colour in mod_wsgi.process_group.split(":")[1:2])
    return ending if os.path.lexists(os.path.join(CONFIGURATION_ROOT, name, "application%s.json" % ending)) else ""


def words(name, file):
    """The words of a file in the folder of the application's code; none where it cannot be read."""
    try:
        with open(os.path.join(CODE_ROOT, name, file), encoding="ascii", errors="replace") as stream:
            return stream.read(LARGEST_FILE).split()
    except OSError:
        return []


def rests(name):
    """Whether this process group, one of two, neither serves nor is to hold a release."""
    # "active shop:blue ...", or several while one is tried, and "shop:green SECONDS", until when it is held.
    active, held = words(name, "active")[1:2], words(name, "held")
    own = ":".join(mod_wsgi.process_group.split(":")[:2])  # without the part of a further group
    if active and own in active[0].split("|"):
        return False
    is_held = len(held) == 2 and held[0] == own and held[1].isdigit()
    return not (is_held and time.time() < int(held[1]))


def end_when(name, is_to_end, stopped):
    """End this process, which httpd replaces, as soon as its group rests, or no longer does."""
    while not stopped.wait(REST_SECONDS):
        if rests(name) == is_to_end:
            os.kill(os.getpid(), signal.SIGUSR1)  # mod_wsgi: requests in flight are finished first
            return


def follow_colours(name, is_to_end):
    """Let this process end when its group rests (`is_to_end`), or no longer does."""
    stopped = threading.Event()
    mod_wsgi.subscribe_shutdown(lambda *_, **__: stopped.set())
    threading.Thread(target=end_when, args=(name, is_to_end, stopped), name="colours", daemon=True).start()


def resting(_environ, start_response):
    """What is asked of a process group that holds no release; httpd asks the other one."""
    start_response("503 Service Unavailable", [("Content-Length", "0"), ("Retry-After", "1")])
    return []


def set_environment(application, variables, release):
    """Make the variables part of os.environ. Programs of the virtual environment come first, as for wsgi-run."""
    os.environ.update(
        PATH=os.path.join(application["venv"], "bin") + os.pathsep + os.environ.get("PATH", os.defpath),
        VIRTUAL_ENV=application["venv"],
        HOME=application["state"],
        USER=application["user"],
        LOGNAME=application["user"],
        WSGI_APP=application["name"],
        WSGI_STATE_DIRECTORY=application["state"],
    )
    if application["static_root"]:
        os.environ["WSGI_STATIC_ROOT"] = os.path.join(release, application["static_root"])
    os.environ.update(variables)
    time.tzset()  # the C library has read TZ before


def set_module_path(application, release):
    """Let imports find this release and this virtual environment, also after the links lead to newer ones.

    A process that finishes its last requests may still import something.
    """
    link = application["venv"] + os.sep
    folders = [os.path.realpath(path) if path.startswith(link) else path for path in sys.path]
    folders = [path for path in folders if path != application["current"]]  # where mod_wsgi runs the application
    first = [release] + [os.path.join(release, path) for path in application["python_path"]]
    sys.path[:] = first + [path for path in folders if path not in first]


def add_virtual_environment(venv):
    """Let an embedded interpreter, which belongs to the whole server, import from a virtual environment first."""
    before = list(sys.path)
    site.addsitedir(os.path.join(venv, "lib", "python%d.%d" % sys.version_info[:2], "site-packages"))
    sys.path[:] = [path for path in sys.path if path not in before] + before


def publish(release, venv):
    """Tell the probe, which runs in the same interpreter, what was loaded here."""
    deployment = types.ModuleType("modwsgi_deployment")
    deployment.release, deployment.venv = release, venv
    sys.modules[deployment.__name__] = deployment


def load_script(application, release):
    """The WSGI callable of the application's own script; tracebacks show the real file."""
    path = os.path.join(release, application["script"])
    with open(path, "rb") as stream:
        code = compile(stream.read(), path, "exec")
    module = types.ModuleType("wsgi_script")
    module.__file__ = path
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102 - this is what a WSGI script is for
    try:
        function = functools.reduce(getattr, application["callable"].split("."), module)
    except AttributeError:
        raise RuntimeError(
            "The script %s has no %s; set `callable` to the name of its WSGI application."
            % (path, application["callable"])
        ) from None
    if is_asgi(function):
        raise RuntimeError(
            "%s of the script %s is an ASGI application, which mod_wsgi does not serve; wrap it by an adapter such as "
            "a2wsgi, or run it beside httpd and name it in `backends`." % (application["callable"], path)
        )
    return function


def is_asgi(function):
    """Whether a call is a coroutine: nothing of WSGI is."""
    calls = (function, getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called
    codes = (getattr(getattr(call, "__func__", call), "__code__", None) for call in calls)
    return any(code is not None and code.co_flags & CO_COROUTINE for code in codes)


def limits(application, release, venv, ending):
    """A context with the limits of a load. httpd's own processes and those of debug mode have none."""
    seconds = application.get("startup_timeouts")  # not in the file of an earlier version of the role
    if not mod_wsgi.process_group or application.get("debug") or seconds is None:
        return contextlib.nullcontext()
    spec = importlib.util.spec_from_file_location("modwsgi_loading", LOADING)
    loading = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loading)
    variables = os.stat(os.path.join(CONFIGURATION_ROOT, application["name"], "environment%s.json" % ending))
    notes = loading.Notes(
        os.path.join(application["state"], ".wsgi-loading"),
        mod_wsgi.process_group,
        [release, venv, variables.st_ino, variables.st_mtime_ns],
    )
    return loading.bounded(application["name"], seconds.get(mod_wsgi.process_group, 0), "startup_timeout", notes)


def changes(release):
    """When each Python file of the release that is loaded was changed last; the times grow with each look."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    times = {}
    for path in files:
        if path and path.startswith(release + os.sep):
            try:
                times[path] = os.stat(path).st_mtime_ns
            except OSError:
                times[path] = None  # it is gone, which is a change too
    return times


def restart_when_changed(release, stopped):
    """End this process, which httpd replaces, as soon as one of the loaded files is not as it was when first seen."""
    known = changes(release)
    while not stopped.wait(WATCH_SECONDS):
        now = changes(release)
        if any(now.get(path) != time for path, time in known.items()):
            os.kill(os.getpid(), signal.SIGINT)  # mod_wsgi: an orderly shutdown of a daemon process
            return
        known.update(now)


def watch(release):
    """Debug mode: let the process follow the code."""
    stopped = threading.Event()
    mod_wsgi.subscribe_shutdown(lambda *_, **__: stopped.set())
    threading.Thread(target=restart_when_changed, args=(release, stopped), name="watch", daemon=True).start()


def tell_stacks():
    """Let a signal write the stacks of all threads to the error log, also while the application is loaded.

    The handler is in C and needs no lock of Python's, so it answers in a process that hangs. 2 is httpd's error log.
    """
    faulthandler.register(STACK_SIGNAL, file=2, all_threads=True, chain=False)


def end_beside_others(name):
    """End this process where others serve the earlier release until this one has loaded the new one.

    Else it would answer 500. A switch writes until when that is so, and gives the release up.
    """
    until = words(name, "rolling")[:1]
    if until and until[0].isdigit() and time.time() < int(until[0]):
        traceback.print_exc()
        os._exit(1)


def start():
    """The WSGI callable of the application which this daemon process group, or this file, is for."""
    embedded = not mod_wsgi.process_group
    if not embedded:
        leave_what_is_of_others()
        tell_stacks()
    # "shop", and "shop:reports" for a further process group of the same application.
    name = mod_wsgi.process_group.partition(":")[0] or os.path.splitext(os.path.basename(__file__))[0]
    ending = colour_of(name)
    if ending and rests(name):
        follow_colours(name, False)
        return resting
    application = load(name, "application%s.json" % ending)
    variables = load(name, "environment%s.json" % ending)
    release, venv = os.path.realpath(application["current"]), os.path.realpath(application["venv"])
    publish(release, venv)
    if not embedded:
        set_limits(application, join_own_group(application))
        os.chdir(release)  # the folder of httpd's own processes is not the application's to change
    set_environment(application, variables, release)
    limited = limits(application, release, venv, ending)
    sys.path[:] = SEARCHED
    if embedded:
        add_virtual_environment(venv)
    set_module_path(application, release)
    try:
        with limited:
            function = load_script(application, release)
    except BaseException:
        if not embedded:
            end_beside_others(name)
        raise
    if application.get("debug"):  # not in the file of an earlier version of the role
        watch(release)
    if ending:
        follow_colours(name, True)
    return function


def with_traceback(function):
    """The same function; an exception that leaves it is logged with its traceback.

    mod_wsgi 6.1.1 with Python 3.11 logs the traceback that is attached to an exception, and Python before 3.12 attaches
    it only where the exception is caught (measured on Debian 12, 2026-11: without this only the last line is logged).
    """

    def caught(*arguments):
        try:
            return function(*arguments)
        except BaseException:
            raise  # caught, and so attached

    return caught


application = with_traceback(with_traceback(start)())
