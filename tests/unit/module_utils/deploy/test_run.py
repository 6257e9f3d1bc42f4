# SPDX-License-Identifier: Apache-2.0
"""wsgi-run gives a command exactly what the application has, and refuses in one sentence."""

from __future__ import annotations

import json
import os
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import run as wsgi_run
from support.scripts import load_script

APPLICATION: dict[str, Any] = {
    "name": "shop",
    "user": "wsgi-shop",
    "group": "wsgi-shop",
    "lang": "C.UTF-8",
    "locale": "C.UTF-8",
    "python_path": ["lib"],
    "static_root": "collected",
    "state": "/var/lib/wsgi/shop",
}


def test_the_environment_is_the_application_s_and_not_the_caller_s() -> None:
    inherited = {"PATH": "/evil", "TERM": "xterm", "LD_PRELOAD": "/evil.so", "PYTHONSTARTUP": "/evil.py"}
    complete = wsgi_run.environment(APPLICATION, {"KEY": "value", "TZ": "UTC"}, "/release", "/venv", inherited)
    assert complete["PATH"] == "/venv/bin:/usr/local/bin:/usr/bin:/bin"
    assert complete["PYTHONPATH"] == "/release/lib"
    assert complete["HOME"] == complete["WSGI_STATE_DIRECTORY"] == "/var/lib/wsgi/shop"
    assert complete["WSGI_STATIC_ROOT"] == "/release/collected"
    assert (complete["KEY"], complete["TZ"], complete["TERM"]) == ("value", "UTC", "xterm")
    assert not {"LD_PRELOAD", "PYTHONSTARTUP"} & set(complete)


@pytest.mark.parametrize(
    ("proxy", "handed_on"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128/", "http://proxy.example:3128/"),
        ("http://me:secret@proxy.example:3128/", "http://proxy.example:3128/"),
        ("HTTPS://me:secret@[2001:db8::1]:3128", "HTTPS://[2001:db8::1]:3128"),
        ("socks5h://secret@proxy.example", "socks5h://proxy.example"),
        ("me:secret@proxy.example:3128", "proxy.example:3128"),
        ("http://me:sec/r@et@proxy.example:3128", "http://proxy.example:3128"),
        ("http://me:http://secret@proxy.example", "http://proxy.example"),
        ("secret://word@proxy.example", "proxy.example"),
        ("http://me:secret@", "http://"),
        ("", ""),
    ],
)
def test_the_network_s_way_is_handed_on_and_never_the_caller_s_password(proxy: str, handed_on: str) -> None:
    for name in wsgi_run.PROXIES:
        complete = wsgi_run.environment(APPLICATION, {}, "/release", "/venv", {name: proxy})
        assert complete[name] == handed_on
        assert not [key for key, value in complete.items() if "secret" in value]
        own = wsgi_run.environment(APPLICATION, {name: proxy}, "/release", "/venv", {})
        assert own[name] == proxy, "what the application was given by name stays"


def test_what_an_application_does_not_have_is_not_set() -> None:
    plain = {**APPLICATION, "python_path": [], "static_root": ""}
    complete = wsgi_run.environment(plain, {}, "/release", "/venv", {})
    assert not {"PYTHONPATH", "WSGI_STATIC_ROOT"} & set(complete)


@pytest.fixture(name="configuration")
def fixture_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(sys.modules, "wsgi_terminal", load_script("roles/wsgi_app/files/wsgi_terminal.py"))
    monkeypatch.setattr(wsgi_run, "CONFIGURATION_ROOT", str(tmp_path / "etc"))
    user = pwd.getpwuid(os.getuid()).pw_name
    (tmp_path / "release").mkdir()
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    folder = tmp_path / "etc" / "shop"
    folder.mkdir(parents=True)
    links = {"current": str(tmp_path / "release"), "venv": str(tmp_path / "venv")}
    content = {**APPLICATION, **links, "user": user, "group": user}
    (folder / "application.json").write_text(json.dumps(content))
    (folder / "environment.json").write_text('{"KEY": "value"}')
    return folder


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        wsgi_run.main(arguments)
    assert ended.value.code == 125
    return capsys.readouterr().err


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["blog", "id"], "There is no application blog on this host (there is: shop)."),
        (["../shop", "id"], "'../shop' is not the name of an application."),
    ],
)
def test_an_unknown_application(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(arguments, capsys) == f"wsgi-run: {sentence}\n"


def test_a_damaged_configuration(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (configuration / "environment.json").write_text("[]")
    assert "environment.json is damaged; deploy the application again." in refusal(["shop", "id"], capsys)


def test_a_deployment_that_was_cut_off(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (configuration / "application.json").unlink()
    sentence = "The deployment of shop was not finished on this host; deploy it again."
    assert refusal(["shop", "id"], capsys) == f"wsgi-run: {sentence}\n"


def test_an_account_that_does_not_exist(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configuration / "application.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "user": "no-such-user"}))
    assert "The account no-such-user:" in refusal(["shop", "id"], capsys)


@pytest.mark.usefixtures("configuration")
def test_the_help_names_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wsgi_run.main(["--help"])
    assert ended.value.code == 0
    assert "APP COMMAND" in capsys.readouterr().out


def run(arguments: list[str]) -> tuple[int, str]:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write_end, 1)
        os.dup2(write_end, 2)
        os.close(read_end)
        sys.stderr = os.fdopen(2, "w")  # pytest has put its own there
        try:
            wsgi_run.main(arguments)
        except SystemExit as ended:
            sys.stderr.flush()
            os._exit(int(ended.code or 0))
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        output = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def test_a_command_runs_in_the_release_with_the_variables(configuration: Path) -> None:
    script = configuration.parents[1] / "venv" / "bin" / "say"
    script.write_text('#!/bin/sh\necho "$KEY $PWD $1"; umask; exit 3\n')
    script.chmod(0o755)
    status, output = run(["shop", "say", "--option"])
    assert status == 3
    assert output.split() == ["value", str(configuration.parents[1] / "release"), "--option", "0022"]


@pytest.mark.usefixtures("configuration")
def test_a_program_that_does_not_exist() -> None:
    assert run(["shop", "no-such-program"]) == (
        125,
        "wsgi-run: There is no program no-such-program in the virtual environment or on the PATH.\n",
    )
