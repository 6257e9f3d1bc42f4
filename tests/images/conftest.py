# SPDX-License-Identifier: Apache-2.0
"""Tests of the newest image for Python 3.11 and its slim form, or of those of MODWSGI_IMAGE."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from support.containers import Containers, Shared, docker
from support.image_forms import APPLICATION, BOTH, FORMS


@pytest.fixture(name="image", scope="session", params=BOTH)
def fixture_image(request: pytest.FixtureRequest) -> Iterator[str]:
    """The image of an application that tells what it is given."""
    base, tag = FORMS[request.param], f"modwsgi-lab/contract-test:{request.param}"
    assert docker("image", "inspect", base, check=False).returncode == 0, (
        f"There is no image {base}: run `make images`."
    )
    built = subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "--file=-", str(APPLICATION)],
        input=f"FROM {base}\nCOPY wsgi.py /app/\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    yield tag
    docker("image", "rm", "--force", tag, check=False)


@pytest.fixture(name="containers")
def fixture_containers(image: str) -> Iterator[Containers]:
    found = Containers(image)
    yield found
    found.remove()


@pytest.fixture(name="shared", scope="module")
def fixture_shared(image: str) -> Iterator[Shared]:
    """Containers at which several tests look."""
    found = Shared(image)
    yield found
    found.remove()
