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
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Union
from urllib.parse import quote, urlsplit

USAGE = 64
"""Exit status for what cannot be used, as of the image's entry point (EX_USAGE of sysexits.h)."""
LAST_SECOND = 253402300799
"""The end of the year 9999; SPDX has four digits for a year."""
NOASSERTION = "NOASSERTION"
IMAGE = "SPDXRef-Image"
STATUS = "/var/lib/dpkg/status"
PYTHON_FOLDERS = ("opt", "usr/lib/python3*", "usr/local/lib/python3*")
LINKS = 40
"""How many symbolic links one path may go through, as in Linux."""


class Refused(Exception):  # noqa: N818 - the text is a sentence for the user
    """The root or an option cannot be used."""


# --- Licences ---------------------------------------------------------------------------------------------------------

# Those that Debian's and Python's packages commonly have. What is not here is not lost: it becomes a LicenseRef.
SPDX_NAMES = """
0BSD AFL-2.1 AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 Beerware BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent
BSD-3-Clause BSD-3-Clause-Attribution BSD-4-Clause BSD-4-Clause-UC BSL-1.0 bzip2-1.0.6 CC-BY-3.0 CC-BY-4.0
CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDDL-1.0 curl EPL-1.0 EPL-2.0 EUPL-1.2 FSFAP FSFUL FSFULLR FTL HPND ICU ISC Kazlib
Latex2e Libpng MIT MIT-0 MIT-CMU MPL-1.1 MPL-2.0 MS-PL MulanPSL-2.0 NCSA OFL-1.1 OLDAP-2.8 OpenSSL PostgreSQL
PSF-2.0 Python-2.0 Python-2.0.1 RSA-MD Ruby Sleepycat SunPro TCL Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0
Vim W3C WTFPL X11 Zlib ZPL-2.1
"""
SPDX_LICENCES = {name.lower(): name for name in SPDX_NAMES.split()}
# Short names of Debian's copyright format (and what its maintainers commonly write instead) that SPDX spells otherwise.
# Debian's "Artistic" is /usr/share/common-licenses/Artistic, the text of Perl.
DEBIAN_LICENCES = {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "bsl-1": "BSL-1.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "mpl-2": "MPL-2.0",
    "openldap-2.8": "OLDAP-2.8",
}
# How SPDX names what follows "with" in Debian's names; not "Autoconf", which stands for several texts.
DEBIAN_EXCEPTIONS = {
    "bison": "Bison-exception-2.2",
    "libtool": "Libtool-exception",
    "linux-syscall-note": "Linux-syscall-note",
    "texinfo": "Texinfo-exception",
}
SPDX_EXCEPTIONS = {
    name.lower(): name
    for name in (*DEBIAN_EXCEPTIONS.values(), "Classpath-exception-2.0", "GCC-exception-3.1", "LLVM-exception")
}
GNU_LICENCE = re.compile(r"(agpl|lgpl|gpl|gfdl)(-niv)?-([0-9])(?:\.([0-9]))?(\+|-only|-or-later)?")
GNU_VERSIONS = {
    "AGPL": ("3.0",),
    "GFDL": ("1.1", "1.2", "1.3"),
    "GPL": ("1.0", "2.0", "3.0"),
    "LGPL": ("2.0", "2.1", "3.0"),
}
# What Python's packages write into the field License, with `normal` applied.
PYTHON_LICENCES = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "2-clause bsd": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
    "mozilla public license 2.0": "MPL-2.0",
    "unlicense": "Unlicense",
}
# Classifiers that mean one licence; "BSD License" and "Apache Software License" do not.
CLASSIFIER = "License :: "
PYTHON_CLASSIFIERS = {
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}


class Compound(NamedTuple):
    """Licences joined by AND or OR."""

    operator: str
    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        inner = (f"({each})" if isinstance(each, Compound) else each for each in self.operands)
        return f" {self.operator} ".join(inner)


Expression = Union[str, Compound]


def joined(operator: str, operands: Iterable[Expression]) -> Expression:
    """Licences joined; without repetition, in one order."""
    flat: dict[str, Expression] = {}
    for operand in operands:
        same = isinstance(operand, Compound) and operand.operator == operator
        flat.update({str(each): each for each in (operand.operands if same else [operand])})  # type: ignore[union-attr]
    kept = tuple(flat[text] for text in sorted(flat))
    return kept[0] if len(kept) == 1 else Compound(operator, kept)


def spdx_licence(name: str) -> str | None:
    """SPDX's identifier for a licence's name in Debian's or SPDX's way; None when there is none that is sure."""
    key = name.lower()
    if found := SPDX_LICENCES.get(key):
        return found
    if gnu := GNU_LICENCE.fullmatch(key):
        family, without_invariants, version = gnu[1].upper(), gnu[2], f"{gnu[3]}.{gnu[4] or '0'}"
        if version not in GNU_VERSIONS[family] or (without_invariants and family != "GFDL"):
            return None
        later = "only" if gnu[5] in (None, "-only") else "or-later"
        return f"{family}-{version}{'-no-invariants' if without_invariants else ''}-{later}"
    if key.endswith("+") and (found := SPDX_LICENCES.get(key[:-1])):
        return found + "+"
    return None


class Declared(NamedTuple):
    """What a package says about its licence."""

    expression: str
    comment: str


class Licences:
    """Licences without an identifier of SPDX: each gets one of this document, and its text goes into it."""

    def __init__(self) -> None:
        self.extracted: dict[str, dict[str, str]] = {}

    def reference(self, origin: str, name: str, text: str) -> str:
        """The identifier; the same name and text have the same one."""
        mark = hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()[:8]
        identifier = f"LicenseRef-{origin}-{identifier_part(name)[:60]}-{mark}"
        self.extracted[identifier] = {
            "licenseId": identifier,
            "name": name,
            "extractedText": text or f"The package names this licence, and has no text for it: {name}",
        }
        return identifier


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
            for base in sorted(self.folder.glob(pattern)):
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


def plain(text: str) -> str:
    """A text on one line, without control characters and what is not a character."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def body(text: str) -> str:
    """A text of several lines, without control characters and what is not a character."""
    kept = "".join(each if each.isprintable() or each in "\n\t" else " " for each in text)
    return "\n".join(line.rstrip() for line in kept.split("\n")).strip("\n")


def identifier_part(text: str) -> str:
    """What an identifier of SPDX may have, of a text."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-") or "unnamed"


def identifier(kind: str, name: str, *distinct: str) -> str:
    """A package's identifier in the document; `distinct` tells packages of one name apart."""
    part = identifier_part(name)
    apart = [name] if part != name else []
    mark = hashlib.sha256("\0".join([*apart, *distinct]).encode()).hexdigest()[:8]
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


def debian_packages(root: Root, licences: Licences) -> Iterator[Package]:
    """Each package that dpkg has installed."""
    text = root.text(STATUS)
    if text is None:
        raise Refused(f"{root.folder} has no {STATUS}: name the root of an image with Debian's packages.")
    system = distribution(root)
    for number, fields in enumerate(paragraphs(text), 1):
        if is_there(fields.get("status", "")):
            checked(root, number, fields)
            yield debian_package(root, licences, system, fields)


def checked(root: Root, number: int, fields: Mapping[str, str]) -> None:
    """Refuses an entry of dpkg's status that says less than a package's name, version and architecture."""
    patterns = {"package": r"[a-z0-9][a-z0-9+.-]*", "version": r"[A-Za-z0-9.+:~-]+", "architecture": r"[a-z0-9-]+"}
    for field, pattern in patterns.items():
        value = fields.get(field, "")
        if not re.fullmatch(pattern, value):
            told = f"{plain(value)!r} as its {field}" if value else f"no {field}"
            raise Refused(f"{root.folder}{STATUS}: the package of paragraph {number} has {told}: repair the root.")


def debian_package(root: Root, licences: Licences, system: Distribution, fields: Mapping[str, str]) -> Package:
    """One package, out of its entry in dpkg's status and its copyright file."""
    name, version, architecture = fields["package"], fields["version"], fields["architecture"]
    source = re.fullmatch(r"(\S+)(?:\s+\((.*)\))?", fields.get("source", name))
    built_from = f"{source[1]} {source[2] or version}" if source else f"{name} {version}"
    address = package_url(f"deb/{system.vendor}", name, version, arch=architecture, distro=system.release)
    return package(
        identifier("deb", f"{name}-{architecture}"),
        name,
        version,
        debian_licence(root, licences, name),
        supplier=person_or_organization(fields.get("maintainer", "")),
        homepage=web_address(fields.get("homepage", "")),
        # The wording that scanners of SPDX documents read, since advisories are about source packages.
        sourceInfo=f"built package from: {plain(built_from)}",
        comment=f"Architecture: {architecture}.",
        externalRefs=[reference("purl", address)],
    )


def debian_licence(root: Root, licences: Licences, name: str) -> Declared:
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
    fields = [each["license"] for each in found if "license" in each]
    used = [
        each["license"] for each in (found[0], *found) if "license" in each and (each is found[0] or "files" in each)
    ]
    texts: dict[str, str] = {}
    for field in fields:
        short, _newline, own = field.partition("\n")
        if own.strip():
            texts.setdefault(short.strip().lower(), unfolded(own))

    def leaf(part: str, whole: str) -> str:
        own = texts.get(part.lower()) or texts.get(whole.lower(), "")
        return debian_identifier(part) or licences.reference("Debian", part or "unnamed", own)

    expressions = [debian_expression(plain(field.partition("\n")[0]), leaf) for field in used or fields]
    if not expressions:
        return Declared(NOASSERTION, f"{where} names no licence.")
    comment = f"The licences of all files of the source package, by {where}."
    return Declared(str(joined("AND", expressions)), comment)


def unfolded(text: str) -> str:
    """The lines of a folded text, where a dot stands for an empty line."""
    return body("\n".join("" if line.strip() == "." else line for line in text.split("\n")))


def debian_expression(text: str, leaf: Callable[[str, str], str]) -> Expression:
    """A licence field of Debian's copyright format: `and` binds more than `or`, unless a comma comes before it.

    "and/or" and a mere comma are in files, not in the format; they are taken as "and", which asserts least.
    """

    def parse(part: str, splits: Sequence[tuple[str, str]]) -> Expression:
        if not splits:
            return leaf(part, text)
        operator, pattern = splits[0]
        parts = [each.strip() for each in re.split(pattern, part, flags=re.IGNORECASE)]
        return joined(operator, [parse(each, splits[1:]) for each in parts if each] or [leaf("", text)])

    return parse(
        text, [("OR", r",\s*or\s"), ("AND", r",\s*(?:and(?:/or)?\s)?"), ("OR", r"\sor\s"), ("AND", r"\sand(?:/or)?\s")]
    )


def debian_identifier(name: str) -> str | None:
    """SPDX's identifier for a short name of Debian's copyright format, also with an exception; None for others."""
    if match := re.fullmatch(r"(\S+) with (?:the )?(.+?) exception", name, re.IGNORECASE):
        licence, exception = debian_identifier(match[1]), DEBIAN_EXCEPTIONS.get(match[2].lower())
        return f"{licence} WITH {exception}" if licence and exception else None
    return DEBIAN_LICENCES.get(name.lower()) or spdx_licence(name)


def debian_owners(root: Root, debian: Iterable[Package]) -> dict[str, str]:
    """Which Debian package owns which path below /usr/lib and /opt."""
    identities: dict[str, str] = {}
    for each in debian:
        architecture = each["comment"].rpartition(" ")[2].rstrip(".")
        identities[each["name"]] = identities[f"{each['name']}:{architecture}"] = each["SPDXID"]
    owners: dict[str, str] = {}
    for file in root.names("/var/lib/dpkg/info"):
        name, dot, kind = file.rpartition(".")
        if dot and kind == "list" and name in identities:
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


def python_distribution(root: Root, licences: Licences, place: str) -> Package:
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
        python_licence(root, licences, place, all_of),
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


def python_licence(root: Root, licences: Licences, place: str, all_of: Callable[[str], list[str]]) -> Declared:
    """A distribution's licence: its expression, a licence field that is one, its classifiers, or whatever it says."""

    def named(name: str) -> str:
        return licences.reference("Python", name, python_licence_text(root, place, all_of))

    for written in all_of("License-Expression"):
        expression = spdx_expression(written, named)
        return Declared(str(expression or named(plain(written))), "By License-Expression of its metadata.")
    written = next(iter(all_of("License")), "")
    if identity := python_identifier(written):
        return Declared(identity, "By License of its metadata.")
    classifiers = [
        plain(each).rpartition("::")[2].strip() for each in all_of("Classifier") if each.startswith(CLASSIFIER)
    ]
    classifiers = [each for each in classifiers if each != "OSI Approved"]
    if classifiers and all(each in PYTHON_CLASSIFIERS for each in classifiers):
        expression = joined("AND", [PYTHON_CLASSIFIERS[each] for each in classifiers])
        return Declared(str(expression), "By the classifiers of its metadata.")
    if written:
        first_line = plain(written.strip().split("\n")[0])[:80]
        return Declared(licences.reference("Python", first_line, unfolded(written)), "By License of its metadata.")
    if classifiers:
        return Declared(str(joined("AND", map(named, classifiers))), "By the classifiers of its metadata.")
    return Declared(NOASSERTION, "Its metadata name no licence.")


def normal(text: str) -> str:
    """A licence's name without what people write differently."""
    return plain(text.lower().replace(",", " "))


def python_identifier(text: str) -> str | None:
    """SPDX's identifier for the field License of a distribution; None when it is not surely one."""
    name = normal(text)
    return PYTHON_LICENCES.get(name) or spdx_licence(name)


def python_licence_text(root: Root, place: str, all_of: Callable[[str], list[str]]) -> str:
    """The licence files that a distribution brings along, one after the other."""
    texts = []
    for name in all_of("License-File"):
        # A path goes no further up: it is taken as inside the folder.
        inside = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
        text = root.text(f"{place}/licenses/{inside}") or root.text(f"{place}/{inside}")
        if text:
            texts.append(body(text))
    return "\n\n".join(texts)


def spdx_expression(text: str, named: Callable[[str], str]) -> Expression | None:
    """An expression of SPDX, in one order; None when it is none. `named` gives an identifier for an unknown licence."""
    words = re.findall(r"[()]|[^\s()]+", text)

    def sequence(operator: str, operand: Callable[[], Expression]) -> Expression:
        operands = [operand()]
        while words and words[0].upper() == operator:
            words.pop(0)
            operands.append(operand())
        return joined(operator, operands)

    def disjunction() -> Expression:
        return sequence("OR", lambda: sequence("AND", licence))

    def licence() -> Expression:
        word = words.pop(0)
        if word == "(":
            inner = disjunction()
            if words.pop(0) != ")":
                raise IndexError
            return inner
        if not re.fullmatch(r"[A-Za-z0-9.-]+\+?", word) or word.upper() in ("AND", "OR", "WITH"):
            raise IndexError
        identity = spdx_licence(word)
        if words and words[0].upper() == "WITH":
            exception = words[1]
            del words[:2]
            known = SPDX_EXCEPTIONS.get(exception.lower())
            return f"{identity} WITH {known}" if identity and known else named(f"{word} WITH {exception}")
        return identity or named(word)

    try:
        expression = disjunction()
    except IndexError:
        return None
    return None if words else expression


def cpython(root: Root, library: str) -> Package:
    """A Python that no Debian package owns, by its standard library: as python.org builds it, and official images."""
    version = cpython_version(root, library)
    exact = version.count(".") == 2
    references = [reference("purl", package_url("generic", "cpython", version))]
    if exact:
        references.append(reference("cpe23Type", f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"))
    return package(
        identifier("generic", "cpython", library),
        "cpython",
        version,
        Declared("Python-2.0.1", "The licence of CPython."),
        supplier=NOASSERTION,
        originator="Organization: Python Software Foundation",
        packageFileName=plain(library),
        comment="" if exact else "Neither its program nor its headers tell the whole version.",
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
    text = re.compile(rb"[\0\"](" + re.escape(short).encode() + rb"\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?(?=[\0\"])")
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
    licences = Licences()
    debian = list(debian_packages(root, licences))
    owners = debian_owners(root, debian)
    python = find_python(root)
    distributions = {place: python_distribution(root, licences, place) for place in python.distributions}
    others = [cpython(root, library) for library in python.libraries if f"{library}/os.py" not in owners]
    packages = [*debian, *distributions.values(), *others]

    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)]
    relations += [(IMAGE, "CONTAINS", each["SPDXID"]) for each in packages]
    relations += [
        (owners[place], "CONTAINS", each["SPDXID"]) for place, each in distributions.items() if place in owners
    ]
    base = [base_package(image.base)] if image.base else []
    relations += [(IMAGE, "DESCENDANT_OF", each["SPDXID"]) for each in base]
    packages = [image_package(image), *sorted([*packages, *base], key=lambda each: str(each["SPDXID"]))]
    if twice := repeated([each["SPDXID"] for each in packages]):
        raise Refused(f"{root.folder} has a package twice ({twice}): repair {STATUS}.")
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
        "hasExtractedLicensingInfos": [licences.extracted[key] for key in sorted(licences.extracted)],
        "relationships": [
            {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}
            for source, kind, target in sorted(relations)
        ],
    }
    mark = hashlib.sha256(serialized(content)).hexdigest()
    return {**content, "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, mark)}"}


def repeated(names: Iterable[str]) -> str:
    """The first name that is there twice; empty when each is there once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


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
