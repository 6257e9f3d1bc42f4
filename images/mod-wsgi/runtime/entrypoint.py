# SPDX-License-Identifier: Apache-2.0
"""What the image does with the words after its name: `docker run IMAGE [WORD...]`; `help` lists them.

`serve`, the default, checks the settings and the application and then becomes httpd, so that httpd is the first process
of the container and nothing stays beside it. Needs nothing but Python's standard library, 3.9 or later, and runs with
`-I -S`: as root too, it imports nothing of the virtual environment or the application.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

LIBRARY = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, LIBRARY)

import settings  # noqa: E402 - beside this file, which `python -I` does not search

HTTPD = "/usr/sbin/apache2"
APPLICATION = os.path.join(LIBRARY, "application.py")
STATIC_FILES = os.path.join(LIBRARY, "static_files.py")
DESCRIPTION = os.path.join(LIBRARY, "image.json")
DEBUG_CONFIGURATION = os.path.join(LIBRARY, "debug.conf")
PYTHON = os.path.join(settings.VENV, "bin", "python")
LOADING = os.path.join(settings.RUNTIME, "loading")
PID_FILE = os.path.join(settings.RUNTIME, "apache2.pid")
SHELLS = ("/bin/bash", "/bin/sh")
ACCOUNT = "www-data"
"""Whose the processes are when the container is started as root."""

IMPORTED = 100
FAILED = 101
"""Exit status of the check of the import, as in application.py."""

IMPORT_MARGIN = 5
"""Seconds beyond WSGI_STARTUP_TIMEOUT, in which that check ends by itself and says where the import was."""

REFUSED = 64
"""Exit status of a start that is refused; EX_USAGE of sysexits.h."""

CAPABILITIES = {"CHOWN": 0, "KILL": 5, "SETGID": 6, "SETUID": 7}
"""What httpd needs as root, by the numbers of linux/capability.h: it gives sockets to its children, ends them, and has
them become ACCOUNT. Without KILL a stop ends nothing, and without CHOWN no request reaches a daemon process."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEBUG_SIGNALS = (*STOP_SIGNALS, signal.SIGCHLD)
"""Not SIGWINCH, which is what `docker stop` sends: `docker run -it` sends it too, when the window is resized."""
DEBUG_STOP_SECONDS = 3.0
"""A server whose debugger waits for input would never end."""


class Refusal(Exception):  # noqa: N818 - it is what happens
    """It cannot be done; each argument is a sentence for the user."""


# ---------------------------------------------------------------- what all words need


def read_settings() -> dict[str, str]:
    """The settings. Raises Refusal."""
    try:
        return settings.read(os.environ)
    except settings.SettingsError as error:
        raise Refusal(*error.sentences) from None


def check_files(values: Mapping[str, str]) -> None:
    """Raise Refusal unless what the settings name is there."""
    problems = []
    for name, exists, what, advice in (
        ("WSGI_HOME", os.path.isdir, "folder", "copy the application there"),
        ("WSGI_SCRIPT", os.path.isfile, "file", "copy the application there"),
        ("WSGI_STATIC_PATH", os.path.isdir, "folder", "copy the static files there"),
    ):
        path = values[name]
        if path and not exists(path) and os.path.exists(path):
            problems.append(f"{name} is {path}, which is there and is no {what}; set {name} to a {what}.")
        elif path and not exists(path):
            problems.append(f"{name} is {path}, and the container has no such {what}; {advice}, or set {name}.")
        elif path and not os.access(path, os.R_OK):
            problems.append(
                f"{name} is {path}, which user {os.geteuid()} may not read; give read permission to all in the image."
            )
    if not os.path.exists(PYTHON):
        problems.append(f"{PYTHON} is missing; copy a virtual environment to {settings.VENV}.")
    if problems:
        raise Refusal(*problems)


def check_static_files(values: Mapping[str, str]) -> None:
    """Say on stderr which static files visitors would not get. Raise Refusal when they would get none."""
    folder = values["WSGI_STATIC_PATH"]
    if not folder:
        return
    looked = subprocess.run(
        [sys.executable, "-I", "-S", STATIC_FILES, folder],
        stdout=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        check=False,
        **become_application(),
    )
    if looked.returncode != 0:
        raise Refusal(looked.stdout.strip() or f"WSGI_STATIC_PATH is {folder}, which cannot be looked at.")
    for sentence in looked.stdout.splitlines():
        print(f"mod-wsgi: {sentence}", file=sys.stderr, flush=True)


def application_user() -> int:
    """The number of the user that the application runs as."""
    return pwd.getpwnam(ACCOUNT).pw_uid if os.geteuid() == 0 else os.geteuid()


def known_as(user: int) -> tuple[str, str]:
    """Name and home of a user by the system, which in the image knows everybody."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return str(user), "/"
    return entry.pw_name, entry.pw_dir


def account() -> dict[str, str]:
    """HOME, USER and LOGNAME of the application. What the container's environment says stays, but for the HOME that an
    engine sets by itself: that of /etc/passwd, or the root folder."""
    home = os.environ.get("HOME", "")
    if home in ("", "/", known_as(os.geteuid())[1]):
        home = f"{settings.HOMES}{application_user()}"
    name = os.environ.get("USER") or known_as(application_user())[0]
    return {"HOME": home, "USER": name, "LOGNAME": os.environ.get("LOGNAME") or name}


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """All variables of httpd, and so of the application: the container's own, every setting, what Debian's
    configuration names."""
    root = os.geteuid() == 0
    programs = os.path.join(settings.VENV, "bin")
    path = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != programs]
    own = account()
    return {
        "LANG": "C.UTF-8",
        # In mode embedded the locale is httpd's, in which Python would take the names of files for ASCII.
        "PYTHONUTF8": "1",
        **os.environ,
        **own,
        # Once more for application.py: mod_wsgi puts those of /etc/passwd in their place.
        **{f"MODWSGI_{name}": value for name, value in own.items()},
        # First, for the application; in the image's own it is last.
        "PATH": os.pathsep.join([programs, *path]),
        "VIRTUAL_ENV": settings.VENV,
        **values,
        **settings.derived(values, description()["mod_wsgi"]),
        "APACHE_RUN_DIR": settings.RUNTIME,
        "APACHE_LOCK_DIR": settings.RUNTIME,
        "APACHE_LOG_DIR": settings.RUNTIME,
        "APACHE_PID_FILE": PID_FILE,
        "APACHE_RUN_USER": ACCOUNT if root else f"#{os.geteuid()}",
        "APACHE_RUN_GROUP": ACCOUNT if root else f"#{os.getegid()}",
    }


def effective_capabilities() -> int:
    """The capabilities of this process, a bit for each number."""
    with open("/proc/self/status", encoding="ascii") as stream:
        return int(re.findall(r"^CapEff:\s+([0-9a-f]+)$", stream.read(), re.MULTILINE)[0], 16)


def check_capabilities(names: Sequence[str] = tuple(CAPABILITIES)) -> None:
    """Raise Refusal when this is root without what httpd needs as root, or without those of some names."""
    held = effective_capabilities()
    missing = [name for name in names if not held >> CAPABILITIES[name] & 1]
    if missing and os.geteuid() == 0:
        raise Refusal(
            f"The container runs as root and lacks {', '.join(missing)}; start it as another user (--user 65532:0), or "
            f"with {' '.join(f'--cap-add {name}' for name in missing)}."
        )


def prepare_runtime() -> None:
    """Make the folder that httpd writes to. Raises Refusal when that is not possible."""
    folder, parent = settings.RUNTIME, os.path.dirname(settings.RUNTIME)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Refusal(f"{folder} is another user's; remove it, or give the container a new {parent}.")
        os.chmod(folder, 0o711)  # noqa: S103 - as root, httpd's children are others, who have to reach the sockets
    except OSError as error:
        raise Refusal(
            f"{folder} cannot be made ({error.strerror}); give the container a tmpfs there, e.g. --tmpfs {parent}."
        ) from None


def prepare_home(home: str) -> None:
    """Make the application's home, unless the container's environment names another. Raises Refusal when that is not
    possible."""
    user = application_user()
    folder, parent = f"{settings.HOMES}{user}", os.path.dirname(settings.HOMES)
    if home != folder:
        return
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
            # As root; never what a link leads to that somebody puts in its place.
            os.chown(folder, user, -1, follow_symlinks=False)
        found = os.lstat(folder)
    except OSError as error:
        raise Refusal(
            f"{folder}, the application's home, cannot be made ({error.strerror}); give the container a tmpfs there, "
            f"e.g. --tmpfs {parent}, or set HOME."
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
        raise Refusal(
            f"{folder}, the application's home, is another user's; remove it, set HOME, or give the container a new "
            f"{parent}."
        )


def offer_home(home: str) -> None:
    """The same, for what may do without a home: when it cannot be made, standard error says so."""
    try:
        prepare_home(home)
    except Refusal as refusal:
        print(f"mod-wsgi: {refusal}", file=sys.stderr, flush=True)


def clear_runtime() -> None:
    """Remove what an earlier run of this container has left, its pid file first of all: httpd would believe it."""
    try:
        with open(PID_FILE, encoding="ascii") as stream:
            pid = int(stream.read())
        with open(f"/proc/{pid}/comm", encoding="utf-8") as stream:
            runs = stream.read().strip() == os.path.basename(HTTPD)
    except (OSError, ValueError):
        runs = False
    if runs:
        raise Refusal("httpd runs in this container already; start another container.")
    for entry in os.scandir(settings.RUNTIME):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def prepare_loading() -> None:
    """Make the folder in which the processes note that they load the application; see loading.py."""
    os.mkdir(LOADING, 0o700)
    if os.geteuid() == 0:
        shutil.chown(LOADING, ACCOUNT, ACCOUNT)


def become_application() -> dict[str, Any]:
    """For a child process of root: the account that the application has when it is served."""
    return {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}


def leave_root() -> None:
    """As root, become that account, before this process becomes another program. Raises Refusal."""
    check_capabilities(("SETGID", "SETUID"))
    entry = pwd.getpwnam(ACCOUNT)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def import_application(values: Mapping[str, str]) -> None:
    """Import the application in a process of its own. Raises Refusal when that fails; why is on stderr before."""
    seconds = int(values["WSGI_STARTUP_TIMEOUT"])
    script = values["WSGI_SCRIPT"]
    try:
        done = subprocess.run(
            [PYTHON, APPLICATION],
            env=environment(values),
            cwd=values["WSGI_HOME"],
            timeout=seconds + IMPORT_MARGIN if seconds else None,  # it ends by itself before, and says where it was
            check=False,
            **become_application(),
        )
    except subprocess.TimeoutExpired:
        raise Refusal(
            f"{script} is not imported after {seconds} s; correct it, or set WSGI_STARTUP_TIMEOUT to more."
        ) from None
    if done.returncode != IMPORTED:
        limit = f"{seconds} s (WSGI_STARTUP_TIMEOUT)"
        raise Refusal(
            f"{script} cannot be imported ({how_it_ended(done.returncode, limit)}); correct it, or set "
            "WSGI_CHECK_IMPORT=Off to start all the same."
        )


def how_it_ended(status: int, limit: str) -> str:
    """Why the process that imports the application did not get to its end, in a few words; `limit` may be why."""
    if status == FAILED:
        return "see above"
    if status >= 0:
        return f"its process ended with status {status}" + (f", as after {limit}; see above" if status == 1 else "")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    memory = ", as the kernel does when memory is short" if -status == signal.SIGKILL else ""
    return f"its process was ended by signal {name}{memory}"


def run_hooks(values: Mapping[str, str]) -> None:
    """Run what the hooks folder has, in the order of the names. Raises Refusal when one fails."""
    names = sorted(os.listdir(settings.HOOKS)) if os.path.isdir(settings.HOOKS) else []
    for path in (os.path.join(settings.HOOKS, name) for name in names):
        if not os.access(path, os.X_OK):
            raise Refusal(f"The hook {path} is not executable; give it mode 0755 or remove it.")
        try:
            done = subprocess.run(
                [path], env=environment(values), cwd=values["WSGI_HOME"], check=False, **become_application()
            )
        except OSError as error:
            raise Refusal(f"The hook {path} cannot be run ({error.strerror}); correct its first line.") from None
        if done.returncode != 0:
            raise Refusal(f"The hook {path} ended with status {done.returncode}; correct it or remove it.")


def leave_terminal() -> bool:
    """Give up the controlling terminal; whether there was one. httpd takes a resized window for a graceful stop."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the kernel sends it to who gives the terminal up
    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    finally:
        os.close(terminal)
        signal.signal(signal.SIGHUP, before)
    return True


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """A stop is obeyed meanwhile, with exit status 0: for the first process, the kernel drops unhandled signals."""

    def stop(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - as Python calls it
        sys.exit(0)

    signals = [*STOP_SIGNALS]
    if not os.isatty(0):  # there it only says that the window has another size
        signals.append(signal.SIGWINCH)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def replace_process(command: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    """Become another program, as if the container had been started with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a program would inherit that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command[0], list(command), dict(variables))
    except OSError as error:
        raise Refusal(f"{command[0]} cannot be run ({error.strerror}).") from None


def httpd(values: Mapping[str, str], *options: str) -> list[str]:
    """The command line of httpd."""
    return [HTTPD, *settings.defines(values), *options]


def description() -> dict[str, str]:
    """What the build has written of the module. Raises Refusal."""
    try:
        with open(DESCRIPTION, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except (OSError, ValueError) as error:
        raise Refusal(f"{DESCRIPTION} cannot be read ({error}); build the image again.") from None


def no_more(word: str, arguments: Sequence[str]) -> None:
    """Raise Refusal when something follows a word that takes nothing."""
    if arguments:
        raise Refusal(f"`{word}` takes nothing more, and {arguments[0]!r} follows it; settings are variables: `help`.")


# ---------------------------------------------------------------- the words


def serve(arguments: Sequence[str]) -> NoReturn:
    """Serve the application (the default)."""
    no_more("serve", arguments)
    values = read_settings()
    check_files(values)
    check_capabilities()
    check_static_files(values)
    prepare_runtime()
    clear_runtime()
    prepare_home(account()["HOME"])
    prepare_loading()
    with stoppable():
        run_hooks(values)
        if values["WSGI_CHECK_IMPORT"] == "On":
            import_application(values)
    if leave_terminal():
        print(
            f"Port {values['WSGI_PORT']} is served; `docker stop` ends it. (Ctrl-C does not: httpd gives this terminal "
            "up, since it takes a resized window for a stop.)",
            file=sys.stderr,
        )
    os.dup2(2, settings.ERROR_DESCRIPTOR)
    os.chdir("/")
    replace_process(httpd(values, "-DFOREGROUND"), environment(values))


def check(arguments: Sequence[str]) -> int:
    """Test the settings, the application's import and httpd's configuration; serve nothing."""
    no_more("check", arguments)
    values = read_settings()
    check_files(values)
    check_capabilities(("SETGID", "SETUID"))
    check_static_files(values)
    prepare_runtime()
    prepare_home(account()["HOME"])
    with stoppable():
        import_application(values)
        tested = subprocess.run(httpd(values, "-t"), env=environment(values), check=False)
    if tested.returncode != 0:
        raise Refusal(f"httpd refuses its configuration (see above); correct what is in {settings.CONFIGURATION}.")
    return 0


def version(arguments: Sequence[str]) -> int:
    """Print the versions of the module, of Python and of httpd, as JSON."""
    no_more("version", arguments)
    said = subprocess.run([HTTPD, "-v"], stdout=subprocess.PIPE, text=True, check=False).stdout
    found = re.search(r"Apache/([0-9.]+)", said)
    versions = {
        "mod_wsgi": description()["mod_wsgi"],
        "python": platform.python_version(),
        "httpd": found.group(1) if found else "unknown",
    }
    print(json.dumps(versions))
    return 0


def shell(arguments: Sequence[str]) -> NoReturn:
    """Open a shell in the application's folder, with its variables and virtual environment."""
    no_more("shell", arguments)
    values = read_settings()
    there = next((path for path in SHELLS if os.path.exists(path)), "")
    if not there:
        raise Refusal("This image has no shell; use `python`, or the image whose tag has no -slim.")
    enter(values)
    variables = environment(values)
    if os.geteuid() == 0:
        # Root's programs are those of the system, before any that a package has brought; and its home is its own.
        variables.update({"HOME": pwd.getpwuid(0).pw_dir, "USER": "root", "LOGNAME": "root"})
        variables.update({name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ})
    else:
        offer_home(variables["HOME"])
    replace_process([there], variables)


def python(arguments: Sequence[str]) -> NoReturn:
    """Run Python in the application's folder, with what follows: `python manage.py migrate`."""
    values = read_settings()
    variables = environment(values)
    if os.geteuid() == 0:
        leave_root()
    offer_home(variables["HOME"])
    enter(values)
    replace_process([PYTHON, *arguments], variables)


def enter(values: Mapping[str, str]) -> None:
    """Go to the application's folder."""
    try:
        os.chdir(values["WSGI_HOME"])
    except OSError as error:
        raise Refusal(f"WSGI_HOME is {values['WSGI_HOME']}, which cannot be entered ({error.strerror}).") from None


def usage(arguments: Sequence[str]) -> int:
    """Say what there is to say and to set."""
    no_more("help", arguments)
    words = "".join(f"  {word:10}{str(function.__doc__).strip()}\n" for word, function in WORDS.items())
    print(
        f"Usage: docker run [-e SETTING=VALUE]... IMAGE [WORD...]\n\nWords:\n{words}\nSettings:\n{settings.listing()}"
    )
    return 0


# ---------------------------------------------------------------- debug


def require_debuggable(root: str) -> None:
    """Raise Refusal unless there is somebody to type, who is not root, and a place for mod_wsgi-express's programs."""
    if os.geteuid() == 0:
        raise Refusal(
            "`debug` runs what is in the virtual environment, and does not do so as root; start the container as "
            "another user (--user 65532:0)."
        )
    if not (os.isatty(0) and os.isatty(1)):
        missing = " and ".join(name for name, number in (("input", 0), ("output", 1)) if not os.isatty(number))
        raise Refusal(
            f"`debug` needs a terminal, and standard {missing} is none; start the container with both -i and -t "
            "(docker run -it IMAGE debug)."
        )
    if not os.path.exists("/bin/sh"):
        raise Refusal("`debug` needs a shell, which this image does not have; use the one whose tag has no -slim.")
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise Refusal(
            f"`debug` makes programs below {root}, where the mount allows none; add exec: --tmpfs "
            f"{os.path.dirname(root)}:exec."
        )


def debug_command(values: Mapping[str, str], express: str, root: str, startup: bool) -> list[str]:
    """The command of mod_wsgi-express."""
    proxies = values["WSGI_TRUSTED_PROXIES"].split()
    headers = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host") if proxies else ()
    return [
        PYTHON,  # whose virtual environment is served
        express,
        "start-server",
        APPLICATION,
        "--debug-mode",
        "--enable-debugger",
        *(["--debugger-startup"] if startup else []),
        *(["--orphan-interpreter"] if values["WSGI_DESTROY_INTERPRETER"] == "Off" else []),
        "--log-to-terminal",
        *("--error-log-format", "%M"),
        *("--port", values["WSGI_PORT"]),
        *("--mount-point", values["WSGI_MOUNT_PATH"]),
        *("--server-root", root),
        *("--working-directory", values["WSGI_HOME"]),
        *("--keep-alive-timeout", "0"),  # a connection that waits would occupy the only thread
        *("--limit-request-body", values["WSGI_MAX_BODY_SIZE"]),
        *("--include-file", DEBUG_CONFIGURATION),
        *(word for address in proxies for word in ("--trust-proxy", address)),
        *(word for header in headers for word in ("--trust-proxy-header", header)),
        *(["--url-alias", values["WSGI_STATIC_URL"], values["WSGI_STATIC_PATH"]] if values["WSGI_STATIC_URL"] else []),
    ]


def begin_session() -> None:
    """In the new process: receive signals as usual."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would raise an exception here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, DEBUG_SIGNALS)


def run_until_told(command: Sequence[str], variables: Mapping[str, str], folder: str) -> int:
    """Run a server until it ends or is to end; the exit status.

    It is in a session of its own, without a controlling terminal, so a resized window does not reach it. DEBUG_SIGNALS
    are blocked, and wait until they are asked for.
    """
    server = subprocess.Popen(
        list(command),
        env=dict(variables),
        cwd=folder,
        start_new_session=True,
        preexec_fn=begin_session,  # noqa: PLW1509 - there are no threads
    )
    asked = False
    while os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        caught = signal.sigtimedwait(DEBUG_SIGNALS, DEBUG_STOP_SECONDS) if asked else signal.sigwaitinfo(DEBUG_SIGNALS)
        if caught is not None and caught.si_signo == signal.SIGCHLD:
            continue
        if asked:  # once more, or the time is over
            break
        asked = True
        server.send_signal(signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    status = server.wait()
    return 0 if asked else status if status >= 0 else 128 - status


def debug(arguments: Sequence[str]) -> int:
    """Serve under Python's debugger in this terminal (with --startup it opens before the first request)."""
    if list(arguments) not in ([], ["--startup"]):
        raise Refusal(f"`debug` takes only --startup, not {' '.join(arguments)!r}; settings are variables: `help`.")
    values = read_settings()
    check_files(values)
    prepare_runtime()
    clear_runtime()
    require_debuggable(settings.RUNTIME)
    prepare_home(account()["HOME"])
    module, root = description(), os.path.join(settings.RUNTIME, "debug")
    # Of the module's own virtual environment only the package may be found, not what else is installed there.
    os.makedirs(os.path.join(root, "lib"))
    os.symlink(module["package"], os.path.join(root, "lib", "mod_wsgi"))
    more = os.environ.get("PYTHONPATH")
    variables = {
        **environment(values),
        "PYTHONPATH": os.path.join(root, "lib") + (os.pathsep + more if more else ""),
        "MODWSGI_DEBUGGER": "1",
    }
    signal.pthread_sigmask(signal.SIG_BLOCK, DEBUG_SIGNALS)
    print(f"The application under the debugger, on port {values['WSGI_PORT']}. Ctrl-C ends it.\n", flush=True)
    command = debug_command(values, module["express"], root, "--startup" in arguments)
    return run_until_told(command, variables, values["WSGI_HOME"])


WORDS: dict[str, Callable[[Sequence[str]], int]] = {
    "serve": serve,
    "debug": debug,
    "shell": shell,
    "python": python,
    "check": check,
    "version": version,
    "help": usage,
}
OTHER_NAMES = {"--help": "help", "-h": "help", "--version": "version"}


def main(arguments: Sequence[str]) -> int:
    """Do what the words say; the exit status."""
    word, *rest = arguments or ["serve"]
    try:
        function = WORDS.get(OTHER_NAMES.get(word, word))
        if function is None:
            # Not taken for a program: a misspelt word must not run something else.
            raise Refusal(
                f"{word!r} is not a word of this image, which are {', '.join(WORDS)}; "
                "to run another program, name it with --entrypoint."
            )
        return function(rest)
    except Refusal as refusal:
        sys.stdout.flush()
        for sentence in refusal.args:
            print(f"mod-wsgi: {sentence}", file=sys.stderr, flush=True)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
