# SPDX-License-Identifier: Apache-2.0
"""The images that serve WSGI applications: images/versions.json says which, images/mod-wsgi/Containerfile how.

An image is built again when anything that it is made of has changed; a label holds the hash of all that.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.laboratory import images, machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import last_words, run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import SUITES, Suite

REPOSITORY_NAME = "mod-wsgi"
_DEFINITION_LABEL = "modwsgi.deploy.definition"
#: What applies the roles in the build, as requirements-dev.txt pins it.
CONTROL_PACKAGES = (
    "ansible-core",
    "cffi",
    "cryptography",
    "jinja2",
    "markupsafe",
    "packaging",
    "pycparser",
    "pyyaml",
    "resolvelib",
)
#: The part of the repository that the build applies.
_COLLECTION = (
    "ansible.cfg",
    "collections",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "images/mod-wsgi/runtime",
)
_NEVER = shutil.ignore_patterns("__pycache__", "*.pyc", "tests")


@dataclass(frozen=True)
class Image:
    """One image: a version of mod_wsgi for the Python of one Debian suite."""

    module: str
    python: str
    suite: str
    tags: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of the image that serves; the first is its own."""
        return [f"{REPOSITORY_NAME}:{tag}" for tag in self.tags]

    @property
    def builder(self) -> str:
        """The name of the image with a compiler."""
        return f"{self.names[0]}-build"

    @property
    def roles(self) -> str:
        """The name of the stage that applied the roles, which is kept so that a further build is quick."""
        return f"modwsgi-lab/image-roles:{self.tags[0]}"


def versions(repository: Path) -> list[Image]:
    """All images of images/versions.json."""
    table = json.loads((repository / "images/versions.json").read_text(encoding="utf-8"))
    return [Image(**{**row, "tags": tuple(row["tags"])}) for row in table["images"]]


def chosen(every: Iterable[Image], python: str, module: str) -> list[Image]:
    """The images for a Python and of a version of mod_wsgi; an empty text is for any.

    Raises:
        LabError: there is none.
    """
    every = list(every)
    found = [image for image in every if python in ("", image.python) and module in ("", image.module)]
    if not found:
        known = ", ".join(f"mod_wsgi {image.module} for Python {image.python}" for image in every)
        raise LabError(f"images/versions.json has no image for PYTHON={python} MOD_WSGI={module}: there is {known}.")
    return found


def requirements(locked: str, names: Iterable[str]) -> str:
    """The lines of a locked requirements file that pin some packages.

    Raises:
        LabError: one of them is not pinned.
    """
    blocks = re.findall(r"^([a-z0-9._-]+)(==(?:.*\\\n)*.*\n)", locked, re.MULTILINE)
    pinned = {name: name + rest for name, rest in blocks}
    missing = [name for name in names if name not in pinned]
    if missing:
        raise LabError(f"requirements-dev.txt does not pin {', '.join(missing)}: run `make lock`.")
    return "".join(pinned[name] for name in names)


def make_context(repository: Path, context: Path, certificates: Mapping[str, bytes]) -> None:
    """Puts all that the build needs into a new folder."""
    shutil.copytree(repository / "images/mod-wsgi", context, ignore=_NEVER)
    for name in _COLLECTION:
        source, target = repository / name, context / "collection" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_NEVER)
        else:
            shutil.copy(source, target)
    locked = (repository / "requirements-dev.txt").read_text(encoding="utf-8")
    (context / "requirements.txt").write_text(requirements(locked, CONTROL_PACKAGES), encoding="utf-8")
    (context / "ca-certificates").mkdir()
    for name, content in certificates.items():
        (context / "ca-certificates" / name).write_bytes(content)
    # The umask of this machine does not decide what others may read in the image.
    for path in context.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def context_hash(context: Path) -> str:
    """A hash of the names and contents of a build context."""
    parts: list[str | bytes] = []
    for path in sorted(context.rglob("*")):
        if path.is_symlink():
            parts += [str(path.relative_to(context)), str(path.readlink())]
        elif path.is_file():
            parts += [str(path.relative_to(context)), path.read_bytes()]
    return content_hash(parts)


def ensure(lab: Lab, console: Console, wanted: Sequence[Image]) -> None:
    """Makes sure that images are there, and that they are what the repository describes.

    Raises:
        LabError: a base can neither be pulled nor bootstrapped, or an image cannot be built.
    """
    for image in wanted:
        suite = SUITES[image.suite]
        base = images.ensure_base(lab, console, suite, packages=())
        with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
            context = Path(folder) / "context"
            make_context(lab.repository, context, machine.trusted_certificates())
            definition = content_hash([context_hash(context), base, *suite.apt_options, repr(image)])
            if all(_definition(name) == definition for name in (*image.names, image.builder)):
                continue
            with console.step(f"Image {image.names[0]} (mod_wsgi {image.module}, Python {image.python})"):
                before = _identifiers(image)
                _build(lab, image, suite, base, context, definition)
                _remove_superseded(before - _identifiers(image))


def _definition(name: str) -> str:
    """The label of an image that says what it was made of; empty when there is none."""
    found = run(["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_DEFINITION_LABEL}"}}}}', name])
    return found.stdout.strip() if found.returncode == 0 else ""


def _identifiers(image: Image) -> set[str]:
    """What the names of an image stand for."""
    found = (
        run(["docker", "image", "inspect", "--format", "{{.Id}}", name])
        for name in (*image.names, image.builder, image.roles)
    )
    return {said.stdout.strip() for said in found if said.returncode == 0}


def _remove_superseded(identifiers: Iterable[str]) -> None:
    """Removes images that have lost their names; one that an application's image is made of goes with that one."""
    for identifier in sorted(identifiers):
        run(["docker", "image", "rm", identifier])


def _build(lab: Lab, image: Image, suite: Suite, base: str, context: Path, definition: str) -> None:
    arguments = {
        "BASE_IMAGE": base,
        "APT_OPTIONS": "\n".join(suite.apt_options),
        "PYTHON_VERSION": image.python,
        "MOD_WSGI_VERSION": image.module,
        **_revision(lab.repository),
    }
    common = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    common += ["--pull=false", f"--label={_DEFINITION_LABEL}={definition}", "--file", str(context / "Containerfile")]
    log = lab.directory / f"image-{image.tags[0]}.log"
    lab.directory.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    # By its name a stage is found again, and removed with the rest.
    for target, names in (("build", [image.builder]), ("roles", [image.roles]), ("", image.names)):
        lab.add("images", names)
        options = [*common, *(f"--tag={name}" for name in names), *([f"--target={target}"] if target else [])]
        with log.open("a", encoding="utf-8") as output:
            built = subprocess.run(
                ["docker", "build", *options, str(context)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if built.returncode != 0:
            said = last_words(log.read_text(encoding="utf-8", errors="replace"), 2)
            raise LabError(f"The image {names[0]} was not built ({said}): the log is {log}.")


def _revision(repository: Path) -> dict[str, str]:
    """Commit and its time, for labels; nothing outside of a clone."""
    shown = run(
        ["git", "log", "-1", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"],
        environment={"TZ": "UTC"},
        directory=repository,
    )
    revision, _, created = shown.stdout.strip().partition(" ")
    return {"REVISION": revision, "CREATED": created}


def sizes(wanted: Iterable[Image]) -> dict[str, float]:
    """Size of each image, in megabytes."""
    return {
        image.names[0]: int(docker(["image", "inspect", "--format", "{{.Size}}", image.names[0]])) / 1e6
        for image in wanted
    }
