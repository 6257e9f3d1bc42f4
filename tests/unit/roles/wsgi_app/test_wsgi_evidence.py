# SPDX-License-Identifier: Apache-2.0
"""What wsgi-doctor reads of a host: only so much of it, through no link, and without what acts on a terminal."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time
import zoneinfo
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.log_writer import as_json
from support.doctor import installed

VHOST = """\
<VirtualHost *:443>
    ServerName shop.example
    ErrorLog {log}
WSGIDaemonProcess shop \\
    user=wsgi-shop group=wsgi-shop \\
    processes=2 threads=15 listen-backlog=766 \\
    display-name=(wsgi:shop)
WSGIDaemonProcess shop:reports processes=1 threads=3 display-name=(wsgi:shop)
    WSGIScriptAlias / /usr/local/lib/modwsgi/launcher.py process-group=shop application-group=%{{GLOBAL}}
    SSLCertificateFile "/etc/ssl/my shop.pem"
</VirtualHost>
"""
PROBES = "<VirtualHost 127.0.0.1:2970>\nErrorLog /elsewhere\nWSGIScriptAlias /probe/shop /x/embedded/blog.py\n"


@pytest.fixture(name="evidence")
def fixture_evidence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    _, evidence = installed(monkeypatch)
    monkeypatch.setattr(evidence, "SERVER_ROOT", str(tmp_path / "etc"))
    monkeypatch.setattr(evidence, "CODE_ROOT", str(tmp_path / "srv"))
    monkeypatch.setattr(evidence, "FACTS", str(tmp_path / "facts"))
    monkeypatch.setattr(evidence, "UNIX_SOCKETS", str(tmp_path / "unix"))
    monkeypatch.setattr(evidence, "PID_FILE", str(tmp_path / "pid"))
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    return evidence


def stamp(moment: float, zone: dt.tzinfo | None = None) -> str:
    return dt.datetime.fromtimestamp(moment, zone).strftime("[%Y-%m-%d %H:%M:%S.%f]")


class TestConfiguration:
    @pytest.fixture(autouse=True)
    def _configuration(self, tmp_path: Path) -> None:
        for folder, files in {
            "conf": {
                "modwsgi-httpd.conf": 'ErrorLog "|/usr/bin/python3 -I /x/log_writer.py error json /l/error.log"\n'
            },
            "sites": {
                "060-modwsgi-probes.conf": PROBES,
                "100-modwsgi-blog.conf": "WSGIDaemonProcess blog threads=5\n",
                "100-modwsgi-shop.conf": VHOST.format(log="/var/log/apache2/shop-error.log"),
                "100-modwsgi-old.conf": "ErrorLog /o\nWSGIScriptAlias / /usr/local/lib/modwsgi/embedded/old.py\n",
                "notes.txt": "WSGIDaemonProcess shop\n",
            },
        }.items():
            target = tmp_path / "etc" / f"{folder}-enabled"
            target.mkdir(parents=True)
            for name, text in files.items():
                (target / name).write_text(text)

    def test_the_groups_of_an_application_with_their_options(self, evidence: ModuleType) -> None:
        site = evidence.Site("shop")
        assert [(each.name, each.processes, each.threads, each.number) for each in site.groups] == [
            ("shop", 2, 15, 2),
            ("shop:reports", 1, 3, 3),
        ]
        assert (site.error_log, site.private_port) == ("/var/log/apache2/shop-error.log", 2970)
        assert site.certificates == ["/etc/ssl/my shop.pem"]
        assert evidence.log_target(site.server_log) == ("file", "/l/error.log")

    def test_an_embedded_application_has_no_groups(self, evidence: ModuleType) -> None:
        site = evidence.Site("old")
        assert (site.groups, site.error_log, bool(site.file)) == ([], "/o", True)

    def test_what_httpd_does_not_serve(self, evidence: ModuleType) -> None:
        assert not evidence.Site("sho").file


@pytest.mark.parametrize(
    ("argument", "target"),
    [
        ("/var/log/apache2/shop-error.log", ("file", "/var/log/apache2/shop-error.log")),
        ("${APACHE_LOG_DIR}/error.log", ("file", "/var/log/apache2/error.log")),
        ("|/usr/bin/python3 -I /x/log_writer.py error json journal:httpd-shop-error", ("journal", "httpd-shop-error")),
    ],
)
def test_where_a_log_is(evidence: ModuleType, argument: str, target: tuple[str, str]) -> None:
    assert evidence.log_target(argument) == target


class TestLogs:
    def test_only_what_is_new_enough_and_the_lines_that_belong_to_it(
        self, evidence: ModuleType, tmp_path: Path
    ) -> None:
        now = time.time()
        log = tmp_path / "error.log"
        texts = [f"{stamp(now - 7200)} [a:b] old", "  of the old", f"{stamp(now - 60)} [a:b] new", "  of the new"]
        log.write_text("\n".join(texts) + "\n")
        found = evidence.file_lines(str(log), now - 3600, "site", [None])
        assert [line.text for line in found] == texts[2:]
        assert all(abs(line.time - (now - 60)) < 0.01 for line in found)

    def test_the_file_that_rotation_has_made(self, evidence: ModuleType, tmp_path: Path) -> None:
        now = time.time()
        (tmp_path / "error.log.1").write_text(f"{stamp(now - 120)} [a:b] before\n")
        (tmp_path / "error.log").write_text(f"{stamp(now - 60)} [a:b] after\n")
        found = evidence.file_lines(str(tmp_path / "error.log"), now - 3600, "site", [None])
        assert [line.text.split()[-1] for line in found] == ["before", "after"]

    def test_lines_of_processes_in_a_time_zone_of_their_own(self, evidence: ModuleType, tmp_path: Path) -> None:
        now, far = time.time(), zoneinfo.ZoneInfo("Pacific/Kiritimati")
        log = tmp_path / "error.log"
        texts = [
            f"{stamp(now - 7200, far)} [a:b] old, there",
            f"{stamp(now - 7100)} [a:b] old, here",
            f"{stamp(now - 60, far)} [a:b] new, there",
            f"{stamp(now - 59)} [a:b] new, here",
        ]
        log.write_text("\n".join(texts) + "\n")
        zones = evidence.time_zones({"TZ": "Pacific/Kiritimati"})
        found = evidence.file_lines(str(log), now - 3600, "site", zones)
        assert [line.text for line in found] == texts[2:]
        assert evidence.time_zones({"TZ": "../../etc/passwd"}) == [None]

    def test_a_log_in_json_is_one_in_text(self, evidence: ModuleType) -> None:
        fields = (
            b"2026-11-30 08:34:28.000000", b"error", b"wsgi", b"7", b"9", b"-", b"-", b"-", b"(13)Denied",
            b"WSGI0117: x",
        )  # fmt: skip
        raw = as_json("error", b"\t".join(fields)).decode()
        assert (
            evidence.as_text(raw) == "[2026-11-30T08:34:28.000000] [wsgi:error] [pid 7:tid 9] (13)Denied: WSGI0117: x"
        )
        assert evidence.stamps(evidence.as_text(raw), [None])

    @pytest.mark.parametrize(
        "raw", ["{" * 100000, '{"message": 1}', '{"time": 1, "message": "x"', "{}", '{"time": []}']
    )
    def test_what_only_looks_like_json_is_text(self, evidence: ModuleType, raw: str) -> None:
        assert len(evidence.as_text(raw)) <= evidence.LONGEST_LINE

    def test_a_log_is_read_up_to_a_size(self, evidence: ModuleType, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        with log.open("wb") as file:
            file.truncate(1 << 40)  # a hole: to read it all would take hours
            file.seek(0, os.SEEK_END)
            file.write(b"\n" + f"{stamp(time.time())} [a:b] the last\n".encode())
        (*_, last) = evidence.file_lines(str(log), time.time() - 60, "site", [None])
        assert last.text.endswith("the last")

    def test_lines_are_cut_and_act_on_no_terminal(self, evidence: ModuleType, tmp_path: Path) -> None:
        log = tmp_path / "error.log"
        hostile = [
            "\x1b]0;title\x07\x1b[2J",
            "x" * 100000,
            "\u202eeil",
            "\x9b31m",
            "{" + '"time":"\\u001b[2J","message":"\\u0007"}',
        ]
        log.write_bytes("\n".join(hostile).encode() + b"\n\xff\xfe\x00\n")
        found = evidence.file_lines(str(log), 0, "site", [None])
        assert len(found) == len(hostile) + 1
        assert all(line.text.isprintable() and len(line.text) <= evidence.LONGEST_LINE for line in found)

    def test_the_time_of_a_line_that_httpd_has_not_written(self, evidence: ModuleType) -> None:
        raw = as_json("error", b"Timeout (0:00:16)!").decode()
        assert evidence.as_text(raw).endswith("] Timeout (0:00:16)!")
        (moment,) = evidence.stamps(evidence.as_text(raw), [zoneinfo.ZoneInfo("Pacific/Kiritimati")])
        assert abs(moment - time.time()) < 60

    def test_times_that_nobody_can_read(self, evidence: ModuleType) -> None:
        for text in ("[0001-01-01 00:00:00]", "[9999-12-31 23:59:59.999999]", "[2026-13-99 99:99:99]"):
            assert all(isinstance(moment, float) for moment in evidence.stamps(text, [None]))

    def test_a_link_in_place_of_a_log_is_not_followed(self, evidence: ModuleType, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret\n")
        (tmp_path / "error.log").symlink_to(tmp_path / "secret")
        assert evidence.file_lines(str(tmp_path / "error.log"), 0, "site", [None]) == []
        with pytest.raises(OSError, match="symbolic links"):
            evidence.read_bounded(str(tmp_path / "error.log"))

    def test_a_pipe_in_place_of_a_log_holds_nobody_up(self, evidence: ModuleType, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "error.log")
        assert evidence.file_lines(str(tmp_path / "error.log"), 0, "site", [None]) == []
        assert evidence.read_bounded(str(tmp_path / "error.log")) == b""

    def test_a_log_that_is_not_there_is_named(self, evidence: ModuleType, tmp_path: Path) -> None:
        with pytest.raises(evidence.UnreadableError, match="cannot be read"):
            evidence.file_lines(str(tmp_path / "none.log"), 0, "site", [None])


class TestPrograms:
    @pytest.fixture(name="programs")
    def fixture_programs(self, evidence: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        monkeypatch.setattr(evidence, "plain_environment", lambda: {"PATH": f"{folder}:/usr/bin:/bin"})
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder

    def program(self, folder: Path, name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    def test_the_journal_without_what_others_have_sent(
        self, evidence: ModuleType, programs: Path, tmp_path: Path
    ) -> None:
        entries = [
            {"__REALTIME_TIMESTAMP": "1764491668000000", "MESSAGE": "[x] AH00052: child pid 1"},
            {"__REALTIME_TIMESTAMP": "1764491669000000", "MESSAGE": [27, 91, 255]},
            {"MESSAGE": "without a time"},
        ]
        (tmp_path / "entries").write_text("".join(json.dumps(entry) + "\n" for entry in entries) + "no JSON\n")
        self.program(programs, "journalctl", f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/entries')
        found = evidence.log_lines("|x journal:httpd-shop-error", 1.5, "site", [None])
        assert [(line.time, line.text) for line in found] == [
            (1764491668.0, "[x] AH00052: child pid 1"),
            (1764491669.0, " [\ufffd"),
        ]
        asked = (tmp_path / "asked").read_text().split()
        assert asked[asked.index("-t") + 1] == "httpd-shop-error"
        assert {"--since=@1", "_UID=65534", "_UID=0"} <= set(asked)

    def test_the_kernel_by_dmesg_where_the_journal_has_nothing(self, evidence: ModuleType, programs: Path) -> None:
        self.program(programs, "journalctl", "exit 0")
        self.program(
            programs, "dmesg", "echo '2026-11-30T08:00:00,500000+00:00 Out of memory: Killed process 1 (apache2)'"
        )
        (line,) = evidence.kernel_lines(0)
        assert (line.text, line.source) == ("Out of memory: Killed process 1 (apache2)", "kernel")
        assert line.time == dt.datetime(2026, 11, 30, 8, 0, 0, 500000, tzinfo=dt.UTC).timestamp()

    def test_a_kernel_that_nobody_may_ask_is_told(self, evidence: ModuleType, programs: Path) -> None:
        for name in ("journalctl", "dmesg"):
            self.program(programs, name, "exit 1")
        with pytest.raises(evidence.UnreadableError, match="dmesg fails"):
            evidence.kernel_lines(0)

    def test_an_endless_output_is_cut(
        self, evidence: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(evidence, "LARGEST_OUTPUT", 100000)
        self.program(programs, "endless", "exec yes")
        assert 100000 <= len(evidence.output_of("endless")) < 200000

    def test_a_program_that_hangs_is_ended(
        self, evidence: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(evidence, "PROGRAM_SECONDS", 0.2)
        self.program(programs, "hanging", "exec sleep 600")
        assert evidence.output_of("hanging") == ""

    def test_days_that_a_certificate_has_left(self, evidence: ModuleType, tmp_path: Path) -> None:
        file = str(tmp_path / "certificate.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"]
        subprocess.run(
            [*command, "/CN=x", "-days", "5", "-keyout", "/dev/null", "-out", file], check=True, capture_output=True
        )
        days = evidence.days_left(file)
        assert days is not None
        assert 4.9 < days <= 5
        assert evidence.days_left(str(tmp_path / "none")) is None


def test_the_connections_of_a_group(evidence: ModuleType, tmp_path: Path) -> None:
    """As Linux 6.18 has shown them with two threads, both busy, and two more requests."""
    path = f"/run/wsgi/wsgi.{os.getpid()}.0.2.sock"
    rows = [
        f"0000000062de559e: 00000002 00000000 00010000 0001 01 14837058 {path}",
        f"00000000dfaaf969: 00000003 00000000 00000000 0001 02     0 {path}",
        f"00000000a9206e91: 00000003 00000000 00000000 0001 03 14837431 {path}",
        f"00000000d03173b5: 00000003 00000000 00000000 0001 03 14836675 {path}",
        f"000000001ad4dc44: 00000003 00000000 00000000 0001 02     0 {path}",
        f"000000001ad4dc45: 00000003 00000000 00000000 0001 03  77 /run/wsgi/wsgi.{os.getpid()}.0.1.sock",
        "000000001ad4dc46: 00000003 00000000 00000000 0001 03  78 /run/wsgi/wsgi.1.0.2.sock",
        "000000001ad4dc47: 00000003 00000000 00000000 0001 03  79",
    ]
    (tmp_path / "unix").write_text("Num RefCount Protocol Flags Type St Inode Path\n" + "\n".join(rows) + "\n")
    with pytest.raises(evidence.UnreadableError, match="httpd has 2 groups and not 3"):
        evidence.sockets(evidence.Group("shop", {}, 3), 3)
    found = evidence.sockets(evidence.Group("shop", {}, 2), 2)
    assert (found.taken, found.waiting) == ({"14837431", "14836675"}, 2)


class TestDeployment:
    @pytest.fixture(autouse=True)
    def _deployed(self, tmp_path: Path) -> None:
        shop = tmp_path / "srv" / "shop"
        for folder in ("releases/1", "releases/2", "venvs/a/bin"):
            (shop / folder).mkdir(parents=True)
        (shop / "current").symlink_to("releases/1")
        (shop / "venv").symlink_to("venvs/a")
        (shop / "deployment.json").write_text(json.dumps({"release": "1", "venv": "a"}))
        (shop / "venvs/a/bin/python").touch()
        (shop / "venvs/a/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
        (tmp_path / "facts").write_text(json.dumps({"interpreter": {"version": "3.11"}}))

    def test_all_as_deployed(self, evidence: ModuleType, tmp_path: Path) -> None:
        assert evidence.deployed("shop") == []
        assert evidence.python_mismatch(str(tmp_path / "srv/shop/venv")) == ""

    def test_a_link_that_leads_elsewhere(self, evidence: ModuleType, tmp_path: Path) -> None:
        (tmp_path / "srv/shop/current").unlink()
        (tmp_path / "srv/shop/current").symlink_to("releases/2")
        (wrong,) = evidence.deployed("shop")
        assert wrong.endswith("current does not lead to releases/1, which was deployed last")

    @pytest.mark.parametrize("record", ["", "[]", "{" * 100000])
    def test_a_record_that_is_damaged(self, evidence: ModuleType, tmp_path: Path, record: str) -> None:
        (tmp_path / "srv/shop/deployment.json").write_text(record)
        assert evidence.deployed("shop")[0].endswith("is not there, or damaged")

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (
                lambda venv: (venv / "pyvenv.cfg").write_text("version = 3.9.2\n"),
                "is for Python 3.9, and httpd runs 3.11",
            ),
            (lambda venv: (venv / "bin/python").unlink(), "the Python of"),
        ],
    )
    def test_a_virtual_environment_for_another_python(
        self, evidence: ModuleType, tmp_path: Path, change: Any, sentence: str
    ) -> None:
        venv = tmp_path / "srv/shop/venvs/a"
        change(venv)
        assert sentence in evidence.python_mismatch(str(venv))


def test_groups_whose_processes_are_called_alike_have_them_together(
    evidence: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = {"shop": "(wsgi:shop)", "shop:reports": "(wsgi:shop)", "blog:blue": "(blue:blog)"}
    groups = [evidence.Group(name, {"display-name": title}, 1) for name, title in titles.items()]
    asked = []

    def processes(_parent: int, application: str, _uid: int, kinds: list[str]) -> list[Any]:
        asked.append((application, kinds))
        return [evidence.wsgi_daemon.Process(os.getpid(), 1)]

    monkeypatch.setattr(evidence.wsgi_daemon, "processes", processes)
    found = evidence.daemons(groups, "root", 23)
    assert sorted(asked) == [("blog", ["blue"]), ("shop", ["wsgi"])]
    assert sorted((each.group, each.title) for each in found) == [("blog:blue", "(blue:blog)"), ("shop", "(wsgi:shop)")]
