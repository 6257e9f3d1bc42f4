# SPDX-License-Identifier: Apache-2.0
"""What the image says about its content: each package with its licence, as valid SPDX; same root, same bytes."""

from __future__ import annotations

import json
import os
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

BASH = """\
Package: bash
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Source: bash-source (5.2-1)
Version: 5.2-1+b3
Homepage: http://shell.example/bash
Description: shell
 Version: 9
 .
 More.
"""
LIBSTDCXX = """\
Package: libstdc++6
Status: install ok installed
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Version: 1:12.2~rc1-14
"""
REMOVED = "Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n"
NEVER = "Package: never\nStatus: unknown ok not-installed\n"
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
FILES: dict[str, str | bytes] = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    "var/lib/dpkg/status": "\n".join([BASH, LIBSTDCXX, REMOVED, NEVER]),
    "usr/share/doc/bash/copyright": MACHINE_READABLE,
    "usr/share/doc/libstdc++6/copyright": "See `/usr/share/common-licenses/GPL-3', /usr/share/common-licenses/LGPL.",
    "opt/venv/lib/python3.11/site-packages/Flask_Thing-2.0.dist-info/METADATA": (
        "Metadata-Version: 2.4\nName: Flask_Thing\nVersion: 2.0\nLicense-Expression: mit OR apache-2.0\n"
        "Author-email: Ada <ada@example.org>\nProject-URL: Homepage, https://thing.example/\n\nLicense: body\n"
    ),
}
OPTIONS = ("--name=mod-wsgi", "--version=6.1.1-python3.11", "--created=1764000000")


def make(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def written(root: Path, *options: str) -> Path:
    output = root.parent / "document.spdx.json"
    assert sbom.main([f"--root={root}", f"--output={output}", *OPTIONS, *options]) == 0
    return output


def checked(root: Path, *options: str) -> dict[str, Any]:
    """The document, which other software has found valid."""
    output = written(root, *options)
    messages = [each.validation_message for each in validate_full_spdx_document(parse_file(str(output)))]
    assert messages == []
    found: dict[str, Any] = json.loads(output.read_bytes())
    return found


@pytest.fixture(name="document")
def fixture_document(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The document of a root with the usual files and some more; None takes one away."""

    def build(more: Mapping[str, str | bytes | None] | None = None, *options: str) -> dict[str, Any]:
        files = {name: content for name, content in {**FILES, **(more or {})}.items() if content is not None}
        return checked(make(tmp_path / "root", files), *options)

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


# --- The document


def test_every_package_is_inside_the_image(document: Callable[..., dict[str, Any]]) -> None:
    found = document()
    assert purls(found) == [
        "pkg:deb/debian/bash@5.2-1%2Bb3?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2~rc1-14?arch=amd64&distro=debian-12",
        "pkg:pypi/flask-thing@2.0",
    ]
    image, *others = found["packages"]
    assert (image["name"], image["versionInfo"]) == ("mod-wsgi", "6.1.1-python3.11")
    assert found["documentDescribes"] == [image["SPDXID"]]
    assert relations(found, "DESCRIBES") == {("SPDXRef-DOCUMENT", image["SPDXID"])}
    assert relations(found, "CONTAINS") == {(image["SPDXID"], each["SPDXID"]) for each in others}
    assert found["creationInfo"]["created"] == "2025-11-24T16:00:00Z"
    assert found["documentNamespace"].startswith("urn:uuid:")
    assert {each["downloadLocation"] for each in found["packages"]} == {"NOASSERTION"}
    assert all(each["licenseDeclared"] for each in found["packages"])


def test_a_package_has_what_dpkg_says(document: Callable[..., dict[str, Any]]) -> None:
    bash = named(document(), "bash")
    assert bash["versionInfo"] == "5.2-1+b3", "not the line of the description"
    assert bash["supplier"] == "Person: Matthias Klose (doko@debian.org)"
    assert bash["homepage"] == "http://shell.example/bash"
    assert bash["sourceInfo"] == "built package from: bash-source 5.2-1"
    assert bash["comment"] == "Architecture: amd64."
    library = named(document(), "libstdc++6")
    assert library["supplier"] == "Organization: Debian GCC Maintainers (debian-gcc@lists.debian.org)"
    assert library["sourceInfo"] == "built package from: libstdc++6 1:12.2~rc1-14"


def test_a_system_without_a_number_is_named_by_its_code_name(document: Callable[..., dict[str, Any]]) -> None:
    found = document({"etc/os-release": None, "usr/lib/os-release": 'ID=debian\nVERSION_CODENAME="forky"\n'})
    assert purls(found)[0].endswith("?arch=amd64&distro=forky")
    assert purls(document({"usr/lib/os-release": None}))[0].endswith("distro=debian-12")


@pytest.mark.parametrize(
    ("base", "name", "version"),
    [
        ("debian:12.1-slim", "debian", "12.1-slim"),
        ("localhost:5000/debian", "localhost:5000/debian", None),
        ("localhost:5000/a/debian@sha256:0af1", "localhost:5000/a/debian", "sha256:0af1"),
    ],
)
def test_the_base_is_named(document: Callable[..., dict[str, Any]], base: str, name: str, version: str | None) -> None:
    found = document({}, f"--base={base}")
    package = named(found, name)
    assert package.get("versionInfo") == version
    assert relations(found, "DESCENDANT_OF") == {(found["packages"][0]["SPDXID"], package["SPDXID"])}
    assert not relations(document({}, "--base="), "DESCENDANT_OF")


def test_the_same_root_gives_the_same_bytes(tmp_path: Path) -> None:
    dists = "opt/venv/lib/python3.11/site-packages"
    files = {
        **FILES,
        f"{dists}/zeta-1.dist-info/METADATA": "Name: zeta\n",
        f"{dists}/alpha-1.egg-info": "Name: alpha\n",
    }
    first = make(tmp_path / "first/root", files)
    second = make(tmp_path / "second/other-name", dict(reversed(list(files.items()))))
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
    command = [sys.executable, "-I", "-B", str(ROOT / SCRIPT), *OPTIONS]
    for root, zone, seed in ((first, "Asia/Tokyo", "1"), (second, "America/Lima", "2")):
        output = root / "usr/local/share/sbom/mod-wsgi.spdx.json"
        for _again in range(2):
            done = subprocess.run(
                [*command, f"--root={root}", f"--output={output}"],
                env={**os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C"},
                capture_output=True,
                check=False,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
            found = output.stat()
            assert (found.st_mtime, found.st_mode & 0o777) == (1764000000, 0o644)
        assert sorted(path.name for path in output.parent.iterdir()) == [output.name]
    documents = [root / "usr/local/share/sbom/mod-wsgi.spdx.json" for root in (first, second)]
    assert documents[0].read_bytes() == documents[1].read_bytes()


def test_other_content_has_another_namespace(document: Callable[..., dict[str, Any]]) -> None:
    first = document()["documentNamespace"]
    assert document()["documentNamespace"] == first
    assert document({}, "--created=1764000001")["documentNamespace"] != first
    assert document({"etc/os-release": "ID=ubuntu\n"})["documentNamespace"] != first


# --- Licences of Debian's packages


def test_licences_of_all_files_are_joined(document: Callable[..., dict[str, Any]]) -> None:
    found = document()
    bash = named(found, "bash")
    first, operator, second = bash["licenseDeclared"].split(" ")
    assert (first, operator) == ("GPL-3.0-or-later", "AND")
    assert second.startswith("LicenseRef-Debian-odd-terms-")
    assert texts(found) == {"odd-terms": "Do what you like,\n\n  but smile."}
    assert [each["licenseId"] for each in found["hasExtractedLicensingInfos"]] == [second]
    assert bash["licenseConcluded"] == "NOASSERTION"


def test_prose_is_not_interpreted(document: Callable[..., dict[str, Any]]) -> None:
    library = named(document(), "libstdc++6")
    assert library["licenseDeclared"] == "NOASSERTION"
    assert "is not machine-readable. It refers to GPL-3, LGPL in" in library["licenseComments"]


def test_a_missing_copyright_file_is_told(document: Callable[..., dict[str, Any]]) -> None:
    bash = named(document({"usr/share/doc/bash/copyright": None}), "bash")
    assert bash["licenseDeclared"] == "NOASSERTION"
    assert bash["licenseComments"] == "The package has no /usr/share/doc/bash/copyright."


@pytest.mark.parametrize(
    ("field", "expression"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-2+", "LGPL-2.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("Expat", "MIT"),
        ("bsd-3-clause", "BSD-3-Clause"),
        ("GPL-1+ or Artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("Artistic or GPL-1+", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("ISC and ISC", "ISC"),
        ("ISC or MIT and Zlib", "ISC OR (MIT AND Zlib)"),
        ("ISC or MIT, and Zlib", "(ISC OR MIT) AND Zlib"),
        ("ISC and MIT, or Zlib", "(ISC AND MIT) OR Zlib"),
        ("ISC and/or MIT", "ISC AND MIT"),
        ("ISC, MIT and Zlib", "ISC AND MIT AND Zlib"),
        ("GPL-3+ with Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
        ("GPL-2 with the Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
        ("ISC\n   text", "ISC"),
    ],
)
def test_names_of_debian_become_those_of_spdx(field: str, expression: str) -> None:
    def unknown(name: str) -> str:
        raise AssertionError(name)

    def leaf(name: str) -> str:
        return str(licences.debian_identifier(name) or unknown(name))

    found = str(licences.debian_expression(licences.plain(field.partition("\n")[0]), leaf))
    assert found == expression
    assert get_spdx_licensing().validate(found).errors == []


@pytest.mark.parametrize(
    "name",
    [
        "public-domain",
        "GPL",
        "GPL-4",
        "LGPL-2.2+",
        "GPL-NIV-2",
        "MIT/X11",
        "MPL-1.1+",
        "GPL-2+ with Autoconf exception",
        "GPL-2+ with X",
        "",
    ],
)
def test_what_spdx_does_not_surely_have_becomes_a_reference(document: Callable[..., dict[str, Any]], name: str) -> None:
    found = document({"usr/share/doc/bash/copyright": f"Format: x\n\nFiles: *\nLicense: {name}\n Its text.\n"})
    assert named(found, "bash")["licenseDeclared"].startswith("LicenseRef-Debian-")
    assert texts(found) == {name or "unnamed": "Its text."}


def test_one_name_with_two_texts_is_two_licences(document: Callable[..., dict[str, Any]]) -> None:
    copyright_file = "Format: x\n\nFiles: *\nLicense: public-domain\n {}\n"
    first = {f"usr/share/doc/{name}/copyright": copyright_file.format("Same.") for name in ("bash", "libstdc++6")}
    assert len(document(first)["hasExtractedLicensingInfos"]) == 1
    second = {**first, "usr/share/doc/bash/copyright": copyright_file.format("Other.")}
    assert len(document(second)["hasExtractedLicensingInfos"]) == 2


def test_a_licence_without_its_text_says_so(document: Callable[..., dict[str, Any]]) -> None:
    found = document({"usr/share/doc/bash/copyright": "Format: x\nLicense: house-rules\n"})
    assert texts(found) == {"house-rules": "The package names this licence, and has no text for it: house-rules"}


def test_a_machine_readable_file_without_licences_is_told(document: Callable[..., dict[str, Any]]) -> None:
    bash = named(document({"usr/share/doc/bash/copyright": "Format: x\n\nFiles: *\nCopyright: A\n"}), "bash")
    assert (bash["licenseDeclared"], "names no licence" in bash["licenseComments"]) == ("NOASSERTION", True)


KNOWN = sorted(
    {
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
)


def test_all_names_that_are_taken_for_spdx_are_in_its_list() -> None:
    known = get_spdx_licensing()
    assert {name: known.validate(name, strict=True).errors for name in KNOWN} == {name: [] for name in KNOWN}


# --- Python's distributions

SITE = "opt/venv/lib/python3.11/site-packages"


def test_a_distribution_has_what_its_metadata_say(document: Callable[..., dict[str, Any]]) -> None:
    found = named(document(), "Flask_Thing")
    assert found["versionInfo"] == "2.0"
    assert found["licenseDeclared"] == "Apache-2.0 OR MIT"
    assert found["homepage"] == "https://thing.example/"
    assert found["originator"] == "Person: Ada (ada@example.org)"
    assert found["packageFileName"] == f"/{SITE}/Flask_Thing-2.0.dist-info"


@pytest.mark.parametrize(
    ("metadata", "expression", "text"),
    [
        ("License: Apache License, Version 2.0", "Apache-2.0", None),
        ("License: mit\nClassifier: License :: OSI Approved :: BSD License", "MIT", None),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT", None),
        ("Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License", "MIT", None),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
            "MIT AND MPL-2.0",
            None,
        ),
        ("Classifier: License :: OSI Approved :: BSD License", "LicenseRef-Python-BSD-License-", "The text.\n\nTwo."),
        (
            "License: My Terms\n        Take it.\n          Or not.",
            "LicenseRef-Python-My-Terms-",
            "My Terms\nTake it.\n  Or not.",
        ),
        ("License-Expression: MIT AND (GPL-2.0+ OR isc)", "(GPL-2.0-or-later OR ISC) AND MIT", None),
        (
            "License-Expression: GPL-3.0-only WITH Classpath-exception-2.0",
            "GPL-3.0-only WITH Classpath-exception-2.0",
            None,
        ),
        ("License-Expression: LicenseRef-House", "LicenseRef-Python-LicenseRef-House-", "The text.\n\nTwo."),
        ("License-Expression: MIT OR", "LicenseRef-Python-MIT-OR-", "The text.\n\nTwo."),
        ("License-Expression: MIT)", "LicenseRef-Python-MIT-", "The text.\n\nTwo."),
        ("License-Expression: " + "(" * 5000, "LicenseRef-Python-unnamed-", "The text.\n\nTwo."),
        ("License-Expression: MIT WITH Pride", "LicenseRef-Python-MIT-WITH-Pride-", "The text.\n\nTwo."),
        ("Summary: nothing", "NOASSERTION", None),
    ],
)
def test_a_licence_comes_from_the_surest_field(
    document: Callable[..., dict[str, Any]], metadata: str, expression: str, text: str | None
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
        assert list(texts(found).values()) == [text]
    else:
        assert (declared, texts(found)) == (expression, {})


def test_metadata_without_a_name_or_version(document: Callable[..., dict[str, Any]]) -> None:
    found = document(
        {
            f"{SITE}/half_done-3.1.dist-info/METADATA": "Metadata-Version: 2.1\n",
            f"{SITE}/no_metadata-0.1.dist-info/RECORD": "",
            f"{SITE}/nothing.egg-info/top_level.txt": "",
            f"{SITE}/~ip-9.dist-info/METADATA": b"Name: \xff\xfe\nVersion: 1 2\n",
        }
    )
    assert {each for each in purls(found) if ":pypi" in each} == {
        "pkg:pypi/flask-thing@2.0",
        "pkg:pypi/half-done@3.1",
        "pkg:pypi/no-metadata@0.1",
        "pkg:pypi/nothing",
        "pkg:pypi/%EF%BF%BD%EF%BF%BD@1%202",
    }
    assert named(found, "no_metadata")["comment"].startswith("It has no metadata")


def test_distributions_of_every_kind_and_place_are_found(document: Callable[..., dict[str, Any]]) -> None:
    found = document(
        {
            f"{SITE}/old-1.0-py3.11.egg-info": "Name: old\nVersion: 1.0\n",
            f"{SITE}/older-1.0.egg-info/PKG-INFO": "Name: older\nVersion: 1.0\n",
            "usr/lib/python3/dist-packages/system-1.dist-info/METADATA": "Name: system\nVersion: 1\n",
            "usr/local/lib/python3.12/site-packages/local-1.dist-info/METADATA": "Name: local\nVersion: 1\n",
            "usr/share/elsewhere-1.dist-info/METADATA": "Name: elsewhere\nVersion: 1\n",
            # The standard library as one file is named like a folder of it.
            "usr/lib/python311.zip": "",
        }
    )
    names = {each.partition(":pypi/")[2].partition("@")[0] for each in purls(found) if ":pypi" in each}
    assert names == {"flask-thing", "old", "older", "system", "local"}


def test_a_distribution_that_is_there_twice_is_told_twice(document: Callable[..., dict[str, Any]]) -> None:
    other = "opt/other/lib/python3.11/site-packages"
    places = (f"{SITE}/pip-9", f"{SITE}/pip-8", f"{other}/pip-9")
    found = document({f"{place}.dist-info/METADATA": "Name: pip\nVersion: 9\n" for place in places})
    pips = [each for each in found["packages"] if each["name"] == "pip"]
    assert len(pips) == len({each["SPDXID"] for each in pips}) == 3


def test_a_distribution_of_a_debian_package_is_inside_it(document: Callable[..., dict[str, Any]]) -> None:
    folder = "usr/lib/python3/dist-packages/shell-1.egg-info"
    found = document(
        {
            f"{folder}/PKG-INFO": "Name: shell\nVersion: 1\n",
            "var/lib/dpkg/info/bash.list": f"/.\n/usr/lib\n/{folder}\n",
            "var/lib/dpkg/info/libstdc++6:amd64.list": f"/.\n/{SITE}/Flask_Thing-2.0.dist-info\n",
        }
    )
    bash, library = named(found, "bash")["SPDXID"], named(found, "libstdc++6")["SPDXID"]
    assert (bash, named(found, "shell")["SPDXID"]) in relations(found, "CONTAINS")
    assert (library, named(found, "Flask_Thing")["SPDXID"]) in relations(found, "CONTAINS")


# --- A Python of nobody

LIBRARY = "usr/local/lib/python3.12"


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"usr/local/lib/libpython3.12.so.1.0": b"\x7fELF\0x\x003.12.4\0y\x003.12\0"}, "3.12.4"),
        ({"usr/local/bin/python3.12": b"\x7fELF\x003.12.11+\x00"}, "3.12.11"),
        ({"usr/local/bin/python3.12": b"\0/opt/python-3.12.1\0libx-13.12.4\0libx-0.3.12.5\0"}, "3.12.1"),
        (
            {"usr/local/lib/libpython3.12.so": b"\x003.12.1\x003.12.2\0", "usr/local/bin/python3.12": b"\x003.12.2\0"},
            "3.12.2",
        ),
        ({"usr/local/include/python3.12/patchlevel.h": '#define PY_VERSION "3.12.0"\n'}, "3.12.0"),
        ({"usr/local/bin/python3.12": b"\x003.12.0rc2\x00"}, "3.12.0rc2"),
        ({"usr/local/bin/python3.12": b"\x003.13.0\x00"}, "3.12"),
    ],
)
def test_a_python_that_no_package_owns_is_told(
    document: Callable[..., dict[str, Any]], files: dict[str, str | bytes], version: str
) -> None:
    found = document({f"{LIBRARY}/os.py": "", **files})
    assert f"pkg:generic/cpython@{version}" in purls(found)
    python = named(found, "cpython")
    assert python["packageFileName"] == f"/{LIBRARY}"
    assert python["licenseDeclared"] == "Python-2.0.1"
    cpes = [each["referenceLocator"] for each in python["externalRefs"] if each["referenceType"] == "cpe23Type"]
    is_release = version not in ("3.12", "3.12.0rc2")
    assert cpes == [f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"] * is_release


def test_the_python_of_a_debian_package_is_no_other(document: Callable[..., dict[str, Any]]) -> None:
    files = {
        "usr/lib/python3.11/os.py": "",
        "usr/lib/python3.11/site.py": "",
        "var/lib/dpkg/info/bash.list": "/usr/lib/python3.11\n/usr/lib/python3.11/os.py\n",
    }
    assert not any("generic" in each for each in purls(document(files)))
    assert any("generic" in each for each in purls(document({**files, "var/lib/dpkg/info/bash.list": "/usr\n"})))


# --- Hostile content


def test_links_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Format: x\nLicense: leaked\n Secret.\n")
    root = make(tmp_path / "root", {**FILES, "real/copyright": "Format: x\nLicense: ISC\n"})
    doc = root / "usr/share/doc/bash/copyright"
    for target in (str(secret), f"../../../../../{secret.name}", "/loop", "/usr/share/doc/bash/copyright"):
        doc.unlink()
        doc.symlink_to(target)
        if target == "/loop":
            (root / "loop").symlink_to("/loop")
        found = checked(root)
        assert named(found, "bash")["licenseDeclared"] == "NOASSERTION"
        assert not texts(found)
    for target in ("/real/copyright", "../../../../../../../real/./copyright"):
        doc.unlink()
        doc.symlink_to(target)
        assert named(checked(root), "bash")["licenseDeclared"] == "ISC"
    outside = make(tmp_path / "outside", {f"{LIBRARY}/x-1.dist-info/METADATA": "Name: x\n"})
    (root / "usr/local/lib").mkdir(parents=True)
    (root / LIBRARY).symlink_to(outside / LIBRARY)
    assert not any("pypi/x" in each for each in purls(checked(root)))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    root = make(tmp_path / "root", FILES)
    for path in (root / "usr/share/doc/bash/copyright", root / SITE / "Flask_Thing-2.0.dist-info/METADATA"):
        path.unlink()
        os.mkfifo(path)
    found = checked(root)
    assert "has no /usr/share" in named(found, "bash")["licenseComments"]
    assert named(found, "Flask_Thing")["licenseDeclared"] == "NOASSERTION"


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = make(tmp_path / "root", FILES)
    folder = os.path.join(os.fsencode(root / SITE), b"caf\xe9-1.dist-info")
    os.mkdir(folder)
    with open(os.path.join(folder, b"METADATA"), "wb") as file:
        file.write(b"Name: caf\xe9\nLicense: \xe9\x00\x1b[2J\n")
    found = checked(root)
    assert "pkg:pypi/caf%EF%BF%BD@1" in purls(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    copyright_file=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: f"Format: x\n\nFiles: *\nLicense: {text}\n".encode()),
    metadata=st.binary(max_size=80)
    | st.text(max_size=60).map(lambda text: f"Name: {text}\nLicense-Expression: {text}\n".encode()),
    maintainer=st.text(max_size=30),
)
def test_whatever_is_inside_the_document_is_valid(
    tmp_path: Path, copyright_file: bytes, metadata: bytes, maintainer: str
) -> None:
    line = "".join(maintainer.split())
    entry = "Package: bash\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    entry += f"Maintainer: {line}\nHomepage: {line}\n"
    root = make(
        tmp_path / "root",
        {
            **FILES,
            "var/lib/dpkg/status": entry.encode("utf-8", "replace"),
            "usr/share/doc/bash/copyright": copyright_file,
            f"{SITE}/thing-1.dist-info/METADATA": metadata,
        },
    )
    assert len(checked(root)["packages"]) == 4


# --- What is refused


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence."""
    try:
        status = sbom.main(list(arguments))
    except SystemExit as ended:
        status = ended.code
    assert status == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sbom.py: ")
    assert told.err.count("\n") == 1
    return told.err


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (None, "has no /var/lib/dpkg/status"),
        ("Package: a\nStatus: install ok installed\nArchitecture: all\n", "paragraph 1 has no version"),
        (f"{BASH}\nStatus: install ok installed\nVersion: 1\n", "paragraph 2 has no package"),
        (BASH.replace("bash\n", "../b\x1b\n", 1), "'../b' as its package"),
        (f"{BASH}\n{BASH}", "has bash:amd64 twice"),
    ],
)
def test_a_root_without_a_usable_status_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str | None, told: str
) -> None:
    root = make(tmp_path / "root", {"etc/os-release": ""} if status is None else {"var/lib/dpkg/status": status})
    output = tmp_path / "out/x.json"
    assert told in refused(capsys, f"--root={root}", f"--output={output}", *OPTIONS)
    assert not output.parent.exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--root=/nowhere/at/all", "/nowhere/at/all is not a folder"),
        ("--output={root}/etc/os-release/x.json", "cannot be written"),
        ("--output={root}/etc", "cannot be written"),
        ("--created=yesterday", "'yesterday' is not a number of seconds"),
        ("--created=-1", "is not a number of seconds"),
        ("--created=253402300800", "is not a number of seconds"),
        ("--name=Mod Wsgi", "is not the name of an image"),
        ("--version=", "is not a tag"),
        ("--base=$(x)", "is not the name of an image"),
        ("--unknown", "unrecognized arguments"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, told: str
) -> None:
    root = make(tmp_path / "root", FILES)
    before = sorted(tmp_path.rglob("*"))
    usual = (f"--root={root}", f"--output={tmp_path}/x.json", *OPTIONS)
    assert told in refused(capsys, *usual, option.format(root=root))
    assert sorted(tmp_path.rglob("*")) == before


def test_options_that_are_missing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--root, --name, --version, --created, --output" in refused(capsys)


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        sbom.main(["--help"])
    assert ended.value.code == 0
    assert "the finished root of the image" in capsys.readouterr().out
