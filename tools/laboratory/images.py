# SPDX-License-Identifier: Apache-2.0
"""Images of test hosts: a base that is pulled or bootstrapped, and images/test-host/Dockerfile on top of it.

An image's tag is a hash of its definition, so every clone on the machine that wants the same finds it there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tools.laboratory import machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import last_words, run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import PACKAGES, Suite

_LABEL = "modwsgi.deploy.lab"
_PROBE_TIMEOUT = 10.0  # seconds until an image registry must have answered
_PULL_TIMEOUT = 600.0  # seconds for the whole transfer
_BOOTSTRAP_PACKAGES = ("mmdebstrap", "debian-archive-keyring")
#: Documentation is left out of a bootstrapped base, as public images do; licences stay.
_LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)


def definition_folder(lab: Lab) -> Path:
    """Where the Dockerfile of test hosts is."""
    return lab.repository / "images/test-host"


def host_image(lab: Lab, suite: Suite, certificates: dict[str, bytes]) -> str:
    """The name of a suite's test host image, by the content of its definition."""
    files = sorted(definition_folder(lab).iterdir())
    definition: list[str | bytes] = [suite.name, *suite.apt_options, *PACKAGES]
    for file in files:
        definition += [file.name, file.read_bytes()]
    for name, content in sorted(certificates.items()):
        definition += [name, content]
    return f"modwsgi-lab/test-host:{suite.name}-{content_hash(definition)}"


def base_image(suite: Suite) -> str:
    """The name of a suite's bootstrapped base image."""
    return f"modwsgi-lab/base:{suite.name}-{content_hash([suite.name, *suite.apt_options, *PACKAGES, *_LEFT_OUT])}"


def exists(image: str) -> bool:
    """Whether the engine has an image."""
    return run(["docker", "image", "inspect", image]).returncode == 0


def ensure(lab: Lab, console: Console, suite: Suite) -> str:
    """Makes sure that a suite's test host image is there, and names it.

    Raises:
        LabError: its base can neither be pulled nor bootstrapped, or it cannot be built.
    """
    certificates = machine.trusted_certificates()
    image = host_image(lab, suite, certificates)
    if not exists(image):
        base = _ensure_base(lab, console, suite)
        with console.step(f"Test host image of Debian {suite.version} ({suite.name})"):
            _build(lab, suite, base, image, certificates)
        lab.add("images", [image])
    return image


def _build(lab: Lab, suite: Suite, base: str, image: str, certificates: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
        context = Path(folder) / "context"
        shutil.copytree(definition_folder(lab), context)
        (context / "ca-certificates").mkdir()
        for name, content in certificates.items():
            (context / "ca-certificates" / name).write_bytes(content)
        arguments = {"BASE": base, "PACKAGES": " ".join(PACKAGES), "APT_OPTIONS": "\n".join(suite.apt_options)}
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        docker(["build", "--pull=false", f"--label={_LABEL}=test-host", f"--tag={image}", *options, context])


def _ensure_base(lab: Lab, console: Console, suite: Suite) -> str:
    bootstrapped = base_image(suite)
    for image in (bootstrapped, suite.pulled_image):
        if exists(image):
            return image
    if _pull(console, suite.pulled_image):
        lab.add("images", [suite.pulled_image])
        return suite.pulled_image
    _bootstrap(lab, console, suite, bootstrapped)
    lab.add("images", [bootstrapped])
    return bootstrapped


def _pull(console: Console, image: str) -> bool:
    """Pulls an image if a registry answers soon."""
    process = subprocess.Popen(
        ["docker", "pull", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    probe = threading.Timer(_PROBE_TIMEOUT, process.kill)
    whole = threading.Timer(_PULL_TIMEOUT, process.kill)
    probe.start()
    whole.start()
    try:
        assert process.stdout is not None  # noqa: S101  # for the type checker; it is piped above
        for line in process.stdout:  # the first line comes when the registry has answered
            if probe.is_alive():
                probe.cancel()
                console.report(f"Base image: {line.strip()}")
        return process.wait() == 0
    finally:
        probe.cancel()
        whole.cancel()


def _bootstrap(lab: Lab, console: Console, suite: Suite, image: str) -> None:
    """Makes a base image out of Debian's packages."""
    if machine.is_root() and machine.is_debian_family():
        machine.install_packages(lab, console, _BOOTSTRAP_PACKAGES)
    elif not shutil.which("mmdebstrap"):
        raise LabError(
            f"The image {suite.pulled_image} cannot be pulled, and `mmdebstrap`, which could make one, is missing: "
            "install it, or load that image."
        )
    options = [f"--include={','.join(PACKAGES)}", *(f"--aptopt={option}" for option in suite.apt_options)]
    options += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    with console.step(f"Base image: bootstrap of Debian {suite.version} ({suite.name}), since none can be pulled"):
        _pipe(
            ["mmdebstrap", "--variant=minbase", "--quiet", *options, suite.name, "-"],
            ["docker", "import", "--change", f"LABEL {_LABEL}=base", "-", image],
        )


def _pipe(source: list[str], sink: list[str]) -> None:
    """Runs `source | sink`.

    Raises:
        LabError: one of them failed. An image that was made of a part only is not left under its name.
    """
    with tempfile.TemporaryFile("w+") as errors:
        first = subprocess.Popen(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        second = subprocess.run(sink, stdin=first.stdout, capture_output=True, text=True, check=False)
        if first.stdout:
            first.stdout.close()
        if first.wait() == 0 == second.returncode:
            return
        run(["docker", "image", "rm", sink[-1]])
        errors.seek(0)
        failed, said = (source[0], errors.read()) if first.returncode else ("docker import", second.stderr)
    raise LabError(f"`{failed}` failed to make the base image {sink[-1]}: {last_words(said)}")


def remove(lab: Lab, console: Console) -> None:
    """Removes the images that this lab made or pulled, unless a container of others uses them."""
    for image in reversed(lab.recall("images", [])):  # test-host before base
        if not exists(image):
            continue
        if run(["docker", "image", "rm", image]).returncode == 0:
            console.report(f"Image {image}: removed")
        else:
            console.report(f"Image {image}: left, since other containers or images use it")
    lab.remember("images", None)
