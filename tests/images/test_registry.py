# SPDX-License-Identifier: Apache-2.0
"""The way of an image through a real registry: pushed, gone from this machine, pulled, started, asked."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.containers import Container, Containers, docker

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY)]

from tools.laboratory import publishing  # noqa: E402 - the tools are not importable before
from tools.laboratory.console import Console, LabError  # noqa: E402
from tools.laboratory.wsgi_images import Image, versions  # noqa: E402

BASE = os.environ.get("MODWSGI_IMAGE", "mod-wsgi:6.1.1-python3.11")
APPLICATION = Path(__file__).parent / "app"
REGISTRY = "modwsgi-lab/test-registry"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """A registry on loopback."""

    def __init__(self, container: Container) -> None:
        self.container = container

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.container.port}"

    def ask(self, path: str) -> tuple[bytes, http.client.HTTPMessage]:
        """What it has at a path."""
        answer = self.container.get(path, {"Accept": MANIFEST})
        assert answer.status == 200, f"{path}: {answer.status} {answer.body!r}"
        return answer.body, answer.headers

    def tags(self, name: str) -> set[str]:
        return set(json.loads(self.ask(f"/v2/{name}/tags/list")[0])["tags"])

    def manifest(self, name: str, reference: str) -> dict[str, Any]:
        """A manifest, whose content is that of its digest."""
        body, headers = self.ask(f"/v2/{name}/manifests/{reference}")
        assert digest_of(body) == headers["Docker-Content-Digest"]
        found: dict[str, Any] = json.loads(body)
        return found


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(name="registry_image", scope="module")
def fixture_registry_image() -> Iterator[str]:
    folder = Path(__file__).parent / "registry"
    words = ("build", "--quiet", f"--tag={REGISTRY}", f"--build-arg=BASE={BASE}", f"--file={folder}/Containerfile")
    docker(*words, str(folder), timeout=300)
    yield REGISTRY
    docker("image", "rm", "--force", REGISTRY)


@pytest.fixture(name="registry", scope="module")
def fixture_registry(registry_image: str) -> Iterator[Registry]:
    containers = Containers(registry_image)
    try:
        yield Registry(containers.start())
    finally:
        containers.remove()


@pytest.fixture(name="protected")
def fixture_protected(registry_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with a user, who is not logged in."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    containers = Containers(registry_image)
    try:
        yield Registry(containers.start(REGISTRY_PASSWORD="correct horse"))
    finally:
        containers.remove()


@pytest.fixture(name="small")
def fixture_small() -> Iterator[Image]:
    """An image of a few bytes, in all three forms."""
    image = Image("6.1.1", "3.11", "bookworm", (f"test-{uuid.uuid4().hex[:12]}",))
    tags = [f"--tag={name}" for name in publishing.names(image)]
    recipe = "FROM scratch\nCOPY wsgi.py /\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--file=-", *tags, str(APPLICATION)], input=recipe.encode(), check=True
    )
    yield image
    docker("image", "rm", "--force", *publishing.names(image))


def identifier(name: str) -> str:
    """What a name stands for here; empty for nothing."""
    return docker("image", "inspect", "--format={{.Id}}", name, check=False).stdout.strip()


def names_of(host: str) -> list[str]:
    """What this machine has of a registry."""
    listed = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}").stdout.split()
    return [name for name in listed if name.startswith(f"{host}/")]


def lab_push(registry: str, image: Image) -> subprocess.CompletedProcess[str]:
    """What `make push` runs."""
    words = [f"--registry={registry}", f"--python={image.python}", f"--mod-wsgi={image.module}"]
    command = [sys.executable, str(REPOSITORY / "tools/lab.py"), "push", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(name="published", scope="module")
def fixture_published(registry: Registry) -> dict[str, str]:
    """The image, pushed as a user pushes it: each local name with its name and digest in the registry."""
    (image,) = [image for image in versions(REPOSITORY) if BASE in image.names] or [None]
    if image is None:
        pytest.skip(f"{BASE} is none of images/versions.json, which `make push` pushes")
    before = {name: identifier(name) for name in publishing.names(image)}
    done = lab_push(f"{registry.host}/team", image)
    assert done.returncode == 0, done.stderr
    assert {name: identifier(name) for name in publishing.names(image)} == before, "names of this machine stay"
    assert names_of(registry.host) == [], "names of the registry do not"
    return dict(zip(publishing.names(image), done.stdout.splitlines(), strict=True))


def test_each_name_is_there_with_the_digest_that_was_told(registry: Registry, published: dict[str, str]) -> None:
    assert registry.tags("team/mod-wsgi") == {name.partition(":")[2] for name in published}
    for name, told in published.items():
        assert re.fullmatch(rf"{re.escape(f'{registry.host}/team/{name}')}@sha256:[0-9a-f]{{64}}", told)
        registry.manifest("team/mod-wsgi", told.partition("@")[2])
        _, headers = registry.ask(f"/v2/team/mod-wsgi/manifests/{name.partition(':')[2]}")
        assert headers["Docker-Content-Digest"] == told.partition("@")[2]


def test_the_registry_has_every_layer(registry: Registry, published: dict[str, str]) -> None:
    for told in {digest.partition("@")[2] for digest in published.values()}:
        manifest = registry.manifest("team/mod-wsgi", told)
        for part in (manifest["config"], *manifest["layers"]):
            content, _ = registry.ask(f"/v2/team/mod-wsgi/blobs/{part['digest']}")
            assert (len(content), digest_of(content)) == (part["size"], part["digest"])


@pytest.mark.parametrize("form", ["", "-slim"], ids=["default", "slim"])
def test_what_is_pulled_is_what_was_pushed(published: dict[str, str], form: str) -> None:
    told = published[f"{BASE}{form}"]
    docker("pull", "--quiet", told)
    try:
        assert identifier(told) == identifier(f"{BASE}{form}")
        containers = Containers(told)
        assert json.loads(containers.run("version").stdout)["mod_wsgi"] == BASE.partition(":")[2].partition("-")[0]
        containers.remove()
    finally:
        docker("image", "rm", told)


@pytest.mark.parametrize("form", ["", "-slim"], ids=["default", "slim"])
def test_an_application_on_a_published_image_makes_the_same_way(
    registry: Registry, published: dict[str, str], form: str, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "wsgi.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        f"    return [b'{mark}']\n",
        encoding="utf-8",
    )
    base, name = published[f"{BASE}{form}"], f"{registry.host}/shop{form}:{mark}"
    (tmp_path / "Containerfile").write_text(f"FROM {base}\nCOPY wsgi.py /app/\n", encoding="utf-8")
    docker("build", "--pull", "--quiet", f"--tag={name}", f"--file={tmp_path}/Containerfile", str(tmp_path))
    pushed = identifier(name)
    docker("push", "--quiet", name)
    docker("image", "rm", name)
    assert not identifier(name)
    assert not identifier(pushed), "the image itself is gone, not only a name"

    docker("pull", "--quiet", name)
    containers = Containers(name)
    try:
        assert identifier(name) == pushed
        assert containers.start().get().body == mark.encode()
    finally:
        containers.remove()
        docker("image", "rm", name)
        docker("image", "rm", base, check=False)  # the old builder has pulled it, BuildKit keeps it by no name


def test_who_is_not_logged_in_is_told_how(protected: Registry, small: Image) -> None:
    where = publishing.destination(f"{protected.host}/team")
    with pytest.raises(LabError, match=rf"refuses .*: `docker login {re.escape(protected.host)}` with an account"):
        list(publishing.push(Console(), [small], where))
    assert names_of(protected.host) == []
    words = ["docker", "login", "--username=publisher", "--password-stdin", protected.host]
    subprocess.run(words, input=b"correct horse", check=True, capture_output=True)
    pushed = list(publishing.push(Console(), [small], where))
    assert [name.partition("@")[0] for name in pushed] == [where.name(name) for name in publishing.names(small)]


def test_a_registry_that_is_not_there_is_told(small: Image) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LabError, match=rf"^No registry answers at {re.escape(host)} \(.*refused\)"):
        list(publishing.push(Console(), [small], publishing.destination(host)))
    assert names_of(host) == []


def test_a_host_that_does_not_exist_is_told(small: Image) -> None:
    with pytest.raises(LabError, match=r"^No registry answers at registry\.invalid"):
        list(publishing.push(Console(), [small], publishing.destination("registry.invalid/team")))
