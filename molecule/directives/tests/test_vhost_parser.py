# SPDX-License-Identifier: Apache-2.0
"""Any text of a vhost either is refused, or comes back unchanged from httpd's own parser; none adds a directive.

That a quoted text reaches a module unchanged is proven in test_parser.py; here, that every text is quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import COMPANIONS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from hypothesis import given
from hypothesis import strategies as st
from support.managed_host import ManagedHost
from support.parsing import BATCH, HOSTILE, PATHS, TEXTS, loaded
from support.vhost_texts import FILES, KEYS, PAIR, TAME, Text, directives

HOST = "directives-611"
LISTEN = [80, 443]
SIZES = {"processes": 1, "threads": 1, "listen_backlog": 100}
MODULES = (
    "alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_host", "authz_user", "headers", "mime",
    "proxy", "proxy_http", "rewrite", "setenvif", "socache_shmcb", "ssl", "http2",
)  # fmt: skip
SECTIONS = [*(f"<IfModule {name}_module>" for name in COMPANIONS), "</IfModule>"]
"""What httpd does not repeat of the lines, since it has these modules."""
MARK = "ServerAdmin begin-{}"

READ = """
import json, os, shutil, subprocess, sys
folder, files, configuration = json.load(sys.stdin)
shutil.rmtree(folder, ignore_errors=True)
os.mkdir(folder)
for name in files:
    with open(name, "w") as file:
        file.write("x")
with open("/tmp/vhosts.conf", "w", encoding="utf-8") as file:
    file.write(configuration)
said = subprocess.run(["apache2", "-t", "-D", "DUMP_CONFIG", "-f", "/tmp/vhosts.conf"], stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE)
print(json.dumps([said.stdout.decode("utf-8", "surrogateescape"), said.stderr.decode("utf-8", "replace")]))
"""


class Case(NamedTuple):
    """A text of a key, and the lines that were written for it."""

    text: Text
    value: str
    lines: list[str]


def lines_of(text: Text, value: str, name: str, source: Path) -> list[str] | None:
    """What the role writes for an application that has the text; None when it refuses it."""
    application: dict[str, Any] = {
        "name": name,
        "source": {"directory": str(source)},
        "server_name": f"{name}.example",
        "user": "www-data",
        "group": "www-data",
        **text.change(value),
    }
    try:
        (complete,) = apps.normalise([application], LISTEN, {name: SIZES}, instance("apache2"))
        files = {file["path"]: file.get("content", "") for file in wsgi_files.files([complete], instance("apache2"))}
    except ValueError as error:
        if not str(error).endswith("."):
            raise  # a refusal is a sentence
        return None
    return [line for line in directives(files[f"sites-available/100-modwsgi-{name}.conf"]) if line not in SECTIONS]


def cases(texts: Sequence[str], source: Path) -> Iterator[Case]:
    """Each key with each text that it accepts."""
    for text in KEYS:
        values = [text.plain, *(value for hostile in texts for value in text.candidates(hostile))]
        for value in dict.fromkeys(values):
            # The root of the site is none of the paths whose shape is compared.
            if value.strip("/"):
                lines = lines_of(text, value, "site", source)
                if lines is not None:
                    yield Case(text, value, lines)


def shape(lines: Sequence[str]) -> list[str]:
    """Which directives there are, in which order."""
    return [line.split(None, 1)[0].rstrip(">") for line in lines]


def group_of(number: int) -> str:
    """The daemon process group of a case. Each has its own."""
    return f"site{number or ''}"


def renamed(lines: Sequence[str], old: str, new: str) -> list[str]:
    """The lines with another name of the daemon process group, which only vhosts of one name may share."""
    named = re.compile(rf"(^WSGIDaemonProcess |^WSGIProcessGroup | process-group=){re.escape(old)}(?= |$)")
    return [named.sub(rf"\g<1>{new}", line) for line in lines]


def parsed(machine: ManagedHost, wanted: Sequence[Case]) -> list[list[str]]:
    """What httpd has understood, for each case."""
    head = loaded(machine) + "".join(
        f"<IfModule !mod_{name}.c>\nLoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n</IfModule>\n"
        for name in MODULES
    )
    blocks = []
    for number, case in enumerate(wanted):
        blocks += [MARK.format(number), *renamed(case.lines, "site", group_of(number))]
    machine.run("sh", "-c", "cat > /tmp/read.py", text=READ)
    files = [PAIR["key"], *(case.value for case in wanted if case.value.startswith(FILES))]
    asked = json.dumps([FILES, files, head + "\n".join(blocks) + "\n"])
    shown, said = json.loads(machine.run("/usr/bin/python3", "/tmp/read.py", text=asked))
    assert "Syntax OK" in said, said
    read = [line.strip(" ") for line in shown.split("\n") if line.strip() and line.strip()[0] != "#"]
    starts = [read.index(MARK.format(number)) for number in range(len(wanted))]
    return [read[begin + 1 : end] for begin, end in zip(starts, [*starts[1:], len(read)], strict=True)]


@pytest.fixture(name="source", scope="module")
def fixture_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An application; and the templates are compiled once."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "wsgi.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wsgi_files, "templates", cache(wsgi_files.templates))
        yield folder


@BATCH
@given(texts=st.lists(st.one_of(TEXTS, PATHS), min_size=12, max_size=12, unique=True))
def test_no_text_of_a_vhost_adds_or_changes_a_directive(source: Path, texts: list[str]) -> None:
    wanted = list(cases([*HOSTILE, *TAME, *texts], source))
    shapes = {case.text.key: shape(case.lines) for case in wanted if case.value == case.text.plain}
    assert set(shapes) == {text.key for text in KEYS}, "each key has a text that it accepts"
    for number, (case, read) in enumerate(zip(wanted, parsed(ManagedHost(HOST), wanted), strict=True)):
        about = f"{case.text.key}: {case.value!r}"
        found = renamed(read, group_of(number), "site")
        assert found == case.lines, about
        assert shape(found) == shapes[case.text.key], about
        carriers = [case.text.read(line) for line in found if line.startswith(case.text.directive)]
        argument = case.text.argument(case.value)
        assert any(argument in words for words in carriers), f"{about}: {argument!r} is not in {carriers}"
