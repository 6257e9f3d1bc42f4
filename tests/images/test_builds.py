# SPDX-License-Identifier: Apache-2.0
"""Other builds: a second one of the same commit has the same files, and one on another base serves.

Both begin with an empty cache, so they take minutes; they run side by side. The first is left to `make test-all`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from support.containers import HARDENED, Containers, docker
from support.file_tree import differences, file_tree
from support.image_forms import APPLICATION, FORMS

from tools.laboratory import images, machine, wsgi_images
from tools.laboratory.console import Console
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, SUITES
from tools.laboratory.wsgi_images import Image

REPOSITORY = Path(__file__).parents[2]
#: The Python that the stand-in for images such as python:3.13-slim has in /usr/local, on Debian 12 with its own 3.11.
OWN_PYTHON = "3.13"


@dataclass
class Builds:
    """What was built."""

    again: Image
    on_own_base: Image


def label(image: str, name: str) -> str:
    """A label of an image."""
    return docker("image", "inspect", f'--format={{{{index .Config.Labels "{name}"}}}}', image).stdout.strip()


def build(lab: Lab, image: Image, arguments: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) / "context"
        wsgi_images.make_context(lab.repository, context, machine.trusted_certificates())
        wsgi_images.build(lab, image, arguments, context, "a test's")


def commit_of(image: str) -> dict[str, str]:
    """The build arguments of the commit that an image was made of."""
    created = label(image, "org.opencontainers.image.created")
    moment = datetime.fromisoformat(created)
    return {
        "CREATED": created,
        "SOURCE_DATE_EPOCH": str(int(moment.timestamp())),
        "REVISION": label(image, "org.opencontainers.image.revision"),
        "SOURCE": label(image, "org.opencontainers.image.source"),
    }


def derive(name: str, recipe: str) -> str:
    """An image out of a recipe without a context."""
    done = subprocess.run(
        ["docker", "build", "--quiet", f"--tag={name}", "-"], input=recipe, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return name


def build_again(lab: Lab, original: Image, name: str) -> Image:
    """The same image once more; its base has another identity, so nothing of the first build is reused."""
    arguments = wsgi_images.base_arguments(lab, Console(), original)
    base = derive(f"modwsgi-lab/{name}:base", f"FROM {arguments['BASE_IMAGE']}\nLABEL again={name}\n")
    again = replace(original, tags=(name,))
    build(lab, again, {**arguments, "BASE_IMAGE": base, "CONTROL_IMAGE": base, **commit_of(original.names[0])})
    return again


def build_on_own_base(lab: Lab, name: str) -> Image:
    """An image on a base that is like those of Docker's library: Debian, with a Python in /usr/local."""
    suite = SUITES[DEFAULT_SUITE]
    host = images.ensure(lab, Console(), suite, OWN_PYTHON)
    debian = images.ensure_base(lab, Console(), suite, packages=())
    libraries = "libbz2-1.0 libffi8 liblzma5 libncursesw6 libreadline8 libsqlite3-0 libssl3 libuuid1 zlib1g"
    base = derive(
        f"modwsgi-lab/{name}:base",
        f"FROM {host} AS host\nFROM {debian}\nCOPY --from=host /usr/local/ /usr/local/\n"
        "RUN ldconfig && apt-get update --quiet "
        f"&& apt-get install --yes --quiet --no-install-recommends {libraries} && rm -rf /var/lib/apt/lists/*\n",
    )
    image = wsgi_images.on_base(wsgi_images.versions(REPOSITORY), base, OWN_PYTHON, "", name)
    wsgi_images.ensure(lab, Console(), [image])
    return image


@pytest.fixture(name="builds", scope="module")
def fixture_builds() -> Iterator[Builds]:
    lab = Lab(REPOSITORY)
    (original,) = [image for image in wsgi_images.versions(REPOSITORY) if FORMS["default"] in image.names]
    names = [f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("again", "own-base")]
    try:
        with ThreadPoolExecutor() as pool:
            again = pool.submit(build_again, lab, original, names[0])
            own = pool.submit(build_on_own_base, lab, names[1])
            yield Builds(again.result(), own.result())
    finally:
        for name in names:
            made = [found for stage in wsgi_images.STAGES for found in replace(original, tags=(name,)).stage(stage)]
            docker("image", "rm", "--force", *made, f"modwsgi-lab/{name}:base", check=False)


@pytest.mark.breadth("a second complete build; unit tests have what makes it the same")
@pytest.mark.parametrize("form", FORMS)
def test_two_builds_of_one_commit_have_the_same_files(builds: Builds, form: str) -> None:
    """Names, kinds, modes, owners, times, sizes and contents."""
    names = {"default": builds.again.names[0], "slim": builds.again.slim_names[0]}
    first, second = file_tree(FORMS[form]), file_tree(names[form])
    assert len(first) > 1000
    assert differences(first, second) == {}


@pytest.mark.breadth("a complete build for a Python beyond 3.11; hosts have one in /usr/local, too")
@pytest.mark.parametrize("form", FORMS)
def test_a_base_with_its_own_python_serves(builds: Builds, form: str) -> None:
    name = {"default": builds.on_own_base.names[0], "slim": builds.on_own_base.slim_names[0]}[form]
    containers = Containers(name)
    try:
        told = json.loads(containers.run("version").stdout)
        assert told["python"].startswith(f"{OWN_PYTHON}.")
        container = containers.start(*HARDENED, f"--volume={APPLICATION}/wsgi.py:/app/wsgi.py:ro")
        assert container.get().json["process_group"] == "app"
        assert container.end("stop", "-t", "30")[0] == 0
    finally:
        containers.remove()
