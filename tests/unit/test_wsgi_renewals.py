# SPDX-License-Identifier: Apache-2.0
"""Each certificate that mod_md has got costs one reload, and no more, whatever becomes of it."""

from __future__ import annotations

import json
import subprocess
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


def test_another_certificate_costs_another(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example")
    look(store)
    stage(store, "shop.example", "the next one")
    look(store)
    look(store)
    assert len(systemd.commands) == 2


@pytest.mark.parametrize("job", ['{"finished": false}', "{}", "[]", '{"finished": "true"}', '{"finished": tr', ""])
def test_what_mod_md_has_not_finished_waits(store: Path, systemd: Systemd, job: str) -> None:
    stage(store, "shop.example", job=job)
    assert look(store) == 0
    assert systemd.commands == []


def test_a_job_without_a_certificate_or_without_its_file_waits(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example", file="privkey.pem")
    stage(store, "blog.example")
    (store / "staging" / "blog.example" / "job.json").unlink()
    (store / "staging" / "stray").write_text("")
    assert look(store) == 0
    assert systemd.commands == []


def test_a_certificate_that_was_taken_is_forgotten(store: Path, systemd: Systemd) -> None:
    stage(store, "shop.example")
    look(store)
    for file in (store / "staging" / "shop.example").iterdir():
        file.unlink()
    assert look(store) == 0
    assert json.loads((store.parent / "renewals.json").read_text()) == {}
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
