# SPDX-License-Identifier: Apache-2.0
"""Images of the examples, built on the image under test."""

from __future__ import annotations

import os
from pathlib import Path

from support.containers import docker

ROOT = Path(__file__).resolve().parents[2]
BASE = os.environ.get("MODWSGI_IMAGE", "mod-wsgi:6.1.1-python3.11")


def build_example(example: str) -> str:
    """The name of an example's image."""
    tag = f"modwsgi-lab/example-{example}"
    folder = ROOT / "examples" / example
    arguments = [f"--build-arg=MOD_WSGI={BASE}", f"--build-arg=MOD_WSGI_BUILD={BASE}-build"]
    docker("build", "--quiet", f"--tag={tag}", *arguments, f"--file={folder}/Containerfile", str(folder), timeout=300)
    return tag
