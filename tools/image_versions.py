#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make docker-bake.hcl from images/versions.json, and say when it is out of date; print the jobs of the workflow."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.laboratory import wsgi_images  # noqa: E402
from tools.laboratory.suites import SUITES, Suite  # noqa: E402
from tools.laboratory.wsgi_images import REPOSITORY_NAME, Image  # noqa: E402

DOCUMENT = Path("docker-bake.hcl")
#: Where images are to run.
PLATFORMS = ("linux/amd64", "linux/arm64")

PREFACE = f"""\
# Made from images/versions.json and tools/laboratory/suites.py: see tools/image_versions.py.
# How it is used: docs/publishing.md. Variables are taken from the environment.

variable "REGISTRY" {{
  default = "" # host[:port]/path; empty for names without it
}}

variable "CONTEXT" {{
  default = ".lab/image-context" # the folder that `tools/lab.py image-context` has made
}}

# What `tools/lab.py image-context` prints: the values that come from the commit.
variable "REVISION" {{
  default = ""
}}

variable "CREATED" {{
  default = ""
}}

variable "SOURCE" {{
  default = ""
}}

variable "SOURCE_DATE_EPOCH" {{
  default = null # seconds since 1970
}}

function "base" {{
  params = [name, digest]
  result = digest == "" ? name : "${{name}}@${{digest}}"
}}

function "names" {{
  params = [tags]
  result = [for tag in tags : "${{REGISTRY == "" ? "" : "${{REGISTRY}}/"}}{REPOSITORY_NAME}:${{tag}}"]
}}

target "_common" {{
  context    = CONTEXT
  dockerfile = "Containerfile"
  platforms  = {json.dumps(PLATFORMS)}
  attest     = ["type=sbom", "type=provenance,mode=max"]
  args = {{
    REVISION          = REVISION
    CREATED           = CREATED
    SOURCE            = SOURCE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }}
}}
"""


def identifier(image: Image) -> str:
    """The name of an image's group in the bake file, where names have no dots."""
    return image.tags[0].replace(".", "_")


def targets(image: Image) -> dict[str, list[str]]:
    """The tags of each stage of the Containerfile that is published."""
    stages = {"build": [image.builder], "slim": image.slim_names, "default": image.names}
    return {stage: [name.partition(":")[2] for name in names] for stage, names in stages.items()}


def suites(image: Image) -> list[Suite]:
    """The suites that an image is built from: its own, and that of what applies the roles."""
    own = SUITES[image.suite]
    return list(dict.fromkeys((own, wsgi_images.control_suite(own))))


def base_variables(suite: Suite) -> str:
    """The variables for the base of a suite."""
    name = suite.name.upper()
    return (
        f'variable "{name}_BASE" {{\n  default = {json.dumps(suite.pulled_image)}\n}}\n\n'
        f'variable "{name}_DIGEST" {{\n  default = "" # of {name}_BASE; the workflow asks the registry for it\n}}\n'
    )


def arguments(image: Image) -> dict[str, str]:
    """The build arguments of an image, as expressions of the bake file."""
    own, control = suites(image)[0].name.upper(), suites(image)[-1].name.upper()
    return {
        "BASE_IMAGE": f"base({own}_BASE, {own}_DIGEST)",
        "CONTROL_IMAGE": f"base({control}_BASE, {control}_DIGEST)",
        "BASE_NAME": f"{own}_BASE",
        "BASE_DIGEST": f"{own}_DIGEST",
        "APT_OPTIONS": json.dumps("\n".join(SUITES[image.suite].apt_options)),
        "APT_PREFERENCES": json.dumps("\n".join(SUITES[image.suite].build_preferences)),
        "PYTHON_VERSION": json.dumps(image.python),
        "MOD_WSGI_VERSION": json.dumps(image.module),
    }


def blocks(image: Image) -> str:
    """The group and the targets of an image."""
    name = identifier(image)
    stages = targets(image)
    lines = [f'group "{name}" {{', f"  targets = {json.dumps([f'{name}-{stage}' for stage in stages])}", "}", ""]
    lines += [f'target "_{name}" {{', '  inherits = ["_common"]', *_arguments(arguments(image)), "}"]
    for stage, tags in stages.items():
        lines += ["", f'target "{name}-{stage}" {{', f'  inherits = ["_{name}"]', f'  target   = "{stage}"']
        lines += [f"  tags     = names({json.dumps(tags)})", "}"]
    return "\n".join(lines) + "\n"


def _arguments(values: Mapping[str, str]) -> list[str]:
    width = max(map(len, values))
    return ["  args = {", *(f"    {key:{width}} = {value}" for key, value in values.items()), "  }"]


def document(images: Sequence[Image]) -> str:
    """The text of docker-bake.hcl."""
    used = dict.fromkeys(suite for image in images for suite in suites(image))
    every = f'group "default" {{\n  targets = {json.dumps([identifier(image) for image in images])}\n}}\n'
    return "\n".join([PREFACE, *map(base_variables, used), every, *map(blocks, images)])


def matrix(images: Sequence[Image]) -> dict[str, list[dict[str, str]]]:
    """The jobs of the publishing workflow: one for each image, with the bases whose digests it asks for, one a line."""
    return {
        "include": [
            {
                "image": image.tags[0],
                "group": identifier(image),
                "bases": "\n".join(f"{suite.name.upper()}_DIGEST {suite.pulled_image}" for suite in suites(image)),
            }
            for image in images
        ]
    }


def main(words: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; the exit status is 1 when the file is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare, change nothing")
    mode.add_argument("--write", action="store_true", help=f"write {DOCUMENT}")
    mode.add_argument("--matrix", action="store_true", help="print the matrix of the publishing workflow, as JSON")
    chosen = parser.parse_args(words)
    images = wsgi_images.versions(root)
    target = root / DOCUMENT
    if chosen.matrix:
        print(json.dumps(matrix(images)))
        return 0
    if chosen.write:
        target.write_text(document(images), encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == document(images):
        return 0
    print(f"{DOCUMENT}: is not what images/versions.json says; run tools/image_versions.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
