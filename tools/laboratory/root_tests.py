# SPDX-License-Identifier: Apache-2.0
"""The unit tests that need root, in a container: for those who are not root on their machine.

The container reads the clone, and writes nothing into it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.laboratory import images
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import DEFAULT_SUITE, SUITES

#: Where the container has the clone.
_CLONE = "/clone"
_PYTEST = ("pytest", "-n", "auto", "--dist=loadfile", "--no-loadscope-reorder", "-m", "root", "tests/unit")


def image_name(lab: Lab, host: str) -> str:
    """The name of the image that runs them, by the image below it and what is installed on that."""
    definition: list[str | bytes] = [host, *(file.read_bytes() for file in _definition(lab))]
    # After the name of the image below it in the order of names, by which images are removed.
    return f"{host.rpartition('-')[0]}-unit-tests-{content_hash(definition)}"


def _definition(lab: Lab) -> tuple[Path, Path]:
    return images.definition_folder(lab) / "unit-tests/Dockerfile", lab.repository / "requirements-dev.txt"


def ensure(lab: Lab, console: Console) -> str:
    """Makes sure that the image is there, and names it.

    Raises:
        LabError: it cannot be built.
    """
    host = images.ensure(lab, console, SUITES[DEFAULT_SUITE])
    image = image_name(lab, host)
    if not images.exists(image):
        with console.step("Test host image that runs unit tests"), tempfile.TemporaryDirectory() as context:
            for file in _definition(lab):
                shutil.copy(file, context)
            docker(["build", "--pull=false", *images.build_options(image), f"--build-arg=HOST={host}", context])
        lab.add("images", [image])
    return image


def run(lab: Lab, image: str) -> None:
    """Runs the tests that are marked `root`; their output is that of this process.

    Raises:
        LabError: one of them failed, or none ran.
    """
    options = [
        "--rm", "--init", "--security-opt=label=disable", f"--label={images.CLONE_LABEL}={lab.repository}",
        f"--volume={lab.repository}:{_CLONE}:ro", f"--workdir={_CLONE}",
        "--env=PYTHONDONTWRITEBYTECODE=1", "--env=HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis",
    ]  # fmt: skip
    done = subprocess.run(["docker", "run", *options, image, *_PYTEST], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise LabError(f"Unit tests that need root failed in a container of {image}; they say why above.")
