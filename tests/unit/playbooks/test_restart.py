# SPDX-License-Identifier: Apache-2.0
"""restart.yml goes from host to host, and ends at the first one whose new processes are not well."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.playbooks import run_with_program

PROGRAM = "/usr/local/bin/wsgi-restart"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "status", "said", "hosts"),
    [
        ("echo shop has new processes.", 0, "shop has new processes.", 2),
        ("echo Not well. >&2; exit 1", 2, "Not well.", 1),
        ("echo There is no application. >&2; exit 2", 2, "There is no application.", 1),
        ("", 2, "There is no wsgi-restart on host web1", 1),
    ],
    ids=["it is well", "it is not well", "it is refused", "it is not there"],
)
def test_a_host_that_fails_is_the_last(tmp_path: Path, program: str, status: int, said: str, hosts: int) -> None:
    asked = tmp_path / "asked"
    script = f'echo "$@" >> {asked}\n{program}' if program else ""
    done = run_with_program("restart.yml", PROGRAM, script, tmp_path, hosts=("web1", "web2"))
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
    if program:
        assert asked.read_text() == "-- shop\n" * hosts


SERIAL = ("--extra-vars", '{"wsgi_serial": [1, 2]}')


@pytest.mark.slow
def test_a_turn_that_fails_is_the_last_and_those_after_it_are_told(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    hosts = ("web1", "web2", "web3", "web4", "web5")
    script = f'echo here >> {asked}\ntest "$(wc -l < {asked})" -lt 2 || {{ echo Not well. >&2; exit 1; }}'
    done = run_with_program("restart.yml", PROGRAM, script, tmp_path, hosts=hosts, options=SERIAL)
    assert done.returncode == 2, done.stdout + done.stderr
    assert asked.read_text() == "here\n" * 3
    said = " ".join(done.stdout.split())
    assert "Turn 1 of 3: web1]" in said
    assert "Turn 2 of 3: web2, web3]" in said
    for host in ("web4", "web5"):
        assert f"Host {host} was not changed, since web2, web3 failed; correct that and run the play again." in said


@pytest.mark.slow
def test_a_host_that_nobody_reaches_is_left_out(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    hosts = ("lost", "web1", "web2")
    done = run_with_program("restart.yml", PROGRAM, f"echo here >> {asked}", tmp_path, hosts=hosts, options=SERIAL)
    assert done.returncode == 4, done.stdout + done.stderr
    assert asked.read_text() == "here\n" * 2


@pytest.mark.slow
def test_a_strategy_without_an_order_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    done = run_with_program("restart.yml", PROGRAM, f"echo here >> {asked}", tmp_path, hosts=("web1", "web2"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "The play has the strategy free, which keeps no order between hosts" in " ".join(done.stdout.split())
    assert not asked.exists()
