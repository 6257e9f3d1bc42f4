# SPDX-License-Identifier: Apache-2.0
"""Build a wheel of mod_wsgi in a container on the control node. Runs on the control node only."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils import distributions
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import shown
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_package import host_package
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import container_engine
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.wheel_cache import LARGEST_WHEEL

SENT = ("mod_wsgi/build.py", "mod_wsgi/installation.py", "mod_wsgi/versions.py")
"""What builds, the same as on hosts."""
RUNNER = "container_builder.py"
WORK = "/opt/mod_wsgi/.container"
DIRECTORY = "/opt/mod_wsgi/.build"
"""As on hosts: the linker writes it into the module, and two builds are to be the same byte for byte."""

LIFETIME = 3600
"""Seconds after which a container ends and is gone, also when nobody is left to remove it."""
SECONDS_TO_START = 900
"""With the time that the engine takes to pull the image."""
SECONDS_FOR_STEP = 1800


class ContainerError(Exception):
    """The wheel was not built; the text is one sentence for the user, ``log`` what the tools wrote."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Request:
    """What is to be built."""

    image: str
    distribution: str
    """Key of the table of distributions: "debian12"."""
    architecture: str
    httpd_api: int
    python: str
    """"3.11": the distribution's."""
    version: str
    """Of mod_wsgi."""
    sha256: str
    """Of its source distribution."""
    source: str
    """Path of the source distribution on the control node; "" lets pip in the container download it."""
    companions: tuple[str, ...]
    """Paths of the C sources on the control node."""
    folder: str
    """Where hosts have these C sources and the wheel: their paths are in the module."""
    name: str
    """File name of the wheel."""
    host: str
    """For sentences."""
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Container:
    """A running container."""

    def __init__(self, command: str, name: str, environment: Mapping[str, str]) -> None:
        self.command, self.name, self.environment = command, name, dict(environment)

    def execute(self, *command: str, timeout: int = SECONDS_FOR_STEP) -> subprocess.CompletedProcess[str]:
        """Run a command as root; standard output and errors are one text."""
        # By name alone: the engine's command takes the value from its environment, so no list of processes shows it.
        names = [f"--env={name}" for name in self.environment]
        return subprocess.run(
            [self.command, "exec", "--user=0", *names, self.name, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env={**os.environ, **self.environment},
        )

    def put(self, archive: bytes) -> None:
        """Unpack an archive at the root."""
        _engine(self.command, "cp", "-", f"{self.name}:/", data=archive)

    def get(self, path: str, target: Path) -> None:
        """Copy a file to the control node; of one that is too large, one byte more than is allowed."""
        command = [self.command, "exec", "--user=0", self.name, "head", "-c", str(LARGEST_WHEEL + 1), "--", path]
        left = LARGEST_WHEEL + 1
        with (
            target.open("xb") as file,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process,
        ):
            while process.stdout and left > 0:
                block = process.stdout.read(min(left, 1 << 20))
                if not block:
                    break
                file.write(block)
                left -= len(block)


def _engine(command: str, *arguments: str, data: bytes | None = None, timeout: int = SECONDS_FOR_STEP) -> str:
    try:
        result = subprocess.run(
            [command, *arguments], input=data or b"", capture_output=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ContainerError(f"{command} {arguments[0]} failed on the control node: {error}") from None
    if result.returncode:
        lines = result.stderr.decode(errors="replace").splitlines()
        # Docker's last line may be a hint where to find help.
        said = [line for line in lines if line.strip() and "--help'" not in line]
        reason = said[-1].strip() if said else f"exit status {result.returncode}"
        raise ContainerError(f"{command} {arguments[0]} failed on the control node: {reason}")
    return result.stdout.decode(errors="replace")


@contextlib.contextmanager
def running(request: Request) -> Iterator[Container]:
    """A container of an image; it is gone afterwards."""
    command, problem = container_engine.find()
    if not command:
        raise ContainerError(f"The wheel for host {request.host} is not built in a container, since {problem}.")
    name = f"modwsgi-build-{secrets.token_hex(6)}"
    container = Container(command, name, {key: str(value) for key, value in request.environment.items()})
    try:
        options = ("--detach", "--rm", "--init", f"--name={name}", "--label=modwsgi.deploy.build", "--user=0")
        try:
            _engine(
                command, "run", *options, "--entrypoint=sleep", request.image, str(LIFETIME), timeout=SECONDS_TO_START
            )
        except ContainerError as error:
            raise ContainerError(
                f"The container that builds the wheel for host {request.host} did not start ({error}); name an image "
                "that the engine has or can pull in mod_wsgi_build_image."
            ) from None
        yield container
    finally:
        subprocess.run(
            [command, "rm", "--force", "--volumes", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS_FOR_STEP,
            check=False,
        )


def payload(request: Request) -> bytes:
    """The archive that a container gets: what builds, its parameters, the C sources, and the source distribution."""
    executable = f"/usr/bin/python{request.python}"
    source = f"{WORK}/{Path(request.source).name}" if request.source else ""
    companions = {f"{request.folder}/{Path(each).name}": each for each in request.companions}
    parameters = {
        "httpd_api": request.httpd_api,
        "build": {
            "executable": executable,
            "python": request.python,
            "version": request.version,
            "sha256": request.sha256,
            "source": source,
            "directory": DIRECTORY,
            "destination": request.folder,
            "companions": list(companions),
            "extra_environment": {key: str(value) for key, value in request.environment.items()},
            "host": f"{request.host} (in a container of {request.image})",
        },
    }
    files = {f"{WORK}/{path}": text.encode() for path, text in host_package(SENT).items()}
    files[f"{WORK}/{RUNNER}"] = Path(__file__).with_name(RUNNER).read_bytes()
    files[f"{WORK}/parameters.json"] = json.dumps(parameters).encode()
    files.update({path: Path(each).read_bytes() for path, each in companions.items()})
    if source:
        files[source] = Path(request.source).read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def build(request: Request, target: Path) -> str:
    """Build a wheel in a container and copy it to ``target``; the SHA-256 that the container tells.

    Raises ContainerError; the container is gone in every case.
    """
    try:
        with running(request) as container:
            _check_image(container, request)
            _install(container, request)
            container.put(payload(request))
            answer = _answer(container.execute(f"/usr/bin/python{request.python}", "-I", f"{WORK}/{RUNNER}"))
            if "error" in answer:
                raise ContainerError(
                    f"The container of {request.image} did not build the wheel for host {request.host}: "
                    f"{str(answer['error']).rstrip('.')}.",
                    str(answer.get("log", "")),
                )
            container.get(f"{request.folder}/{request.name}", target)
            return str(answer.get("wheel_sha256", ""))
    except subprocess.TimeoutExpired as error:
        raise ContainerError(
            f"The container that builds the wheel for host {request.host} was ended, since a step took more than "
            f"{error.timeout:g} s; see why {request.image} is so slow, then run again."
        ) from None


def _check_image(container: Container, request: Request) -> None:
    release = container.execute("head", "-c", "10000", "/etc/os-release").stdout
    machine = container.execute("uname", "-m").stdout.strip()
    try:
        found = distributions.identify(release).key
    except distributions.UnsupportedDistributionError:
        found = "something else"
    wanted = f"{request.distribution} on {request.architecture}"
    if (found, machine) != (request.distribution, request.architecture):
        raise ContainerError(
            f"The image {request.image} is {found} on {shown(machine)}, and host {request.host} needs a wheel of "
            f"{wanted}; name an image of that kind in mod_wsgi_build_image, or another builder in "
            "mod_wsgi_build_on."
        )


def _install(container: Container, request: Request) -> None:
    # As on hosts: no recommendations, and packages as the mirror has them now.
    for command in (
        ["apt-get", "--quiet", "update"],
        ["apt-get", "--quiet", "--assume-yes", "--no-install-recommends", "install", *request.packages],
    ):
        result = container.execute("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command)
        if result.returncode:
            errors = [line for line in result.stdout.splitlines() if line.startswith("E: ")] or ["E: no reason given"]
            raise ContainerError(
                f"The packages that build the wheel for host {request.host} were not installed in a container of "
                f"{request.image} ({errors[0]}); name an image with package sources that work in mod_wsgi_build_image.",
                result.stdout,
            )


def _answer(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    lines = result.stdout.strip().splitlines() or [f"exit status {result.returncode}"]
    try:
        answer = json.loads(lines[-1])
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"error": lines[-1][:500], "log": result.stdout}
