# SPDX-License-Identifier: Apache-2.0
"""Release commands: their failure is told without secrets, and what they wrote ends up with root."""

from __future__ import annotations

import grp
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import layout
from ansible_collections.modwsgi.deploy.plugins.modules import wsgi_prepare

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
NOBODY = pwd.getpwnam("nobody")


def application(*commands: str, user: str = "", **keys: Any) -> dict[str, Any]:
    user = user or pwd.getpwuid(os.geteuid()).pw_name
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    return {
        "name": "shop",
        "user": user,
        "group": group,
        "script": "wsgi.py",
        "callable": "application",
        "python_path": [],
        "server_name": "shop.example.com",
        "static": [],
        "static_root": "",
        "lang": "C.UTF-8",
        "locale": "C.UTF-8",
        "debug": False,
        "startup_timeouts": {},
        "release_commands": [["sh", "-c", command] for command in commands],
        "paths": {**layout("shop"), "state": "/tmp"},
        **keys,
    }


def test_a_command_has_the_variables_and_the_release(tmp_path: Path) -> None:
    status, output = wsgi_prepare.run_as_application(
        application(), {"KEY": "value"}, str(tmp_path), "/venv", ["sh", "-c", 'echo "$KEY" "$PWD"; exit 3']
    )
    assert (status, output.split()) == (3, ["value", str(tmp_path)])


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    command = ["sh", "-c", "sleep 20 & echo started"]
    assert wsgi_prepare.run_as_application(application(), {}, str(tmp_path), "/venv", command) == (0, "started\n")
    assert time.monotonic() - began < 15


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    status, output = wsgi_prepare.run_as_application(application(), {}, str(tmp_path), "/venv", ["no-such-program"])
    assert status == 125
    assert "There is no program no-such-program" in output


def test_a_failure_stops_and_is_told_without_secrets(tmp_path: Path) -> None:
    shop = application("echo ready", "echo password=$KEY on $HOST; exit 4", "touch never")
    variables = {"KEY": "a long secret", "HOST": "db"}
    with pytest.raises(wsgi_prepare.PreparationError) as error:
        wsgi_prepare.run_commands(shop, variables, str(tmp_path), "/venv")
    message = str(error.value)
    assert message.startswith("wsgi_apps: application 'shop', key release_commands: sh -c ")
    assert "ended with exit status 4; what was deployed before is untouched" in message
    assert message.endswith("password=******** on db")
    assert not (tmp_path / "never").exists()


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(wsgi_prepare.PreparationError, match=r"ended with signal 9;.*\n\(no output\)"):
        wsgi_prepare.run_commands(application("kill -9 $$"), {}, str(tmp_path), "/venv")


def test_only_the_last_lines_are_told() -> None:
    tail = wsgi_prepare.output_tail("\n".join(str(number) for number in range(100)), {})
    assert tail.splitlines() == [str(number) for number in range(100 - wsgi_prepare.LAST_LINES, 100)]


@as_root
@pytest.mark.parametrize("end", ["true", "false"])
def test_the_static_root_is_writable_for_the_commands_and_root_s_afterwards(tmp_path: Path, end: str) -> None:
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)  # pytest's own folders are private, and the command runs as nobody
    command = f"umask 077; mkdir made/css; echo x > made/css/a; ln -s /etc/shadow made/link; {end}"
    shop = application(command, user="nobody", static_root="made")
    try:
        wsgi_prepare.run_commands(shop, {}, str(tmp_path), "/venv")
    except wsgi_prepare.PreparationError:
        assert end == "false"
    made = tmp_path / "made"
    entries = [made, *made.rglob("*")]
    assert len(entries) == 4
    assert {entry.lstat().st_uid for entry in entries} == {0}
    assert (made / "css").stat().st_mode & 0o777 == 0o755
    assert (made / "css" / "a").stat().st_mode & 0o777 == 0o644


@as_root
def test_what_belongs_to_others_is_not_given_away(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    (tmp_path / "theirs").write_text("")
    os.chown(tmp_path / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
    wsgi_prepare.give_tree(str(tmp_path), 12345, 12345, former=NOBODY.pw_uid)
    assert (tmp_path / "mine").stat().st_uid == 0
    assert (tmp_path / "theirs").stat().st_uid == 12345
