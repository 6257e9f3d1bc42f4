# SPDX-License-Identifier: Apache-2.0
"""Tests of mod-wsgi:6.1.1-python3.11 (`make images` builds it), or of the image that MODWSGI_IMAGE names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.containers import Containers, docker  # noqa: E402 - the folder of tests is not importable before

BASE = os.environ.get("MODWSGI_IMAGE", "mod-wsgi:6.1.1-python3.11")
APPLICATION = Path(__file__).parent / "app"
TAG = "modwsgi-lab/contract-test"


@pytest.fixture(name="image", scope="session")
def fixture_image() -> Iterator[str]:
    assert docker("image", "inspect", BASE, check=False).returncode == 0, (
        f"There is no image {BASE}: run `make images`."
    )
    recipe = f"FROM {BASE}\nCOPY wsgi.py /app/\n"
    built = subprocess.run(
        ["docker", "build", "--quiet", "--tag", TAG, "--file=-", str(APPLICATION)],
        input=recipe,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    yield TAG
    docker("image", "rm", "--force", TAG, check=False)


@pytest.fixture(name="containers")
def fixture_containers(image: str) -> Iterator[Containers]:
    found = Containers(image)
    yield found
    found.remove()
