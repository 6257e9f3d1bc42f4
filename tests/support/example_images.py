# SPDX-License-Identifier: Apache-2.0
"""Images of the examples, built on the image under test: the Django example's on its slim form, with a compiled wheel
beyond the one that it has. And stand-ins for the services beside them, which only a registry has."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from support.containers import BASE, docker
from support.scripts import ROOT

SLIM = {"django": ["pillow"]}
"""The examples on the slim form, and which packages of wheels.txt they get besides their own (Django's ImageField needs
Pillow)."""


def pinned(name: str) -> str:
    """The lines of wheels.txt that pin a package."""
    text = (ROOT / "tests/images/wheels.txt").read_text(encoding="utf-8")
    (lines,) = re.findall(rf"^{name}==(?:.*\\\n)*.*\n", text, re.MULTILINE)
    return str(lines)


def build_example(example: str) -> str:
    """The name of an example's image."""
    tag = f"modwsgi-lab/example-{example}"
    base = f"{BASE}-slim" if example in SLIM else BASE
    arguments = [f"--build-arg=MOD_WSGI={base}", f"--build-arg=MOD_WSGI_BUILD={BASE}-build"]
    with tempfile.TemporaryDirectory(prefix="modwsgi-example-") as parent:
        folder = Path(parent) / example
        shutil.copytree(ROOT / "examples" / example, folder)
        with (folder / "requirements.txt").open("a", encoding="utf-8") as stream:
            stream.writelines(pinned(name) for name in SLIM.get(example, ()))
        file = f"--file={folder}/Containerfile"
        docker("build", "--quiet", f"--tag={tag}", *arguments, file, str(folder), timeout=300)
    return tag


def build_service(service: str) -> str:
    """The name of an image of tests/images/services; the first one that is built brings the packages of all."""
    tag, folder = f"modwsgi-lab/test-{service}", ROOT / "tests/images/services"
    options = [f"--tag={tag}", f"--target={service}", f"--build-arg=BASE={BASE}", f"--file={folder}/Containerfile"]
    docker("build", "--quiet", *options, str(folder), timeout=600)
    return tag
