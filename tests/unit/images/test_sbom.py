# SPDX-License-Identifier: Apache-2.0
"""What the image says about its content: each package with its licence, as valid SPDX; same root, same bytes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from support.scripts import ROOT, load_script

SCRIPT = "images/mod-wsgi/build/sbom.py"
sbom: Any = load_script(SCRIPT)
licences: Any = sbom.licences

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Source: bash-source (5.2-1)
Version: 5.2-1+b3
Description: shell
 Version: 9
 .
 More.

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 1:12.2~rc1-14

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: never
Status: unknown ok not-installed
"""
MACHINE_READABLE = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: A
License: GPL-3+

Files: doc/*
Copyright: B
License: odd-terms
 Do what you like,
 .
   but smile.

License: GPL-3+
 On Debian systems, see /usr/share/common-licenses/GPL-3.
"""
SITE = "opt/venv/lib/python3.11/site-packages"
LIBRARY = "usr/local/lib/python3.12"
FILES: dict[str, str | bytes] = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    "var/lib/dpkg/status": STATUS,
    "usr/share/doc/bash/copyright": MACHINE_READABLE,
    "usr/share/doc/libstdc++6/copyright": "See `/usr/share/common-licenses/GPL-3', /usr/share/common-licenses/LGPL.",
    f"{SITE}/Flask_Thing-2.0.dist-info/METADATA": (
        "Metadata-Version: 2.4\nName: Flask_Thing\nVersion: 2.0\nLicense-Expression: mit OR apache-2.0\n\nLicense: x\n"
    ),
}
OPTIONS = ("--name=mod-wsgi", "--version=1.0-python3.11", "--created=1764000000")

Build = Callable[..., dict[str, Any]]


def make(folder: Path, files: Mapping[str, str | bytes | None]) -> Path:
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture(name="document")
def fixture_document(tmp_path: Path) -> Build:
    """The document of a root with the usual files and some more, which other software has found valid."""

    def build(more: Mapping[str, str | bytes | None] | None = None, *options: str) -> dict[str, Any]:
        root, output = tmp_path / "root", tmp_path / "document.spdx.json"
        make(root, {**FILES, **{name: content for name, content in (more or {}).items() if content is not None}})
        make(root, {name: None for name, content in (more or {}).items() if content is None})
        assert sbom.main([f"--root={root}", f"--output={output}", *OPTIONS, *options]) == 0
        assert validate_full_spdx_document(parse_file(str(output))) == []
        found: dict[str, Any] = json.loads(output.read_bytes())
        return found

    return build


def named(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in document["packages"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def purls(document: dict[str, Any]) -> list[str]:
    references = [reference for each in document["packages"] for reference in each.get("externalRefs", [])]
    return sorted(each["referenceLocator"] for each in references if each["referenceType"] == "purl")


def texts(document: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["extractedText"] for each in document["hasExtractedLicensingInfos"]}


def relations(document: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    found = document["relationships"]
    return {(each["spdxElementId"], each["relatedSpdxElement"]) for each in found if each["relationshipType"] == kind}


def test_every_package_is_inside_the_image(document: Build) -> None:
    found = document()
    assert purls(found) == [
        "pkg:deb/debian/bash@5.2-1%2Bb3?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2~rc1-14?arch=amd64&distro=debian-12",
        "pkg:pypi/flask-thing@2.0",
    ]
    image, *others = found["packages"]
    assert (image["name"], image["versionInfo"]) == ("mod-wsgi", "1.0-python3.11")
    assert found["documentDescribes"] == [image["SPDXID"]]
    assert relations(found, "DESCRIBES") == {("SPDXRef-DOCUMENT", image["SPDXID"])}
    assert relations(found, "CONTAINS") == {(image["SPDXID"], each["SPDXID"]) for each in others}
    assert found["creationInfo"]["created"] == "2025-11-24T16:00:00Z"
    assert named(found, "bash")["sourceInfo"] == "built package from: bash-source 5.2-1"
    assert named(found, "libstdc++6")["sourceInfo"] == "built package from: libstdc++6 1:12.2~rc1-14"
    without_number = document({"etc/os-release": None, "usr/lib/os-release": 'ID=debian\nVERSION_CODENAME="forky"\n'})
    assert purls(without_number)[0].endswith("?arch=amd64&distro=forky")


@pytest.mark.parametrize(
    ("base", "name", "version"),
    [
        ("debian:12.1-slim", "debian", "12.1-slim"),
        ("localhost:5000/debian", "localhost:5000/debian", None),
        ("localhost:5000/a/debian@sha256:0af1", "localhost:5000/a/debian", "sha256:0af1"),
    ],
)
def test_the_base_is_named(document: Build, base: str, name: str, version: str | None) -> None:
    found = document({}, f"--base={base}")
    package = named(found, name)
    assert package.get("versionInfo") == version
    assert relations(found, "DESCENDANT_OF") == {(found["packages"][0]["SPDXID"], package["SPDXID"])}
    assert not relations(document({}, "--base="), "DESCENDANT_OF")


def test_the_same_root_gives_the_same_bytes(tmp_path: Path) -> None:
    files = {
        **FILES,
        f"{SITE}/zeta-1.dist-info/METADATA": "Name: zeta\nLicense: Z\n",
        f"{SITE}/alpha-1.egg-info": "Name: alpha\nLicense: A\n",
    }
    first = make(tmp_path / "first/root", files)
    second = make(tmp_path / "second/other-name", dict(reversed(list(files.items()))))
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
    documents = []
    for root, zone, seed in ((first, "Asia/Tokyo", "1"), (second, "America/Lima", "2")):
        output = root / "usr/local/share/sbom/mod-wsgi.spdx.json"
        command = [sys.executable, "-I", "-B", str(ROOT / SCRIPT), *OPTIONS, f"--root={root}", f"--output={output}"]
        subprocess.run(command, env={**os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C"}, check=True)
        documents.append(output.read_bytes())
    assert documents[0] == documents[1]
    assert len(json.loads(documents[0])["packages"]) == 6


def test_licences_of_all_files_are_joined_and_prose_is_not_interpreted(document: Build) -> None:
    found = document()
    first, operator, second = named(found, "bash")["licenseDeclared"].split(" ")
    assert (first, operator) == ("GPL-3.0-or-later", "AND")
    assert second.startswith("LicenseRef-Debian-odd-terms-")
    assert texts(found) == {"odd-terms": "Do what you like,\n\n  but smile."}
    assert [each["licenseId"] for each in found["hasExtractedLicensingInfos"]] == [second]
    library = named(found, "libstdc++6")
    assert library["licenseDeclared"] == "NOASSERTION"
    assert "is not machine-readable. It refers to GPL-3, LGPL in" in library["licenseComments"]
    missing = named(document({"usr/share/doc/bash/copyright": None}), "bash")
    assert missing["licenseComments"] == "The package has no /usr/share/doc/bash/copyright."


@pytest.mark.parametrize(
    ("field", "expression"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2+", "LGPL-2.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("Expat", "MIT"),
        ("bsd-3-clause", "BSD-3-Clause"),
        ("GPL-1+ or Artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("ISC and ISC", "ISC"),
        ("ISC or MIT and Zlib", "ISC OR (MIT AND Zlib)"),
        ("ISC or MIT, and Zlib", "(ISC OR MIT) AND Zlib"),
        ("ISC and MIT, or Zlib", "(ISC AND MIT) OR Zlib"),
        ("ISC and/or MIT", "ISC AND MIT"),
        ("ISC, MIT and Zlib", "ISC AND MIT AND Zlib"),
        ("GPL-3+ with Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
        ("GPL-2 with the Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
    ],
)
def test_names_of_debian_become_those_of_spdx(field: str, expression: str) -> None:
    found = str(licences.debian_expression(field, licences.debian_identifier))
    assert found == expression
    assert get_spdx_licensing().validate(found).errors == []


@pytest.mark.parametrize(
    "name", ["public-domain", "GPL", "GPL-4", "GPL-NIV-2", "MIT/X11", "MPL-1.1+", "GPL-2+ with Autoconf exception", ""]
)
def test_what_spdx_does_not_surely_have_becomes_a_reference(document: Build, name: str) -> None:
    copyright_file = f"Format: x\n\nFiles: *\nLicense: {name}\n{{}}\n"
    files = {f"usr/share/doc/{package}/copyright": copyright_file for package in ("bash", "libstdc++6")}
    found = document({path: text.format(" Its text.") for path, text in files.items()})
    assert named(found, "bash")["licenseDeclared"].startswith("LicenseRef-Debian-")
    assert texts(found) == {name or "unnamed": "Its text."}, "one licence for the same text"
    found = document({path: text.format(f" Text {number}.") for number, (path, text) in enumerate(files.items())})
    assert len(found["hasExtractedLicensingInfos"]) == 2, "one name with two texts is two licences"


KNOWN = {
    *licences.SPDX_LICENCES.values(),
    *licences.DEBIAN_LICENCES.values(),
    *licences.PYTHON_LICENCES.values(),
    *licences.PYTHON_CLASSIFIERS.values(),
    *(f"GPL-2.0-only WITH {name}" for name in licences.SPDX_EXCEPTIONS.values()),
    *(
        str(licences.spdx_licence(f"{family}{invariants}-{version}{later}"))
        for family, versions in licences.GNU_VERSIONS.items()
        for version in versions
        for later in ("", "+")
        for invariants in (("", "-NIV") if family == "GFDL" else ("",))
    ),
    sbom.CPYTHON_LICENCE,
}


def test_all_names_that_are_taken_for_spdx_are_in_its_list() -> None:
    known = get_spdx_licensing()
    assert {name: errors for name in KNOWN if (errors := known.validate(name, strict=True).errors)} == {}


@pytest.mark.parametrize(
    ("metadata", "expression", "text"),
    [
        ("License: Apache License, Version 2.0", "Apache-2.0", None),
        ("License: The MIT License\nClassifier: License :: OSI Approved :: BSD License", "MIT", None),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT", None),
        ("Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License", "MIT", None),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
            "MIT AND MPL-2.0",
            None,
        ),
        ("Classifier: License :: OSI Approved :: BSD License", "LicenseRef-Python-BSD-License-", "The text.\n\nTwo."),
        ("License: My Terms\n        Take it.\n          Or not.", "LicenseRef-Python-My-Terms-", None),
        ("License-Expression: MIT and (GPL-2.0+ OR isc)", "MIT AND (GPL-2.0-or-later OR ISC)", None),
        ("License-Expression: GPL-3.0 with classpath-exception-2.0", "GPL-3.0-only WITH Classpath-exception-2.0", None),
        ("License-Expression: LicenseRef-House", "LicenseRef-Python-LicenseRef-House-", "The text.\n\nTwo."),
        ("License-Expression: MIT OR", "LicenseRef-Python-MIT-OR-", "The text.\n\nTwo."),
        ("License-Expression: MIT)", "LicenseRef-Python-MIT-", "The text.\n\nTwo."),
        ("License-Expression: " + "(" * 5000, "LicenseRef-Python-unnamed-", "The text.\n\nTwo."),
        ("License-Expression: MIT WITH Pride", "LicenseRef-Python-MIT-WITH-Pride-", "The text.\n\nTwo."),
        ("Summary: nothing", "NOASSERTION", None),
    ],
)
def test_a_licence_comes_from_the_surest_field(
    document: Build, metadata: str, expression: str, text: str | None
) -> None:
    folder = f"{SITE}/thing-1.dist-info"
    files = "License-File: LICENSE\nLicense-File: ../b/TWO\n"
    found = document(
        {
            "usr/share/doc/bash/copyright": None,
            f"{folder}/METADATA": f"Name: thing\nVersion: 1\n{metadata}\n{files}\n",
            f"{folder}/LICENSE": "The text.\n",
            f"{folder}/licenses/b/TWO": "Two.\n",
        }
    )
    declared = named(found, "thing")["licenseDeclared"]
    if expression.startswith("LicenseRef"):
        assert declared.startswith(expression)
        assert list(texts(found).values()) == [text or "My Terms\nTake it.\n  Or not."]
    else:
        assert (declared, texts(found)) == (expression, {})


def test_distributions_of_every_kind_and_place_are_found(document: Build) -> None:
    found = document(
        {
            f"{SITE}/old-1.0-py3.11.egg-info": "Name: old\nVersion: 1.0\n",
            f"{SITE}/older-1.0.egg-info/PKG-INFO": "Name: older\nVersion: 1.0\n",
            "opt/other/lib/python3.11/site-packages/older-1.0.egg-info/PKG-INFO": "Name: older\nVersion: 1.0\n",
            "usr/lib/python3/dist-packages/half_done-3.1.dist-info/METADATA": "Metadata-Version: 2.1\n",
            "usr/local/lib/python3.12/site-packages/no_metadata-1.dist-info/RECORD": "",
            "usr/local/lib/python3.12/site-packages/~ip-9.dist-info/METADATA": b"Name: \xff\xfe\nVersion: 1 2\n",
            "usr/share/elsewhere-1.dist-info/METADATA": "Name: elsewhere\nVersion: 1\n",
            # The standard library as one file is named like a folder of it.
            "usr/lib/python311.zip": "",
        }
    )
    assert [each.partition(":pypi/")[2] for each in purls(found) if ":pypi" in each] == [
        "%EF%BF%BD%EF%BF%BD@1%202", "flask-thing@2.0", "half-done@3.1", "no-metadata@1", "old@1.0", "older@1.0",
        "older@1.0",
    ]  # fmt: skip
    assert named(found, "Flask_Thing")["packageFileName"] == f"/{SITE}/Flask_Thing-2.0.dist-info"


@pytest.mark.parametrize("short", ["3.6", platform.python_version().rpartition(".")[0]])
def test_a_python_that_no_debian_package_owns_is_told(document: Build, short: str) -> None:
    version = short if short == "3.6" else platform.python_version()
    found = document({f"usr/local/lib/python{short}/os.py": ""})
    assert f"pkg:generic/cpython@{version}" in purls(found)
    python = named(found, "cpython")
    assert (python["packageFileName"], python["licenseDeclared"]) == (f"/usr/local/lib/python{short}", "Python-2.0.1")
    cpes = [each["referenceLocator"] for each in python["externalRefs"] if each["referenceType"] == "cpe23Type"]
    assert cpes == [f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"] * (short != "3.6")
    owned = {"var/lib/dpkg/info/bash.list": f"/usr\n/usr/local/lib/python{short}/os.py\n"}
    assert not any("generic" in each for each in purls(document(owned)))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    copyright_file=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: f"Format: x\n\nFiles: *\nLicense: {text}\n".encode()),
    metadata=st.binary(max_size=80)
    | st.text(max_size=60).map(lambda text: f"Name: {text}\nLicense-Expression: {text}\n".encode()),
)
def test_whatever_is_inside_the_document_is_valid(document: Build, copyright_file: bytes, metadata: bytes) -> None:
    files = {"usr/share/doc/bash/copyright": copyright_file, f"{SITE}/caf\udce9-1.dist-info/METADATA": metadata}
    assert len(document(files)["packages"]) == 5
