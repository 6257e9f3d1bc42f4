# SPDX-License-Identifier: Apache-2.0
"""A wheel is built in a container of the right kind, and the container is gone in every case."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import container, container_engine
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import container_builder as builder
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.container import ContainerError, Request, build
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.plan import COMPANION_SOURCES

FOLDER = "/var/cache/modwsgi/key"
NAME = "mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl"

#: Stands for the engine: it writes down each call, and answers what a file says for the first word that fits.
ENGINE = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "cp":
    (folder / "archive").write_bytes(sys.stdin.buffer.read())
for word, status, text in json.loads((folder / "answers").read_text()):
    if word in sys.argv[1:]:
        (sys.stderr if status else sys.stdout).write(text)
        sys.exit(status)
"""
ANSWERS = [
    ("/etc/os-release", 0, "ID=debian\nVERSION_CODENAME=bookworm\n"),
    ("uname", 0, "x86_64\n"),
    (f"{container.WORK}/{container.RUNNER}", 0, 'building\n{"wheel_sha256": "a"}\n'),
    (f"{FOLDER}/{NAME}", 0, "the wheel"),
]


class Engine:
    """The engine of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / "docker"
        command.write_text(ENGINE.format(python=sys.executable, folder=str(folder)), encoding="utf-8")
        command.chmod(0o755)
        self.answer()

    def answer(self, *answers: tuple[str, int, str]) -> None:
        """Answer so, and otherwise as an engine where all goes well."""
        (self.folder / "answers").write_text(json.dumps([*answers, *ANSWERS]), encoding="utf-8")

    @property
    def calls(self) -> list[list[str]]:
        """What it was asked."""
        return [json.loads(line) for line in (self.folder / "calls").read_text(encoding="utf-8").splitlines()]

    def container_is_gone(self) -> bool:
        """Whether the container that was started is removed at the end."""
        (started,) = [call for call in self.calls if call[0] == "run"]
        (name,) = [option.partition("=")[2] for option in started if option.startswith("--name=")]
        return "--rm" in started and self.calls[-1] == ["rm", "--force", "--volumes", name]


@pytest.fixture(name="engine")
def fixture_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    container_engine.find.cache_clear()
    folder = tmp_path / "engine"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    yield Engine(folder)
    container_engine.find.cache_clear()


@pytest.fixture(name="request_of_web1")
def fixture_request() -> Request:
    return Request(
        image="registry.example/debian:bookworm",
        distribution="debian12",
        architecture="x86_64",
        httpd_api=20120211,
        python="3.11",
        version="6.1.1",
        sha256="a" * 64,
        source="",
        companions=tuple(str(source) for source in COMPANION_SOURCES),
        folder=FOLDER,
        name=NAME,
        host="web1",
        packages=("apache2-dev", "gcc"),
        environment={"https_proxy": "http://user:secret@proxy.example:3128"},
    )


@pytest.mark.slow
def test_a_wheel_is_built_and_fetched(engine: Engine, request_of_web1: Request, tmp_path: Path) -> None:
    assert build(request_of_web1, tmp_path / "wheel") == "a"
    assert (tmp_path / "wheel").read_text(encoding="utf-8") == "the wheel"
    assert engine.container_is_gone()
    installed = [call for call in engine.calls if "install" in call]
    assert installed[0][-2:] == ["apache2-dev", "gcc"]


@pytest.mark.slow
def test_no_list_of_processes_shows_a_password(engine: Engine, request_of_web1: Request, tmp_path: Path) -> None:
    build(request_of_web1, tmp_path / "wheel")
    assert "secret" not in str(engine.calls)
    assert "--env=https_proxy" in str(engine.calls)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("run", 1, "Error: no such image\n"), "did not start (docker run failed on the control node: Error: no such"),
        (
            ("run", 125, "docker: Error: no such image\n\nRun 'docker run --help' for more information\n"),
            "(docker run failed on the control node: docker: Error: no such image)",
        ),
        (
            ("/etc/os-release", 0, "ID=debian\nVERSION_CODENAME=trixie\n"),
            "is debian13 on 'x86_64', and host web1 needs",
        ),
        (("/etc/os-release", 0, "ID=alpine\n"), "is something else on"),
        (
            ("uname", 0, "aarch64\n"),
            "is debian12 on 'aarch64', and host web1 needs a wheel of debian12 on x86_64; name",
        ),
        (("apt-get", 100, ""), "were not installed in a container of registry.example/debian:bookworm (E: no reason"),
        (("cp", 1, "no space left\n"), "docker cp failed on the control node: no space left"),
        ((ANSWERS[2][0], 0, '{"error": "gcc says no.", "log": "a\\nb"}\n'), "for host web1: gcc says no."),
        ((ANSWERS[2][0], 1, "Traceback\nValueError: x\n"), "for host web1: "),
        ((ANSWERS[2][0], 0, "[]\n"), "for host web1: []."),
    ],
)
def test_what_fails_is_told_and_leaves_no_container(
    engine: Engine, request_of_web1: Request, tmp_path: Path, answer: tuple[str, int, str], words: str
) -> None:
    engine.answer(answer)
    with pytest.raises(ContainerError) as raised:
        build(request_of_web1, tmp_path / "wheel")
    assert words in str(raised.value)
    assert engine.container_is_gone()


def test_a_step_that_does_not_end(
    engine: Engine, request_of_web1: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired(["apt-get"], 1800)

    monkeypatch.setattr(container.Container, "execute", late)
    with pytest.raises(ContainerError, match="a step took more than 1800 s"):
        build(request_of_web1, tmp_path / "wheel")
    assert engine.container_is_gone()


@pytest.mark.slow
def test_a_wheel_without_an_end_is_cut(
    engine: Engine, request_of_web1: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "LARGEST_WHEEL", 10)
    engine.answer((f"{FOLDER}/{NAME}", 0, "x" * 100_000))
    build(request_of_web1, tmp_path / "wheel")
    assert (tmp_path / "wheel").stat().st_size == 11


def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request_of_web1: Request) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    container_engine.find.cache_clear()
    assert container_engine.problem() == "the control node has neither docker nor podman"
    with pytest.raises(
        ContainerError, match=r"host web1 is not built in a container, since the control node has neither"
    ):
        build(request_of_web1, tmp_path / "wheel")
    container_engine.find.cache_clear()


def test_an_engine_that_does_not_answer(engine: Engine) -> None:
    engine.answer(("version", 1, "Cannot connect to the daemon\n"))
    assert container_engine.problem() == "docker does not answer there (Cannot connect to the daemon)"


def test_what_builds_in_a_container_is_what_builds_on_hosts(request_of_web1: Request, tmp_path: Path) -> None:
    """The archive is unpacked and run, up to the moment at which a compiler would be needed."""
    source = tmp_path / "mod_wsgi-6.1.1.tar.gz"
    source.write_bytes(b"source")
    with tarfile.open(fileobj=io.BytesIO(container.payload(replace(request_of_web1, source=str(source))))) as sent:
        names = sent.getnames()
        sent.extractall(tmp_path / "root", filter="data")
    companions = [f"{FOLDER}/mod_{name}.c" for name in ("reload_drain", "wsgi_buffering", "wsgi_admission")]
    assert {path.lstrip("/") for path in companions} <= set(names)
    root = tmp_path / "root" / container.WORK.lstrip("/")
    parameters = json.loads((root / "parameters.json").read_text(encoding="utf-8"))
    assert parameters["build"]["source"] == f"{container.WORK}/{source.name}"
    assert parameters["build"]["companions"] == companions
    header = tmp_path / "ap_mmn.h"
    header.write_text("#define MODULE_MAGIC_NUMBER_MAJOR 20120211\n", encoding="utf-8")
    parameters["build"].update(directory=str(tmp_path / "b"), destination=str(tmp_path / "d"), executable="/no/python")
    parameters["build"]["source"] = ""
    parameters["build"]["extra_environment"] = {"APXS": "/no/apxs"}
    (root / "parameters.json").write_text(json.dumps(parameters), encoding="utf-8")
    program = (root / container.RUNNER).read_text(encoding="utf-8")
    (root / container.RUNNER).write_text(program.replace(builder.HEADER, str(header)), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-I", str(root / container.RUNNER)], capture_output=True, text=True, check=True
    )
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert "mod_wsgi was not built on host web1 (in a container of registry.example/debian:bookworm)" in answer["error"]
    assert "/no/apxs" in answer["error"]


def test_another_httpd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = tmp_path / "ap_mmn.h"
    header.write_text("#define MODULE_MAGIC_NUMBER_MAJOR 20200101\n", encoding="utf-8")
    monkeypatch.setattr(builder, "HEADER", str(header))
    answer = builder.build({"httpd_api": 20120211, "build": {}})
    assert answer["error"] == "its httpd has the module API 20200101, and the host needs 20120211"
    assert builder.httpd_api("") == 0
