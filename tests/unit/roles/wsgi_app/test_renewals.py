# SPDX-License-Identifier: Apache-2.0
"""Each certificate that mod_md has got costs one reload, and no more, whatever becomes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.scripts import load_script

renewals = load_script("roles/wsgi_app/files/renewals.py")

UNIT = "apache2.service"


class Systemd:
    """Counts reloads, and may refuse them."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.status, self.said = 0, b""

    def run(self, command: list[str], **_options: Any) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(command)
        return subprocess.CompletedProcess(command, self.status, self.said)


@pytest.fixture(name="systemd")
def fixture_systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    systemd = Systemd()
    monkeypatch.setattr(renewals.subprocess, "run", systemd.run)
    return systemd


@pytest.fixture(name="store")
def fixture_store(tmp_path: Path) -> Path:
    return tmp_path / "md"


def stage(
    store: Path, name: str, text: str = "a certificate", file: str = "pubcert.pem", job: str | None = None
) -> None:
    folder = store / "staging" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text)
    (folder / "job.json").write_text(json.dumps({"name": name, "finished": True}) if job is None else job)


@pytest.fixture(name="clock", autouse=True)
def fixture_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one number that a test may change."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(renewals.time, "time", lambda: now[0])
    return now


HOUR = 3600


def look(store: Path) -> int:
    status: int = renewals.main(str(store), str(store.parent / "renewals.json"), UNIT)
    return status


def test_a_store_that_is_not_there_is_no_reason_to_reload(store: Path, systemd: Systemd) -> None:
    assert look(store) == 0
    assert systemd.commands == []
    assert not (store.parent / "renewals.json").exists()


def test_a_certificate_costs_one_reload(store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]) -> None:
    stage(store, "shop.example")
    assert [look(store), look(store), look(store)] == [0, 0, 0]
    assert systemd.commands == [["systemctl", "try-reload-or-restart", UNIT]]
    assert capsys.readouterr().out == f"{UNIT} was reloaded, to serve the new certificate for shop.example.\n"


def test_two_certificates_share_a_reload(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example")
    stage(store, "blog.example", file="pubcert.secp256r1.pem")
    assert look(store) == 0
    assert len(systemd.commands) == 1


def test_another_certificate_costs_another_an_hour_later(
    store: Path, systemd: Systemd, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    stage(store, "shop.example")
    look(store)
    capsys.readouterr()
    stage(store, "shop.example", "the next one")
    for _ in range(11):
        clock[0] += 300
        assert look(store) == 0
    assert len(systemd.commands) == 1
    assert capsys.readouterr().out.count("The new certificate for shop.example is served from about ") == 11
    clock[0] += 300
    look(store)
    look(store)
    assert len(systemd.commands) == 2


def test_whatever_the_files_say_there_is_one_reload_an_hour(store: Path, systemd: Systemd, clock: list[float]) -> None:
    for number in range(100):
        stage(store, f"shop{number}.example", str(number))
        look(store)
        clock[0] += 300
    assert len(systemd.commands) == -(-100 * 300 // HOUR)


def test_a_clock_that_was_set_back_holds_nothing_up(store: Path, systemd: Systemd, clock: list[float]) -> None:
    stage(store, "shop.example")
    look(store)
    clock[0] -= 10 * HOUR
    stage(store, "shop.example", "the next one")
    look(store)
    assert len(systemd.commands) == 2


def test_a_record_of_an_earlier_version_is_understood(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example")
    look(store)
    record = store.parent / "renewals.json"
    record.write_text(json.dumps(json.loads(record.read_text())["certificates"]))
    look(store)
    assert len(systemd.commands) == 1
    stage(store, "blog.example")
    look(store)
    assert len(systemd.commands) == 2


def link_to(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(path.parents[3] / target)

    return make


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(renewals.LARGEST_FILE + 1)


@pytest.mark.parametrize("file", ["pubcert.pem", "pubcert.secp256r1.pem", "job.json"])
@pytest.mark.parametrize("spoil", [link_to("outside"), link_to("nowhere"), pipe, large, Path.mkdir])
def test_what_httpd_would_not_leave_there_is_told_and_stops_no_other_certificate(
    store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], file: str, spoil: Callable[[Path], None]
) -> None:
    (store.parent / "outside").write_text(json.dumps({"finished": True}))
    stage(store, "blog.example")
    stage(store, "shop.example")
    (store / "staging" / "shop.example" / file).unlink(missing_ok=True)
    spoil(store / "staging" / "shop.example" / file)
    assert look(store) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"{store}/staging/shop.example has a {file} ")
    assert said.out == f"{UNIT} was reloaded, to serve the new certificate for blog.example.\n"
    assert list(json.loads((store.parent / "renewals.json").read_text())["certificates"]) == ["blog.example"]
    assert len(systemd.commands) == 1


@pytest.mark.parametrize("part", ["", "staging", "staging/shop.example"])
def test_no_link_is_followed_on_the_way(
    store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    stage(store, "shop.example")
    (store / part).rename(store.parent / "elsewhere")
    (store / part).symlink_to(store.parent / "elsewhere")
    assert look(store) == 1
    assert "is no folder of httpd's" in capsys.readouterr().err
    assert systemd.commands == []


@pytest.mark.parametrize("name", ["a\nforged", "\x1b[2J", "-x", "a b", "x" * 255, "\udcff"])
def test_a_name_that_no_certificate_has_says_nothing_in_the_journal(
    store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    stage(store, "shop.example")
    os.rename(store / "staging" / "shop.example", store / "staging" / name)
    status = look(store)
    said = capsys.readouterr().err
    assert status == (0 if name.startswith("xxx") else 1)
    assert said.isascii()
    assert len(said.splitlines()) == status
    assert len(systemd.commands) == 1 - status


def test_more_than_mod_md_ever_has_is_not_read(
    store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "MOST_NAMES", 10)
    stage(store, "shop.example")
    for number in range(10):
        (store / "staging" / "shop.example" / f"{number}").touch()
    assert look(store) == 1
    assert "shop.example has more than 10 entries" in capsys.readouterr().err
    for number in range(10):
        (store / "staging" / f"{number}").mkdir()
    assert look(store) == 1
    assert "staging has more than 10 entries" in capsys.readouterr().err
    assert systemd.commands == []


@pytest.mark.parametrize("job", ["[" * 100_000, '{"finished": ' + "1" * 5000 + "}", "\ud800"])
def test_a_job_that_python_cannot_read_waits(store: Path, systemd: Systemd, job: str) -> None:
    stage(store, "shop.example", job="")
    (store / "staging" / "shop.example" / "job.json").write_bytes(job.encode("utf-8", "surrogatepass"))
    assert look(store) == 0
    assert systemd.commands == []


def test_a_reload_that_takes_too_long_counts(
    store: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """httpd may have been told."""
    stage(store, "shop.example")

    def hangs(command: list[str], **_options: Any) -> None:
        raise subprocess.TimeoutExpired(command, 120)

    with monkeypatch.context() as patch:
        patch.setattr(renewals.subprocess, "run", hangs)
        assert look(store) == 1
    assert look(store) == 0
    assert systemd.commands == []
    clock[0] += HOUR
    assert look(store) == 0
    assert len(systemd.commands) == 1


@pytest.mark.parametrize("job", ['{"finished": false}', "{}", "[]", '{"finished": "true"}', '{"finished": tr', ""])
def test_what_mod_md_has_not_finished_waits(store: Path, systemd: Systemd, job: str) -> None:
    stage(store, "shop.example", job=job)
    assert look(store) == 0
    assert systemd.commands == []


def test_a_job_without_a_certificate_or_without_its_file_waits(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example", file="privkey.pem")
    stage(store, "blog.example")
    (store / "staging" / "blog.example" / "job.json").unlink()
    assert look(store) == 0
    assert systemd.commands == []


def test_a_stray_file_is_told(store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]) -> None:
    stage(store, "shop.example")
    (store / "staging" / "stray").write_text("")
    assert look(store) == 1
    assert f"{store}/staging/stray is no folder of httpd's" in capsys.readouterr().err
    assert len(systemd.commands) == 1


def test_a_certificate_that_was_taken_is_forgotten(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example")
    look(store)
    for file in (store / "staging" / "shop.example").iterdir():
        file.unlink()
    assert look(store) == 0
    assert json.loads((store.parent / "renewals.json").read_text())["certificates"] == {}
    assert len(systemd.commands) == 1


def test_a_reload_that_did_not_happen_is_tried_again(
    store: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(store, "shop.example")
    systemd.status, systemd.said = 1, b"Job for apache2.service failed.\n"
    assert look(store) == 1
    assert capsys.readouterr().err == (
        "The new certificate for shop.example is not served yet, since apache2.service could not be reloaded (Job for "
        "apache2.service failed.); correct that. It is tried again in some minutes.\n"
    )
    systemd.status = 0
    assert [look(store), look(store)] == [0, 0]
    assert len(systemd.commands) == 2


def test_the_record_is_kept_before_the_reload(store: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(store, "shop.example")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(renewals.subprocess, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            look(store)
    assert look(store) == 0
    assert systemd.commands == []


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_record_is_made_anew(store: Path, systemd: Systemd, text: str) -> None:
    (store.parent / "renewals.json").write_text(text)
    stage(store, "shop.example")
    assert [look(store), look(store)] == [0, 0]
    assert len(systemd.commands) == 1


def test_a_host_without_systemctl_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(store, "shop.example")
    monkeypatch.setenv("PATH", str(store))
    assert look(store) == 1
