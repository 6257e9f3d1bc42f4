# SPDX-License-Identifier: Apache-2.0
"""What httpd has made of its configuration, and what the host says of httpd: facts that an auditor could measure.

Nothing here is taken from what this collection has meant to write. Reads only, and asks httpd's listeners.
"""

from __future__ import annotations

import itertools
import os
import pwd
import re
import ssl
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import asking, control, pending, processes, reading
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY, Listener, ListenerError, parse
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.reading import Directive

COMMAND_SECONDS = 60
ANSWER_SECONDS = 5
"""For one answer; a site that takes longer has given none."""
ANSWER_BYTES = 65536
MOST_PATHS = 50_000
"""That are looked at below the folders of one question."""
MOST_SITES = 50
"""That are asked for their page `/`."""
OWN_NAMES = (".invalid",)
"""Ends of the names of vhosts that answer what no site answers, and of the private one."""
PRIVATE = ("127.0.0.1", "[::1]", "localhost")

CLOCK_SECONDS = 2
"""By which the kernel's times of processes and of files may differ."""

MAIN = "server"

WITHOUT = {
    "timeout": "60",
    "keepalive": "On",
    "keepalivetimeout": "5",
    "maxkeepaliverequests": "100",
    "limitrequestline": "8190",
    "limitrequestfields": "100",
    "limitrequestfieldsize": "8190",
    "limitrequestbody": "1073741824",
    "servertokens": "Full",
    "serversignature": "Off",
    "traceenable": "On",
    "fileetag": "MTime Size",
    "loglevel": "warn",
    "sslcompression": "off",
    "sslinsecurerenegotiation": "off",
    "proxyrequests": "Off",
    "sslusestapling": "off",
    "sslverifyclient": "none",
    "sslengine": "off",
}
"""What httpd 2.4 does without a directive (core.c, http_core.c, ssl_engine_config.c and others)."""


class Answer(NamedTuple):
    """What a listener has answered; ``status`` is 0 when it has not."""

    status: int
    headers: Mapping[str, str]
    body: str = ""


class Path(NamedTuple):
    """A file or folder."""

    path: str
    uid: int
    gid: int
    mode: int


class Server(NamedTuple):
    """The main server, or a vhost."""

    name: str  # as people call it
    number: int  # 0: the main server
    addresses: tuple[str, ...]
    server_name: str

    @property
    def is_public(self) -> bool:
        """Whether it is a site that clients of the network can ask for."""
        local = all(address.rpartition(":")[0] in PRIVATE for address in self.addresses)
        return self.number > 0 and not local and not self.server_name.endswith(OWN_NAMES)


class Effective:
    """The facts; each is found out when it is first asked for."""

    def __init__(self, described: Mapping[str, str]) -> None:
        """``described`` is the instance."""
        self.described = described
        self.directives: list[Directive] = list(reading.parsed(reading.dump(described)))
        self._dumps: dict[str, str] = {}
        self._answers: dict[tuple[Any, ...], Answer] = {}
        self.modules = frozenset(re.findall(r"^ (\w+)_module \(", self.httpd("DUMP_MODULES"), re.MULTILINE))

    # -- the configuration --------------------------------------------------------------------------------------------

    def httpd(self, dump: str) -> str:
        """What httpd's test prints; empty when it refuses the configuration."""
        if dump not in self._dumps:
            done = control.run_command([self.described["control"], "-t", "-D", dump], COMMAND_SECONDS)
            self._dumps[dump] = "" if done.status else done.output
        return self._dumps[dump]

    def in_force(self) -> bool:
        """Whether httpd has read what is on the disk, whoever changed it.

        A reload replaces all children that accept connections, so each of them is younger than what it has read.
        """
        main = processes.httpd_main_process(self.described)
        if main is None or pending.read(self.described) != pending.NONE:
            return False
        begun = [started(child) for child in processes.serving(main).children]
        return not begun or last_change(self.described["server_root"]) <= min(begun) + CLOCK_SECONDS

    def servers(self) -> list[Server]:
        """The main server and all vhosts."""
        found = [Server(MAIN, 0, (), "")]
        for each in self.directives:
            if each.name == "<virtualhost":
                own = [part for part in self.directives if part.vhost == each.vhost and part.name == "servername"]
                name = own[-1].arguments[0] if own and own[-1].arguments else ""
                port = each.arguments[0].rpartition(":")[2] if each.arguments else ""
                found.append(Server(f"{name or 'without a name'}:{port}", each.vhost, each.arguments, name))
        return found

    def sites(self) -> list[Server]:
        """The vhosts that clients can ask for."""
        return [server for server in self.servers() if server.is_public]

    def own(self, name: str, server: int) -> list[Directive]:
        """A directive of a server itself: in none of its sections."""
        inside = 1 if server else 0
        return [
            each
            for each in self.directives
            if each.name == name and each.vhost == server and len(each.sections) == inside
        ]

    def value(self, name: str, server: Server) -> str:
        """What holds for a server: the last of its own, else of the main server's, else what httpd does without."""
        found = self.own(name, server.number) or self.own(name, 0)
        return " ".join(found[-1].arguments) if found else WITHOUT.get(name, "")

    def everywhere(self, *names: str) -> list[Directive]:
        """All directives of these names, wherever they stand."""
        return [each for each in self.directives if each.name in names]

    def section(self, *section: str) -> list[Directive]:
        """The directives of all sections with this name and these arguments."""
        return [each for each in self.directives if each.sections and each.sections[-1] == section]

    def over_tls(self, server: Server) -> bool:
        """Whether it speaks TLS."""
        return self.value("sslengine", server).lower() in {"on", "optional"}

    def tls_servers(self) -> list[Server]:
        """The vhosts that speak TLS."""
        return [server for server in self.servers() if server.number and self.over_tls(server)]

    def listeners(self) -> list[Listener]:
        """Where httpd listens for clients of the network."""
        return [listener for _, listener in reading.listeners(self.directives) if listener.address not in PRIVATE]

    def published(self) -> list[str]:
        """The folders and files out of which httpd answers itself."""
        named = [each.arguments for each in self.everywhere("alias", "scriptalias") if len(each.arguments) > 1]
        roots = [each.arguments[0] for each in self.everywhere("documentroot") if each.arguments]
        roots += [self.document_root()]
        found = [os.path.realpath(path) for path in [*roots, *(words[1] for words in named)] if path]
        return sorted({path for path in found if path != "/" and os.path.exists(path)})

    def document_root(self) -> str:
        """That of the main server, which also holds where a vhost names none."""
        found = re.search(r'^Main DocumentRoot: "(.*)"$', self.httpd("DUMP_RUN_CFG"), re.MULTILINE)
        return found[1] if found else ""

    # -- the host -----------------------------------------------------------------------------------------------------

    def user(self) -> str:
        """The account of httpd's children."""
        found = re.search(r'^User: name="(.*)" id=', self.httpd("DUMP_RUN_CFG"), re.MULTILINE)
        return found[1] if found else ""

    def child_uids(self) -> set[int]:
        """The accounts of httpd's children as the kernel has them, without the programs that write logs."""
        main = processes.httpd_main_process(self.described)
        children = processes.children(main.pid) if main else set()
        # Root may not look at the program's path in some containers, but at its name.
        program = os.path.basename(self.described["binary"])
        uids = [processes.user_of(child.pid) for child in children if processes.program_name(child.pid) == program]
        return {uid for uid in uids if uid is not None}

    def program_paths(self) -> list[str]:
        """Where httpd's configuration, programs and modules are, those that mod_wsgi runs included."""
        loaded = [each.arguments[1] for each in self.everywhere("loadmodule") if len(each.arguments) > 1]
        launchers = [each.arguments[1] for each in self.everywhere("wsgiscriptalias") if len(each.arguments) > 1]
        found = {
            self.described["server_root"],
            self.described["binary"],
            self.described["module_directory"],
            *(os.path.dirname(path) for path in [*loaded, *launchers] if path.startswith("/")),
        }
        return sorted(path for path in found if os.path.exists(path))

    def log_paths(self) -> list[str]:
        """The log files that httpd writes itself, and the folder of the logs."""
        named = [each.arguments[0] for each in self.everywhere("errorlog", "customlog") if each.arguments]
        found = {self.described["log_directory"], *(path for path in named if path.startswith("/"))}
        return sorted(path for path in found if os.path.exists(path) and path != os.devnull)

    def key_files(self) -> list[str]:
        """The files of private keys."""
        named = self.everywhere("sslcertificatekeyfile", "mdcertificatekeyfile")
        return sorted({each.arguments[0] for each in named if each.arguments})

    def unit(self, *properties: str) -> dict[str, str]:
        """Properties of httpd's unit as systemd has them; empty where there is no systemd."""
        if control.service_manager() != control.SYSTEMD or not self.described["unit"]:
            return {}
        options = [f"--property={name}" for name in properties]
        shown = control.run_command(["systemctl", "show", *options, self.described["unit"]], COMMAND_SECONDS)
        return dict(line.split("=", 1) for line in shown.output.splitlines() if "=" in line)

    # -- answers ------------------------------------------------------------------------------------------------------

    def ask(self, listener: Listener, host: str, request: str, tls: bool) -> Answer:
        """What a listener answers to ``request``, for example ``GET / HTTP/1.1``."""
        address = "127.0.0.1" if listener.address == ANY else listener.address
        question = (address, int(listener.port), host, request, tls)
        if question not in self._answers:
            self._answers[question] = answer(*question)
        return self._answers[question]

    def tls_ports(self) -> set[int]:
        """The ports on which some vhost speaks TLS."""
        ends = [address.rpartition(":")[2] for server in self.tls_servers() for address in server.addresses]
        return {int(end) for end in ends if end.isdigit()}

    def unknown(self, request: str = "GET / HTTP/1.1", host: str = asking.UNKNOWN) -> dict[str, Answer]:
        """What each listener answers to a name that no site has, by the listener."""
        secure = self.tls_ports()
        return {
            each.directive: self.ask(each, host or _shown(each), request, int(each.port) in secure)
            for each in self.listeners()
        }

    def pages(self, request: str = "GET / HTTP/1.1") -> dict[str, Answer]:
        """What each site answers for its page `/`, by the site."""
        found = {}
        for server in self.sites()[:MOST_SITES]:
            listener = _listener(server)
            if listener:
                found[server.name] = self.ask(
                    listener, server.server_name or _shown(listener), request, self.over_tls(server)
                )
        return found


def _shown(listener: Listener) -> str:
    return "127.0.0.1" if listener.address == ANY else str(listener.address)


def _listener(server: Server) -> Listener | None:
    try:
        return parse(server.addresses[0].replace("*:", ""), "VirtualHost")
    except (ListenerError, IndexError):
        return None


def answer(address: str, port: int, host: str, request: str, tls: bool) -> Answer:
    """What a server answers: never more than some bytes, and not after some seconds. What it sends is not trusted."""
    named = host if port in {80, 443} or not host else f"{host}:{port}"
    head, name = [request, f"Host: {named}"], "" if host.replace(".", "").isdigit() else host
    received = b""
    with suppress(OSError, ValueError):  # what has come so far says enough, or nothing
        for part in asking.answer(address.strip("[]"), port, head, ANSWER_SECONDS, name if tls else None):
            received += part
            if len(received) >= ANSWER_BYTES:
                break
    return _read(received.decode("latin-1"))


def _read(text: str) -> Answer:
    head, _, body = text.partition("\r\n\r\n")
    first, *fields = head.split("\r\n")
    found = re.match(r"HTTP/1\.[01] ([1-5][0-9]{2})", first)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
    return Answer(int(found[1]) if found else 0, headers, body)


def started(process: processes.Process) -> float:
    """When a process was started, in seconds since 1970; the kernel rounds to a second."""
    with open("/proc/stat", encoding="ascii") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return boot + process.start_ticks / os.sysconf("SC_CLK_TCK")


def last_change(folder: str) -> float:
    """When a file or link below a folder was written last, in seconds since 1970.

    By the time of the content: a deployment that is done lets go of the files that it has kept, which counts as a
    change of the folder, and of the file that has the same inode.
    """
    paths = (os.path.join(top, name) for top, folders, files in os.walk(folder) for name in [*folders, *files])
    found = 0.0
    for path in itertools.islice(paths, MOST_PATHS):
        with suppress(OSError):
            looked = os.lstat(path)
            if not stat.S_ISDIR(looked.st_mode):
                found = max(found, looked.st_mtime)
    return found


def paths_below(tops: Iterable[str], most: int = MOST_PATHS) -> Iterator[Path]:
    """Files and folders at and below some paths, links left out; at most so many. Follows no link."""
    left = most
    waiting = sorted(set(tops), reverse=True)
    while waiting and left:
        path = waiting.pop()
        left -= 1
        with suppress(OSError):
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                continue
            yield Path(path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
            if stat.S_ISDIR(found.st_mode):
                waiting += [os.path.join(path, name) for name in os.listdir(path)]


def login(user: str) -> tuple[str, str]:
    """The shell of an account, and what stands for its password; "" and "" when there is none."""
    try:
        shell = pwd.getpwnam(user).pw_shell
        with open("/etc/shadow", encoding="utf-8", errors="replace") as file:
            lines = [line.split(":") for line in file if line.startswith(f"{user}:")]
    except (KeyError, OSError):
        return "", ""
    return shell, lines[0][1] if lines else ""


def ciphers(suite: str) -> list[Any]:
    """What a list of OpenSSL's stands for on this host, without those of TLS 1.3. Raises ValueError for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(suite)
    except ssl.SSLError as error:
        raise ValueError(f"OpenSSL of this host knows no cipher of {suite}") from error
    return [cipher for cipher in context.get_ciphers() if not str(cipher["name"]).startswith("TLS_")]


def candidates(*packages: str) -> dict[str, tuple[str, str]]:
    """The installed version of each package and the one that its sources offer, by the lists on the host."""
    done = subprocess.run(
        ["apt-cache", "policy", *packages],
        env=control.ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    found = re.findall(
        r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)", done.stdout.decode(errors="replace"), re.MULTILINE
    )
    return {name: (installed, candidate) for name, installed, candidate in found}


def days_since(path: str) -> float:
    """Days since a file or folder has changed; a large number when it is not there."""
    try:
        return (time.time() - os.stat(path).st_mtime) / 86400
    except OSError:
        return float(1 << 20)
