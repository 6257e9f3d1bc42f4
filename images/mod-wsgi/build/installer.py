#!/opt/pip/interpreter -IS
# SPDX-License-Identifier: Apache-2.0
"""`pip` and `python` of the images that others are built on: what root calls as `pip` runs without root's rights.

What pip installs, it also runs: setup.py, build backends, the `.pth` files of what is there already. So an account that
owns nothing gets the folders of /opt/venv for as long as the real pip runs in its name. Then every process of that
account is ended, and root takes the folders back, with what is new in them. Who is not root gets pip as it is.

`python` is that of the virtual environment, so that the programs of the system can come before those of /opt/venv/bin
in PATH; and `python -m pip` is `pip`.

Imports nothing but Python's standard library (3.9 or later), and runs without `site`: no package is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

REFUSED = 64
"""Exit status of what is refused; EX_USAGE of sysexits.h, as of the image's entry point."""
ACCOUNT = "wsgi-build"

REAL_PIP = (
    "import sys; sys.argv[0] = 'pip'; sys.path.append(sys.argv.pop(1)); "
    "from pip._internal.cli.main import main; sys.exit(main())"
)
"""The working folder is not among the folders of modules, and a pip of the virtual environment, if any, comes first."""
CONFIGURING_PIP = f"import sys; sys.prefix = sys.argv.pop(1); {REAL_PIP}"
"""`pip config` writes root's files and runs nothing of the virtual environment, whose folder it only has to know."""

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
UMASK = 0o022
TAKEN_AWAY = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | UMASK
"""Rights that nothing keeps. Those of the group too: the image serves as a user of group 0, which is root's."""
ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")

READ, EDITABLE, WRITTEN, OPERAND, OTHER = "read", "editable", "written", "operand", "other"
KINDS = {
    **dict.fromkeys(("-r", "--requirement", "-c", "--constraint", "--build-constraint", "-f", "--find-links"), READ),
    **dict.fromkeys(("--requirements-from-script", "--cert", "--client-cert"), READ),
    **dict.fromkeys(("-e", "--editable"), EDITABLE),
    **dict.fromkeys(("-t", "--target", "-d", "--dest", "-w", "--wheel-dir"), WRITTEN),
    **dict.fromkeys(("-b", "-C", "-i", "--cache-dir", "--log", "--path", "--prefix", "--python", "--report"), OTHER),
    **dict.fromkeys(("--root", "--src"), OTHER),
}
"""Options of pip whose values are paths, or could be taken for one, and what pip does with these."""
ARCHIVES = (".whl", ".zip", ".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tgz")
PIP_FILES = (".netrc", ".pip/pip.conf", ".config/pip/pip.conf")
"""What pip reads below the caller's home."""
ONE_FILE = ("NETRC", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
SOME_FILES = ("PIP_CONSTRAINT", "PIP_FIND_LINKS", "PIP_REQUIREMENT")
"""Environment variables with a path, or with several that blanks separate."""
FOR_EVERYBODY = ("/dev/shm", "/run/lock", "/tmp", "/var/tmp")  # noqa: S108 - what is left there is taken away

ROOTS = ("/etc/passwd", "/usr/bin/env", "/usr/local/lib/modwsgi-image")
"""What no folder that pip is to write to may hold, besides this program's own."""
KEPT = re.compile(r"[Aa]ctivate(\..*)?|(python|\N{MATHEMATICAL ITALIC SMALL PI}thon)[0-9.]*t?")
"""Names in bin/ that root may run or read later."""
PIP = re.compile(r"pip[0-9.]*")


class Refusal(Exception):  # noqa: N818 - it is what happens
    """It is not done, or its result is not taken; each argument is a sentence for the user."""


class Stopped(BaseException):
    """A signal asks for the end; the argument is its number."""


class Account(NamedTuple):
    """Who runs pip in root's place."""

    uid: int
    gid: int


class Places(NamedTuple):
    """The folders."""

    venv: str = "/opt/venv"
    own: str = "/opt/pip"
    """Root's: this program, the packages of pip, and for the time of a run the scratch folder."""

    @property
    def python(self) -> str:
        """The Python of the virtual environment."""
        return os.path.join(self.venv, "bin", "python")

    @property
    def packages(self) -> str:
        """Where the real pip is imported from."""
        return os.path.join(self.own, "packages")

    @property
    def scratch(self) -> str:
        """The account's home and temporary files, and copies of what only root can read. The name is always the same,
        since pip records where a package came from."""
        return os.path.join(self.own, "scratch")

    @property
    def home(self) -> str:
        """The account's home; /etc/passwd says the same."""
        return os.path.join(self.scratch, "home")


# ---------------------------------------------------------------- words


def words_for_pip(arguments: Sequence[str]) -> list[str] | None:
    """What follows `-m pip` in the words of a Python command; None when Python is to do something else.

    >>> words_for_pip(["-W", "error", "-Im", "pip", "list"])
    ['list']
    """
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--check-hash-based-pycs":
            del words[:1]
            continue
        if not re.fullmatch(r"-[A-Za-z?].*", word, re.DOTALL):
            return None
        for end, letter in enumerate(word[1:], 2):
            if letter == "c":
                return None
            if letter in "mWX":
                value = word[end:] or (words.pop(0) if words else "")
                if letter == "m":
                    return words if value in ("pip", "pip.__main__") else None
                break
    return None


def changed_paths(arguments: Sequence[str], change: Callable[[str, str], str]) -> list[str]:
    """The words of a pip command, with each value that can be a path changed: `change` gets its kind and the value."""
    result: list[str] = []
    waiting = ""
    for word in arguments:
        if waiting:
            result.append(change(waiting, word))
            waiting = ""
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            kind = KINDS.get(name, "")
            result.append(f"{name}={change(kind, value)}" if equals and kind else word)
            waiting = kind if not equals else ""
        elif word.startswith("-"):  # letters, of which the last may have a value: -Ur file, -rfile
            ends = [end for end in range(2, len(word) + 1) if f"-{word[end - 1]}" in KINDS]
            end = ends[0] if ends else len(word)
            kind, value = KINDS.get(f"-{word[end - 1]}", ""), word[end:]
            result.append(word[:end] + change(kind, value) if value else word)
            waiting = kind if not value else ""
        else:
            result.append(change(OPERAND, word))
    return result


# ---------------------------------------------------------------- the account


def prctl(option: int, value: int) -> None:
    """A wish of this process to the kernel. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def in_its_name(account: Account, function: Callable[[], bool]) -> bool:
    """What a function says in a process of the account; False too when it fails, or cannot be run."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def end_processes(account: Account) -> None:
    """End every process of the account, and wait for those that this process has (it is the subreaper of all)."""

    def kill() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all that this user may; not this process itself
        return True

    if not in_its_name(account, kill):
        raise Refusal("Processes that pip has left cannot be ended; look at what the container forbids.")
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


# ---------------------------------------------------------------- folders


def entries(tree: str) -> Iterator[os.DirEntry[str]]:
    """All that is below a folder, each folder before its content. Links are not followed. Raises OSError."""
    waiting = [tree]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            content = list(found)
        for entry in content:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def give(path: str, account: Account) -> None:
    """Make the account the owner of a file or folder; it can write to a folder then."""
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        os.chmod(path, stat.S_IMODE(mode) | 0o700)


def lend(tree: str, account: Account) -> None:
    """Give a tree's folders to the account, but none of its files: it can replace these, and not write to them."""
    folders = [tree, *(entry.path for entry in entries(tree) if entry.is_dir(follow_symlinks=False))]
    for folder in folders:
        give(folder, account)


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or in it; both are absolute, and not looked at."""
    return os.path.commonpath([path, folder]) == folder


def leads_out(path: str, tree: str, allowed: str) -> bool:
    """Whether a link leads out of a tree, and not to the one file that it may lead to."""
    end = os.path.realpath(path)
    return end != allowed and not is_below(end, os.path.realpath(tree))


def take(path: str) -> None:
    """Make root the owner of a file, folder or link; nobody else may write to it."""
    os.chown(path, 0, 0, follow_symlinks=False)
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return
    with contextlib.suppress(OSError):  # a file system without such lists
        for name in set(ACCESS_LISTS) & set(os.listxattr(path, follow_symlinks=False)):
            os.removexattr(path, name, follow_symlinks=False)
    if mode & TAKEN_AWAY:
        os.chmod(path, stat.S_IMODE(mode) & ~TAKEN_AWAY)


def take_back(tree: str, account: Account, interpreter: str = "") -> list[str]:
    """Take back a tree from an account that has no process left; sentences about what was refused and removed.

    Owners are changed of what the account owns and of nothing else, so a hard link to another's file stays what it is.
    """
    said = []
    take(tree)
    for entry in entries(tree):
        found = entry.stat(follow_symlinks=False)
        if found.st_uid != account.uid:
            continue
        if stat.S_ISLNK(found.st_mode):
            allowed = interpreter if os.path.dirname(entry.path) == os.path.join(tree, "bin") else ""
            if leads_out(entry.path, tree, allowed):
                said.append(f"{entry.path} led out of {tree}, to {os.readlink(entry.path)}, and is removed.")
                os.unlink(entry.path)
                continue
        elif not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            said.append(f"{entry.path} was neither a file nor a folder nor a link, and is removed.")
            os.unlink(entry.path)
            continue
        take(entry.path)
    return said


def clear_public_folders(account: Account, folders: Sequence[str] = FOR_EVERYBODY) -> None:
    """Take back the files that the account has left in folders of everybody (a log), and remove all else there."""
    for folder in filter(os.path.isdir, folders):
        for path in [entry.path for entry in os.scandir(folder)]:
            found = os.lstat(path)
            if found.st_uid != account.uid:
                continue
            if stat.S_ISREG(found.st_mode):
                take(path)
            else:
                remove(path)


def remove(path: str) -> None:
    """Remove a file, a link, or a folder with all in it; nothing may be there. Raises OSError."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


class Kept:
    """Files and links of the virtual environment that root may run or read later: the same afterwards."""

    def __init__(self, venv: str) -> None:
        programs = os.path.join(venv, "bin")
        paths = [os.path.join(programs, name) for name in sorted(os.listdir(programs)) if KEPT.fullmatch(name)]
        paths = [path for path in (os.path.join(venv, "pyvenv.cfg"), *paths) if os.path.lexists(path)]
        self._found = {path: os.lstat(path) for path in paths}
        self._content = {path: self._read(path) for path in paths}

    @staticmethod
    def _read(path: str) -> tuple[str, bytes]:
        """Where a link leads to, or the content of a file."""
        if os.path.islink(path):
            return os.readlink(path), b""
        with open(path, "rb") as stream:
            return "", stream.read()

    def restore(self) -> list[str]:
        """Put back what was replaced; sentences about it."""
        said = []
        for path, before in self._found.items():
            now = os.lstat(path) if os.path.lexists(path) else None
            same = now and (now.st_uid, now.st_mode) == (before.st_uid, before.st_mode)
            if same and self._read(path) == self._content[path]:
                continue
            said.append(f"{path} was replaced, and is what it was again.")
            remove(path)
            link, content = self._content[path]
            if link:
                os.symlink(link, path)
                continue
            with open(path, "xb") as stream:
                stream.write(content)
            os.chmod(path, stat.S_IMODE(before.st_mode) & ~TAKEN_AWAY)
        return said


def keep_pip(places: Places) -> None:
    """A pip that installs itself does not take this one's place: what root calls by that name is this program."""
    programs = os.path.join(places.venv, "bin")
    for path in (os.path.join(programs, name) for name in os.listdir(programs) if PIP.fullmatch(name)):
        target = os.path.join(places.own, "bin", "pip")
        if not os.path.islink(path) or os.readlink(path) != target or os.lstat(path).st_uid != 0:
            remove(path)
            os.symlink(target, path)


# ---------------------------------------------------------------- what the account gets


class HandOver:
    """What a command of root's names, made fit for the account: copies of what only root can use, folders to lend."""

    def __init__(self, places: Places, account: Account) -> None:
        self._places = places
        self._account = account
        self._copies = 0
        self.lent: list[str] = []
        """Folders that pip is to write to, besides the virtual environment."""

    def may(self, path: str, mode: int) -> bool:
        """Whether the account may do something with a path (os.R_OK, ...)."""
        return in_its_name(self._account, lambda: os.access(path, mode))

    def path(self, kind: str, value: str) -> str:
        """A value of the command in place of another one. Raises Refusal, OSError, shutil.Error."""
        if kind == WRITTEN:
            self.write_to(os.path.abspath(value))
        if kind in (WRITTEN, OTHER):
            return value
        # A project's folder can name its extras: ./shop[tests]
        name, bracket, extras = value.partition("[") if kind != READ else (value, "", "")
        # Without a slash or a dot, pip takes a word for the name of a package.
        if kind == OPERAND and not (os.sep in name or name.startswith(".") or name.endswith(ARCHIVES)):
            return value
        if kind != READ and os.path.isdir(name):
            return self.project(kind, name) + bracket + extras
        if os.path.exists(value) and not self.may(value, os.R_OK | (os.X_OK if os.path.isdir(value) else 0)):
            return self.copy(value)
        return value

    def project(self, kind: str, folder: str) -> str:
        """A folder with a project, or its copy: pip builds in it."""
        is_project = any(os.path.exists(os.path.join(folder, name)) for name in ("pyproject.toml", "setup.py"))
        if not is_project or self.may(folder, os.R_OK | os.W_OK | os.X_OK):
            return folder
        if kind == EDITABLE:
            raise Refusal(
                f"{folder} is to be installed as editable, and {ACCOUNT}, who runs pip in root's place, may not build "
                f"in it; copy it with COPY --chown={ACCOUNT}, or leave out --editable."
            )
        return self.copy(folder)

    def copy(self, path: str) -> str:
        """A copy for the account of what root has named."""
        folder = os.path.join(self._places.scratch, "given", str(self._copies))
        self._copies += 1
        target = os.path.join(folder, os.path.basename(os.path.abspath(path)))
        os.makedirs(folder, 0o755)
        if os.path.isdir(path):
            shutil.copytree(path, target, symlinks=True)
            for entry in entries(target):
                give(entry.path, self._account)
        else:
            self._copy_file(path, target)
        give(target, self._account)
        return target

    @staticmethod
    def _copy_file(path: str, target: str) -> None:
        """The content only, which may come out of a pipe (/dev/stdin), for its owner only, since it may be secret."""
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(path, "rb") as source, open(descriptor, "wb") as stream:
            shutil.copyfileobj(source, stream)

    def write_to(self, folder: str) -> None:
        """Lend a folder that pip is to write to, which is made if needed. Raises Refusal."""
        folder = os.path.realpath(folder)
        own = (self._places.own, os.path.realpath(sys.executable), os.__file__, *ROOTS)
        if any(is_below(path, folder) for path in own) or is_below(folder, self._places.own):
            raise Refusal(f"{folder} has programs that root runs; name a folder of its own for pip to write to.")
        os.makedirs(folder, exist_ok=True)
        if not self.may(folder, os.R_OK | os.W_OK | os.X_OK):
            self.lent.append(folder)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of the account, with copies of the files that they name. Raises Refusal."""
        home, temporary = self._places.home, os.path.join(self._places.scratch, "tmp")
        for folder in (home, temporary):
            os.makedirs(folder, 0o700)
            give(folder, self._account)
        result = {name: value for name, value in given.items() if not name.startswith("XDG_") and name != "PYTHONHOME"}
        for name in set(result) & set(ONE_FILE):
            result[name] = self.path(READ, result[name]) if result[name] else ""
        for name in set(result) & set(SOME_FILES):
            result[name] = " ".join(self.path(READ, value) for value in result[name].split())
        self._give_files_of_pip(given)
        result.update(HOME=home, TMPDIR=temporary, USER=ACCOUNT, LOGNAME=ACCOUNT)
        return result

    def _give_files_of_pip(self, given: Mapping[str, str]) -> None:
        """Copy what pip reads in root's home into the account's. Raises Refusal for a file elsewhere."""
        for path in ("/etc/pip.conf", os.path.join(self._places.venv, "pip.conf")):
            if os.path.exists(path) and not self.may(path, os.R_OK):
                raise Refusal(
                    f"{path} is not readable for {ACCOUNT}, who runs pip in root's place; give it mode 0444 "
                    "(a secret: --mount=type=secret,...,mode=0444), or name it in PIP_CONFIG_FILE."
                )
        home = given.get("HOME", "/root")
        for name in PIP_FILES:
            source, target = os.path.join(home, name), os.path.join(self._places.home, name)
            if name.startswith(".config/") and given.get("XDG_CONFIG_HOME"):
                source = os.path.join(given["XDG_CONFIG_HOME"], name.partition("/")[2])
            if os.path.isfile(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                self._copy_file(source, target)
                give(target, self._account)
        for entry in entries(self._places.home):
            give(entry.path, self._account)


# ---------------------------------------------------------------- pip


@contextlib.contextmanager
def locked(places: Places) -> Iterator[None]:
    """One pip at a time: this one's end is that of all processes of the account."""
    descriptor = os.open(places.own, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def real_pip(places: Places, arguments: Sequence[str]) -> list[str]:
    """The command of the real pip."""
    return [places.python, "-I", "-c", REAL_PIP, places.packages, *arguments]


def become(command: Sequence[str]) -> NoReturn:
    """Become another program. Raises Refusal."""
    try:
        os.execv(command[0], list(command))
    except OSError as error:
        raise Refusal(
            f"{command[0]} cannot be run ({error.strerror}); copy a virtual environment to {Places().venv}."
        ) from None


def run_as(account: Account, command: Sequence[str], variables: Mapping[str, str]) -> int:
    """The exit status of a command of the account: without new rights, a terminal of its own or other descriptors than
    the three standard ones. Raises Stopped, OSError."""

    def stop(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - as Python calls it
        raise Stopped(number)

    for number in SIGNALS:
        signal.signal(number, stop)
    try:
        status = subprocess.Popen(
            list(command),
            env=dict(variables),
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            umask=UMASK,
            start_new_session=True,  # whose terminal it were could type into root's shell
            preexec_fn=lambda: prctl(PR_SET_NO_NEW_PRIVS, 1),  # noqa: PLW1509 - there are no threads
        ).wait()
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    return status if status >= 0 else 128 - status


def run_lent(places: Places, account: Account, arguments: Sequence[str]) -> int:
    """Run pip as the account; the exit status. Raises Refusal, OSError, shutil.Error, RecursionError."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # but while pip runs, so that all is taken back
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.path.lexists(places.scratch):  # of a run that was killed
        end_processes(account)
        take_back(places.venv, account, os.path.realpath(sys.executable))
        remove(places.scratch)
    os.makedirs(places.scratch, 0o711)
    os.chmod(places.scratch, 0o711)  # noqa: S103 - the account passes through
    lent: list[str] = []
    said: list[str] = []
    started = False
    try:
        handed = HandOver(places, account)
        variables = handed.variables(os.environ)
        words = changed_paths(arguments, handed.path)
        kept = Kept(places.venv)
        if {"install", "uninstall"} & set(words):
            handed.lent.append(places.venv)
        for tree in handed.lent:
            lent.append(tree)
            lend(tree, account)
        started = True
        try:
            status = run_as(account, real_pip(places, words), variables)
        except Stopped as stopped:
            status = 128 + stopped.args[0]
    finally:
        if started:
            end_processes(account)
        if places.venv in lent:
            said += kept.restore()
            keep_pip(places)
        for tree in lent:
            said += take_back(tree, account, os.path.realpath(sys.executable))
        clear_public_folders(account)
        remove(places.scratch)
    if said:
        raise Refusal(*said)
    return status


def supervised(function: Callable[[], int]) -> int:
    """What a function returns in a process of its own, which has no children of the shell that this one was before."""
    child = 0
    for number in SIGNALS:
        signal.signal(number, lambda number, _frame: os.kill(child, number) if child else sys.exit(128 + number))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = function()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def told(function: Callable[[], int]) -> int:
    """What a function returns; when it is refused or fails, the sentences are printed."""
    try:
        return function()
    except Refusal as refusal:
        sentences = [str(sentence) for sentence in refusal.args]
    except (OSError, RecursionError, shutil.Error, subprocess.SubprocessError) as error:
        sentences = [
            f"pip was not run as {ACCOUNT}, or its result not taken ({error}); it needs the capabilities CHOWN, "
            "DAC_OVERRIDE, FOWNER, KILL, SETGID and SETUID. Call it as another user where they are missing."
        ]
    for sentence in sentences:
        print(f"mod-wsgi: {sentence}", file=sys.stderr, flush=True)
    return REFUSED


def pip(places: Places, arguments: Sequence[str]) -> int:
    """Run pip, in root's place as the account; the exit status. Raises Refusal, OSError."""
    if os.geteuid() != 0:
        become(real_pip(places, arguments))
    if [word for word in arguments if not word.startswith("-")][:1] == ["config"]:
        become([sys.executable, "-I", "-S", "-c", CONFIGURING_PIP, places.venv, places.packages, *arguments])
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise Refusal(f"/etc/passwd has no {ACCOUNT}, who runs pip in root's place; take the image's.") from None
    if not stat.S_ISDIR(os.lstat(places.venv).st_mode):
        raise Refusal(f"{places.venv} is not a folder; make a virtual environment there.")
    account = Account(entry.pw_uid, entry.pw_gid)

    def locked_run() -> int:
        with locked(places):
            return run_lent(places, account, arguments)

    return supervised(lambda: told(locked_run))


def main(name: str, arguments: Sequence[str]) -> int:
    """The programs, by their names; the exit status."""
    places = Places()
    if os.path.basename(name).startswith("python"):
        words = words_for_pip(arguments)
        if words is None:
            become([places.python, *arguments])
        arguments = words
    return pip(places, arguments)


if __name__ == "__main__":
    sys.exit(told(lambda: main(sys.argv[0], sys.argv[1:])))
