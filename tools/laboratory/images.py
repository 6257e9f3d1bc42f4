# SPDX-License-Identifier: Apache-2.0
"""Images of test hosts: a base that is pulled or bootstrapped, and images/test-host/Dockerfile on top of it.

A second Python, which does not come from the distribution, is one more layer: images/test-host/interpreter.

An image's tag is a hash of its definition, so every clone on the machine that wants the same finds it there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from tools.laboratory import machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import last_words, run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import INTERPRETERS, PACKAGES, Suite

_LABEL = "modwsgi.deploy.lab"
#: Label of containers, with the folder of the clone that they belong to.
CLONE_LABEL = "modwsgi.deploy.clone"
_PROBE_TIMEOUT = 10.0  # seconds until an image registry must have answered
_PULL_TIMEOUT = 600.0  # seconds for the whole transfer
_BOOTSTRAP_PACKAGES = ("mmdebstrap", "debian-archive-keyring")
#: Documentation is left out of a bootstrapped base, as public images do; licences stay.
_LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
#: Of a base without further packages, which images for use are made of, translations too.
_LEFT_OUT_OF_MINIMAL = (
    *_LEFT_OUT,
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    # The same zones in a count of seconds that no program asks for unless it is told to.
    "path-exclude=/usr/share/zoneinfo/right/*",
)
#: Nothing of the machine that makes a base without further packages; engines bring devices along.
_IMPERSONAL = ("--skip=output/dev", '--customize-hook=rm --force "$1/etc/hostname" "$1/etc/resolv.conf"')

#: Without it the package usrmerge comes along, and perl with it, though there is nothing to merge.
_MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")


def definition_folder(lab: Lab) -> Path:
    """Where the Dockerfile of test hosts is."""
    return lab.repository / "images/test-host"


def interpreter_folder(lab: Lab) -> Path:
    """Where the definition of a second Python is."""
    return definition_folder(lab) / "interpreter"


def _content(folder: Path) -> list[str | bytes]:
    """Names and contents of the files of a folder."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return [part for file in files for part in (file.name, file.read_bytes())]


def host_image(lab: Lab, suite: Suite, certificates: dict[str, bytes]) -> str:
    """The name of a suite's test host image, by the content of its definition."""
    definition: list[str | bytes] = [suite.name, *suite.apt_options, *PACKAGES, *_content(definition_folder(lab))]
    for name, content in sorted(certificates.items()):
        definition += [name, content]
    return f"modwsgi-lab/test-host:{suite.name}-{content_hash(definition)}"


def interpreter_image(lab: Lab, host: str, python: str) -> str:
    """The name of a test host image with a second Python, by the image below it and the content of its definition."""
    source = INTERPRETERS[python]
    definition = [host, python, source.name, *source.apt_options, *_content(interpreter_folder(lab))]
    # After the name of the image below it in the order of names, by which images are removed.
    return f"{host.rpartition('-')[0]}-python{python}-{content_hash(definition)}"


def base_image(suite: Suite, packages: Sequence[str] = PACKAGES) -> str:
    """The name of a suite's bootstrapped base image."""
    definition = [suite.name, *suite.apt_options, *packages, *_left_out(packages)]
    if not packages:
        definition += ["merged /usr", *_IMPERSONAL]
    return f"modwsgi-lab/base:{suite.name}-{content_hash(definition)}"


def _left_out(packages: Sequence[str]) -> tuple[str, ...]:
    return _LEFT_OUT if packages else _LEFT_OUT_OF_MINIMAL


def exists(image: str) -> bool:
    """Whether the engine has an image."""
    return run(["docker", "image", "inspect", image]).returncode == 0


def ensure(lab: Lab, console: Console, suite: Suite, interpreter: str = "") -> str:
    """Makes sure that a suite's test host image is there, with a second Python if one is named, and names it.

    Raises:
        LabError: its base can neither be pulled nor bootstrapped, or it cannot be built.
    """
    host = _ensure_host(lab, console, suite)
    return _ensure_interpreter(lab, console, host, interpreter) if interpreter else host


def _ensure_host(lab: Lab, console: Console, suite: Suite) -> str:
    certificates = machine.trusted_certificates()
    image = host_image(lab, suite, certificates)
    if not exists(image):
        base = ensure_base(lab, console, suite)
        with console.step(f"Test host image of {suite.title} ({suite.name})"):
            _build(lab, suite, base, image, certificates)
        lab.add("images", [image])
    return image


def build_options(image: str) -> list[str]:
    """How an image of test hosts is called and labelled."""
    return [f"--label={_LABEL}=test-host", f"--tag={image}"]


def _build(lab: Lab, suite: Suite, base: str, image: str, certificates: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
        context = Path(folder) / "context"
        shutil.copytree(definition_folder(lab), context)
        (context / "ca-certificates").mkdir()
        for name, content in certificates.items():
            (context / "ca-certificates" / name).write_bytes(content)
        arguments = {"BASE": base, "PACKAGES": " ".join(PACKAGES), "APT_OPTIONS": "\n".join(suite.apt_options)}
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        docker(["build", "--pull=false", *build_options(image), *options, context])


def _ensure_interpreter(lab: Lab, console: Console, host: str, python: str) -> str:
    image = interpreter_image(lab, host, python)
    if not exists(image):
        source = INTERPRETERS[python]
        step = f"Test host image with Python {python}: built from the source package of Debian {source.version}"
        with console.step(step), tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
            context = Path(folder) / "context"
            shutil.copytree(interpreter_folder(lab), context)
            _build_python(lab, host, python, context / "python.tar")
            options = [f"--build-arg=HOST={host}", f"--build-arg=VERSION={python}"]
            docker(["build", "--pull=false", *build_options(image), *options, context])
        lab.add("images", [image])
    return image


def _build_python(lab: Lab, host: str, python: str, archive: Path) -> None:
    """Builds a Python in a container of a test host image; the archive holds what belongs in /usr/local.

    Raises:
        LabError: the build failed.
    """
    source = INTERPRETERS[python]
    container = archive.with_name("container")
    # With the label of a host, so that `tools/lab.py clean` finds what a killed lab has left.
    options = ["--rm", f"--cidfile={container}", f"--label={CLONE_LABEL}={lab.repository}"]
    options.append(f"--env=APT_OPTIONS={chr(10).join(source.apt_options)}")
    script = (interpreter_folder(lab) / "build-python").read_text(encoding="utf-8")
    command = ["docker", "run", *options, host, "sh", "-c", script, "build-python", python, source.name]
    log = lab.directory / f"python{python}.log"
    try:
        with archive.open("wb") as output, log.open("wb") as errors:
            built = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, check=False)
    finally:
        if container.exists():
            run(["docker", "rm", "--force", "--volumes", container.read_text(encoding="utf-8")])
            container.unlink()
    if built.returncode != 0:
        said = last_words(log.read_text(encoding="utf-8", errors="replace"), 2)
        raise LabError(f"Python {python} for test hosts was not built ({said}): the log is {log}.")


def ensure_base(lab: Lab, console: Console, suite: Suite, packages: Sequence[str] = PACKAGES) -> str:
    """Makes sure that a suite's base image is there, and names it; one that is bootstrapped has some packages already.

    Raises:
        LabError: it can neither be pulled nor bootstrapped.
    """
    bootstrapped = base_image(suite, packages)
    for image in (bootstrapped, suite.pulled_image):
        if exists(image):
            return image
    if _pull(console, suite.pulled_image):
        lab.add("images", [suite.pulled_image])
        return suite.pulled_image
    _bootstrap(lab, console, suite, bootstrapped, packages)
    lab.add("images", [bootstrapped])
    return bootstrapped


def ensure_pulled(lab: Lab, console: Console, image: str) -> None:
    """Makes sure that an image of a registry, or of this machine, is there.

    Raises:
        LabError: it is not here and cannot be pulled.
    """
    if exists(image):
        return
    if not _pull(console, image):
        raise LabError(f"The image {image} is not on this machine and cannot be pulled; load it, or correct its name.")
    lab.add("images", [image])


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


def _bootstrap(lab: Lab, console: Console, suite: Suite, image: str, packages: Sequence[str]) -> None:
    """Makes a base image out of Debian's packages."""
    if suite.family != "debian":
        raise LabError(
            f"The image {suite.pulled_image} is not on this machine and cannot be pulled, and only Debian can be made "
            "out of packages here; load that image."
        )
    if machine.is_root() and machine.is_debian_family():
        machine.install_packages(lab, console, _BOOTSTRAP_PACKAGES)
    elif not shutil.which("mmdebstrap"):
        raise LabError(
            f"The image {suite.pulled_image} cannot be pulled, and `mmdebstrap`, which could make one, is missing: "
            "install it, or load that image."
        )
    options = [f"--include={','.join(packages)}"] if packages else []
    options += [f"--aptopt={option}" for option in suite.apt_options]
    options += [f"--dpkgopt={option}" for option in _left_out(packages)]
    if not packages:
        options += _IMPERSONAL
    if not packages and _MERGED_USR.is_dir():
        options.append(f"--hook-dir={_MERGED_USR}")
    with console.step(f"Base image: bootstrap of {suite.title} ({suite.name}), since none can be pulled"):
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


def remove_superseded(lab: Lab, family: str, current: str) -> None:
    """Removes what this lab made of another definition, by the begin of its name, unless a host still runs on it."""
    for image in lab.recall("images", []):
        if image.startswith(family) and image != current and run(["docker", "image", "rm", image]).returncode == 0:
            lab.discard("images", image)


def remove(lab: Lab, console: Console) -> None:
    """Removes the images that this lab made or pulled, unless a container of others uses them."""
    for image in reversed(lab.recall("images", [])):  # with a second Python before without, test-host before base
        if not exists(image):
            continue
        if run(["docker", "image", "rm", image]).returncode == 0:
            console.report(f"Image {image}: removed")
        else:
            console.report(f"Image {image}: left, since other containers or images use it")
    lab.remember("images", None)
