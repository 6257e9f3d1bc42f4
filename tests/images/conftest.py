# SPDX-License-Identifier: Apache-2.0
"""Tests of the first image of images/versions.json and its slim form, or of those of MODWSGI_IMAGE."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[level]) for level in (1, 2)]

from support.breadth import pytest_collection_modifyitems, pytest_terminal_summary, wider  # noqa: E402, F401 - hooks
from support.containers import BASE, Containers, Shared, docker  # noqa: E402 - not importable before

from tools.laboratory.wsgi_images import versions  # noqa: E402

FORMS = {"default": BASE, "slim": f"{BASE}-slim"}
OTHERS = pytest.mark.breadth("images for other Pythons, made by the same recipe")
#: All images of images/versions.json, or only the named one, in both forms.
EVERY = [
    pytest.param(name, marks=() if BASE in image.names else OTHERS)
    for image in versions(Path(__file__).parents[2])
    if "MODWSGI_IMAGE" not in os.environ or BASE in image.names
    for name in (image.names[0], image.slim_names[0])
]
APPLICATION = Path(__file__).parent / "app"


#: The slim form first: what it has is taken out of the default one, whose entry point and configuration it has.
BOTH = wider(("slim", "default"), "the same in the form of which the slim one is a part")


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
