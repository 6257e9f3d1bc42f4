# SPDX-License-Identifier: Apache-2.0
"""Whether a host is what the inventory says, and well. Reads only. Runs on the managed host, as root.

What `site.yml` would do before it goes live is known from `wsgi_inspect`; here is what comes after that: files, server,
processes, listeners, answers, certificates, access, disks.
"""

from __future__ import annotations

import grp
import math
import os
import pwd
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, daemon
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import (
    Proof,
    TLSConnection,
    awaits_certificate,
    one_line,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import (
    apparmor,
    certificates,
    config,
    control,
    foreign,
    foreign_answers,
    listeners,
    log_files,
    pending,
    processes,
    service,
    transaction,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import Certificate, CertificateError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    DIRECTORY,
    LINK,
    Change,
    TransactionError,
    checked_sets,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.plan import Comparison
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener, ListenerError
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import CODE_ROOT, LIBRARY, STATE_ROOT

OWNER = "wsgi_app"

PATIENCE_SECONDS = 10
"""For processes that come and go: a process that has ended has its successor within a second."""
TEST_SECONDS = 60
DAY = 86400
KINDS = {CONTENT: "file"}
"""What a kind of a path is called, where people call it otherwise."""
LEAST_SHARE, LEAST_BYTES = 0.05, 200 << 20
"""Of a file system, what has to be free."""
LONGEST = 2000
"""Characters of a sentence; httpd or an application may have said a part of it."""
MOST_FILES = 20
"""That are told one by one."""
OTHERS = stat.S_IRWXO
"""The bits of a mode that are for all accounts."""

RUN = "run site.yml"
STEPS = {
    "refresh": f"systemd has an older version of the unit than the disk; {RUN}.",
    "enable": f"httpd does not start when the host boots; {RUN}.",
    "start": "httpd does not run; read its error log and the journal of its unit, then run site.yml.",
    pending.RELOAD: f"httpd has not read the configuration that is on the disk and needs a reload; {RUN}.",
    pending.RESTART: f"httpd has not read the configuration that is on the disk and needs a restart; {RUN}.",
    "reap": f"The service that ends stuck children of httpd (httpd_reap_stuck_children) is off; {RUN}.",
    "do not reap": f"The service that ends stuck children of httpd is on, without httpd_reap_stuck_children; {RUN}.",
    "watch renewals": f"The timer that lets httpd read renewed certificates does not run; {RUN}.",
    "do not watch renewals": f"The timer for renewed certificates runs, and nothing needs it; {RUN}.",
}
"""What is wrong when the service needs one of these steps."""

SENTENCES = (CertificateError, ControlError, JournalError, ListenerError, TransactionError)
"""Errors that say what to do."""


class Verification:
    """All looks at one host; ``findings`` and ``verified`` grow with each."""

    def __init__(self, described: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
        """``described`` is the instance, ``parameters`` are the module's."""
        self.described = described
        self.parameters = parameters
        self.site: Mapping[str, Any] = parameters["site"] or {}
        self.applications: list[dict[str, Any]] = self.site.get("applications", [])
        self.main = processes.httpd_main_process(described)
        self.findings: list[dict[str, str]] = []
        """What is wrong, and on which ``subject`` and ``application``, as a sentence (``text``)."""
        self.verified: list[dict[str, str]] = []
        """What is well, in a few words."""

    def run(self) -> None:
        """Look at everything. What cannot be looked at is a finding, and hides nothing else."""
        looks: list[tuple[str, Callable[[], None]]] = [
            ("journal", self.journal),
            ("configuration", self.configuration),
            ("service", self.service),
            ("listeners", self.listeners),
            ("processes", self.daemon_processes),
            ("children", self.children),
            ("health", self.health),
            ("certificates", self.certificates),
            ("access", self.access),
            ("disks", self.disks),
            ("other_sites", self.other_sites),
        ]
        for subject, look in looks:
            try:
                look()
            except SENTENCES as error:
                self.find(subject, str(error))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self.find(subject, f"The host cannot be looked at ({subject}: {error}); correct that.")

    def find(self, subject: str, text: str, application: str = "") -> None:
        """Note what is wrong."""
        self.findings.append({"subject": subject, "application": application, "text": one_line(text)[:LONGEST]})

    def well(self, subject: str, text: str, application: str = "") -> None:
        """Note what is well, unless something else is wrong with that."""
        if not any((each["subject"], each["application"]) == (subject, application) for each in self.findings):
            self.verified.append({"subject": subject, "application": application, "text": one_line(text)[:LONGEST]})

    # -- what is on the disk ------------------------------------------------------------------------------------------

    def journal(self) -> None:
        """A change that was never proven."""
        journal = transaction.journal_of(self.described)
        if journal.open or journal.interrupted:
            self.find(
                "journal",
                "A change of an earlier run was neither proven nor undone; wait for a run that is under way, else run "
                "site.yml, which ends it.",
            )
        self.well("journal", "no change is open")

    def configuration(self) -> None:
        """The files of all owners, and whether httpd could start with them."""
        sets = dict(checked_sets(self.parameters["configuration"]))
        if OWNER in sets:
            group = self.described["group"]
            sets[OWNER] = sets[OWNER] + config.sensitive(self.parameters["sensitive_files"], group)
        files, logs = log_files.separate(sets)
        theirs = self.parameters["foreign"].get("files", [])
        comparison = Comparison(self.described, files, predict=True, foreign=theirs)
        for change in comparison.changes[:MOST_FILES]:
            self.find("configuration", f"{difference(change)}; {RUN} (--check --diff shows the change).")
        further = len(comparison.changes) - MOST_FILES
        if further > 0:  # a host that was never deployed to, or another version of the collection
            self.find("configuration", f"{further} more files are not as the inventory says; {RUN}.")
        for log in log_files.to_mend(logs, predict=True):
            wrong = "has another mode or owner than it was made with" if log.is_there else "is missing"
            self.find("access", f"The log {log.path} {wrong}; {RUN}.")
        self.well("configuration", f"{len(comparison.desired)} files as in the inventory")
        self._test()

    def _test(self) -> None:
        """Whatever others have changed meanwhile, too: the next reload would end the server."""
        if not os.access(self.described["control"], os.X_OK):
            return
        tested = control.run_command([self.described["control"], "-t"], TEST_SECONDS)
        if tested.status:
            self.find(
                "syntax",
                f"httpd refuses the configuration that is on the disk, so a reload or a restart would fail "
                f"({one_line(tested.output)[:1000]}); correct it.",
            )
        self.well("syntax", "httpd accepts the configuration")

    def access(self) -> None:
        """What is for root alone, beside the files and folders that are compared already."""
        for application in self.applications:
            paths = application["paths"]
            self._root_alone(application["name"], paths["deployment"], 0o600)
            self._root_alone(application["name"], paths["records"], 0o700)
        for entry in self.parameters["certificates"]:
            with suppress(FileNotFoundError):
                if os.stat(entry["key"]).st_mode & OTHERS:
                    self.find(
                        "access", f"All accounts have access to the private key {entry['key']}; chmod it to 0600."
                    )
        self.well("access", "private files are private")

    def _root_alone(self, name: str, path: str, mode: int) -> None:
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            if (stat.S_IMODE(found.st_mode), found.st_uid) != (mode, 0):
                self.find("access", f"{path} has to belong to root, mode {mode:04o}; chown and chmod it.", name)

    def disks(self) -> None:
        """The file systems of logs, releases and state."""
        seen = set()
        for path in (self.described["log_directory"], CODE_ROOT, STATE_ROOT, self.described["state_directory"]):
            with suppress(FileNotFoundError):
                device = os.stat(path).st_dev
                if device not in seen:
                    seen.add(device)
                    problem = shortage(path)
                    if problem:
                        self.find("disks", problem)
        self.well("disks", "room on the disks")

    def certificates(self) -> None:
        """Whether they can be used, and for how long; also those that httpd has got itself."""
        for entry in self.parameters["certificates"]:
            # One of our own that is missing is made by site.yml, which wsgi_inspect tells.
            if entry["self_signed"] and not os.path.exists(entry["certificate"]):
                continue
            try:
                certificates.read(entry, "certificate")
                certificates.read(entry, "key")
                self._lasting(entry["name"], entry["certificate"], certificates.check_given(entry))
            except CertificateError as error:
                self.find("certificates", str(error), entry["name"])
        for application in self.applications:
            file = application["health"].get("certificate")
            if file and os.path.exists(file):
                self._lasting(application["name"], file, Certificate(file))
        if self.main:
            self._served_certificates()

    def _lasting(self, name: str, path: str, certificate: Certificate) -> None:
        days = math.floor((certificate.ends - time.time()) / DAY)
        if days < self.parameters["certificate_days"]:
            self.find("certificates", f"The certificate {path} ends in {days} days; renew it.", name)
        self.well("certificates", f"certificate for {days} days", name)

    def _served_certificates(self) -> None:
        """A renewed file is of use only when httpd has read it."""
        files = {entry["name"]: entry["certificate"] for entry in self.parameters["certificates"]}
        for application in self.applications:
            health, name = application["health"], application["name"]
            path = health.get("certificate") or files.get(application.get("site", name))
            if not health.get("tls") or awaits_certificate(health) or not path or not os.path.exists(path):
                continue
            if served(health) not in (b"", of_file(path)):
                self.find(
                    "certificates",
                    f"httpd serves another certificate for {health['host']} than {path} has; reload httpd.",
                    name,
                )

    # -- what runs ----------------------------------------------------------------------------------------------------

    def service(self) -> None:
        """Whether httpd runs, now and after a boot, with what is on the disk."""
        if not self.parameters["manage_service"]:
            if not self.main:
                self.well("service", "httpd does not run (httpd_manage_service is false)")
            return
        httpd = control.Service(self.described, control.manager_of(self.described))
        for step in service.needed(httpd, "applied", True, self.parameters["reap_stuck_children"]):
            self.find("service", STEPS[step])
        if self.main and os.path.exists(self.described["apparmor_file"]):
            self._profile(self.main.pid)
        self.well("service", "httpd runs, also after a boot")

    def _profile(self, pid: int) -> None:
        """Whether httpd runs under the profile whose file is there, in the mode that is there."""
        found, mode = apparmor.label(pid), apparmor.mode(self.described["apparmor_file"])
        wanted = f"{self.described['apparmor_profile']} ({mode})"
        if found == wanted:
            told = f"httpd runs under the AppArmor profile {wanted}"
            self.well("service", told + (", which only logs" if mode == apparmor.COMPLAIN else ""))
        elif mode == apparmor.COMPLAIN and found == apparmor.UNCONFINED:  # nothing restarts httpd for it
            self.well("service", f"httpd takes up the AppArmor profile {wanted}, which only logs, at its next start")
        else:
            self.find(
                "service",
                f"httpd runs under the AppArmor profile {found}, and not under {wanted}; restart it, and see "
                f"`journalctl -u {self.described['unit']}` if that does not help.",
            )

    def listeners(self) -> None:
        """Whether httpd listens where it is to listen, and nowhere else."""
        sockets = processes.sockets_of(self.main.pid) if self.main else None
        if sockets is None:
            return
        listening = {found for inode, found in processes.listening_sockets().items() if inode in sockets}
        wanted = set(listeners.listeners(self.parameters["listen"], self.parameters["private_port"]))
        for missing in sorted(wanted - listening, key=by_port):
            self.find("listeners", f"httpd does not listen on {missing.directive}; read its error log, {RUN}.")
        theirs = set(foreign.listening(self.parameters["foreign"], with_ssl=True))
        for other in sorted(listening - wanted - theirs, key=by_port):
            self.find(
                "listeners",
                f"httpd listens on {other.directive}, which httpd_listen does not have; find the Listen in "
                f"{self.described['server_root']} and remove it, or add it to httpd_listen.",
            )
        self.well("listeners", f"listeners {', '.join(each.directive for each in sorted(wanted, key=by_port))}")

    def daemon_processes(self) -> None:
        """Whether each application has its processes, and all of them the current release."""
        if self.main is None:
            return
        for application in self.applications:
            uid = daemon.account(application["user"])
            if application["mode"] != "embedded" and uid is not None:
                self._processes_of(application, uid, self.main.pid)

    def _processes_of(self, application: dict[str, Any], uid: int, parent: int) -> None:
        name, found = application["name"], list[daemon.Process]()
        # Of two colours, the one that rests may have another release, or none.
        kinds = [colours.active(application["paths"])] if colours.has(application) else daemon.KINDS
        wanted = application["all_processes"] or 1

        def complete() -> bool:
            found[:] = daemon.processes(parent, name, uid, kinds)
            return len(found) == wanted

        if not control.wait_until(complete, PATIENCE_SECONDS):
            advice = "read why they end" if len(found) < wanted else "read why earlier ones do not end"
            self.find(
                "processes",
                f"{name} has {len(found)} daemon processes and not {wanted}, for {PATIENCE_SECONDS} s; {advice} in "
                f"{self.described['error_log']}.",
                name,
            )
        old = [process.pid for process in found if runs_another_release(application, process.pid)]
        if old:
            numbers = ", ".join(map(str, old))
            self.find("processes", f"Processes {numbers} of {name} still run an earlier release; run site.yml.", name)
        free = [process.pid for process in found if application.get("control_group") and daemon.alive(process)]
        free = [pid for pid in free if not daemon.own_group(pid)]
        if free:
            self.find(
                "processes",
                f"Processes {', '.join(map(str, free))} of {name} are in no control group of the application, so "
                f"memory_max and cpu_weight do not hold; see `systemctl status {self.described['limits_service']}`.",
                name,
            )
        in_group = ", with limits by a control group" if application.get("control_group") else ""
        self.well("processes", f"{wanted} of {wanted} daemon processes{in_group}", name)

    def children(self) -> None:
        """Children that a reload has left behind. The program that ends them says which they are.

        Below /run, it makes the key that opens httpd's status, where nobody has asked for that since the boot.
        """
        program = f"{LIBRARY}/reap.py"
        if not self.main or not os.path.exists(program):
            return
        # -B: it leaves no compiled files beside the programs.
        command = [sys.executable, "-I", "-B", program, "--look", self.described["pid_file"]]
        looked = control.run_command(
            [*command, str(self.parameters["private_port"]), self.described["user"]], TEST_SECONDS
        )
        if looked.status:
            raise ControlError(f"The status of httpd cannot be read: {one_line(looked.output)[-300:]}; {RUN}.")
        if looked.output.split():
            self.find(
                "children",
                f"A reload has left behind processes {', '.join(looked.output.split())} of httpd, which have nothing "
                "to do and do not end; set httpd_reap_stuck_children (docs/shutdown.md), or kill them.",
            )
        self.well("children", "no child is stuck")

    def health(self) -> None:
        """What the probe and the health path of each application answer."""
        if not self.main or not self.applications:
            return
        proof = Proof(self.applications, dict(self.site))
        for name, problem in proof.problems.items():
            self.find("health", problem, name)
        for sentence in proof.awaited:
            self.find("certificates", sentence)
        for name, result in proof.results.items():
            self.well("health", f"healthy ({result.get('status')} in {result.get('seconds')} s)", name)

    def other_sites(self) -> None:
        """Whether the sites of others answer at all."""
        vhosts = self.parameters["foreign"].get("vhosts", [])
        if not self.main or not vhosts:
            return
        for sentence in foreign_answers.silent(vhosts):
            self.find("other_sites", sentence)
        self.well("other_sites", f"{len(vhosts)} vhosts of others answer")


def by_port(listener: Listener) -> tuple[int, str]:
    """The order in which people look for a listener."""
    return int(listener.port), listener.address


def difference(change: Change) -> str:
    """In what a path is not as it is to be."""
    entry, found = change.desired, change.found
    if change.original:
        return f"{change.path} is not the original, which is to be back"
    if entry.kind == ABSENT:
        return f"{change.path} is there and should not be"
    if found.kind == ABSENT:
        return f"{change.path} is missing"
    if entry.kind != found.kind:
        return f"{change.path} is a {KINDS.get(found.kind, found.kind)} and not a {KINDS.get(entry.kind, entry.kind)}"
    if entry.kind == LINK:
        return f"{change.path} leads to {found.target} and not to {entry.target}"
    if entry.kind != DIRECTORY and entry.content != found.content:
        return f"{change.path} has another content than the inventory says"
    is_now = f"{owners(found.uid, found.gid)}, mode {found.mode:04o}"
    return f"{change.path} belongs to {is_now}, and should be {entry.owner}:{entry.group}, mode {entry.mode:04o}"


def owners(uid: int, gid: int) -> str:
    """User and group as people call them."""
    user, group = str(uid), str(gid)
    with suppress(KeyError):
        user = pwd.getpwuid(uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    return f"{user}:{group}"


def shortage(path: str) -> str:
    """What a file system lacks, as a sentence; empty when there is room."""
    found = os.statvfs(path)
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    if size and (free < LEAST_BYTES or free < LEAST_SHARE * size):
        return (
            f"The file system of {path} has {free >> 20} MiB left ({100 * free // size} %); make room there, before "
            "logs and releases cannot be written."
        )
    # Some file systems have no fixed number of files, and say 0.
    if found.f_files and found.f_favail < LEAST_SHARE * found.f_files:
        return f"The file system of {path} has room for {found.f_favail} more files only; remove some there."
    return ""


def runs_another_release(application: Mapping[str, Any], pid: int) -> bool:
    """Whether a process works in a release that is not the current one, where mod_wsgi starts it.

    An application may go elsewhere, and in some containers root may not look; then nothing is known.
    """
    try:
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    paths = application["paths"]
    inside = folder.startswith(os.path.realpath(paths["releases"]) + os.sep)
    return inside and not f"{folder}/".startswith(os.path.realpath(paths["current"]) + os.sep)


def of_file(path: str) -> bytes:
    """The first certificate of a file, which is the server's own."""
    with open(path, encoding="ascii", errors="replace") as stream:
        text = stream.read()
    end = text.find(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[text.find(ssl.PEM_HEADER) : end + len(ssl.PEM_FOOTER)])


def served(health: Mapping[str, Any]) -> bytes:
    """The certificate that a site shows; empty when it cannot be asked, which its health tells."""
    connection = TLSConnection(health["address"], health["port"], health["host"], health["timeout"])
    try:
        connection.connect()
        shown: bytes | None = connection.sock.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return b""
    finally:
        connection.close()
    return shown or b""
