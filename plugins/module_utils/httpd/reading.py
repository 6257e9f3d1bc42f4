# SPDX-License-Identifier: Apache-2.0
"""How httpd reads a configuration: what its own test says, and its print of what it has understood.

In the print, conditions and variables are done.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ENVIRONMENT
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener, ListenerError, parse

TEST_SECONDS = 60
_FILE = re.compile(r"\s*# In file: (?P<path>.+)\Z")
_LINE = re.compile(r"\s*#\s*(?P<line>[0-9]+):\Z")


class Directive(NamedTuple):
    """One directive as httpd has understood it."""

    file: str
    line: int
    name: str  # in small letters; sections as `<name`
    arguments: tuple[str, ...]
    vhost: int  # the number of the vhost that it is in, from 1; 0: in none
    sections: tuple[tuple[str, ...], ...] = ()  # those around it, each with its name (`<directory`) and its arguments

    @property
    def place(self) -> str:
        """Where, for a message."""
        return f"{self.file}, line {self.line}"


def parsed(dump: str) -> Iterator[Directive]:
    """The directives of a print of httpd's configuration (``-D DUMP_CONFIG``), with their places."""
    file, line, vhosts, vhost = "", 0, 0, 0
    sections: list[tuple[str, ...]] = []
    for text in dump.splitlines():
        place = _FILE.match(text)
        if place:
            file = place["path"]
            continue
        number = _LINE.match(text)
        if number:
            line = int(number["line"])
            continue
        name, _, rest = text.strip().partition(" ")
        name = name.lower()
        if not name or name.startswith("#"):
            continue
        if name == "<virtualhost":
            vhosts += 1
            vhost = vhosts
        if name == "</virtualhost>":
            vhost = 0
        if name.startswith("</"):
            del sections[-1:]
            continue
        found = Directive(file, line, name.rstrip(">"), _words(rest, name), vhost, tuple(sections))
        if name.startswith("<"):
            sections.append((found.name, *found.arguments))
        yield found


def _words(text: str, name: str) -> tuple[str, ...]:
    text = text.strip()
    if name.startswith("<") and text.endswith(">"):
        text = text[:-1]
    try:
        return tuple(shlex.split(text))
    except ValueError:  # a quotation mark of a directive that takes its line as it is
        return tuple(text.split())


def listeners(directives: Iterable[Directive]) -> list[tuple[Directive, Listener]]:
    """The Listen directives; what is no plain address is left to httpd."""
    found = []
    for each in directives:
        if each.name == "listen" and each.arguments:
            try:
                found.append((each, parse(each.arguments[0], "Listen")))
            except ListenerError:
                continue
    return found


def run_test(
    instance: Mapping[str, str], root: str, options: Iterable[str] = (), errors: int = subprocess.STDOUT
) -> tuple[int, str]:
    """httpd's test of a server root: exit status and output, by default of both streams.

    Raises subprocess.TimeoutExpired.
    """
    result = subprocess.run(
        [instance["control"], "-d", root, *options, "-t"],
        env={**ENVIRONMENT, "APACHE_ENVVARS": str(Path(root) / Path(instance["environment_file"]).name)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        timeout=TEST_SECONDS,
        check=False,
    )
    return result.returncode, result.stdout.decode(errors="replace")


def dump_options(instance: Mapping[str, str]) -> list[str]:
    """Options by which httpd's test prints the configuration as well; none where the module for that is missing."""
    module = f"{instance['module_directory']}/mod_info.so"
    return ["-c", f"LoadModule info_module {module}", "-D", "DUMP_CONFIG"] if Path(module).exists() else []


def dump(instance: Mapping[str, str]) -> str:
    """httpd's print of the configuration that is on the disk; empty when httpd cannot give one."""
    options = dump_options(instance)
    if not options or not os.access(instance["control"], os.X_OK):
        return ""
    try:
        status, output = run_test(instance, instance["server_root"], options, subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return ""
    return output if status == 0 else ""
