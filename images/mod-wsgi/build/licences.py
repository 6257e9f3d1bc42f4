# SPDX-License-Identifier: Apache-2.0
"""Licences as Debian's and Python's packages write them, and as SPDX does.

What is not surely one of SPDX's licences gets an identifier of the document (`LicenseRef-`), and its text goes along.

Needs nothing but Python's standard library, 3.9 or later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Union

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
DEBIAN_OPERATORS = (
    ("OR", r",\s*or\s"),
    ("AND", r",\s*(?:and(?:/or)?\s)?"),
    ("OR", r"\sor\s"),
    ("AND", r"\sand(?:/or)?\s"),
)
"""What joins names in a licence field of Debian's copyright format; what binds least comes first."""
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
    "2-clause bsd": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "mpl 2.0": "MPL-2.0",
    "mozilla public 2.0": "MPL-2.0",
}
# Classifiers that mean one licence; "BSD License" and "Apache Software License" do not.
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


class Declared(NamedTuple):
    """What a package says about its licence."""

    expression: str
    comment: str


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
        inner = operand.operands if isinstance(operand, Compound) and operand.operator == operator else (operand,)
        flat.update({str(each): each for each in inner})
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
    return None


class Extracted:
    """Licences without an identifier of SPDX: each gets one of the document, and its text goes into it."""

    def __init__(self) -> None:
        self.infos: dict[str, dict[str, str]] = {}

    def reference(self, origin: str, name: str, text: str) -> str:
        """The identifier; the same name and text have the same one."""
        mark = hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()[:8]
        identifier = f"LicenseRef-{origin}-{identifier_part(name)[:60]}-{mark}"
        self.infos[identifier] = {
            "licenseId": identifier,
            "name": name,
            "extractedText": text or f"The package names this licence, and has no text for it: {name}",
        }
        return identifier


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


def debian_expression(text: str, leaf: Callable[[str], str]) -> Expression:
    """A licence field of Debian's copyright format: `and` binds more than `or`, unless a comma comes before it.

    "and/or" and a mere comma are in files, not in the format. They are taken as "and": that promises no choice.
    `leaf` gives the identifier of one name in the field.
    """

    def parse(part: str, splits: Sequence[tuple[str, str]]) -> Expression:
        if not splits:
            return leaf(part)
        operator, pattern = splits[0]
        parts = [each.strip() for each in re.split(pattern, part, flags=re.IGNORECASE)]
        return joined(operator, [parse(each, splits[1:]) for each in parts if each] or [leaf("")])

    return parse(text, DEBIAN_OPERATORS)


def debian_identifier(name: str) -> str | None:
    """SPDX's identifier for a short name of Debian's copyright format, also with an exception; None for others."""
    if match := re.fullmatch(r"(\S+) with (?:the )?(.+?) exception", name, re.IGNORECASE):
        licence, exception = debian_identifier(match[1]), DEBIAN_EXCEPTIONS.get(match[2].lower())
        return f"{licence} WITH {exception}" if licence and exception else None
    return DEBIAN_LICENCES.get(name.lower()) or spdx_licence(name)


def unfolded(text: str) -> str:
    """The lines of a folded text, where a dot stands for an empty line."""
    return body("\n".join("" if line.strip() == "." else line for line in text.split("\n")))


def python_identifier(text: str) -> str | None:
    """SPDX's identifier for the field License of a distribution; None when it is not surely one."""
    name = normal(text)
    return PYTHON_LICENCES.get(name) or spdx_licence(name)


def normal(text: str) -> str:
    """A licence's name without what people write differently."""
    return plain(re.sub(r"\b(?:the|software|license|licence|version)\b|,", " ", text.lower()))


def spdx_expression(text: str, named: Callable[[str], str]) -> str | None:
    """An expression of SPDX; None when it is none. `named` gives an identifier for an unknown licence."""
    words = re.findall(r"[()]|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", text, re.IGNORECASE)
    words = [word.upper() if word.upper() in ("AND", "OR") else word for word in words]
    shape, before = " ".join(word if word in ("AND", "OR", "(", ")") else "x" for word in words), ""
    while shape != before:
        shape, before = re.sub(r"x (?:AND|OR) x|\( x \)", "x", shape), shape
    if shape != "x":
        return None
    known = (word if word in ("AND", "OR", "(", ")") else python_word(word) or named(plain(word)) for word in words)
    return " ".join(known).replace("( ", "(").replace(" )", ")")


def python_word(word: str) -> str | None:
    """SPDX's spelling of a licence in an expression, also with an exception; None when it is not known."""
    name, _, exception = re.sub(r"\s+WITH\s+", "\n", word, flags=re.IGNORECASE).partition("\n")
    identity, known = spdx_licence(name), SPDX_EXCEPTIONS.get(exception.lower())
    if exception:
        return f"{identity} WITH {known}" if identity and known else None
    return identity
