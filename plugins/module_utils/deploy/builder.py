# SPDX-License-Identifier: Apache-2.0
"""Where git and pip run: an account without rights, in a room of the application's own. Runs on the managed host.

Whoever writes a source, or a package that it requires, decides what runs while they are fetched and built. So that
happens under an account that nothing else has, in folders that are open to it for that time only, and root takes over
nothing but the content of what was made.

A room is ``/var/cache/modwsgi/build/NAME/KIND``, with ``home``, ``scratch`` and what stays for the next time. Git and
pip have one each, so that a package that is built finds neither git's credentials nor its repository.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
import pwd
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.confinement import (
    FAILED,
    ConfinementError,
    Ended,
    give_up_rights,
    run_confined,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import BUILD_ACCOUNT, BUILD_ROOT

HOST_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

GIT, PIP = "git", "pip"
"""The kinds of rooms."""

PATH = "/usr/local/bin:/usr/bin:/bin"
PASSED_ON = re.compile(
    r"(?:https?|no|all|ftp)_proxy|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_(?:FILE|DIR)|GIT_SSL_CA(?:INFO|PATH)"
    r"|PIP_(?!CACHE_DIR$|ROOT_USER_ACTION$|NO_INPUT$)\w+|SOURCE_DATE_EPOCH",
    re.IGNORECASE,
)
"""Variables that come from the play's own environment: how the network is reached, and pip's settings."""

SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - what is mounted over
"""Folders of all accounts; an empty one of the room is mounted over them where the kernel allows it."""

MOST_PROCESSES = 4096
MOST_FILES = 500_000
SECONDS = 3600
SIZE = 10 * 1024**3
"""Bytes."""

SHORTEST_SECRET = 6
"""Characters from which on a secret is blotted out of messages."""
HIDDEN = "********"
USER_INFO = re.compile(r"//[^/\s'\"]*@")

OPTIONS: dict[str, Any] = {
    "credentials": {"type": "str", "default": "", "no_log": True},
    "build_timeout": {"type": "int", "default": SECONDS},
    "build_size": {"type": "int", "default": SIZE},
}
"""Those of the modules that build; the documentation fragment `build` describes them."""


class BuildError(Exception):
    """A command could not be run, or was ended; the text is a part of a sentence."""


class Account(NamedTuple):
    """Whom a command runs as."""

    uid: int
    gid: int
    own: bool
    """Whether nothing else runs under it, so that all that does is ended with the command."""
    groups: tuple[int, ...] = ()
    """Ids of further groups that a command is in."""


class Limits(NamedTuple):
    """What a command may take."""

    seconds: int = SECONDS
    size: int = SIZE
    """Bytes: the largest file, and the most that anything which stays may have in total."""


def limits_of(parameters: Mapping[str, Any]) -> Limits:
    """The limits among the options of a module."""
    return Limits(parameters.get("build_timeout") or SECONDS, parameters.get("build_size") or SIZE)


def build_account() -> Account | None:
    """The account for builds; None when it has not been made yet. Who is not root builds as himself."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), own=False)
    try:
        found = pwd.getpwnam(BUILD_ACCOUNT)
    except KeyError:
        return None
    return Account(found.pw_uid, found.pw_gid, own=True)


# ---------------------------------------------------------------- credentials


class GitCredentials(NamedTuple):
    """What gives access to a repository."""

    username: str = ""
    password: str = ""
    ssh_key: str = ""
    known_hosts: str = ""


class PipCredentials(NamedTuple):
    """What gives access to indexes and to repositories that requirements name."""

    netrc: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    index_url: str = ""
    extra_index_urls: Sequence[str] = ()
    trusted_ca: str = ""


class Credentials(NamedTuple):
    """Those of one application."""

    git: GitCredentials = GitCredentials()
    pip: PipCredentials = PipCredentials()


def decode_credentials(encoded: str) -> dict[str, Credentials]:
    """The credentials of all applications by name, from base64-encoded JSON; they travel as the environments do.

    Raises ValueError when the text is not that.
    """
    if not encoded:
        return {}
    try:
        decoded = json.loads(base64.b64decode(encoded, validate=True))
        return {
            name: Credentials(GitCredentials(**given.get(GIT, {})), PipCredentials(**given.get(PIP, {})))
            for name, given in decoded.items()
        }
    except (binascii.Error, ValueError, TypeError, AttributeError):
        # Without the cause, which may repeat what it could not read.
        raise ValueError("The option credentials must be base64-encoded JSON of a mapping.") from None


def credentials_of(parameters: Mapping[str, Any], name: str) -> Credentials:
    """Those of the application called ``name``, among the options of a module. Raises ValueError."""
    return decode_credentials(parameters.get("credentials") or "").get(name, Credentials())


def secrets(credentials: GitCredentials | PipCredentials) -> Iterator[str]:
    """What must not be in a message."""
    if isinstance(credentials, GitCredentials):
        yield credentials.password
    else:
        words = credentials.netrc.split()
        yield from (word for word, before in zip(words[1:], words) if before == "password")
    yield from (line for line in credentials.ssh_key.splitlines() if not line.startswith("-----"))


def redact(text: str, hidden: Iterable[str] = ()) -> str:
    """A message of a program without secrets: those that are given, and whatever stands for a user in an address."""
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            for written in {secret, quote(secret, safe="")}:
                text = text.replace(written, HIDDEN)
    return USER_INFO.sub(lambda found: found[0] if found[0] == "//git@" else f"//{HIDDEN}@", text)


# ---------------------------------------------------------------- rooms


def remove(path: str) -> None:
    """Remove whatever is there. GNU rm follows no link, and no tree is too deep for it. Raises BuildError."""
    if os.path.lexists(path):
        done = subprocess.run(
            ["rm", "--recursive", "--force", "--one-file-system", "--", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"{path} cannot be removed ({' '.join(done.stderr.split())[-500:]})")


def environment(home: str, scratch: str) -> dict[str, str]:
    """All environment variables of a build, but for what git and pip have of their own."""
    passed_on = {key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key)}
    return {**passed_on, "PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": home, "TMPDIR": scratch}


class Room:
    """Folders of the build account, and how to run a command in them."""

    def __init__(self, path: str, account: Account, limits: Limits, hide: Sequence[str] = ()) -> None:
        """``hide`` are folders over which an empty one is mounted."""
        self.path, self.account, self.limits, self.hide = path, account, limits, hide
        self.home = os.path.join(path, "home")
        self.scratch = os.path.join(path, "scratch")
        self.variables: dict[str, str] = environment(self.home, self.scratch)
        self.secrets: list[str] = []
        """What is blotted out of messages."""

    def open(self) -> None:
        """Let the account in; its folders are there then."""
        os.chown(self.path, os.geteuid(), self.account.gid)
        os.chmod(self.path, 0o710)  # noqa: S103 - the group is the account's own
        self.folder("home")
        self.folder("scratch")

    def folder(self, *parts: str) -> str:
        """A folder of the account below the room; made when it is missing, and anew when it is another account's."""
        path = os.path.join(self.path, *parts)
        if os.path.lexists(path) and os.lstat(path).st_uid != self.account.uid:
            remove(path)
        if not os.path.lexists(path):
            os.mkdir(path, 0o700)
            self._give(path)
        return path

    def give_folder(self, path: str) -> None:
        """A new, empty folder of the account outside of the room; whoever is root takes it away again."""
        os.mkdir(path, 0o755)
        self._give(path)

    def write(self, name: str, content: str) -> str:
        """A new file in the home that only the account can read; its path."""
        path = os.path.join(self.home, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
        self._give(path)
        return path

    def _give(self, path: str) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def run(self, command: Sequence[str], *, folder: str = "", **variables: str) -> Ended:
        """Run a command as the account, in a folder (an empty one otherwise).

        Raises BuildError when it could not be run, or took too long; its exit status is for the caller.
        """
        complete = {**self.variables, **variables}
        limits = {resource.RLIMIT_FSIZE: self.limits.size, resource.RLIMIT_NPROC: MOST_PROCESSES}
        hard = {limit: resource.getrlimit(limit)[1] for limit in limits}
        limits = {
            limit: value if hard[limit] == resource.RLIM_INFINITY else min(value, hard[limit])
            for limit, value in limits.items()
        }

        working = folder or self.folder("scratch", "work")

        def execute() -> NoReturn:
            give_up_rights(self.account.uid, self.account.gid, limits=limits)
            os.umask(0o022)
            os.chdir(working)
            os.execvpe(command[0], list(command), complete)

        hidden = {path: self.folder("scratch", "hidden") for path in self.hide if os.path.isdir(path)}
        try:
            ended = run_confined(
                execute,
                seconds=self.limits.seconds,
                private=hidden,
                own_uid=self.account.uid if self.account.own else None,
            )
        except ConfinementError as error:
            raise BuildError(str(error)) from error
        output = redact(ended.output, self.secrets)
        if ended.reason:
            raise BuildError(ended.reason)
        if ended.status == FAILED:
            raise BuildError(" ".join(output.split()) or f"{command[0]} was not begun")
        if ended.status == -signal.SIGXFSZ:
            raise BuildError(f"it wrote a file larger than {self.limits.size} bytes (wsgi_app_build_size)")
        return ended._replace(output=output)

    def size(self, path: str) -> float:
        """Bytes of a folder of the account; infinite when they cannot be counted."""
        ended = self.run(["du", "--summarize", "--block-size=1", "--one-file-system", "--", path])
        first = ended.output.split("\t")[0].strip()
        return int(first) if ended.status == 0 and re.fullmatch(r"\d{1,18}", first) else float("inf")

    def bound(self, path: str) -> None:
        """Empty what stays for the next time once it is too large."""
        if os.path.lexists(path) and self.size(path) > self.limits.size:
            remove(path)


def _close(kind: str) -> None:
    """Leave a room to root, without what was for one build."""
    for name in ("home", "scratch"):
        remove(os.path.join(kind, name))
    os.chown(kind, os.geteuid(), os.getegid())
    os.chmod(kind, 0o700)


def _prepare(path: str, mode: int) -> None:
    """A folder of root's; what others may have put in its place is refused."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise BuildError(f"{path} is no folder of root's; remove it")


@contextmanager
def _locked() -> Iterator[None]:
    """Nobody else builds meanwhile: there is one account for all builds, and it is emptied of processes after each."""
    os.makedirs(os.path.dirname(BUILD_ROOT), mode=0o755, exist_ok=True)
    _prepare(BUILD_ROOT, 0o711)
    descriptor = os.open(os.path.join(BUILD_ROOT, ".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def reader(group: int | None = None) -> Iterator[Account]:
    """The account that reads in root's place what others wrote, while nobody builds.

    Where it has not been made yet, it is the one that has no rights on any host. ``group`` is the id of the group that
    can read a release: only its application's own code is read then, which has that group anyway.
    """
    account = build_account()
    if account is None:
        found = pwd.getpwnam("nobody")
        account = Account(found.pw_uid, found.pw_gid, own=False)
    with _locked() if account.own else contextlib.nullcontext():
        yield account._replace(groups=() if group is None else (group,))


def _rooms() -> Iterator[str]:
    """All rooms of the host."""
    with os.scandir(BUILD_ROOT) as applications:
        folders = [entry.path for entry in applications if entry.is_dir(follow_symlinks=False)]
    for folder in folders:
        with os.scandir(folder) as kinds:
            yield from (entry.path for entry in kinds if entry.is_dir(follow_symlinks=False))


@contextmanager
def room(name: str, kind: str, limits: Limits) -> Iterator[Room]:
    """The room of an application for git or pip, for the time of one build; one build at a time.

    Raises BuildError, and OSError.
    """
    account = build_account()
    if account is None:
        raise BuildError(f"the account {BUILD_ACCOUNT} is not on the host; let the module wsgi_account make it")
    with _locked():
        for left_behind in _rooms():  # by a run that was killed
            if stat.S_IMODE(os.lstat(left_behind).st_mode) != 0o700:
                _close(left_behind)
        path = os.path.join(BUILD_ROOT, name, kind)
        _prepare(os.path.dirname(path), 0o711)
        _prepare(path, 0o700)
        made = Room(path, account, limits, SHARED)
        try:
            made.open()
            yield made
        finally:
            _close(path)


@contextmanager
def passing_room(limits: Limits) -> Iterator[Room]:
    """A room of which nothing stays, to ask with: also on a host that has not been prepared.

    There, nobody's account stands in for the one for builds. Raises BuildError, and OSError.
    """
    account, lock = build_account(), contextlib.ExitStack()
    if account is None:
        nobody = pwd.getpwnam("nobody")
        account = Account(nobody.pw_uid, nobody.pw_gid, own=False)
    with lock:
        if account.own:
            lock.enter_context(_locked())
        # Not where TMPDIR leads, which may be a folder that only the caller can enter.
        path = tempfile.mkdtemp(prefix="modwsgi-", dir="/run" if os.geteuid() == 0 else None)
        try:
            made = Room(path, account, limits)
            made.open()
            yield made
        finally:
            remove(path)


# ---------------------------------------------------------------- git and pip in a room


def ssh_command(made: Room, ssh_key: str, known_hosts: str) -> str:
    """The command by which git reaches a host, with the keys that are given, and no others.

    The host is known by what is given, or else by what root has made known to all accounts.
    """
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "UpdateHostKeys=no"]
    options += ["IdentityAgent=none", "ForwardAgent=no", "ControlMaster=no", "ControlPath=none"]
    if ssh_key:
        options.append(f"IdentityFile={made.write('ssh_key', ssh_key.rstrip() + chr(10))}")
    else:
        options.append("IdentityFile=none")
    if known_hosts:
        path = made.write("known_hosts", known_hosts.rstrip() + "\n")
        options += [f"UserKnownHostsFile={path}", "GlobalKnownHostsFile=/dev/null"]
    else:
        options.append("UserKnownHostsFile=/dev/null")
    return " ".join(["ssh", *(f"-o {option}" for option in options)])


GIT_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    # For an application's own code that runs git, as packages that ask for their version do.
    "safe.directory": "*",
}
"""In the account's own configuration. Local repositories and working copies belong to others than the account."""


def git_configuration(credential_file: str = "") -> str:
    """Git's configuration for a home."""
    settings = dict(GIT_SETTINGS)
    if credential_file:
        settings["credential.helper"] = f"store --file={credential_file}"
    lines = []
    for name, value in settings.items():
        section, _, key = name.partition(".")
        lines.append(f'[{section}]\n\t{key} = "{value}"\n')
    return "".join(lines)


def git_variables(made: Room, ssh: str) -> dict[str, str]:
    """What git has in its environment, itself or below pip: no questions, no configuration of the host's."""
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.path.join(made.home, ".gitconfig"),
        "GIT_SSH_COMMAND": ssh,
        "GIT_SSH_VARIANT": "ssh",
        "XDG_CONFIG_HOME": os.path.join(made.home, ".config"),
    }


def admit_git(made: Room, address: str, credentials: GitCredentials) -> None:
    """Give a room what git needs to reach an address."""
    made.secrets += secrets(credentials)
    file = ""
    if credentials.password and address.startswith("https://"):
        host = address[len("https://") :].split("/", 1)[0].rpartition("@")[2]
        user = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
        file = made.write("git-credentials", f"https://{user}@{host}\n")
    made.write(".gitconfig", git_configuration(file))
    ssh = ssh_command(made, credentials.ssh_key, credentials.known_hosts)
    # No transport that runs commands (ext::).
    made.variables.update(git_variables(made, ssh), GIT_ALLOW_PROTOCOL="https:ssh:git:file")


def _trusted_by_host() -> str:
    """The certificate authorities that the host trusts; a bundle of our own is in the place of that one."""
    try:
        with open(HOST_AUTHORITIES, encoding="ascii", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def admit_pip(made: Room, credentials: PipCredentials) -> None:
    """Give a room what pip needs to reach indexes and repositories."""
    made.secrets += secrets(credentials)
    if credentials.netrc:
        made.write(".netrc", credentials.netrc.rstrip() + "\n")
    if credentials.index_url or credentials.extra_index_urls:
        # Not those of the play beside them: pip takes a package from whichever index has the newest.
        made.variables["PIP_EXTRA_INDEX_URL"] = " ".join(credentials.extra_index_urls)
    if credentials.index_url:
        made.variables["PIP_INDEX_URL"] = credentials.index_url
    if credentials.trusted_ca:
        bundle = made.write("trusted_ca.pem", f"{_trusted_by_host()}\n{credentials.trusted_ca.rstrip()}\n")
        made.variables.update(PIP_CERT=bundle, GIT_SSL_CAINFO=bundle)
    made.write(".gitconfig", git_configuration())
    made.variables.update(
        git_variables(made, ssh_command(made, credentials.ssh_key, credentials.known_hosts)),
        PIP_CACHE_DIR=made.folder("cache"),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
    )


STEERING = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|IFS|ENV|BASH_ENV|LANG(?:UAGE)?|(?:PIP|PYTHON|LD|GIT|SSH|SSL|LC|XDG|MALLOC)_?\w*"
)
"""Variables that tell pip, Python, git or the loader what to do: none of an application's is passed on as such."""


def admit_variables(made: Room, names: Iterable[str], given: Mapping[str, str]) -> None:
    """Give pip those variables of an application that its requirements files name, and no others.

    Their values are blotted out of messages. Raises BuildError.
    """
    for name in sorted(names):
        value = given.get(name, "")
        if value and STEERING.fullmatch(name):
            raise BuildError(f"${{{name}}} would steer pip itself; give the variable another name in environment")
        if not value and not made.variables.get(name):
            raise BuildError(f"${{{name}}} is empty or not in the key environment; add it there")
        if value:
            made.variables[name] = value
            made.secrets.append(value)


ACCESS = re.compile(
    r"\b40[13]\b|Permission denied|Host key verification failed|could not read (?:Username|Password)"
    r"|Authentication failed|terminal prompts disabled|not readable",
    re.IGNORECASE,
)


TOO_LARGE, LARGER = "File too large", "raise wsgi_app_build_size"
"""What a program says that has met the limit, and what to do."""


def hint(output: str, key: str) -> str:
    """What to do when a program was refused, as the end of a sentence; empty otherwise."""
    if TOO_LARGE in output:
        return f"; {LARGER}"
    if not ACCESS.search(output):
        return ""
    return (
        f"; the build account has neither root's keys nor its ~/.netrc and ~/.gitconfig: give access by the key {key} "
        "(docs/builds.md)"
    )


def program(name: str) -> str | None:
    """Where a program is that builds find, or None."""
    return shutil.which(name, path=PATH)
