# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a host is told by name, one finding hides no other, and nothing is changed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import verify
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.daemon import Process
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.verify import Verification
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, certificates
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    LINK,
    Change,
    Desired,
    Found,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.service import needed
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.transaction import journal_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout
from support import instances

MAIN = Process(100, 1)
PORTS = {1: Listener("*", 80), 2: Listener("127.0.0.1", 297)}


class Host:
    """A host in a folder that runs one application, and is as the inventory says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.described = instances.below(root, server_root="etc", log_directory="log", control="apache2ctl")
        for folder in ("etc", "state", "log"):
            (root / folder).mkdir()
        self.answers("exit 0")
        self.application: dict[str, Any] = {
            "name": "shop",
            "site": "shop",
            "user": "nobody",
            "mode": "daemon",
            "all_processes": 2,
            "paths": {name: str(root) + path for name, path in layout("shop").items()},
            "health": {"tls": False, "host": "shop.example"},
        }
        release = Path(self.application["paths"]["releases"], "1")
        release.mkdir(parents=True)
        Path(self.application["paths"]["current"]).symlink_to(release)
        self.parameters: dict[str, Any] = {
            "certificate_days": 14,
            "configuration": {},
            "sensitive_files": None,
            "certificates": [],
            "foreign": {},
            "listen": ["80"],
            "private_port": 297,
            "manage_service": True,
            "reap_stuck_children": False,
            "site": {"applications": [self.application]},
        }
        self.steps: list[str] = []
        self.listening = dict(PORTS)
        self.running = [Process(101, 1), Process(102, 1)]
        self.problems: dict[str, str] = {}
        self.awaited: list[str] = []
        self.silent: list[str] = []
        pool: dict[str, Any] = {
            "PATIENCE_SECONDS": 0,
            "CODE_ROOT": str(root),
            "STATE_ROOT": str(root / "elsewhere"),
            "LIBRARY": str(root),
            "processes.httpd_main_process": lambda _: MAIN,
            "processes.listening_sockets": lambda: {**self.listening, 9: Listener("*", 5432)},
            "processes.sockets_of": lambda _: set(self.listening),
            "service.needed": lambda *_: self.steps,
            "daemon.account": lambda _: 65534,
            "daemon.processes": lambda *_: self.running,
            "Proof": lambda *_: SimpleNamespace(
                problems=self.problems, awaited=self.awaited, results={"shop": {"status": 200, "seconds": 0.1}}
            ),
            "foreign_answers.silent": lambda _: self.silent,
            "os.statvfs": lambda _: self.room,
        }
        self.room = SimpleNamespace(f_frsize=1 << 20, f_blocks=10_000, f_bavail=5_000, f_files=100, f_favail=50)
        for name, replacement in pool.items():
            monkeypatch.setattr(f"{verify.__name__}.{name}", replacement)

    def answers(self, script: str) -> None:
        """What httpd's control program does."""
        control = Path(self.described["control"])
        control.write_text(f"#!/bin/sh\n{script}\n")
        control.chmod(0o755)

    def file(self, **keys: Any) -> Path:
        """A file of the configuration, as the inventory has it, and as it is."""
        owner = {"owner": "root", "group": "root"} if os.geteuid() == 0 else {}
        entry = {"path": "conf-enabled/own.conf", "content": "Timeout 60\n", "mode": "0640", **owner, **keys}
        self.parameters["configuration"] = {"httpd": [entry]}
        path = self.root / "etc" / entry["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text("Timeout 60\n")
        path.chmod(0o640)
        manifest = self.root / "state" / "manifests" / "httpd.json"
        manifest.parent.mkdir(exist_ok=True)
        kept = '{"files": {"%s": {"kind": "content", "action": "reload", "original": ""}}}'
        manifest.write_text(kept % path)
        return path

    def certificate(self, days: int = 100) -> dict[str, Any]:
        """A certificate of the site that lasts so long."""
        files = {"certificate": str(self.root / "shop.crt"), "key": str(self.root / "shop.key")}
        self.monkeypatch.setattr(certificates, "DAYS", days)
        self.monkeypatch.setattr(certificates, "pending", SimpleNamespace(RELOAD="reload"))
        entry = {"name": "shop", **files, "names": ["shop.example"], "self_signed": False}
        for edit in certificates.make(entry, str(self.root))[1:]:
            Path(edit.path).write_bytes(edit.content)
            Path(edit.path).chmod(edit.mode)
        self.parameters["certificates"] = [entry]
        return entry

    def look(self) -> Verification:
        found = Verification(self.described, self.parameters)
        found.run()
        return found

    def told(self) -> list[str]:
        """Each finding: its subject, its application and its text."""
        return [f"{each['subject']} {each['application']}: {each['text']}" for each in self.look().findings]


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def tree(root: Path) -> list[tuple[str, int, float]]:
    found = [(str(path), path.lstat()) for path in sorted(root.rglob("*"))]
    return [(path, status.st_mode, status.st_mtime) for path, status in found]


def test_a_host_that_is_well_has_no_finding_and_is_left_as_it_is(host: Host) -> None:
    host.file()
    host.certificate()
    before = tree(host.root)
    found = host.look()
    assert found.findings == []
    subjects = [each["subject"] for each in found.verified]
    assert subjects == [
        *("journal", "configuration", "syntax", "service", "listeners", "processes"),
        *("health", "certificates", "access", "disks"),
    ]
    assert tree(host.root) == before


def another_listener(host: Host) -> None:
    host.listening[3] = Listener("*", 8081)


def unhealthy(host: Host) -> None:
    host.problems = {"shop": "The application shop answered with status 500."}


def key_of_another(host: Host) -> None:
    host.certificate()
    Path(host.root, "kept").write_bytes(Path(host.root, "shop.key").read_bytes())
    host.certificate()
    Path(host.root, "kept").rename(host.root / "shop.key")
    Path(host.root, "shop.key").chmod(0o600)


def silent_site(host: Host) -> None:
    host.parameters["foreign"] = {"vhosts": [{}]}
    host.silent = ["The site of others in old.conf gives no answer."]


@pytest.mark.parametrize(
    ("defect", "sentence"),
    [
        (
            lambda host: host.file().write_text("Timeout 1\n"),
            "configuration : {root}/etc/conf-enabled/own.conf has another content than the inventory says; run",
        ),
        (
            lambda host: host.file().chmod(0o644),
            "configuration : {root}/etc/conf-enabled/own.conf belongs to root:root, mode 0644, and should be",
        ),
        (
            lambda host: host.file().unlink(),
            "configuration : {root}/etc/conf-enabled/own.conf is missing; run site.yml",
        ),
        (
            lambda host: host.answers("echo AH00526: Syntax error; exit 1"),
            "syntax : httpd refuses the configuration that is on the disk, so a reload or a restart would fail",
        ),
        (
            lambda host: journal_of(host.described).begin(process=None, pending="none", reaps=False),
            "journal : A change of an earlier run was neither proven nor undone; wait for a run",
        ),
        (
            lambda host: Path(journal_of(host.described).directory).mkdir(),
            "journal : A change of an earlier run was neither proven nor undone; wait for a run",
        ),
        (lambda host: vars(host).update(steps=["start"]), "service : httpd does not run; read its error log"),
        (
            lambda host: host.running.pop(),
            "processes shop: shop has 1 daemon processes and not 2, for 0 s; read why they end in",
        ),
        (
            lambda host: host.running.append(Process(103, 1)),
            "processes shop: shop has 3 daemon processes and not 2, for 0 s; read why earlier ones do not",
        ),
        (lambda host: host.listening.pop(1), "listeners : httpd does not listen on 80; read"),
        (another_listener, "listeners : httpd listens on 8081, which httpd_listen does not have; find"),
        (unhealthy, "health shop: The application shop answered with status 500."),
        (
            lambda host: vars(host).update(awaited=["httpd has no certificate for shop.example yet."]),
            "certificates : httpd has no certificate for shop.example yet.",
        ),
        (
            lambda host: host.certificate(days=13),
            "certificates shop: The certificate {root}/shop.crt ends in 12 days; renew it.",
        ),
        (
            key_of_another,
            "certificates shop: wsgi_apps: application 'shop', key tls.key: {root}/shop.key is not",
        ),
        (
            lambda host: Path(host.certificate()["certificate"]).unlink(),
            "certificates shop: wsgi_apps: application 'shop', key tls.certificate: {root}/shop.crt",
        ),
        (
            lambda host: Path(host.certificate()["key"]).chmod(0o644),
            "access : All accounts have access to the private key {root}/shop.key; chmod it to 0600.",
        ),
        (
            lambda host: Path(host.application["paths"]["records"]).mkdir(mode=0o755),
            "access shop: {root}/srv/wsgi/shop/records has to belong to root, mode 0700; chown and",
        ),
        (
            lambda host: Path(host.application["paths"]["deployment"]).touch(mode=0o644),
            "access shop: {root}/srv/wsgi/shop/deployment.json has to belong to root, mode 0600; chown and",
        ),
        (
            lambda host: vars(host.room).update(f_bavail=499),
            "disks : The file system of {root}/log has 499 MiB left (4 %); make room",
        ),
        (
            lambda host: vars(host.room).update(f_blocks=1000, f_bavail=199),
            "disks : The file system of {root}/log has 199 MiB left (19 %); make room",
        ),
        (
            lambda host: vars(host.room).update(f_favail=4),
            "disks : The file system of {root}/log has room for 4 more files only; remove",
        ),
        (silent_site, "other_sites : The site of others in old.conf gives no answer."),
    ],
)
@pytest.mark.root("files have to belong to root")
def test_a_defect_is_one_finding_and_the_only_one(host: Host, defect: Callable[[Host], None], sentence: str) -> None:
    host.file()
    defect(host)
    told = host.told()
    assert len(told) == 1, told
    assert told[0].startswith(sentence.format(root=host.root))


def test_what_cannot_be_looked_at_hides_nothing_else(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/proc/net/tcp")

    monkeypatch.setattr(verify.processes, "listening_sockets", fail)
    unhealthy(host)
    told = host.told()
    assert told[0].startswith("listeners : The host cannot be looked at (listeners: [Errno 13] Permission denied")
    assert told[1:] == ["health shop: The application shop answered with status 500."]


def test_what_is_wrong_is_not_told_as_verified(host: Host) -> None:
    unhealthy(host)
    assert "health" not in [each["subject"] for each in host.look().verified]


def test_a_server_that_nobody_here_manages_may_be_stopped(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify.processes, "httpd_main_process", lambda _: None)
    host.parameters["manage_service"] = False
    host.steps = ["start"]
    found = host.look()
    assert found.findings == []
    assert {"service", "configuration"} <= {each["subject"] for each in found.verified}
    assert not {"processes", "health", "listeners"} & {each["subject"] for each in found.verified}


def test_an_embedded_application_has_no_processes_of_its_own(host: Host) -> None:
    host.application.update(mode="embedded", all_processes=0)
    host.running = []
    assert host.told() == []


def test_many_files_are_told_as_a_number(host: Host) -> None:
    host.file()
    files = [{"path": f"conf-enabled/{number}.conf", "content": ""} for number in range(verify.MOST_FILES + 3)]
    host.parameters["configuration"]["mod_wsgi"] = files
    told = host.told()
    assert len(told) == verify.MOST_FILES + 1
    assert told[-1] == "configuration : 3 more files are not as the inventory says; run site.yml."


def test_each_step_of_the_service_has_a_sentence(host: Host) -> None:
    """Also those that only a state with several faults needs."""

    class Manager:
        def __init__(self, state: bool) -> None:
            self.state = state

        def __getattr__(self, _: str) -> Callable[[], bool]:
            return lambda: self.state

        def installed(self) -> bool:
            return True

        def watches(self) -> bool:
            return not self.state

    steps: set[str] = set()
    for state in (True, False):
        made: Any = SimpleNamespace(manager=Manager(state), main=lambda: None, instance=host.described)
        steps |= {step for reap in (True, False) for step in needed(made, "applied", not state, reap)}
    assert (steps - {"disable"}) | {"reload", "restart"} == set(verify.STEPS)


def test_where_others_listen_is_theirs(host: Host) -> None:
    another_listener(host)
    host.parameters["foreign"] = {"listen": [{"directive": "8081"}], "listen_with_ssl": ["[::1]:8082", "nonsense"]}
    assert host.told() == []


def test_a_process_in_an_earlier_release_is_told(host: Host, tmp_path: Path) -> None:
    releases = Path(host.application["paths"]["releases"])
    (releases / "0" / "inside").mkdir(parents=True)
    program = [sys.executable, "-c", "print(flush=True); input()"]
    for folder, is_old in ((releases / "0" / "inside", True), (releases / "1", False), (tmp_path, False)):
        with subprocess.Popen(program, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert verify.runs_another_release(host.application, process.pid) is is_old
            host.running = [Process(process.pid, 1), Process(101, 1)]
            earlier = [f"processes shop: Processes {process.pid} of shop still run an earlier release; run site.yml."]
            assert host.told() == (earlier if is_old else [])
            process.kill()


@pytest.fixture(name="shown")
def fixture_shown(host: Host, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a site shows, in place of a connection."""
    shown = {"certificate": b""}
    monkeypatch.setattr(verify, "served", lambda _: shown["certificate"])
    host.application["health"]["tls"] = True
    return shown


def test_a_renewed_certificate_that_httpd_has_not_read_is_told(host: Host, shown: dict[str, bytes]) -> None:
    path = host.certificate()["certificate"]
    assert host.told() == [], "a site that does not answer is told by its health"
    shown["certificate"] = verify.of_file(path)
    assert host.told() == []
    host.certificate()
    sentence = f"httpd serves another certificate for shop.example than {path} has; reload httpd."
    assert host.told() == [f"certificates shop: {sentence}"]


def test_a_certificate_that_httpd_got_itself_is_looked_at(host: Host) -> None:
    path = host.certificate(days=5)["certificate"]
    host.parameters["certificates"] = []
    host.application["health"]["certificate"] = path
    assert host.told() == [f"certificates shop: The certificate {path} ends in 4 days; renew it."]


def test_children_that_a_reload_has_left_behind_are_told(host: Host) -> None:
    program = host.root / "reap.py"
    (host.root / "httpd_status.py").touch()
    arguments = ["--look", host.described["pid_file"], "297", "www-data"]
    begin = f"import sys; sys.path.insert(0, {str(host.root)!r}); import httpd_status; "
    program.write_text(f"{begin}print(*([7404, 7406] if sys.argv[1:] == {arguments!r} else []))")
    sentence = "children : A reload has left behind processes 7404, 7406 of httpd, which have nothing to do"
    assert [told.startswith(sentence) for told in host.told()] == [True]
    assert not (host.root / "__pycache__").exists(), "nothing is left behind"
    program.write_text("import sys; sys.exit('urlopen error: timed out')")
    assert host.told() == ["children : The status of httpd cannot be read: urlopen error: timed out; run site.yml."]
    program.write_text("")
    assert host.told() == []


@pytest.mark.parametrize(
    ("desired", "found", "sentence"),
    [
        (Desired("/a", ABSENT), Found(CONTENT), "/a is there and should not be"),
        (Desired("/a", LINK, target="b"), Found(LINK, target="c"), "/a leads to c and not to b"),
        (Desired("/a", LINK, target="b"), Found(CONTENT), "/a is a content and not a link"),
    ],
)
def test_what_differs_is_said(desired: Desired, found: Found, sentence: str) -> None:
    assert verify.difference(Change(desired, found)) == sentence.replace("a content", "a file")


def test_a_sentence_has_one_line_of_bounded_length(host: Host) -> None:
    host.problems = {"shop": "x\n\x1b[31m" * 5000}
    text = host.look().findings[0]["text"]
    assert text.isprintable()
    assert len(text) <= verify.LONGEST


def test_days_are_counted_from_now(host: Host) -> None:
    path = host.certificate(days=3)["certificate"]
    assert 2.9 < (certificates.Certificate(path).ends - time.time()) / verify.DAY <= 3
    assert certificates.Certificate(str(host.root / "apache2ctl")).ends == 0


def test_processes_are_in_the_control_group_of_their_application(host: Host) -> None:
    groups = {101: "/sys/fs/cgroup/system.slice/apache2.service/app-shop", 102: ""}
    host.monkeypatch.setattr(verify.daemon, "alive", lambda _: True)
    host.monkeypatch.setattr(verify.daemon, "own_group", lambda pid: groups[pid])
    assert host.look().findings == []
    host.application["control_group"] = "/run/modwsgi-limits.sock"
    assert [each["text"] for each in host.look().findings] == [
        "Processes 102 of shop are in no control group of the application, so memory_max and cpu_weight do not hold; "
        "see `systemctl status modwsgi-limits.service`."
    ]
    groups[102] = groups[101]
    found = host.look()
    assert found.findings == []
    assert "2 of 2 daemon processes, with limits by a control group" in [each["text"] for each in found.verified]


@pytest.mark.parametrize(
    ("label", "flags", "is_wrong", "told"),
    [
        ("modwsgi-apache2 (enforce)", "", False, "httpd runs under the AppArmor profile modwsgi-apache2 (enforce)"),
        (
            "modwsgi-apache2 (complain)",
            ",complain",
            False,
            "httpd runs under the AppArmor profile modwsgi-apache2 (complain), which only logs",
        ),
        (
            "unconfined",
            ",complain",
            False,
            "httpd takes up the AppArmor profile modwsgi-apache2 (complain), which only logs, at its next start",
        ),
        ("modwsgi-apache2 (complain)", "", True, "modwsgi-apache2 (complain), and not under modwsgi-apache2 (enforce)"),
        ("modwsgi-apache2 (enforce)", ",complain", True, "(enforce), and not under modwsgi-apache2 (complain)"),
        (
            "unconfined",
            "",
            True,
            "unconfined, and not under modwsgi-apache2 (enforce); restart it, and see `",
        ),
        ("other (complain)", ",complain", True, "other (complain), and not under modwsgi-apache2 (complain)"),
    ],
)
def test_httpd_runs_under_its_profile(host: Host, label: str, flags: str, is_wrong: bool, told: str) -> None:
    host.monkeypatch.setattr(apparmor, "label", lambda _: label)
    file = host.root / "profile"
    host.described |= {"apparmor_file": str(file), "unit": "apache2.service"}
    assert host.look().findings == []
    file.write_text(f"profile modwsgi-apache2 flags=(attach_disconnected{flags}) {{\n}}\n")
    found = host.look()
    assert bool(found.findings) is is_wrong
    assert any(told in each["text"] for each in (found.findings if is_wrong else found.verified))
