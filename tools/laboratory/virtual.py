# SPDX-License-Identifier: Apache-2.0
"""Test hosts with a kernel of their own: an image in whose container QEMU runs a virtual machine.

A container has the kernel of the machine around it, and mostly no control groups and no AppArmor. The virtual machine
has what a test host image has, on a disk, and Debian's kernel. It needs no right that another test host does not have,
and uses /dev/kvm where that works.
"""

from __future__ import annotations

from pathlib import Path

from tools.laboratory import images
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import Suite

_STAGE_LABEL = "modwsgi.deploy.stage"
_ARCHITECTURE = "amd64"


def definition_folder(lab: Lab) -> Path:
    """Where the definition of such an image is."""
    return images.definition_folder(lab) / "machine"


def machine_image(lab: Lab, host: str, guest: str) -> str:
    """The name of the image, by the test host images that QEMU runs in and that are on the disk, and its definition."""
    folder = definition_folder(lab)
    definition: list[str | bytes] = [host, guest]
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        definition += [str(file.relative_to(folder)), file.read_bytes()]
    return f"{_family(host)}{content_hash(definition)}"


def _family(host: str) -> str:
    # After the name of the image below it in the order of names, by which images are removed.
    return f"{host.rpartition('-')[0]}-machine-"


def ensure(lab: Lab, console: Console, suite: Suite, host: str, guest: str) -> str:
    """Makes sure that the image of a virtual machine is there, and names it. `guest` is the image on its disk.

    Raises:
        LabError: it cannot be made, or not for a machine like this one.
    """
    _refuse_others(suite)
    image = machine_image(lab, host, guest)
    if not images.exists(image):
        with console.step(f"Virtual machine with {suite.title}"):
            _build(lab, image, host, guest)
        lab.add("images", [image])
        images.remove_superseded(lab, _family(host), image)
    return image


def _refuse_others(suite: Suite) -> None:
    if suite.family != "debian":
        raise LabError(f"A virtual machine has a kernel of Debian, and {suite.title} is another distribution.")
    architecture = docker(["version", "--format", "{{.Server.Arch}}"]).strip()
    if architecture != _ARCHITECTURE:
        raise LabError(
            f"Virtual machines are made for {_ARCHITECTURE} only, and this Docker engine runs on {architecture}: run "
            "the scenarios that need one on another machine."
        )


def _build(lab: Lab, image: str, host: str, guest: str) -> None:
    options = [f"--build-arg={name}={value}" for name, value in (("GUEST", guest), ("HOST", host), ("STAGE_OF", image))]
    try:
        docker(["build", "--pull=false", *images.build_options(image), *options, definition_folder(lab)])
    finally:
        # Without BuildKit, the stages are images without a name, one of them with the whole disk unpacked.
        run(["docker", "image", "prune", "--force", "--filter", f"label={_STAGE_LABEL}={image}"])
