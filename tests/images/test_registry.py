# SPDX-License-Identifier: Apache-2.0
"""The way of an image through a real registry: pushed, gone from this machine, pulled, started, asked."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import re
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.breadth import wider
from support.containers import Container, Containers, docker
from support.example_images import build_service
from support.image_forms import BOTH

REPOSITORY = Path(__file__).parents[2]

from tools.laboratory import publishing, wsgi_images  # noqa: E402 - the tools are not importable before
from tools.laboratory.cli import main  # noqa: E402
from tools.laboratory.console import Console, LabError  # noqa: E402
from tools.laboratory.wsgi_images import Image  # noqa: E402

BASE = os.environ.get("MODWSGI_IMAGE", "mod-wsgi:6.1.1-python3.11")
APPLICATION = Path(__file__).parent / "app"
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
    name = build_service("registry")
    yield name
    docker("image", "rm", "--force", name)


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


def made(recipe: str) -> Image:
    """A new image of one layer at the most, which has the names of all three forms."""
    image = Image("6.1.1", "3.11", "bookworm", (f"test-{uuid.uuid4().hex[:12]}",))
    for name in publishing.names(image):
        words = ["docker", "build", "--quiet", "--file=-", f"--tag={name}", f"--label=name={name}"]
        subprocess.run([*words, str(APPLICATION)], input=recipe.encode(), check=True, capture_output=True)
    return image


def remove(image: Image) -> None:
    docker("image", "rm", "--force", *publishing.names(image))


@pytest.fixture(name="small")
def fixture_small() -> Iterator[Image]:
    """An image of a few bytes."""
    image = made("FROM scratch\nCOPY wsgi.py /\n")
    yield image
    remove(image)


def identifier(name: str) -> str:
    """What a name stands for here; empty for nothing."""
    return docker("image", "inspect", "--format={{.Id}}", name, check=False).stdout.strip()


def names_of(host: str) -> list[str]:
    """What this machine has of a registry."""
    listed = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}").stdout.split()
    return [name for name in listed if name.startswith(f"{host}/")]


def lab_push(registry: str, image: Image) -> list[str]:
    """What `make push` runs, when the image is all that there is; what it prints."""
    words = [f"--registry={registry}", f"--python={image.python}", f"--mod-wsgi={image.module}"]
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(wsgi_images, "versions", lambda _repository: [image])
        assert main(["push", *words]) == 0
    return printed.getvalue().splitlines()


@dataclass(frozen=True)
class Published:
    """An image that was pushed."""

    image: Image
    team: str
    """The path in the registry that was named."""
    told: dict[str, str]
    """Each local name with its name and digest in the registry."""

    @property
    def path(self) -> str:
        """The repository in the registry."""
        return f"{self.team}/mod-wsgi"

    def name(self, form: str) -> str:
        """The first local name of a form."""
        return self.image.slim_names[0] if form == "slim" else self.image.names[0]


@pytest.fixture(
    name="published",
    scope="module",
    params=wider(["slim", "all"], "600 MB of the other forms, which differ in what is in them alone"),
)
def fixture_published(registry: Registry, request: pytest.FixtureRequest) -> Iterator[Published]:
    """Pushed as a user pushes it: the slim form under the names of all, or each form under its own."""
    if request.param == "slim":
        image = made(f"FROM {BASE}-slim\n")
    else:
        found = [image for image in wsgi_images.versions(REPOSITORY) if BASE in image.names]
        if not found:
            # MODWSGI_IMAGE may name an image on another base; `make push` pushes those of the table alone.
            pytest.skip(f"{BASE} is none of images/versions.json, which `make push` pushes")
        (image,) = found
    before = {name: identifier(name) for name in publishing.names(image)}
    team = f"team-{request.param}"
    printed = lab_push(f"{registry.host}/{team}", image)
    assert {name: identifier(name) for name in publishing.names(image)} == before, "names of this machine stay"
    assert names_of(registry.host) == [], "names of the registry do not"
    yield Published(image, team, dict(zip(publishing.names(image), printed, strict=True)))
    if request.param == "slim":
        remove(image)


def test_each_name_is_there_with_the_digest_that_was_told(registry: Registry, published: Published) -> None:
    assert registry.tags(published.path) == {name.partition(":")[2] for name in published.told}
    for name, told in published.told.items():
        assert re.fullmatch(rf"{re.escape(f'{registry.host}/{published.team}/{name}')}@sha256:[0-9a-f]{{64}}", told)
        registry.manifest(published.path, told.partition("@")[2])
        _, headers = registry.ask(f"/v2/{published.path}/manifests/{name.partition(':')[2]}")
        assert headers["Docker-Content-Digest"] == told.partition("@")[2]


def test_the_registry_has_every_layer(registry: Registry, published: Published) -> None:
    for told in {digest.partition("@")[2] for digest in published.told.values()}:
        manifest = registry.manifest(published.path, told)
        for part in (manifest["config"], *manifest["layers"]):
            content, _ = registry.ask(f"/v2/{published.path}/blobs/{part['digest']}")
            assert (len(content), digest_of(content)) == (part["size"], part["digest"])


@pytest.mark.parametrize("form", BOTH)
def test_what_is_pulled_is_what_was_pushed(published: Published, form: str) -> None:
    name = published.name(form)
    told = published.told[name]
    docker("pull", "--quiet", told)
    try:
        assert identifier(told) == identifier(name)
        containers = Containers(told)
        assert json.loads(containers.run("version").stdout)["mod_wsgi"] == BASE.partition(":")[2].partition("-")[0]
        containers.remove()
    finally:
        docker("image", "rm", told)


@pytest.mark.parametrize("form", BOTH)
def test_an_application_on_a_published_image_makes_the_same_way(
    registry: Registry, published: Published, form: str, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "wsgi.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        f"    return [b'{mark}']\n",
        encoding="utf-8",
    )
    base, name = published.told[published.name(form)], f"{registry.host}/shop-{form}:{mark}"
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
