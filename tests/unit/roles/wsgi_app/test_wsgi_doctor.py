# SPDX-License-Identifier: Apache-2.0
"""From lines and numbers of a host to what is wrong, the most telling first, with what follows from what."""

from __future__ import annotations

import datetime as dt
import json
import os
import pwd
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import run
from support.doctor import installed
from support.log_lines import KERNEL, LINES, SERVER, SITE

CRASHED = "AH00052: child pid 2514 exit signal Segmentation fault (11)"
DIED = "Process 'shop' (pid=2514) has died; deregistering and restarting it."
RESET = "WSGI0147: Error reading response headers from daemon process 'shop' (Connection reset by peer)."
TIME_LIMIT = "Daemon process request time limit exceeded, stopping daemon process 'shop'."
SHUTDOWN = "Shutdown requested for daemon process 'shop'."
ABORTED = "Shutdown timeout expired; aborting daemon process 'shop'."
KILLED = "Process 'shop' (pid=2514) terminated by signal 9"
OUT_OF_MEMORY = "Out of memory: Killed process 2514 (apache2) total-vm:4194304kB, anon-rss:3145728kB, UID:995"


@pytest.fixture(name="modules")
def fixture_modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    return installed(monkeypatch)


@pytest.fixture(name="doctor")
def fixture_doctor(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[0]


@pytest.fixture(name="evidence")
def fixture_evidence(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[1]


class Logs:
    """Lines of the logs of one application, with the seconds at which they were written."""

    def __init__(self, doctor: ModuleType) -> None:
        self.doctor = doctor
        self.lines: dict[str, list[Any]] = {SITE: [], SERVER: [], KERNEL: []}

    def add(self, source: str, seconds: float, text: str, pid: int = 361) -> None:
        prefix = "" if source == KERNEL else f"[2026-11-30 08:00:00.000000] [wsgi:error] [pid {pid}:tid 1] "
        self.lines[source].append(self.doctor.Line(1e9 + seconds, prefix + text, source))

    def findings(self, application: str = "shop") -> dict[str, Any]:
        of_pid = self.doctor.owners(self.lines[SERVER])
        found = [hit for lines in self.lines.values() for hit in self.doctor.hits(application, lines, of_pid)]
        return {each.diagnosis.name: each for each in self.doctor.diagnosed(found, self.lines)}


@pytest.fixture(name="logs")
def fixture_logs(doctor: ModuleType) -> Logs:
    return Logs(doctor)


@pytest.mark.parametrize(("name", "source", "line"), LINES)
def test_each_real_line_is_told(doctor: ModuleType, name: str, source: str, line: str) -> None:
    logs = {source: [doctor.Line(1e9, line, source)]}
    told = {each.diagnosis.name for each in doctor.diagnosed(doctor.hits("sick", logs[source], {}), logs)}
    assert told == ({name} if name != "ended" else set()), "an ordinary end is told only when it explains something"


def test_lines_of_other_applications_are_not_told(logs: Logs) -> None:
    logs.add(SERVER, 0, DIED.replace("shop", "blog"))
    logs.add(SERVER, 0, CRASHED)
    logs.add(SITE, 0, RESET.replace("shop", "blog"))
    logs.add(SITE, 0, "The application blog is loaded again in 1 s, since the last 2 of its processes ended while")
    assert logs.findings() == {}
    (crash,) = logs.findings("blog").values()
    assert (crash.diagnosis.name, crash.consequences) == ("crash", {"no-headers": 1, "import-repeated": 1})


def test_those_of_its_other_groups_are(logs: Logs) -> None:
    logs.add(SITE, 0, TIME_LIMIT.replace("shop", "shop:reports"))
    assert set(logs.findings()) == {"request-timeout"}


class TestWhyARequestGotNoAnswer:
    """`Truncated or oversized response headers`, 502, told apart by cause."""

    def cause(self, logs: Logs) -> str:
        findings = logs.findings()
        (name,) = [name for name, finding in findings.items() if "no-headers" in finding.consequences] or ["no-headers"]
        return name

    def test_a_crash(self, logs: Logs) -> None:
        logs.add(SITE, 0, RESET)
        logs.add(SERVER, 1, CRASHED)
        logs.add(SERVER, 1, DIED)
        logs.add(SERVER, 1, "Process 'shop' (pid=2514) terminated by signal 11")
        assert self.cause(logs) == "crash"
        (finding,) = logs.findings().values()
        assert finding.consequences == {"no-headers": 1}, "the signal is that of the crash"

    def test_the_kernel(self, logs: Logs) -> None:
        logs.add(SITE, 0, RESET)
        logs.add(KERNEL, 0, OUT_OF_MEMORY)
        logs.add(SERVER, 1, DIED)
        logs.add(SERVER, 1, KILLED)
        assert self.cause(logs) == "oom"
        assert set(logs.findings()) == {"oom"}

    def test_somebody_s_kill(self, logs: Logs) -> None:
        logs.add(SITE, 0, RESET)
        logs.add(KERNEL, 0, OUT_OF_MEMORY.replace("2514", "99"))
        logs.add(SERVER, 1, KILLED)
        assert self.cause(logs) == "killed", "the kernel has killed another process"

    def test_the_limit_of_a_request(self, logs: Logs) -> None:
        logs.add(SITE, 0, TIME_LIMIT, pid=7)
        logs.add(SITE, 0, SHUTDOWN, pid=7)
        logs.add(SITE, 5, ABORTED, pid=7)
        logs.add(SITE, 5.01, RESET)
        assert self.cause(logs) == "request-timeout"
        assert set(logs.findings()) == {"request-timeout"}, "that it had to be aborted follows from it too"

    def test_a_reload(self, logs: Logs) -> None:
        logs.add(SITE, 0, SHUTDOWN, pid=7)
        logs.add(SITE, 4, RESET)
        assert self.cause(logs) == "ended"

    def test_a_reload_near_the_crash_of_another_process(self, logs: Logs) -> None:
        logs.add(SERVER, -6, CRASHED)
        logs.add(SITE, 0, SHUTDOWN, pid=7)
        logs.add(SITE, 0.5, RESET)
        assert self.cause(logs) == "ended"
        assert "crash" in logs.findings()

    def test_a_header_that_is_too_long(self, logs: Logs) -> None:
        logs.add(SITE, 0, "WSGI0144: Response header line too long from daemon process 'shop'.")
        assert set(logs.findings()) == {"header-too-long"}

    def test_the_text_of_4_9_alone(self, logs: Logs) -> None:
        logs.add(SITE, 0, "Truncated or oversized response headers received from daemon process 'shop': /x/launcher.py")
        assert self.cause(logs) == "no-headers"
        assert "32 KiB" in logs.findings()["no-headers"].diagnosis.cause

    def test_what_happened_long_before(self, logs: Logs) -> None:
        logs.add(SERVER, -60, CRASHED)
        logs.add(SITE, 0, RESET)
        assert set(logs.findings()) == {"crash", "no-headers"}


def test_an_exception_is_told_by_what_it_is_with_its_traceback(logs: Logs) -> None:
    trace = ["Traceback (most recent call last):", '  File "/x/wsgi.py", line 3, in application', "    write()"]
    logs.add(SITE, 0, "WSGI0174: OSError exception raised processing WSGI script '/x' for 'x'.", pid=7)
    for text in (*trace, "OSError: [Errno 28] No space left on device"):
        logs.add(SITE, 0, text, pid=7)
        logs.add(SITE, 0, "something of another thread", pid=8)
    logs.lines[SITE].append(logs.doctor.Line(1e9, "[x] [wsgi:info] [pid 7:tid 1] Shutdown requested", SITE))
    findings = logs.findings()
    assert set(findings) == {"disk-full"}
    assert findings["disk-full"].trace == [*trace, "OSError: [Errno 28] No space left on device"]
    assert findings["disk-full"].consequences == {"exception": 1}


def test_an_exception_of_another_thread_explains_nothing(logs: Logs) -> None:
    logs.add(SITE, 0, "OSError: [Errno 28] No space left on device", pid=8)
    logs.add(SITE, 0, "WSGI0174: KeyError exception raised processing WSGI script '/x' for 'x'.", pid=7)
    assert set(logs.findings()) == {"disk-full", "exception"}


def test_of_many_lines_the_first_are_kept_and_all_are_counted(logs: Logs) -> None:
    for number in range(500):
        logs.add(SITE, number, f"OSError: [Errno 24] Too many open files: '/{number}'" + "x" * 900)
    finding = logs.findings()["files-open"]
    assert (len(finding.times), len(finding.lines)) == (500, 3)
    assert "'/0'" in finding.lines[0]
    assert all(len(line) <= 400 for line in finding.lines)


def test_processes_that_are_started_again_and_again(doctor: ModuleType) -> None:
    def died(*moments: int) -> list[Any]:
        return [doctor.Line(moment, f"Process 'shop' (pid={moment}) has died; x", SERVER) for moment in moments]

    released = [doctor.Line(0, f"[a] [b] [pid {pid}:tid 1] Graceful restart requested; x", SITE) for pid in (10, 20)]
    assert len(doctor.too_often("shop", died(10, 20, 30, 40, 50), [])) == 5
    assert doctor.too_often("shop", died(10, 20, 30, 40, 50), released) == [], "a release replaces processes"
    assert doctor.too_often("shop", died(10, 1000, 2000, 3000, 4000), []) == []
    assert doctor.too_often("blog", died(10, 20, 30, 40, 50), []) == []


class Host:
    """A host of which only what a test says is true; everything else is well."""

    def __init__(
        self,
        tmp_path: Path,
        modules: tuple[ModuleType, ModuleType],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.doctor, evidence = modules
        self.state = tmp_path / "state"
        self.evidence, self.monkeypatch, self.capsys = evidence, monkeypatch, capsys
        self.state.mkdir()
        self.log, self.server_log = tmp_path / "shop-error.log", tmp_path / "error.log"
        for log in (self.log, self.server_log):
            log.touch()
        self.application = application = {
            "name": "shop",
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "state": str(self.state),
        }
        found = run.Deployment(application, {}, str(tmp_path / "release"), str(tmp_path / "venv"))
        monkeypatch.setattr(run, "deployment", lambda _: found)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        self.group = evidence.Group("shop", {"processes": "1", "threads": "2"}, 1)
        self.processes = [self.daemon()]
        self.answers(
            httpd_pid=lambda _: 1,
            daemons=lambda *_: self.processes,
            sockets=lambda *_: evidence.Sockets(frozenset(), 0),
            workers=lambda _: {"busy": 1, "idle": 255},
            leftovers=lambda _: set(),
            space=lambda _: (0.5, 0.5),
            deployed=lambda _: [],
            kernel_lines=lambda _: [],
        )
        self.site = evidence.Site("shop")
        self.site.file, self.site.groups = "/etc/x", [self.group]
        self.site.error_log, self.site.server_log = str(self.log), str(self.server_log)
        self.answers(Site=lambda _: self.site)

    def daemon(self, seconds: float = 100, can_tell: bool = True, pid: int = 2514) -> Any:
        process = self.evidence.wsgi_daemon.Process(pid, 1)
        return self.evidence.Daemon(process, "shop", "(wsgi:shop)", seconds, 1 << 24, can_tell)

    def answers(self, **functions: Any) -> None:
        for name, function in functions.items():
            target = self.evidence.wsgi_daemon if name == "httpd_pid" else self.evidence
            self.monkeypatch.setattr(target, name, function)

    def writes(self, *texts: str) -> None:
        now = dt.datetime.now().strftime("[%Y-%m-%d %H:%M:%S.%f] [wsgi:error] [pid 7:tid 8] ")
        with self.log.open("a") as file:
            file.writelines(f"{now}{text}\n" for text in texts)

    def asked(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit status, and the answer in JSON."""
        status = self.doctor.main(["shop", "--json", "--hung", "0.1", *words])
        return status, json.loads(self.capsys.readouterr().out)

    def told(self, *words: str) -> tuple[int, str]:
        """Exit status, and what stands on both streams."""
        status = self.doctor.main(["shop", *words])
        return status, "".join(self.capsys.readouterr())


@pytest.fixture(name="host")
def fixture_host(
    tmp_path: Path,
    modules: tuple[ModuleType, ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Host:
    return Host(tmp_path, modules, monkeypatch, capsys)


def names(answer: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in answer["findings"]]


def test_a_host_that_is_well(host: Host) -> None:
    host.writes("WSGI info: nothing", "Loading WSGI script")
    status, told = host.told()
    assert status == 0
    assert "shop: 1 of 1 processes run (2514 for 1 min; up to 16 MiB); 0 of 2 threads busy, 0 requests wait" in told
    assert "Nothing wrong is found in the last 60 minutes." in told


def test_what_is_wrong_in_words(host: Host) -> None:
    host.writes("RuntimeError: populate() isn't reentrant", "OSError: [Errno 24] Too many open files")
    status, told = host.told()
    assert status == 1
    assert told.index("1. Django is half loaded") < told.index("2. A process has too many open files")
    assert "See: docs/django.md#when-the-first-deployment-fails" in told
    assert "APP" not in told
    assert all(len(line) <= 100 for line in told.splitlines() if line.startswith("   ") and "[pid" not in line)


def test_what_an_application_writes_does_not_act_on_the_terminal(host: Host) -> None:
    hostile = "RuntimeError: populate() isn't reentrant \x1b]0;x\x07\x1b[2J\x9b31m\u202e\r"
    host.writes(hostile, *[f"{hostile} {number}" for number in range(50)])
    with host.log.open("ab") as file:
        file.write(b"\xff\xfe\x00\x1b[2J\n" * 10)
    status, told = host.told()
    assert status == 1
    assert told.replace("\n", "").isprintable()
    assert len(told) < 10000


def test_times_in_a_log_that_an_application_invents_end_nothing(host: Host) -> None:
    host.writes("RuntimeError: populate() isn't reentrant")
    with host.log.open("a") as file:
        file.write("[1970-01-01 00:00:00] x\n[9999-12-31 23:59:59.999999] y\n")
    assert names(host.asked()[1]) == ["populate"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"httpd_pid": lambda _: None, "daemons": lambda *_: []}, ["httpd-down"]),
        ({"daemons": lambda *_: []}, ["no-process"]),
        ({"workers": lambda _: {"busy": 256, "idle": 0}}, ["workers-full"]),
        ({"space": lambda _: (0.01, 0.5)}, ["disk-full"]),
        ({"space": lambda _: (0.5, 0.0)}, ["disk-full"]),
        ({"deployed": lambda _: ["current does not lead"]}, ["changed-by-hand"]),
        ({"python_mismatch": lambda _: "venv is for Python 3.9"}, ["wrong-python"]),
        ({"loading": lambda *_: True}, ["loading-hangs"]),
    ],
)
def test_what_the_state_of_the_host_says(host: Host, answers: dict[str, Any], expected: Sequence[str]) -> None:
    host.answers(**answers)
    status, answer = host.asked()
    assert (status, names(answer)) == (1, expected)


@pytest.mark.parametrize(
    ("days", "expected"), [(60.0, []), (12.0, ["certificate-expires"]), (-1.0, ["certificate-expired"])]
)
def test_days_of_a_certificate(host: Host, days: float, expected: Sequence[str]) -> None:
    host.site.certificates = ["/etc/ssl/shop.pem"]
    host.answers(days_left=lambda _: days)
    _, answer = host.asked()
    assert names(answer) == expected
    assert answer["state"]["certificates"] == {"/etc/ssl/shop.pem": days}


class TestHungThreads:
    def sockets(self, host: Host, *looks: set[str]) -> None:
        coming = iter(looks)
        last = looks[-1]
        host.answers(sockets=lambda *_: host.evidence.Sockets(frozenset(next(coming, last)), 1))

    def test_threads_that_keep_their_requests(self, host: Host) -> None:
        host.monkeypatch.setattr(host.doctor, "LOOK_SECONDS", 0.01)
        self.sockets(host, {"1", "2"})
        status, answer = host.asked()
        assert (status, names(answer)) == (1, ["hung"]), "that requests wait follows from it"
        assert answer["state"]["queues"] == {"shop": {"busy": 2, "threads": 2, "waiting": 1}}

    def test_threads_that_are_busy_with_ever_new_requests(self, host: Host) -> None:
        host.monkeypatch.setattr(host.doctor, "LOOK_SECONDS", 0.01)
        self.sockets(host, {"1", "2"}, {"2", "3"})
        assert names(host.asked()[1]) == ["waiting"]

    def test_a_thread_that_is_free(self, host: Host) -> None:
        host.monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it must not wait"))
        self.sockets(host, {"1"})
        assert names(host.asked()[1]) == ["waiting"]


class TestStacks:
    STACK = (
        "Thread 0x00007f4a1ddf36c0 (most recent call first):",
        '  File "/srv/wsgi/shop/releases/1/wsgi.py", line 24 in wait_here',
        "Current thread 0x00007f4a2173f780 (most recent call first):",
        "  <no Python frame>",
    )

    def test_they_are_asked_for_and_shown(self, host: Host) -> None:
        sent = []

        def tell(pid: int, number: int) -> None:
            sent.append((pid, number))
            with host.log.open("a") as file:
                file.write("".join(f"{line}\n" for line in self.STACK))

        host.monkeypatch.setattr(host.doctor, "LOOK_SECONDS", 0.01)
        host.monkeypatch.setattr(os, "kill", tell)
        host.monkeypatch.setattr(host.evidence.wsgi_daemon, "alive", lambda _: True)
        _, answer = host.asked("--stacks")
        assert sent == [(2514, signal.SIGURG)]
        assert answer["stacks"] == {"2514": list(self.STACK[:2])}, "threads without Python wait for a request"

    def test_a_process_without_the_handler_gets_no_signal(self, host: Host) -> None:
        host.monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("no signal may be sent"))
        host.processes = [host.daemon(can_tell=False)]
        _, answer = host.asked("--stacks")
        assert answer["stacks"] == {}
        assert "stacks of process 2514, which has no handler" in answer["not_looked_at"][0]

    def test_none_is_sent_without_being_asked(self, host: Host) -> None:
        host.monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("no signal may be sent"))
        assert host.processes
        assert "stacks" not in host.asked()[1]

    def test_an_embedded_application_has_none(self, host: Host) -> None:
        host.site.groups = []
        status, told = host.told("--stacks")
        assert status == 2
        assert "mode: embedded" in told


class TestItCannotLook:
    def test_only_root_may(self, host: Host) -> None:
        assert host.log.exists()
        host.monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert host.told() == (2, "wsgi-doctor: Only root may do this; call it with sudo.\n")

    def test_an_application_that_is_not_there(
        self, doctor: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert doctor.main(["no-such-application"]) == 2
        assert "There is no application no-such-application on this host" in capsys.readouterr().err

    def test_no_log_at_all(self, host: Host) -> None:
        host.log.unlink()
        host.server_log.unlink()
        status, told = host.told()
        assert status == 2
        assert f"{host.log} cannot be read" in told

    def test_one_log_is_enough_and_the_other_is_told(self, host: Host) -> None:
        host.server_log.unlink()
        status, answer = host.asked()
        assert (status, len(answer["not_looked_at"])) == (0, 1)

    @pytest.mark.parametrize("words", [["--since", "x"], ["--hung", "-1"], ["--since", "nan"], []])
    def test_what_nobody_can_ask(self, doctor: ModuleType, words: list[str]) -> None:
        with pytest.raises(SystemExit) as error:
            doctor.main([*words, *(["shop"] if words else [])])
        assert error.value.code == 2


def test_a_fault_of_its_own_is_no_finding(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Python ends with 1 for it, which would say that something is wrong with the application."""

    def examine(*_: object) -> None:
        raise KeyError("pid")

    monkeypatch.setattr(doctor, "Examination", examine)
    assert doctor.main(["shop"]) == doctor.FAILED == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "KeyError: 'pid'" in told.err
    assert told.err.endswith("wsgi-doctor: This is a fault of wsgi-doctor; please report it.\n")


class TestControlGroup:
    FOLDER = "/sys/fs/cgroup/system.slice/apache2.service/app-shop"
    LIMITS = {"memory_current": 3 << 20, "memory_max": 4 << 20, "tasks_current": 9, "tasks_max": None, "killed": 2}

    def test_what_the_application_has_of_its_limits(self, host: Host) -> None:
        host.application["control_group"] = "/run/modwsgi-limits.sock"
        host.monkeypatch.setattr(host.evidence.wsgi_daemon, "own_group", lambda _: self.FOLDER)
        host.answers(limits=lambda folder: self.LIMITS if folder == self.FOLDER else {})
        assert host.asked()[1]["state"]["limits"] == self.LIMITS
        status, told = host.told()
        assert status == 0
        assert (
            "its control group: 3 of 4 MiB of memory, 9 of any processes and threads; processes that the "
            "kernel has ended there since httpd's start: 2" in told
        )

    def test_a_process_that_is_outside_of_it(self, host: Host) -> None:
        host.monkeypatch.setattr(host.evidence.wsgi_daemon, "own_group", lambda _: "")
        host.answers(status_of=lambda _: {"Name": "apache2"})
        assert names(host.asked()[1]) == []
        host.application["control_group"] = "/run/modwsgi-limits.sock"
        assert names(host.asked()[1]) == ["limits-off"]

    def test_the_numbers_are_the_kernel_s(self, evidence: ModuleType, tmp_path: Path) -> None:
        files = {
            "memory.current": "4096\n",
            "memory.max": "max\n",
            "pids.max": "300\n",
            "memory.events": "oom 1\noom_kill 7\n",
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        assert evidence.limits(str(tmp_path)) == {
            "memory_current": 4096,
            "memory_max": None,
            "tasks_current": None,
            "tasks_max": 300,
            "killed": 7,
        }
