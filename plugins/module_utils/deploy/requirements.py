# SPDX-License-Identifier: Apache-2.0
"""What the requirements files of a release ask for, read as pip reads them. Runs on the managed host.

Only as much is understood as has to be known before pip runs: which other files belong to them, whether they point into
the release, and whether they hold hashes. What pip would refuse is left to pip.
"""

from __future__ import annotations

import codecs
import optparse
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import inside

MOST_FILES = 100
LARGEST_FILE = 1 << 20
"""Bytes."""

COMMENT = re.compile(r"(^|\s+)#.*$")
REMOTE = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?(?:https?|ssh)://", re.IGNORECASE)
ARCHIVE = re.compile(r".*\.(?:whl|zip|tgz|tbz|txz|tlz|tar(?:\.\w+)?)", re.IGNORECASE)
NAMED = re.compile(
    r"""
    (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) \s*
    (?:\[[A-Za-z0-9._,\s-]*\])? \s*
    (?:
        @ \s* (?P<url>\S+) (?:\s+;.*)?
      | (?:\(?\s*(?:===|~=|==|!=|<=|>=|<|>) [A-Za-z0-9.*+!_<>=~,\s-]* \)?)? \s* (?:;.*)?
    )
    """,
    re.VERBOSE,
)
"""A requirement by its name, as in PEP 508: extras, versions, a marker, or an address."""

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
"""What pip fills in from its environment."""
LOGIN = re.compile(r"//(?P<user>[^/\s@:]*)(?P<password>:[^/\s@]*)?@")
INDEX = re.compile(r"\s*(?:-i|--index-url|--pypi-url|--extra-index-url)(?:=|\s)")

# The longer one first: that of UTF-16 begins it.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ENCODING = re.compile(rb"coding[:=]\s*([-\w.]+)")

INCLUDED = ("requirement", "constraint")
PLACES = ("editable", "find_links", "index_url", "extra_index_url")
"""Options whose value is an address or a path."""


class RequirementsError(Exception):
    """The requirements files cannot be used; the text is a part of a sentence."""


class _OptionError(Exception):
    """pip would not understand the options of this line."""


class _Options(optparse.OptionParser):
    """The options that a line can have. pip uses the same parser, so abbreviations mean the same."""

    def __init__(self) -> None:
        super().__init__(add_help_option=False)
        self.add_option("-r", "--requirement", action="append")
        self.add_option("-c", "--constraint", action="append")
        self.add_option("-e", "--editable", action="append")
        self.add_option("-f", "--find-links", action="append")
        self.add_option("-i", "--index-url", "--pypi-url", action="append")
        self.add_option("--extra-index-url", action="append")
        self.add_option("--hash", action="append")
        for name in ("--no-binary", "--only-binary", "--trusted-host", "--use-feature", "--global-option"):
            self.add_option(name, action="append")
        for name in ("--install-option", "--config-setting", "--config-settings"):
            self.add_option(name, action="append")
        for name in ("--no-index", "--prefer-binary", "--require-hashes", "--pre"):
            self.add_option(name, action="store_true")
        self.add_option("-C", action="append")

    def error(self, msg: str) -> NoReturn:
        """In place of ending the program."""
        raise _OptionError(msg)


_OPTIONS = _Options()


class Line(NamedTuple):
    """One requirement, or options of a file."""

    requirement: str
    included: tuple[str, ...] = ()
    """Other requirements files."""
    places: tuple[str, ...] = ()
    """What is installed editable, and where packages are looked for."""
    hashed: bool = False
    understood: bool = True

    @property
    def local(self) -> bool:
        """Whether it is more than names, versions, markers, hashes and addresses, so may point into the release."""
        return not self.understood or not all(map(REMOTE.match, self.places)) or not _is_remote(self.requirement)


class Variables(NamedTuple):
    """Names of the environment variables that requirements files leave pip to fill in."""

    all: frozenset[str] = frozenset()
    deciding: frozenset[str] = frozenset()
    """Those that say what is installed, not how it is reached."""
    users: frozenset[str] = frozenset()
    """Those that stand for nothing but the user of a login, with a password beside it."""

    @property
    def secret(self) -> frozenset[str]:
        """Those that must be nowhere in what is installed."""
        return self.all - self.deciding - self.users


class Requirements(NamedTuple):
    """All requirements files of a release."""

    files: dict[str, str]
    """Their content, by path relative to the release."""
    lines: tuple[Line, ...] = ()

    @property
    def local(self) -> bool:
        """Whether anything may point into the release."""
        return any(line.local for line in self.lines)

    @property
    def variables(self) -> Variables:
        """The environment variables that they name."""
        lines = [COMMENT.sub("", line) for text in self.files.values() for line in _joined(text)]
        logins = [login for line in lines for login in LOGIN.finditer(line)]
        secret = _variables(login["password"] or login["user"] for login in logins)
        beside = (line if not INDEX.match(line) else "" for line in lines)
        return Variables(
            _variables(lines),
            _variables(LOGIN.sub("//", line) for line in beside),
            _variables(login["user"] for login in logins) - secret,
        )

    @property
    def hashed(self) -> bool:
        """Whether any requirement carries a hash, so that all have to."""
        return any(line.hashed for line in self.lines)


def _variables(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(name for text in texts for name in VARIABLE.findall(text))


def _is_remote(requirement: str) -> bool:
    if not requirement or REMOTE.match(requirement):
        return True
    named = NAMED.fullmatch(requirement)
    if named is None or ARCHIVE.fullmatch(named["name"]):
        return False
    return named["url"] is None or bool(REMOTE.match(named["url"]))


def _joined(text: str) -> Iterator[str]:
    """Lines that end with a backslash go on in the next one, unless they are comments."""
    begun = ""
    for line in text.splitlines():
        if line.endswith("\\") and not COMMENT.match(line):
            begun += line.strip("\\")
            continue
        yield begun + (f" {line}" if begun and COMMENT.match(line) else line)
        begun = ""
    if begun:
        yield begun


def parse(text: str) -> Iterator[Line]:
    """The lines of a requirements file that say something."""
    for joined in _joined(text):
        line = COMMENT.sub("", joined).strip()
        if line:
            yield _parse_line(line)


def _parse_line(line: str) -> Line:
    words = line.split(" ")
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    requirement = " ".join(words[:first])
    try:
        options, rest = _OPTIONS.parse_args(shlex.split(" ".join(words[first:])))
    except (ValueError, _OptionError):
        return Line(requirement, understood=False)
    return Line(
        requirement,
        included=tuple(value for name in INCLUDED for value in getattr(options, name) or ()),
        places=tuple(value for name in PLACES for value in getattr(options, name) or ()),
        hashed=bool(options.hash),
        understood=not rest,
    )


def read(release: str, path: str) -> Requirements:
    """A requirements file and all files that it includes. Raises RequirementsError."""
    files: dict[str, str] = {}
    lines: list[Line] = []
    waiting = [os.path.normpath(path)]
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        if len(files) == MOST_FILES:
            raise RequirementsError(f"there are more than {MOST_FILES} requirements files")
        files[name] = _content(release, name)
        parsed = list(parse(files[name]))
        lines += parsed
        included = (value for line in parsed for value in line.included if not REMOTE.match(value))
        waiting += [os.path.normpath(os.path.join(os.path.dirname(name), value)) for value in included]
    return Requirements(files, tuple(lines))


def _content(release: str, path: str) -> str:
    found = inside(release, path)
    if found is None or not os.path.isfile(found):
        raise RequirementsError(f"the requirements file {path} is not in the source; correct the path or add the file")
    with open(found, "rb") as stream:
        content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise RequirementsError(f"the requirements file {path} is larger than {LARGEST_FILE} bytes; divide it")
    try:
        return _decoded(content)
    except (UnicodeError, LookupError) as error:
        raise RequirementsError(f"the requirements file {path} cannot be read ({error}); save it as UTF-8") from None


def _decoded(content: bytes) -> str:
    """The text as pip reads it: by its mark (PowerShell writes UTF-16), by what a comment says, or as UTF-8.

    Raises UnicodeError, and LookupError for an encoding that Python does not know.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        named = ENCODING.search(line) if line.startswith(b"#") else None
        if named:
            return content.decode(named[1].decode("ascii"))
    return content.decode("utf-8")
