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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools.laboratory import images, machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import last_words, run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import DEFAULT_SUITE, SUITES

REPOSITORY_NAME = "mod-wsgi"
#: Where an image says what is in it.
SBOM = "/usr/local/share/sbom/mod-wsgi.spdx.json"
_DEFINITION_LABEL = "modwsgi.deploy.definition"
#: What applies the roles in the build, as requirements-dev.txt pins it.
CONTROL_PACKAGES = (
    "ansible-core", "cffi", "cryptography", "jinja2", "markupsafe", "packaging", "pycparser", "pyyaml", "resolvelib",
)  # fmt: skip
#: The part of the repository that the build applies.
_COLLECTION = (
    "ansible.cfg", "collections", "galaxy.yml", "meta", "playbooks", "plugins", "roles",
)  # fmt: skip
_NEVER = shutil.ignore_patterns("__pycache__", "*.pyc", "tests")


#: The stages of the Containerfile that are kept by a name, so that a further build is quick and `clean` finds them; the
#: order is that of the file. The last two serve.
STAGES = ("build", "control", "roles", "complete", "slim-root", "slim", "default")
#: Seconds for one name; the layers of an image are pushed with its first name.
_PUSH_TIMEOUT = 1800.0
#: What begins with a host: an engine takes `team/` for a folder of its own default registry.
_REGISTRY = re.compile(r"([^/\s]*[.:][^/\s]*|localhost)(/\S+)?")
#: Earliest time in an image, for a build outside of a clone: archives know none before 1980. Seconds since 1970.
_EARLIEST = 315619200
_SLIM = "slim"


@dataclass(frozen=True)
class Image:
    """One image in its forms: a version of mod_wsgi for the Python of a Debian suite, or of another base."""

    module: str
    python: str
    #: The Debian suite; "" when the base is the user's.
    suite: str
    tags: tuple[str, ...]
    #: The base of the user, as an image name.
    base: str = ""
    #: The suite whose Python applies the roles, where the image's own is too old for that.
    control: str = ""
    #: Settings for apt, in its own syntax; they stay in the image.
    apt_options: str = ""
    #: Which versions apt takes while the module is built, in its own syntax (apt_preferences).
    apt_preferences: str = ""

    @property
    def names(self) -> list[str]:
        """The names of the image that serves; the first is its own."""
        return [f"{REPOSITORY_NAME}:{tag}" for tag in self.tags]

    @property
    def slim_names(self) -> list[str]:
        """The names of its slim form."""
        return [f"{REPOSITORY_NAME}:{slim_tag(tag)}" for tag in self.tags]

    @property
    def builder(self) -> str:
        """The name of the image with a compiler."""
        return f"{self.names[0]}-build"

    def stage(self, stage: str) -> list[str]:
        """The names of a stage of the Containerfile."""
        known = {"build": [self.builder], "slim": self.slim_names, "default": self.names}
        return known.get(stage, [f"modwsgi-lab/image-{stage}:{self.tags[0]}"])


def slim_tag(tag: str) -> str:
    """The tag of the slim form of an image."""
    return _SLIM if tag == "latest" else f"{tag}-{_SLIM}"


def versions(repository: Path) -> list[Image]:
    """All images of images/versions.json, which docker-bake.hcl reads in the same way."""
    table = json.loads((repository / "images/versions.json").read_text(encoding="utf-8"))
    return [_image(table["module"], **row) for row in table["images"]]


def _image(newest: str, python: str, module: str = "", short: bool = False, **more: str) -> Image:
    module = module or newest
    tags = [
        f"{module}-python{python}",
        *([module] if short else []),
        *(["latest"] if short and module == newest else []),
    ]
    return Image(module=module, python=python, tags=tuple(tags), **more)


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


def on_base(every: Sequence[Image], base: str, python: str, module: str, tag: str) -> Image:
    """The image on a base of the user's; its Python is in /usr/local there, or is Debian's.

    Raises:
        LabError: the Python is not named, or the tag is that of another image.
    """
    if not re.fullmatch(r"3\.[0-9]+", python):
        raise LabError(f"BASE_IMAGE={base} needs the version of its Python, for example PYTHON=3.12.")
    module = module or every[0].module
    tag = tag or f"{module}-python{python}"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,121}", tag):
        raise LabError(f"TAG={tag} is no tag of an image; use letters, digits, dots and dashes.")
    if any(tag in (known, slim_tag(known)) for image in every for known in image.tags):
        raise LabError(f"The tag {tag} is that of an image of images/versions.json; name another with TAG=.")
    return Image(module, python, "", (tag,), base)


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
    with lab.locked():  # hosts are made of the same ones
        bases = [base_arguments(lab, console, image) for image in wanted]
    # Two at a time: a build waits for the network and for one core most of the time.
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda image, base: _ensure_one(lab, console, image, base), wanted, bases))


def _ensure_one(lab: Lab, console: Console, image: Image, base: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="modwsgi-lab-") as folder:
        context = Path(folder) / "context"
        make_context(lab.repository, context, machine.trusted_certificates())
        definition = content_hash([context_hash(context), *base.values(), repr(image)])
        serving = [name for stage in ("build", "slim", "default") for name in image.stage(stage)]
        if any(_definition(name) != definition for name in serving):
            with console.step(f"Image {image.names[0]} (mod_wsgi {image.module}, Python {image.python})"):
                before = _identifiers(image)
                build(lab, image, {**base, **revision(lab.repository)}, context, definition)
                _remove_superseded(before - _identifiers(image))
                write_boms(lab, image)


def bom_path(lab: Lab, name: str) -> Path:
    """Where the software bill of materials of an image is kept, beside the image."""
    return lab.directory / "sbom" / f"{name.replace('/', '-').replace(':', '-')}.spdx.json"


def write_boms(lab: Lab, image: Image) -> None:
    """Copies the software bill of materials out of an image, in both forms."""
    for name in (image.names[0], image.slim_names[0]):
        target = bom_path(lab, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        container = docker(["create", name]).strip()
        try:
            docker(["cp", f"{container}:{SBOM}", str(target)])
        finally:
            run(["docker", "rm", container])


def base_arguments(lab: Lab, console: Console, image: Image) -> dict[str, str]:
    """The build arguments that say what an image is made on.

    Raises:
        LabError: it can neither be pulled nor bootstrapped.
    """
    if image.base:
        name = image.base
        images.ensure_pulled(lab, console, name)
    else:
        name = images.ensure_base(lab, console, SUITES[image.suite], packages=())
    control = SUITES[image.control or image.suite or DEFAULT_SUITE]
    digest = _digest(name)
    return {
        "BASE_IMAGE": f"{without_tag(name)}@{digest}" if digest and "@" not in name else name,
        "CONTROL_IMAGE": images.ensure_base(lab, console, control, packages=()),
        "APT_OPTIONS": image.apt_options,
        "APT_PREFERENCES": image.apt_preferences,
        # One that this machine has made has no name that says something elsewhere.
        "BASE_NAME": name if digest else "",
        "BASE_DIGEST": digest,
    }


def without_tag(name: str) -> str:
    """The repository of an image's name, whose host can have a port."""
    path, slash, last = name.rpartition("/")
    return path + slash + last.partition(":")[0]


def _digest(name: str) -> str:
    """The digest by which a registry knows an image; empty when none gave it."""
    found = docker(["image", "inspect", "--format", "{{range .RepoDigests}}{{.}} {{end}}", name]).split()
    repository = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    digests = [known.partition("@")[2] for known in found if known.partition("@")[0].rpartition("/")[2] == repository]
    return digests[0] if digests else ""


def _definition(name: str) -> str:
    """The label of an image that says what it was made of; empty when there is none."""
    found = run(["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_DEFINITION_LABEL}"}}}}', name])
    return found.stdout.strip() if found.returncode == 0 else ""


def _identifiers(image: Image) -> set[str]:
    """What the names of an image stand for."""
    names = (name for stage in STAGES for name in image.stage(stage))
    found = (run(["docker", "image", "inspect", "--format", "{{.Id}}", name]) for name in names)
    return {said.stdout.strip() for said in found if said.returncode == 0}


def _remove_superseded(identifiers: Iterable[str]) -> None:
    """Removes images that have lost their names; one that an application's image is made of goes with that one."""
    for identifier in sorted(identifiers):
        run(["docker", "image", "rm", identifier])


def build(
    lab: Lab, image: Image, arguments: Mapping[str, str], context: Path, definition: str, options: Sequence[str] = ()
) -> None:
    """Builds an image in all its forms.

    Raises:
        LabError: a stage failed; the error names the log.
    """
    values = {"PYTHON_VERSION": image.python, "MOD_WSGI_VERSION": image.module, **arguments}
    common = [*options, *(f"--build-arg={name}={value}" for name, value in values.items())]
    common += ["--pull=false", f"--label={_DEFINITION_LABEL}={definition}", "--file", str(context / "Containerfile")]
    log = lab.directory / f"image-{image.tags[0]}.log"
    lab.directory.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    for stage in STAGES:
        names = image.stage(stage)
        lab.add("images", names)
        words = [*common, *(f"--tag={name}" for name in names), f"--target={stage}"]
        with log.open("a", encoding="utf-8") as output:
            built = subprocess.run(
                ["docker", "build", *words, str(context)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if built.returncode != 0:
            said = last_words(log.read_text(encoding="utf-8", errors="replace"), 2)
            raise LabError(f"The image {names[0]} was not built ({said}): the log is {log}.")


def push(wanted: Sequence[Image], registry: str, *, all_of_them: bool) -> Iterator[str]:
    """Pushes images under all their names, the short ones last; each name with its digest, when the registry has it.

    Images that are not built are left out, unless `all_of_them` says that the user has chosen them.

    Raises:
        LabError: the registry has no host, or does not take a name; or an image is not built.
    """
    if not _REGISTRY.fullmatch(registry):
        raise LabError(
            f"REGISTRY={registry} does not begin with a host: `make push REGISTRY=registry.example.com/team`."
        )
    built = [image for image in wanted if all_of_them or images.exists(image.names[0])]
    if not built:
        raise LabError("No image of images/versions.json is built: `make images` builds them.")
    for image in built:
        own = [image.builder, image.slim_names[0], image.names[0]]
        for name in (*own, *image.slim_names[1:], *image.names[1:]):
            remote = f"{registry.rstrip('/')}/{name}"
            docker(["tag", name, remote])
            try:
                said = docker(["push", remote], timeout=_PUSH_TIMEOUT)
            finally:
                run(["docker", "image", "rm", "--no-prune", remote])
            yield f"{remote}@{re.findall(r'digest: (sha256:[0-9a-f]{64})', said)[-1]}"


def revision(repository: Path) -> dict[str, str]:
    """The build arguments that say which commit an image is made of, and when that was made; of a clone only."""
    shown = run(["git", "log", "-1", "--format=%H %ct"], directory=repository)
    commit, _, seconds = shown.stdout.strip().partition(" ")
    moment = int(seconds) if seconds.isdecimal() else _EARLIEST
    return {
        "REVISION": commit,
        "SOURCE_DATE_EPOCH": str(moment),
        "CREATED": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SOURCE": public_address(run(["git", "remote", "get-url", "origin"], directory=repository).stdout.strip()),
    }


def public_address(remote: str) -> str:
    """The address of a repository for everybody: without a password, and none for a folder of this machine."""
    found = re.fullmatch(
        r"(https?|ssh|git)://(?:[^/@]*@)?(?P<rest>[^/]+/.+?)(?:\.git)?/?|(?:[^/@]*@)?(?P<host>[^/:]+):(?P<path>[^/].*?)(?:\.git)?",
        remote,
    )
    if not found:
        return ""
    return "https://" + (found["rest"] or f"{found['host']}/{found['path']}")


def sizes(wanted: Iterable[Image]) -> dict[str, float]:
    """Size of each image that serves, in megabytes."""
    names = [name for image in wanted for name in (image.names[0], image.slim_names[0])]
    return {name: int(docker(["image", "inspect", "--format", "{{.Size}}", name])) / 1e6 for name in names}
