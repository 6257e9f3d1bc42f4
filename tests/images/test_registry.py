# SPDX-License-Identifier: Apache-2.0
"""The way of an image through a real registry: pushed, gone from this machine, pulled, started, asked."""

from __future__ import annotations

import json
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.containers import BASE, Container, Containers, docker
from support.example_images import build_service

from tools.laboratory import wsgi_images
from tools.laboratory.console import LabError
from tools.laboratory.wsgi_images import Image

PASSWORD = "correct horse"


@pytest.fixture(name="registry")
def fixture_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    """A registry with a user, who is not logged in."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    name = build_service("registry")
    containers = Containers(name)
    try:
        yield containers.start(REGISTRY_PASSWORD=PASSWORD)
    finally:
        containers.remove()
        docker("image", "rm", "--force", name)


@pytest.fixture(name="image")
def fixture_image() -> Iterator[Image]:
    """The slim image under the names of all three forms, of which the others are too large for a test."""
    image = Image("0", "3.11", "bookworm", (f"test-{uuid.uuid4().hex[:12]}",))
    names = [image.builder, *image.slim_names, *image.names]
    for name in names:
        docker("tag", f"{BASE}-slim", name)
    yield image
    docker("image", "rm", *names)


def identifier(name: str) -> str:
    """What a name stands for here; empty for nothing."""
    return docker("image", "inspect", "--format={{.Id}}", name, check=False).stdout.strip()


def test_what_is_pushed_is_pulled_and_serves(registry: Container, image: Image, tmp_path: Path) -> None:
    host = f"127.0.0.1:{registry.port}"
    with pytest.raises(LabError, match=r"`docker push .*` failed: .*no basic auth credentials"):
        list(wsgi_images.push([image], f"{host}/team", all_of_them=True))
    words = ["docker", "login", "--username=publisher", "--password-stdin", host]
    subprocess.run(words, input=PASSWORD.encode(), check=True, capture_output=True)
    pushed = list(wsgi_images.push([image], f"{host}/team", all_of_them=True))
    names = [image.builder, image.slim_names[0], image.names[0]]
    assert [each.partition("@")[0] for each in pushed] == [f"{host}/team/{name}" for name in names]
    assert host not in docker("image", "ls", "--format={{.Repository}}").stdout, "local names stay what they were"

    base, application = pushed[-1], f"{host}/shop:1"
    docker("pull", "--quiet", base)
    assert identifier(base) == identifier(f"{BASE}-slim")
    mark = uuid.uuid4().hex
    (tmp_path / "wsgi.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        f"    return [b'{mark}']\n",
        encoding="utf-8",
    )
    (tmp_path / "Containerfile").write_text(f"FROM {base}\nCOPY wsgi.py /app/\n", encoding="utf-8")
    docker("build", "--quiet", f"--tag={application}", f"--file={tmp_path}/Containerfile", str(tmp_path))
    built = identifier(application)
    docker("push", "--quiet", application)
    docker("image", "rm", application)
    assert not identifier(built), "the image itself is gone, not only a name"
    docker("pull", "--quiet", application)
    containers = Containers(application)
    try:
        assert identifier(application) == built
        assert json.loads(containers.run("version").stdout)["mod_wsgi"]
        assert containers.start().get().body == mark.encode()
    finally:
        containers.remove()
        docker("image", "rm", application)
        docker("image", "rm", base, check=False)  # the old builder has pulled it, BuildKit keeps it by no name


def test_a_registry_that_is_not_there_is_told(image: Image) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LabError, match=r"`docker push .*` failed: .*refused"):
        list(wsgi_images.push([image], host, all_of_them=True))
    assert host not in docker("image", "ls", "--format={{.Repository}}").stdout
