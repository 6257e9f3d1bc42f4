# SPDX-License-Identifier: Apache-2.0
"""Containers of an image that serves, for tests."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from typing import Any

from support import newest

BASE = os.environ.get("MODWSGI_IMAGE", newest.IMAGE)
"""The image under test in its default form; the slim one has a suffix."""

HARDENED = (
    "--user=54321:0",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)

ROOT_HARDENED = (
    "--user=0:0",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    *(f"--cap-add={name}" for name in ("SETUID", "SETGID", "CHOWN", "KILL")),
    "--security-opt=no-new-privileges",
)
"""As root: httpd's children become another user, and without KILL it could not end them."""

_RUNTIME = "/usr/local/lib/modwsgi-image"
ENTRY_POINT = (f"{_RUNTIME}/python", "-I", "-S", f"{_RUNTIME}/entrypoint.py")
HEALTH_CHECK = (f"{_RUNTIME}/python", "-I", "-S", f"{_RUNTIME}/health.py")


def docker(*words: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """What a docker command says; its failure fails the test, with what it said."""
    done = subprocess.run(
        ["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


class Answer:
    """What came back for a request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Container:
    """One container that was started."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def port(self) -> int:
        return int(docker("port", self.name).stdout.splitlines()[0].rpartition(":")[2])

    @property
    def address(self) -> str:
        """Its address on the engine's own network."""
        return docker("inspect", "--format={{.NetworkSettings.IPAddress}}", self.name).stdout.strip()

    def get(self, path: str = "/", headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        """The answer to one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            connection.request("POST" if body else "GET", path, body, {"Connection": "close", **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def wait_until_served(self, seconds: float = 30) -> None:
        """Return when it answers. Fails when it has ended, or does not answer in time."""
        end = time.monotonic() + seconds
        while True:
            try:
                if self.get().status < 500:
                    return
            except (OSError, http.client.HTTPException, IndexError):
                pass
            assert self.state()["Running"], self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.02)

    def wait_for_output(self, text: str, seconds: float = 30) -> None:
        """Return when a text is among what it has written."""
        end = time.monotonic() + seconds
        while text not in self.output():
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)

    def stays_up(self, seconds: float = 1.0) -> None:
        """Watch for a while: each of many requests is answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.get().status == 200, self.output()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", "--format={{json .State}}", self.name).stdout)
        return found

    def end(self, *command: str) -> tuple[int, float]:
        """Exit status, and the seconds from a docker command that ends it until it has ended."""
        began = time.monotonic()
        docker(*command, self.name)
        status = int(docker("wait", self.name).stdout)
        return status, time.monotonic() - began

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What the image's entry point does with words, in this container: as `docker run` with the same options."""
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        return docker("exec", *settings, self.name, *ENTRY_POINT, *words, check=False)

    def health(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """What the image's health check says in this container."""
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        return docker("exec", *settings, self.name, *HEALTH_CHECK, check=False)

    def output(self) -> str:
        """Both streams."""
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def programs(self) -> list[str]:
        """The name of each process in it, the first one first."""
        first, words = str(self.state()["Pid"]), docker("top", self.name, "-o", "pid,comm").stdout.split()[2:]
        names = dict(zip(words[::2], words[1::2], strict=True))
        return [names.pop(first), *names.values()]

    def children(self) -> set[str]:
        """The process numbers of all processes but the first, which need not have the lowest one: they begin anew."""
        return set(docker("top", self.name, "-o", "pid").stdout.split()[1:]) - {str(self.state()["Pid"])}


class Containers:
    """Starts containers, and removes them."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.started: list[str] = []

    def name(self) -> str:
        """A name for a container; it is removed at the end of the test."""
        self.started.append(f"modwsgi-contract-{uuid.uuid4().hex[:12]}")
        return self.started[-1]

    def start(self, *options: str, words: Sequence[str] = (), **variables: str) -> Container:
        """A container that serves."""
        container = self.begin(*options, words=words, **variables)
        container.wait_until_served()
        return container

    def begin(self, *options: str, words: Sequence[str] = (), **variables: str) -> Container:
        """A container that may not serve yet."""
        container = Container(self.name())
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        publish = f"--publish=127.0.0.1::{variables.get('WSGI_PORT', '8080')}"
        # The engine would run the image's health check in each, which tests that are about it ask themselves.
        common = ["--detach", "--no-healthcheck", f"--name={container.name}", publish]
        docker("run", *common, *options, *settings, self.image, *words)
        return container

    def run(self, *words: str, options: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        """A container that ends by itself, and what it said."""
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        return docker("run", f"--name={self.name()}", *options, *settings, self.image, *words, check=False)

    def remove(self) -> None:
        for name in self.started:
            docker("rm", "--force", "--volumes", name, check=False)


class Shared(Containers):
    """Containers that serve, each started once for all tests that only look at it."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self._serving: dict[tuple[tuple[str, ...], frozenset[tuple[str, str]]], Container] = {}

    def serving(self, *options: str, **variables: str) -> Container:
        """One that was started like this, for a test that leaves it as it is."""
        key = options, frozenset(variables.items())
        if key not in self._serving:
            self._serving[key] = self.start(*options, **variables)
        return self._serving[key]

    def taken(self, *options: str, **variables: str) -> Container:
        """The same for a test that ends it; whoever comes later gets another."""
        found = self.serving(*options, **variables)
        del self._serving[options, frozenset(variables.items())]
        return found
