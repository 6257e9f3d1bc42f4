# SPDX-License-Identifier: Apache-2.0
"""The examples' own images serve what the examples serve on hosts: the tests are those of the scenario `default`."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator

import pytest
from support.containers import HARDENED, Containers, docker
from support.example_images import SLIM, build_example
from support.scripts import load_script
from support.site import Site

serving = load_script("molecule/default/tests/test_serving.py")
# Those that need nothing but a client.
globals().update(
    {
        name: test
        for name, test in vars(serving).items()
        if name.startswith("test_") and "machine" not in inspect.signature(test).parameters
    }
)


def served(example: str, **variables: str) -> Iterator[Site]:
    """The example in a container without rights, which listens on the port that the tests expect."""
    containers = Containers(build_example(example))
    try:
        began = time.monotonic()
        container = containers.begin(*HARDENED, WSGI_PORT="80", **variables)
        site = Site(container.address, f"{example}.example")
        site.wait_until_it_answers()
        print(f"{example}: first answer after {time.monotonic() - began:.2f} s")
        if example in SLIM:
            script = "import PIL._imaging, psycopg, psycopg_binary._psycopg"
            docker("exec", container.name, "/opt/venv/bin/python", "-c", script)
        yield site
        assert container.end("stop", "-t", "30")[0] == 0
    finally:
        containers.remove()


@pytest.fixture(name="flask", scope="module")
def fixture_flask() -> Iterator[Site]:
    yield from served("flask")


@pytest.fixture(name="django", scope="module")
def fixture_django() -> Iterator[Site]:
    yield from served("django", DJANGO_SECRET_KEY="k" * 50, DJANGO_ALLOWED_HOSTS="django.example", DJANGO_HTTPS="off")


@pytest.fixture(name="sites", scope="module")
def fixture_sites(django: Site, flask: Site) -> list[Site]:
    return [django, flask]
