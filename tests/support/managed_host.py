# SPDX-License-Identifier: Apache-2.0
"""A host container seen from outside: commands in it as root, its address, its processes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from support.host_shell import SHELLS

# Prints every process that is not a thread of the kernel; the test host needs no `ps` for it.
LIST_PROCESSES = """
import json, os, pwd
processes = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        command = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\\0", b" ").decode(errors="replace").strip()
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    except OSError:
        continue  # ended meanwhile
    if command:
        uid = int(status["Uid"].split()[1])
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = str(uid)
        processes.append({"pid": int(pid), "parent": int(status["PPid"]), "user": user, "command": command})
print(json.dumps(processes))
"""

PRIVATE_PORT = 297
"""`httpd_private_port` of the hosts: its default."""
STATUS = ("/usr/bin/python3", "-I", "/usr/local/lib/modwsgi/httpd_status.py", str(PRIVATE_PORT))
"""Asks the private listener, with the key that only root can read."""

# Prints the body of a URL as the host itself sees it.
FETCH = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": sys.argv[2]} if sys.argv[2] else {})
sys.stdout.write(urllib.request.urlopen(request, timeout=30).read().decode())
"""


@dataclass(frozen=True)
class Process:
    """One process on the host."""

    pid: int
    parent: int
    user: str
    command: str


@dataclass(frozen=True)
class ManagedHost:
    """A host container, by its container name."""

    container: str
    within: tuple[str, ...] = ()
    """What leads from the container into a virtual machine there, which then is the host."""

    def run(self, *command: str, text: str | None = None, check: bool = True) -> str:
        """Standard output of a command run as root; AssertionError with both streams when it fails."""
        done = self.attempt(*command, text=text)
        assert not check or done.returncode == 0, f"{command} exited with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command run as root, whatever its exit status."""
        return SHELLS.attempt(self.container, command, text or "", self.within)

    def python(self, program: str, *arguments: str) -> Any:
        """What a Python program printed as JSON, run by the host's own interpreter."""
        return json.loads(self.run("/usr/bin/python3", "-", *arguments, text=program))

    def fetch(self, url: str, host: str = "") -> str:
        """The body of a URL, asked from inside the host; with another name of the server than the URL's."""
        return self.run("/usr/bin/python3", "-c", FETCH, url, host)

    def probe(self, application: str) -> dict[str, Any]:
        """What the application's daemon process says about itself on the private listener."""
        group = self.group(application)
        command = [*STATUS, f"/probe/{group}", self.private_name(group)]
        answer: dict[str, Any] = json.loads(self.run(*command))
        return answer

    def group(self, application: str) -> str:
        """The daemon process group that serves an application."""
        found = self.attempt("cat", f"/srv/wsgi/{application}/active")
        return found.stdout.split()[1] if found.returncode == 0 else application

    def private_name(self, group: str) -> str:
        """The name under which the private listener answers for a daemon process group: that of its site."""
        name = ""
        for line in self.run("cat", "/etc/apache2/sites-enabled/060-modwsgi-probes.conf").splitlines():
            words = line.split()
            if words[:1] == ["ServerName"]:
                name = words[1].strip('"')
            elif words[:2] == ["WSGIScriptAlias", f"/probe/{group}"]:
                return name
        raise AssertionError(f"{group} has no probe")

    def processes(self, part: str = "") -> list[Process]:
        """The processes with this part in their command line."""
        return [Process(**entry) for entry in self.python(LIST_PROCESSES) if part in entry["command"]]

    def httpd_processes(self) -> list[Process]:
        """All processes of httpd: parent, workers and daemon processes (which have a display name of their own)."""
        everything = self.processes()
        parents = {process.pid for process in everything if process.command.startswith("/usr/sbin/apache2")}
        return [process for process in everything if process.pid in parents or process.parent in parents]

    def daemon_processes(self, application: str) -> list[Process]:
        """The processes of an application's daemon process groups; of blue and green both."""
        titles = tuple(f"({kind}:{application})" for kind in ("wsgi", "blue", "green"))
        return [process for process in self.processes(f":{application})") if process.command.startswith(titles)]

    def daemon_pids(self, application: str) -> set[int]:
        """Their numbers."""
        return {process.pid for process in self.daemon_processes(application)}

    def address(self) -> str:
        """The IP address now; a restart may change it."""
        return self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")

    def inspect(self, template: str) -> str:
        """A value from the container engine, by Go template."""
        return self._asked("inspect", "--format", template)

    def engine(self, command: str) -> None:
        """Have the container engine stop, pause or begin this container."""
        SHELLS.end(self.container)
        self._asked(command)

    def _asked(self, *command: str) -> str:
        done = subprocess.run(
            ["docker", *command, self.container], capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout.strip()

    def installed_packages(self) -> set[str]:
        """Names of the packages that are unpacked on the host, without their architecture."""
        listed = self.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n")
        return {
            name for status, _, name in (line.partition(" ") for line in listed.splitlines()) if status == "installed"
        }
