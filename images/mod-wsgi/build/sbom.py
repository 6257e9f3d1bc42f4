#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write what is inside an image as SPDX 2.3 JSON: Debian packages, Python distributions, and a Python that is neither.

Reads the finished root of the image, and nothing else: the same root and options give the same bytes, wherever and
whenever this runs. Exits with 64 and a sentence when the root or an option cannot be used; then nothing is written.

Needs nothing but Python's standard library, 3.9 or later.
"""

from __future__ import annotations

import argparse
import contextlib
import email.parser
import functools
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlsplit

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import licences
from licences import identifier_part, plain

USAGE = 64
"""Exit status for what cannot be used, as of the image's entry point (EX_USAGE of sysexits.h)."""
LAST_SECOND = 253402300799
"""The end of the year 9999; SPDX has four digits for a year."""
NOASSERTION = "NOASSERTION"
IMAGE = "SPDXRef-Image"
STATUS = "/var/lib/dpkg/status"
PYTHON_FOLDERS = ("opt", "usr/lib/python3*", "usr/local/lib/python3*")
LICENCE = re.compile(r"License :: (?!OSI Approved$)")
"""A classifier that names a licence."""
CPYTHON_LICENCE = "Python-2.0.1"
"""SPDX's name for the licences of CPython, from its release 2.0.1 on."""
LINKS = 40
"""How many symbolic links one path may go through, as in Linux."""


class Refused(Exception):  # noqa: N818 - the text is a sentence for the user
    """The root or an option cannot be used."""


class Declared(NamedTuple):
    """What a package says about its licence."""

    expression: str
    comment: str


# --- The root ---------------------------------------------------------------------------------------------------------


class Root:
    """The files of an image, below a folder. Symbolic links mean what they mean inside the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise Refused(f"--root: {folder} is not a folder: name the finished root of the image.")

    def place(self, name: str) -> Path | None:
        """Where a path of the image is on this machine; None when it does not exist."""
        waiting = [part for part in reversed(name.split("/")) if part]
        here: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                here = here[:-1]
            if part in (".", ".."):
                continue
            path = self.folder.joinpath(*here, part)
            try:
                is_link = stat.S_ISLNK(path.lstat().st_mode)
            except (OSError, ValueError):
                return None
            if not is_link:
                here.append(part)
                continue
            links += 1
            if links > LINKS:
                return None
            target = os.readlink(path)
            here = [] if target.startswith("/") else here
            waiting += [part for part in reversed(target.split("/")) if part]
        return self.folder.joinpath(*here)

    def bytes(self, name: str) -> bytes | None:
        """A file's content; None when there is no such regular file."""
        path = self.place(name)
        if path is None or not path.is_file():
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}.") from None

    def text(self, name: str) -> str | None:
        """A file's content as text; what is not UTF-8 is replaced."""
        content = self.bytes(name)
        return None if content is None else content.decode("utf-8", "replace")

    def names(self, folder: str) -> list[str]:
        """What a folder of the image holds, in the order of names; nothing when it does not exist."""
        place = self.place(folder)
        return sorted(os.listdir(place)) if place is not None and place.is_dir() else []

    def walk(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Each folder (`/opt/...`) where Python's distributions are looked for, with its folders and files."""

        def unreadable(error: OSError) -> NoReturn:
            raise Refused(f"{error.filename} cannot be read: {error.strerror}.")

        for pattern in PYTHON_FOLDERS:
            # A link there would lead to what is looked at anyhow, or out of the root.
            for base in sorted(path for path in self.folder.glob(pattern) if path.is_dir() and not path.is_symlink()):
                for folder, folders, files in os.walk(base, onerror=unreadable):
                    folders.sort()
                    yield "/" + os.path.relpath(folder, self.folder), folders, sorted(files)


def paragraphs(text: str) -> list[dict[str, str]]:
    """The paragraphs of a Debian control file (deb822); names of fields in small letters, folded lines kept."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.replace("\r\n", "\n").split("\n"), ""]:
        if not line.strip():
            if fields:
                found.append(fields)
            fields, name = {}, ""
        elif line.startswith("#"):
            continue
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line[1:]
        else:
            name, colon, value = line.partition(":")
            name = name.strip().lower() if colon else ""
            if name:
                fields[name] = value.strip()
    return found


def identifier(kind: str, name: str, *distinct: str) -> str:
    """A package's identifier in the document; `distinct` tells packages of one name apart."""
    part = identifier_part(name)
    apart = [name] if part != name else []
    mark = hashlib.sha256("\0".join([*apart, *distinct]).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"SPDXRef-{kind}-{part}" + (f"-{mark}" if apart or distinct else "")


# --- Packages ---------------------------------------------------------------------------------------------------------

Package = dict[str, Any]


def package(identity: str, name: str, version: str, declared: Declared, **more: Any) -> Package:
    """A package of the document. Keys of `more` without a value are left out."""
    return {
        "SPDXID": identity,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": declared.expression,
        **({"licenseComments": declared.comment} if declared.comment else {}),
        "copyrightText": NOASSERTION,
        **{key: value for key, value in sorted(more.items()) if value},
    }


def reference(kind: str, locator: str) -> dict[str, str]:
    """How others name a package: a package URL or a CPE."""
    category = "SECURITY" if kind.startswith("cpe") else "PACKAGE-MANAGER"
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}


def package_url(kind: str, name: str, version: str, **qualifiers: str) -> str:
    """A package URL (purl); `kind` with the namespace. Its own rule: a colon is never encoded, a plus sign is."""

    def encoded(text: str) -> str:
        return quote(text, safe=":")

    asked = "&".join(f"{key}={encoded(value)}" for key, value in sorted(qualifiers.items()) if value)
    at = f"@{encoded(version)}" if version else ""
    return f"pkg:{kind}/{encoded(name)}{at}" + (f"?{asked}" if asked else "")


def web_address(text: str) -> str:
    """An address of the web as it is; empty for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    fit = parts.scheme in ("http", "https") and re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?", parts.netloc)
    return text if fit and re.fullmatch(r"[!-;=?-\[\]_a-z~]+", text) else ""


def person_or_organization(text: str) -> str:
    """A maintainer (`Name <address>`) in SPDX's way. Debian does not tell teams apart; their addresses do."""
    match = re.fullmatch(r"(.*?)\s*<([^<>]*)>", plain(text))
    name, address = (match[1], match[2]) if match else (plain(text), "")
    name = re.sub(r"[()]", " ", name).strip().strip('"')
    if not name and not address:
        return NOASSERTION
    team = re.search(r"@lists\.|@packages\.|\bteam\b|maintainers|developers|group", f"{name} {address}", re.IGNORECASE)
    kind = "Organization" if team else "Person"
    known = re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", address)
    return f"{kind}: {name or address}" + (f" ({address})" if known and name else "")


class Distribution(NamedTuple):
    """The operating system, as package URLs name it."""

    vendor: str
    release: str


def distribution(root: Root) -> Distribution:
    """Which it is, by os-release."""
    text = root.text("/etc/os-release") or root.text("/usr/lib/os-release") or ""
    values = dict(re.findall(r"^([A-Z_]+)=[\"']?([A-Za-z0-9._-]+)[\"']?\s*$", text, re.MULTILINE))
    vendor = values.get("ID", "debian")
    number = values.get("VERSION_ID")
    return Distribution(vendor, f"{vendor}-{number}" if number else values.get("VERSION_CODENAME", ""))


# --- Debian packages --------------------------------------------------------------------------------------------------


def is_there(status: str) -> bool:
    """Whether dpkg's status of a package (`install ok installed`) says that files of it are there."""
    words = status.split()
    return len(words) == 3 and words[2] not in ("not-installed", "config-files")


def debian_packages(root: Root, extracted: licences.Extracted) -> dict[str, Package]:
    """Each package that dpkg has installed, by name and architecture (`libc6:amd64`)."""
    text = root.text(STATUS)
    if text is None:
        raise Refused(f"{root.folder} has no {STATUS}: name the root of an image with Debian's packages.")
    system = distribution(root)
    found: dict[str, Package] = {}
    for number, fields in enumerate(paragraphs(text), 1):
        if is_there(fields.get("status", "")):
            checked(root, number, fields)
            key = f"{fields['package']}:{fields['architecture']}"
            if key in found:
                raise Refused(f"{root.folder}{STATUS} has {key} twice: repair the root.")
            found[key] = debian_package(root, extracted, system, fields)
    return found


def checked(root: Root, number: int, fields: Mapping[str, str]) -> None:
    """Refuses an entry of dpkg's status that says less than a package's name, version and architecture."""
    patterns = {"package": r"[a-z0-9][a-z0-9+.-]*", "version": r"[A-Za-z0-9.+:~-]+", "architecture": r"[a-z0-9-]+"}
    for field, pattern in patterns.items():
        value = fields.get(field, "")
        if not re.fullmatch(pattern, value):
            told = f"{plain(value)!r} as its {field}" if value else f"no {field}"
            raise Refused(f"{root.folder}{STATUS}: the package of paragraph {number} has {told}: repair the root.")


def debian_package(
    root: Root, extracted: licences.Extracted, system: Distribution, fields: Mapping[str, str]
) -> Package:
    """One package, out of its entry in dpkg's status and its copyright file."""
    name, version, architecture = fields["package"], fields["version"], fields["architecture"]
    source = re.fullmatch(r"(\S+)(?:\s+\((.*)\))?", fields.get("source", name))
    built_from = f"{source[1]} {source[2] or version}" if source else f"{name} {version}"
    address = package_url(f"deb/{system.vendor}", name, version, arch=architecture, distro=system.release)
    return package(
        identifier("deb", f"{name}-{architecture}"),
        name,
        version,
        debian_licence(root, extracted, name),
        supplier=person_or_organization(fields.get("maintainer", "")),
        homepage=web_address(fields.get("homepage", "")),
        # The wording that scanners of SPDX documents read, since advisories are about source packages.
        sourceInfo=f"built package from: {plain(built_from)}",
        comment=f"Architecture: {architecture}.",
        externalRefs=[reference("purl", address)],
    )


def debian_licence(root: Root, extracted: licences.Extracted, name: str) -> Declared:
    """The licences of a package, by its copyright file: those of all files of the source package."""
    where = f"/usr/share/doc/{name}/copyright"
    text = root.text(where)
    if text is None:
        return Declared(NOASSERTION, f"The package has no {where}.")
    found = paragraphs(text)
    if not found or not found[0].keys() & {"format", "format-specification"}:
        common = sorted(set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", text)))
        told = f" It refers to {', '.join(common)} in /usr/share/common-licenses." if common else ""
        return Declared(NOASSERTION, f"{where} is not machine-readable.{told}")
    # What a file or the whole package has; other paragraphs are the texts of these.
    stated = [each for each in found if "license" in each]
    granting = [each for each in stated if each is found[0] or "files" in each]
    fields = [each["license"] for each in granting or stated]
    texts = debian_texts(found)

    def leaf(whole: str, short: str) -> str:
        text = texts.get(short.lower()) or texts.get(whole.lower(), "")
        return licences.debian_identifier(short) or extracted.reference("Debian", short or "unnamed", text)

    names = [plain(field.partition("\n")[0]) for field in fields]
    expressions = [licences.debian_expression(whole, functools.partial(leaf, whole)) for whole in names]
    if not expressions:
        return Declared(NOASSERTION, f"{where} names no licence.")
    comment = f"The licences of all files of the source package, by {where}."
    return Declared(str(licences.joined("AND", expressions)), comment)


def debian_texts(copyright_file: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The texts of licences in a copyright file, by their short names in small letters."""
    texts: dict[str, str] = {}
    for each in copyright_file:
        short, _newline, text = each.get("license", "").partition("\n")
        if text.strip():
            texts.setdefault(plain(short).lower(), licences.unfolded(text))
    return texts


def debian_owners(root: Root, debian: Mapping[str, Package]) -> dict[str, str]:
    """Which Debian package owns which path below /usr/lib and /opt."""
    # dpkg names the list of a package by its architecture only when several could be installed.
    identities = {name: each["SPDXID"] for key, each in debian.items() for name in (key, each["name"])}
    owners: dict[str, str] = {}
    for file in root.names("/var/lib/dpkg/info"):
        name, _dot, kind = file.rpartition(".")
        if kind == "list" and name in identities:
            listed = (root.text(f"/var/lib/dpkg/info/{file}") or "").split("\n")
            owners.update({path: identities[name] for path in listed if path.startswith(("/usr/lib/", "/opt/"))})
    return owners


# --- Python -----------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What belongs to Python in the root."""

    distributions: list[str]
    """Folders (or files, of old) with metadata."""
    libraries: list[str]
    """Folders with a standard library."""


def find_python(root: Root) -> Found:
    """Looks for distributions and standard libraries."""
    found = Found([], [])
    for folder, folders, files in root.walk():
        metadata = [name for name in folders if name.endswith((".dist-info", ".egg-info"))]
        metadata += [name for name in files if name.endswith(".egg-info")]
        found.distributions.extend(f"{folder}/{name}" for name in metadata)
        folders[:] = [name for name in folders if name not in metadata]
        # CPython itself knows its library by this file.
        if "os.py" in files and re.search(r"/lib/python3\.[0-9]+t?$", folder):
            found.libraries.append(folder)
    return found


def python_distribution(root: Root, extracted: licences.Extracted, place: str) -> Package:
    """One distribution, out of its metadata; what they lack comes from the folder's name."""
    text = root.text(f"{place}/METADATA") or root.text(f"{place}/PKG-INFO") or root.text(place)
    headers = email.parser.HeaderParser().parsestr(text or "")

    def all_of(field: str) -> list[str]:
        values = (str(value).strip() for value in headers.get_all(field, []))
        return [value for value in values if value and value != "UNKNOWN"]

    def first(field: str) -> str:
        return plain(next(iter(all_of(field)), ""))

    stem = plain(os.path.basename(place)).rpartition(".")[0]
    in_name = re.fullmatch(r"(.+?)-([^-]*)(?:-py[0-9.]+)?", stem)
    name = first("Name") or (in_name[1] if in_name else stem) or "unnamed"
    version = first("Version") or (in_name[2] if in_name else "")
    pages = [value.partition(",") for value in all_of("Project-URL")]
    homepage = first("Home-page") or next((url for label, _, url in pages if label.strip().lower() == "homepage"), "")
    return package(
        identifier("pypi", name, place),
        name,
        version,
        python_licence(root, extracted, place, all_of),
        supplier=NOASSERTION,
        originator=python_author(first),
        homepage=web_address(homepage.strip()),
        packageFileName=plain(place),
        comment="" if text else "It has no metadata: name and version are those of the folder.",
        externalRefs=[reference("purl", package_url("pypi", name.lower().replace("_", "-"), version))],
    )


def python_author(first: Callable[[str], str]) -> str:
    """Who wrote a distribution, or else who keeps it."""
    for field in ("Author", "Maintainer"):
        name, address = first(field), first(f"{field}-email")
        if "<" in address:
            # `Name <address>`, of which there may be several.
            return person_or_organization(address.split(",")[0])
        if name or address:
            return person_or_organization(f"{name or address} <{address}>")
    return NOASSERTION


def python_licence(
    root: Root, extracted: licences.Extracted, place: str, all_of: Callable[[str], list[str]]
) -> Declared:
    """A distribution's licence: its expression, a licence field that is one, its classifiers, or whatever it says."""

    def named(name: str) -> str:
        return extracted.reference("Python", name, python_licence_text(root, place, all_of))

    for written in all_of("License-Expression"):
        expression = licences.spdx_expression(written, named)
        return Declared(str(expression or named(plain(written))), "By License-Expression of its metadata.")
    written = next(iter(all_of("License")), "")
    if identity := licences.python_identifier(written):
        return Declared(identity, "By License of its metadata.")
    classifiers = [each.rpartition("::")[2].strip() for each in map(plain, all_of("Classifier")) if LICENCE.match(each)]
    sure = [licences.PYTHON_CLASSIFIERS.get(each) for each in classifiers]
    if classifiers and all(sure):
        return Declared(str(licences.joined("AND", filter(None, sure))), "By the classifiers of its metadata.")
    if written:
        title, _newline, rest = written.partition("\n")
        text = licences.unfolded(f"{title}\n{textwrap.dedent(rest)}")
        return Declared(extracted.reference("Python", plain(title)[:80], text), "By License of its metadata.")
    if classifiers:
        return Declared(str(licences.joined("AND", map(named, classifiers))), "By the classifiers of its metadata.")
    return Declared(NOASSERTION, "Its metadata name no licence.")


def python_licence_text(root: Root, place: str, all_of: Callable[[str], list[str]]) -> str:
    """The licence files that a distribution brings along, one after the other."""
    texts = []
    for name in all_of("License-File"):
        # A path goes no further up: it is taken as inside the folder.
        inside = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
        text = root.text(f"{place}/licenses/{inside}") or root.text(f"{place}/{inside}")
        if text:
            texts.append(licences.body(text))
    return "\n\n".join(texts)


def cpython(root: Root, library: str) -> Package:
    """A Python that no Debian package owns, by its standard library: as python.org builds it, and official images."""
    version = cpython_version(root, library)
    references = [reference("purl", package_url("generic", "cpython", version))]
    # Advisories for Python name it so; that has a rule of its own for a pre-release, which no image has.
    if re.fullmatch(r"[0-9]+[.][0-9]+[.][0-9]+", version):
        references.append(reference("cpe23Type", f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"))
    is_whole = version.count(".") == 2
    return package(
        identifier("generic", "cpython", library),
        "cpython",
        version,
        Declared(CPYTHON_LICENCE, "The licence of CPython."),
        supplier=NOASSERTION,
        originator="Organization: Python Software Foundation",
        packageFileName=plain(library),
        comment="" if is_whole else "Neither its program nor its headers tell the whole version.",
        externalRefs=references,
    )


def cpython_version(root: Root, library: str) -> str:
    """Its version, as in its shared library, its program or its headers; without the last part when none tells."""
    prefix, _slash, name = library.rpartition("/lib/")
    short = name[len("python") :].rstrip("t")
    shared = [each for each in root.names(f"{prefix}/lib") if each.startswith(f"lib{name}") and ".so" in each]
    places = [
        *(f"{prefix}/lib/{each}" for each in shared),
        f"{prefix}/bin/{name}",
        f"{prefix}/include/{name}/patchlevel.h",
    ]
    # A linker may keep it as the end of a longer text, such as the folder that a Python was built for.
    text = re.compile(rb"(?<![0-9.])(" + re.escape(short).encode() + rb"\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?(?=[\0\"])")
    for place in places:
        versions: set[str] = {match.decode() for match in text.findall(root.bytes(place) or b"")}
        if len(versions) == 1:
            return versions.pop()
    return short


# --- The document -----------------------------------------------------------------------------------------------------


class Image(NamedTuple):
    """What the caller says about the image."""

    name: str
    version: str
    created: int
    """Seconds since 1970."""
    base: str
    """The image that it was built on; empty when that is of no interest."""


def document(root: Root, image: Image) -> dict[str, Any]:
    """The SPDX document of a root."""
    extracted = licences.Extracted()
    debian = debian_packages(root, extracted)
    owners = debian_owners(root, debian)
    python = find_python(root)
    distributions = {place: python_distribution(root, extracted, place) for place in python.distributions}
    others = [cpython(root, library) for library in python.libraries if f"{library}/os.py" not in owners]
    packages = [*debian.values(), *distributions.values(), *others]

    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)]
    relations += [(IMAGE, "CONTAINS", each["SPDXID"]) for each in packages]
    owned = [(owners[place], each) for place, each in distributions.items() if place in owners]
    relations += [(owner, "CONTAINS", each["SPDXID"]) for owner, each in owned]
    base = [base_package(image.base)] if image.base else []
    relations += [(IMAGE, "DESCENDANT_OF", each["SPDXID"]) for each in base]
    packages = [image_package(image), *sorted([*packages, *base], key=lambda each: str(each["SPDXID"]))]
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
        "packages": packages,
        "hasExtractedLicensingInfos": [extracted.infos[key] for key in sorted(extracted.infos)],
        "relationships": [
            {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}
            for source, kind, target in sorted(relations)
        ],
    }
    mark = hashlib.sha256(serialized(content)).hexdigest()
    return {**content, "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, mark)}"}


def image_package(image: Image) -> Package:
    """The image itself."""
    comment = "The licence of the image's configuration and entry point; each package has its own."
    return package(
        IMAGE,
        image.name,
        image.version,
        Declared("Apache-2.0", comment),
        supplier=NOASSERTION,
        primaryPackagePurpose="CONTAINER",
    )


def base_package(name: str) -> Package:
    """The image that it was built on, with its digest or tag as the version."""
    match = re.fullmatch(r"(.+?)(?:@(sha256:[0-9a-f]+)|:([^/:@]+))?", name)
    short, version = (match[1], match[2] or match[3] or "") if match else (name, "")
    unknown = Declared(NOASSERTION, "Each package has its own licence.")
    return package("SPDXRef-Base", short, version, unknown, supplier=NOASSERTION, primaryPackagePurpose="CONTAINER")


def serialized(content: Mapping[str, Any]) -> bytes:
    """The bytes of a document."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def write(path: Path, content: bytes, seconds: int) -> None:
    """Writes a file whole or not at all, readable for all, with `seconds` as the time of its last change."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.utime(temporary, (seconds, seconds))
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise Refused(f"--output: {path} cannot be written: {error.strerror}.") from None


class Parser(argparse.ArgumentParser):
    """Options that are refused with this program's exit status."""

    def error(self, message: str) -> NoReturn:
        """Tells what is wrong."""
        self.exit(USAGE, f"{self.prog}: {message}\n")


def fitting(pattern: str, meaning: str) -> Callable[[str], str]:
    """A kind of option: a text that a regular expression matches."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise argparse.ArgumentTypeError(f"{value!r} is not {meaning}")
        return value

    return check


def second(value: str) -> int:
    """A kind of option: a time."""
    if not re.fullmatch(r"[0-9]{1,12}", value, re.ASCII) or int(value) > LAST_SECOND:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds since 1970")
    return int(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the document; the exit status."""
    name = fitting(r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*", "the name of an image")
    tag = fitting(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "a tag of an image")
    base = fitting(r"([A-Za-z0-9][A-Za-z0-9._/:@-]*)?", "the name of an image")
    parser = Parser(prog="sbom.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, metavar="FOLDER", help="the finished root of the image")
    parser.add_argument("--name", type=name, required=True, help="the image's name, such as mod-wsgi")
    parser.add_argument("--version", type=tag, required=True, help="its version, such as 6.1.1-python3.11")
    parser.add_argument("--created", type=second, required=True, metavar="SECONDS", help="when it was made, since 1970")
    parser.add_argument(
        "--base", type=base, default="", metavar="NAME", help="the image that it was built on; may be empty"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write")
    options = parser.parse_args(arguments)
    try:
        image = Image(options.name, options.version, options.created, options.base)
        write(options.output, serialized(document(Root(options.root), image)), options.created)
    except Refused as error:
        print(f"sbom.py: {error}", file=sys.stderr)
        return USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
