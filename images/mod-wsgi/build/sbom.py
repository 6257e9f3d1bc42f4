#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write what is inside an image as SPDX 2.3 JSON: Debian packages, Python distributions, and a Python that is neither.

Reads the finished root of the image, and nothing else: the same root and options give the same bytes.
Needs nothing but Python's standard library, 3.9 or later; it runs with the Python of the image.
"""

from __future__ import annotations

import argparse
import email.parser
import functools
import hashlib
import json
import os
import platform
import re
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import licences
from licences import Declared, identifier_part, plain

NOASSERTION = "NOASSERTION"
IMAGE = "SPDXRef-Image"
STATUS = "var/lib/dpkg/status"
PYTHON_FOLDERS = ("opt", "usr/lib/python3*", "usr/local/lib/python3*")
LICENCE = re.compile(r"License :: (?!OSI Approved$)")
"""A classifier that names a licence."""
CPYTHON_LICENCE = "Python-2.0.1"
"""SPDX's name for the licences of CPython, from its release 2.0.1 on."""

Package = dict[str, Any]


def text_of(path: Path) -> str:
    """A file's text, where what is not UTF-8 is replaced; empty when there is no such regular file."""
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""


def paragraphs(text: str) -> list[dict[str, str]]:
    """The paragraphs of a Debian control file (deb822); names of fields in small letters, folded lines kept."""
    found: list[dict[str, str]] = []
    for block in re.split(r"\n[ \t]*(?:\n[ \t]*)*\n", re.sub(r"^#.*\n", "", text.replace("\r\n", "\n"), flags=re.M)):
        fields = re.findall(r"^([^\s:][^:\n]*):(.*(?:\n[ \t].*)*)", block, re.MULTILINE)
        if fields:
            found.append({name.strip().lower(): re.sub(r"\n[ \t]", "\n", value).strip(" ") for name, value in fields})
    return found


def package(kind: str, name: str, version: str, declared: Declared, place: str = "", **more: Any) -> Package:
    """A package of the document; `place` tells packages of one name apart. Keys without a value are left out."""
    mark = hashlib.sha256("\0".join([name, version, place]).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return {
        "SPDXID": f"SPDXRef-{kind}-{identifier_part(name)}-{mark}",
        "name": name,
        **({"versionInfo": version} if version else {}),
        "supplier": NOASSERTION,
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": declared.expression,
        **({"licenseComments": declared.comment} if declared.comment else {}),
        "copyrightText": NOASSERTION,
        **({"packageFileName": plain(place)} if place else {}),
        **more,
    }


def reference(kind: str, locator: str) -> dict[str, str]:
    """How others name a package: a package URL or a CPE."""
    category = "SECURITY" if kind.startswith("cpe") else "PACKAGE-MANAGER"
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}


def package_url(kind: str, name: str, version: str, **qualifiers: str) -> dict[str, str]:
    """A package URL (purl); `kind` with the namespace. Its own rule: a colon is never encoded, a plus sign is."""
    encoded = functools.partial(quote, safe=":")
    asked = "&".join(f"{key}={encoded(value)}" for key, value in sorted(qualifiers.items()) if value)
    at = f"@{encoded(version)}" if version else ""
    return reference("purl", f"pkg:{kind}/{encoded(name)}{at}" + (f"?{asked}" if asked else ""))


def debian_packages(root: Path, extracted: licences.Extracted) -> list[Package]:
    """Each package of which dpkg's database says that files of it are there."""
    text = text_of(root / "etc/os-release") or text_of(root / "usr/lib/os-release")
    system = dict(re.findall(r"^([A-Z_]+)=[\"']?([A-Za-z0-9._-]+)[\"']?\s*$", text, re.MULTILINE))
    entries = paragraphs((root / STATUS).read_text(encoding="utf-8", errors="replace"))
    present = [each for each in entries if each["status"].split()[2] not in ("not-installed", "config-files")]
    return [debian_package(root, extracted, system, each) for each in present]


def debian_package(
    root: Path, extracted: licences.Extracted, system: Mapping[str, str], fields: Mapping[str, str]
) -> Package:
    """One package, out of its entry in dpkg's status and its copyright file."""
    name, version, architecture = fields["package"], fields["version"], fields["architecture"]
    source, _, other = fields.get("source", name).partition(" ")
    vendor = system.get("ID", "debian")
    number = system.get("VERSION_ID")
    release = f"{vendor}-{number}" if number else system.get("VERSION_CODENAME", "")
    return package(
        "deb",
        name,
        version,
        debian_licence(root, extracted, name),
        # The wording that scanners of SPDX documents read, since advisories are about source packages.
        sourceInfo=f"built package from: {source} {other.strip('()') or version}",
        supplier=f"Organization: {vendor.capitalize()}",
        comment=f"Architecture: {architecture}.",
        externalRefs=[package_url(f"deb/{vendor}", name, version, arch=architecture, distro=release)],
    )


def debian_licence(root: Path, extracted: licences.Extracted, name: str) -> Declared:
    """The licences of a package, by its copyright file: those of all files of the source package."""
    where = f"/usr/share/doc/{name}/copyright"
    text = text_of(root / where[1:])
    if not text:
        return Declared(NOASSERTION, f"The package has no {where}.")
    found = paragraphs(text)
    if not found or not found[0].keys() & {"format", "format-specification"}:
        common = sorted(set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", text)))
        told = f" It refers to {', '.join(common)} in /usr/share/common-licenses." if common else ""
        return Declared(NOASSERTION, f"{where} is not machine-readable.{told}")
    # What a file or the whole package has; other paragraphs are the texts of these.
    stated = [each for each in found if "license" in each]
    granting = [each for each in stated if each is found[0] or "files" in each]
    texts = debian_texts(stated)

    def leaf(whole: str, short: str) -> str:
        text = texts.get(short.lower()) or texts.get(whole.lower(), "")
        return licences.debian_identifier(short) or extracted.reference("Debian", short or "unnamed", text)

    names = [plain(each["license"].partition("\n")[0]) for each in granting or stated]
    expressions = [licences.debian_expression(whole, functools.partial(leaf, whole)) for whole in names]
    if not expressions:
        return Declared(NOASSERTION, f"{where} names no licence.")
    comment = f"The licences of all files of the source package, by {where}."
    return Declared(str(licences.joined("AND", expressions)), comment)


def debian_texts(stated: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The texts of licences in a copyright file, by their short names in small letters."""
    texts: dict[str, str] = {}
    for each in stated:
        short, _newline, text = each["license"].partition("\n")
        if text.strip():
            texts.setdefault(plain(short).lower(), licences.unfolded(text))
    return texts


def python_packages(root: Path, extracted: licences.Extracted) -> list[Package]:
    """Each distribution, and each Python that no Debian package owns."""
    lists = sorted((root / "var/lib/dpkg/info").glob("*.list"))
    owned = {line for path in lists for line in text_of(path).splitlines() if line.endswith("/os.py")}
    found: list[Package] = []
    # A link would lead to what is looked at anyhow, or out of the root.
    bases = [path for pattern in PYTHON_FOLDERS for path in sorted(root.glob(pattern)) if not path.is_symlink()]
    for folder, folders, files in (each for base in bases for each in os.walk(base)):
        here = "/" + os.path.relpath(folder, root)
        metadata = [name for name in folders if name.endswith((".dist-info", ".egg-info"))]
        metadata += [name for name in files if name.endswith(".egg-info")]
        folders[:] = [name for name in folders if name not in metadata]
        found += [python_distribution(root, extracted, f"{here}/{name}") for name in metadata]
        # CPython itself knows its library by this file.
        if "os.py" in files and re.search(r"/lib/python3\.[0-9]+t?$", here) and f"{here}/os.py" not in owned:
            found.append(cpython(here))
    return found


def python_distribution(root: Path, extracted: licences.Extracted, place: str) -> Package:
    """One distribution, out of its metadata; what they lack comes from the folder's name."""
    path = root / place[1:]
    text = text_of(path / "METADATA") or text_of(path / "PKG-INFO") or text_of(path)
    headers = email.parser.HeaderParser().parsestr(text)

    def all_of(field: str) -> list[str]:
        values = (str(value).strip() for value in headers.get_all(field, []))
        return [value for value in values if value and value != "UNKNOWN"]

    stem = plain(os.path.basename(place)).rpartition(".")[0]
    in_name = re.fullmatch(r"(.+?)-([^-]*)(?:-py[0-9.]+)?", stem)
    name, version = in_name.groups() if in_name else (stem, "")
    name = plain(next(iter(all_of("Name")), name)) or "unnamed"
    version = plain(next(iter(all_of("Version")), version))
    url = package_url("pypi", name.lower().replace("_", "-"), version)
    return package("pypi", name, version, python_licence(path, extracted, all_of), place, externalRefs=[url])


def python_licence(path: Path, extracted: licences.Extracted, all_of: Callable[[str], list[str]]) -> Declared:
    """A distribution's licence: its expression, a licence field that is one, its classifiers, or whatever it says."""

    def named(name: str) -> str:
        # A path goes no further up: it is taken as inside the folder.
        inside = [name.replace("..", "").lstrip("/") for name in all_of("License-File")]
        files = [text_of(path / "licenses" / name) or text_of(path / name) for name in inside]
        return extracted.reference("Python", name, "\n\n".join(licences.body(text) for text in files if text))

    for written in all_of("License-Expression"):
        expression = licences.spdx_expression(written, named)
        return Declared(expression or named(plain(written)), "By License-Expression of its metadata.")
    written = next(iter(all_of("License")), "")
    if identity := licences.python_identifier(written):
        return Declared(identity, "By License of its metadata.")
    classifiers = [each.rpartition("::")[2].strip() for each in map(plain, all_of("Classifier")) if LICENCE.match(each)]
    sure = [licences.PYTHON_CLASSIFIERS.get(each) for each in classifiers]
    if classifiers and (all(sure) or not written):
        each = [known or named(name) for known, name in zip(sure, classifiers)]
        return Declared(str(licences.joined("AND", each)), "By the classifiers of its metadata.")
    if written:
        title, _newline, rest = written.partition("\n")
        text = licences.unfolded(f"{title}\n{textwrap.dedent(rest)}")
        return Declared(extracted.reference("Python", plain(title)[:80], text), "By License of its metadata.")
    return Declared(NOASSERTION, "Its metadata name no licence.")


def cpython(library: str) -> Package:
    """A Python that no Debian package owns, by its standard library: as python.org builds it, and official images.

    That of the image runs this program, and tells its whole version.
    """
    short = library.rpartition("/python")[2].rstrip("t")
    running = platform.python_version()
    version = running if running.startswith(f"{short}.") else short
    references = [package_url("generic", "cpython", version)]
    # Advisories for Python name it so; that has a rule of its own for a pre-release, which no image has.
    if re.fullmatch(r"[0-9]+[.][0-9]+[.][0-9]+", version):
        references.append(reference("cpe23Type", f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"))
    licence = Declared(CPYTHON_LICENCE, "The licence of CPython.")
    return package("generic", "cpython", version, licence, library, externalRefs=references)


class Image(NamedTuple):
    """What the caller says about the image."""

    name: str
    version: str
    created: int
    """Seconds since 1970."""
    base: str
    """The image that it was built on; empty when that is of no interest."""


def document(root: Path, image: Image) -> dict[str, Any]:
    """The SPDX document of a root."""
    extracted = licences.Extracted()
    packages = debian_packages(root, extracted) + python_packages(root, extracted)
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)]
    relations += [(IMAGE, "CONTAINS", each["SPDXID"]) for each in packages]
    if image.base:
        # With its digest or tag as the version.
        name, _, version = re.sub(r"(?<!@sha256):([^/:@]+)$", r"@\1", image.base).partition("@")
        declared = Declared(NOASSERTION, "Each package has its own licence.")
        packages.append(package("Base", name, version, declared, primaryPackagePurpose="CONTAINER"))
        relations.append((IMAGE, "DESCENDANT_OF", packages[-1]["SPDXID"]))
    comment = "The licence of the image's configuration and entry point; each package has its own."
    own = package(
        "Image", image.name, image.version, Declared("Apache-2.0", comment), primaryPackagePurpose="CONTAINER"
    )
    content: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{image.name}-{image.version}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image.created)),
            "creators": ["Tool: modwsgi-deploy-sbom"],
        },
        "documentDescribes": [IMAGE],
        "packages": [{**own, "SPDXID": IMAGE}, *sorted(packages, key=lambda each: str(each["SPDXID"]))],
        "hasExtractedLicensingInfos": [extracted.infos[key] for key in sorted(extracted.infos)],
        "relationships": [
            {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}
            for source, kind, target in sorted(relations)
        ],
    }
    mark = hashlib.sha256(serialized(content).encode()).hexdigest()
    return {**content, "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, mark)}"}


def serialized(content: Mapping[str, Any]) -> str:
    """The text of a document."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the document; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the finished root of the image")
    parser.add_argument("--name", required=True, help="the image's name")
    parser.add_argument("--version", required=True, help="its tag")
    parser.add_argument("--created", type=int, required=True, help="when it was made, in seconds since 1970")
    parser.add_argument("--base", default="", help="the image that it was built on; may be empty")
    parser.add_argument("--output", type=Path, required=True, help="the file to write")
    options = parser.parse_args(arguments)
    image = Image(options.name, options.version, options.created, options.base)
    text = serialized(document(options.root, image))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
