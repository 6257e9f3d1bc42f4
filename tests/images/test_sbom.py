# SPDX-License-Identifier: Apache-2.0
"""What the image says about its content agrees with its file system, for the default image and the slim one."""

from __future__ import annotations

import io
import json
import posixpath
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from support.containers import docker
from support.file_tree import file_tree
from support.image_forms import FORMS

SBOM = "/usr/local/share/sbom/mod-wsgi.spdx.json"

#: Ours: the configuration, mod_wsgi and the environment (whose distributions are in the document), the entry point.
OURS = (
    r"/etc/(apache2|mod-wsgi)/.*|/opt/(mod_wsgi|venv)/.*|/usr/local/lib/modwsgi-image/.*|/usr/local/share/sbom/.*"
    # What gives a name to a user of whom /etc/passwd says nothing.
    r"|/usr/local/lib/libnss_modwsgi\.so\.2"
    # The program of Python, linked with Debian's library of Python; and the modules of that library as one file.
    r"|/usr/bin/python3\.[0-9]+|/usr/lib/python3[0-9]+\.zip"
)
#: What scripts of Debian's packages generate when these are installed, out of their own files.
GENERATED = (
    r"/etc/(group|passwd|nsswitch\.conf|localtime|timezone|ld\.so\.cache)|/etc/ssl/certs/[^/]+"
    r"|/var/lib/dpkg/(status|info/[^/]+)"
)


class Image:
    """The file system of an image."""

    def __init__(self, name: str) -> None:
        self.entries = {f"/{path}": entry for path, entry in file_tree(name).items()}
        self.contents: dict[str, bytes] = {}
        container = docker("create", name, "serve").stdout.strip()
        try:
            for folder in ("/var/lib/dpkg", posixpath.dirname(SBOM)):
                copied = subprocess.run(["docker", "cp", f"{container}:{folder}", "-"], capture_output=True, check=True)
                with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
                    for member in filter(tarfile.TarInfo.isreg, archive):
                        content = archive.extractfile(member)
                        assert content is not None
                        self.contents[f"{posixpath.dirname(folder)}/{member.name}"] = content.read()
        finally:
            docker("rm", container)

    def kind(self, path: str) -> bytes:
        """The kind of an entry, as an archive has it."""
        return self.entries[path].kind

    def canonical(self, path: str) -> str:
        """A path whose folders are no links; what it names itself may be one."""
        here = ""
        for part in posixpath.dirname(path).split("/"):
            here = self.resolved(f"{here}/{part}") if part else here
        return f"{here}/{posixpath.basename(path)}"

    def resolved(self, path: str) -> str:
        """Where a path leads to in the end; its folders are no links."""
        entry = self.entries.get(path)
        if entry is None or entry.kind != tarfile.SYMTYPE:
            return path
        target = posixpath.join(posixpath.dirname(path), entry.content)
        return self.resolved(self.canonical(posixpath.normpath(target)))

    def text(self, path: str) -> str:
        return self.contents[path].decode()

    def lists(self, kind: str) -> Iterator[tuple[str, list[str]]]:
        """Name and lines of each file of one kind in dpkg's database."""
        for path in sorted(self.contents):
            match = re.fullmatch(rf"/var/lib/dpkg/info/([^:/]+)(?::[^:/]+)?\.{kind}", path)
            if match:
                yield match[1], self.text(path).splitlines()

    def owned(self) -> set[str]:
        """What Debian's packages list."""
        return {self.canonical(path) for _name, paths in self.lists("list") for path in paths if path != "/."}


@pytest.fixture(name="image", scope="module", params=FORMS.values())
def fixture_image_files(request: pytest.FixtureRequest) -> Image:
    name: str = request.param
    found = docker("image", "inspect", name, check=False).returncode == 0
    assert found, f"There is no image {name}: run `make images`."
    return Image(name)


@pytest.fixture(name="document")
def fixture_document(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(image.contents[SBOM])
    return found


def references(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The packages whose package URL is of one kind."""
    start = f"pkg:{kind}/"
    return [
        package
        for package in document["packages"]
        if any(each["referenceLocator"].startswith(start) for each in package.get("externalRefs", []))
    ]


def test_it_is_valid_and_others_can_read_it(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "mod-wsgi.spdx.json"
    path.write_bytes(image.contents[SBOM])
    assert [each.validation_message for each in validate_full_spdx_document(parse_file(str(path)))] == []


def test_its_debian_packages_are_those_of_dpkg(image: Image, document: dict[str, Any]) -> None:
    entries = image.text("/var/lib/dpkg/status").strip().split("\n\n")
    fields = [dict(re.findall(r"^(Package|Version|Status): (.*)$", entry, re.MULTILINE)) for entry in entries]
    installed = sorted((each["Package"], each["Version"]) for each in fields if each["Status"].endswith(" installed"))
    assert len(installed) > 20
    assert sorted((each["name"], each["versionInfo"]) for each in references(document, "deb")) == installed
    assert {name for name, _version in installed} >= {name for name, _paths in image.lists("list")}


def test_its_distributions_are_those_in_the_file_system(image: Image, document: dict[str, Any]) -> None:
    found = {path for path in image.entries if path.endswith((".dist-info", ".egg-info"))}
    packages = references(document, "pypi")
    assert {each["packageFileName"] for each in packages} == found
    assert len(packages) == len(found)
    (module,) = [each for each in packages if each["name"] == "mod_wsgi"]
    assert posixpath.basename(module["packageFileName"]) == f"mod_wsgi-{module['versionInfo']}.dist-info"
    assert module["licenseDeclared"] == "Apache-2.0"


def test_every_python_is_in_it(image: Image, document: dict[str, Any]) -> None:
    owned = image.owned()
    libraries = {path for path in image.entries if re.search(r"/lib/python3\.[0-9]+t?/os\.py$", path)}
    assert libraries
    found = {f"{each['packageFileName']}/os.py" for each in references(document, "generic")}
    assert found == libraries - owned


def test_every_package_has_a_licence(image: Image, document: dict[str, Any]) -> None:
    for package in document["packages"]:
        assert package["licenseDeclared"], package["name"]
        if package["licenseDeclared"] == "NOASSERTION":
            assert "is not machine-readable" in package["licenseComments"], package["name"]
    # The files that they come from are there to be read.
    for package in references(document, "deb"):
        copyright_file = image.resolved(image.canonical(f"/usr/share/doc/{package['name']}/copyright"))
        assert image.kind(copyright_file) == tarfile.REGTYPE


def test_it_names_the_image_that_it_is_in(request: pytest.FixtureRequest, document: dict[str, Any]) -> None:
    name = request.node.callspec.params["image"]
    tag = name.rpartition(":")[2]
    (described,) = document["documentDescribes"]
    (package,) = [each for each in document["packages"] if each["SPDXID"] == described]
    assert (package["name"], package["versionInfo"]) == ("mod-wsgi", tag)
    created = docker("image", "inspect", '--format={{index .Config.Labels "org.opencontainers.image.created"}}', name)
    assert document["creationInfo"]["created"] == created.stdout.strip()


@pytest.mark.parametrize("image", [FORMS["slim"]], indirect=True)
def test_every_file_of_the_slim_image_belongs_to_a_package_in_it(image: Image) -> None:
    owned = image.owned()
    # The licence of a package may be a file of another one, which the package links to.
    owned |= {
        image.resolved(image.canonical(f"{path}/copyright")) for path in owned if path.startswith("/usr/share/doc/")
    }
    strays = [path for path in image.entries if not belongs(image, owned, path)]
    assert strays == []


def belongs(image: Image, owned: set[str], path: str) -> bool:
    """Whether a path is accounted for: a package's, byte code of a package's source, or a known one."""
    if image.kind(path) == tarfile.DIRTYPE or path in owned:
        return True
    byte_code = re.fullmatch(r"(.*)/__pycache__/([^/.]+)\.cpython-[0-9]+t?\.pyc", path)
    if byte_code and f"{byte_code[1]}/{byte_code[2]}.py" in owned:
        return True
    return bool(re.fullmatch(f"{OURS}|{GENERATED}", path))


def test_files_of_packages_are_as_the_packages_have_them() -> None:
    """dpkg compares those of the default image; the slim one has the same files."""
    options = ("--rm", "--user=0", "--entrypoint=/usr/bin/dpkg")
    verified = docker("run", *options, FORMS["default"], "--verify").stdout.splitlines()
    # Pages are left out of the image; any other line tells of another checksum.
    assert [line for line in verified if not line.startswith("missing")] == []
    assert verified
    default, slim = (file_tree(FORMS[form]) for form in ("default", "slim"))
    changed = [name for name, entry in slim.items() if name in default and entry.content != default[name].content]
    assert [f"/{name}" for name in changed if not re.fullmatch(f"{OURS}|{GENERATED}", f"/{name}")] == []
