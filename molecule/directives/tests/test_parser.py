# SPDX-License-Identifier: Apache-2.0
"""httpd's and mod_wsgi's own parsers read any text that is accepted as it was meant, and none adds a directive."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError, quote
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    INTERPRETER,
    LOCATION,
    SERVER,
    VHOST,
    Setting,
    at,
    daemon_option_words,
    daemon_options,
    interpreter_section,
    lines,
    value_problems,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support import breadth
from support.directives import ADDITIONS, CODE, sample
from support.managed_host import ManagedHost
from support.parsing import BATCH, HOSTILE, PATHS, TEXTS, loaded

HOSTS = {
    name: str(variables["mod_wsgi_version"])
    for name, variables in breadth.hosts(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])).items()
}

READ = """
import json, subprocess, sys
head, values = json.load(sys.stdin)
answers = []
for value in values:
    with open("/tmp/parser.conf", "w", encoding="utf-8") as file:
        file.write(head + "WSGITrustedProxies " + value + "\\n")
    said = subprocess.run(["apache2", "-t", "-f", "/tmp/parser.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    answers.append(said.stdout.decode("utf-8", "surrogateescape"))
print(json.dumps(answers))
"""


def carried(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The texts that are accepted, each with what is written for it."""
    for text in texts:
        try:
            yield text, quote(text)
        except QuotingError:
            continue


def named(answer: str) -> str:
    """The text that a message names; httpd escapes control characters in it (ap_escape_errorlog_item)."""
    escaped = answer.partition('IP address/subnet of "')[2].rpartition('".')[0].encode("utf-8", "surrogateescape")
    letters = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

    def plain(found: re.Match[bytes]) -> bytes:
        what = found[1]
        return bytes([int(what[1:], 16)]) if len(what) == 3 else letters.get(what, what)

    return re.sub(rb"\\(x[0-9a-f]{2}|.)", plain, escaped, flags=re.DOTALL).decode("utf-8")


@pytest.mark.parametrize("host", HOSTS)
@BATCH
@given(texts=st.lists(TEXTS, min_size=60, max_size=60, unique=True))
def test_a_quoted_text_reaches_the_module_unchanged(host: str, texts: list[str]) -> None:
    # mod_wsgi names in its message what is no address, as httpd has handed it over. With the letters, no text is one.
    machine = ManagedHost(host)
    accepted = list(carried([f"x{text}x" for text in [*HOSTILE, *texts]]))
    machine.run("sh", "-c", "cat > /tmp/parser.py", text=READ)
    asked = json.dumps([loaded(machine), [written for _, written in accepted]])
    answers = json.loads(machine.run("/usr/bin/python3", "/tmp/parser.py", text=asked))
    for (text, _), answer in zip(accepted, answers, strict=True):
        assert named(answer) == text


def string_leaves(setting: Setting) -> Iterator[tuple[Setting, str]]:
    """The strings of a setting: what each is, and its field; "" for the value itself."""
    for known in setting.fields or (setting,):
        if known.type in ("text", "path", "script", *directives.EACH) and not known.choices:
            yield known, known.name if setting.fields else ""


def values_of(settings_: Sequence[Setting], texts: Sequence[str]) -> Iterator[tuple[Setting, Any]]:
    """Each setting with each text that it accepts, in each of its strings."""
    for setting in settings_:
        for leaf, name in string_leaves(setting):
            for text in texts:
                own: Any = [text] if leaf.type in directives.EACH else text
                value: Any = own
                if name:
                    record = {field.name: sample(field) for field in setting.fields}
                    value = {**record, name: own}
                if not list(value_problems(setting, "x", [value] if setting.type == "records" else value)):
                    yield setting, [value] if setting.type == "records" else value


def of_version(known: Any, version: str) -> list[Setting]:
    return [setting for setting in known.values() if not setting.unavailable(version)]


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
@BATCH
@given(texts=st.lists(st.one_of(TEXTS, PATHS), min_size=40, max_size=40, unique=True))
def test_no_text_adds_or_changes_a_directive(host: str, version: str, texts: list[str]) -> None:
    machine, texts = ManagedHost(host), [*HOSTILE, *(f"/{text}" for text in HOSTILE), *texts]
    plain = [setting for setting in of_version(at(SERVER), version) if setting.key != "interpreter_options"]
    wanted = [line for setting, value in values_of(plain, texts) for line in lines(setting, value, CODE, ADDITIONS)]
    if version.startswith("6"):
        for text in texts:
            if not list(value_problems(at(INTERPRETER)["python_path"], "x", [text])):
                wanted += interpreter_section({"process_group": "shop", "python_path": [text]})
    # What is kept is of the first test: WSGITrustedProxies takes no text at all.
    wanted += ["WSGIDaemonProcess shop", "<VirtualHost *:8099>"]
    for place in (VHOST, LOCATION):
        wanted += ["<Location />"] if place == LOCATION else []
        for setting, value in values_of(of_version(at(place), version), texts):
            if setting.key != "script_alias_matches":  # its expressions have to be expressions, see below
                wanted += lines(setting, value, CODE, ADDITIONS)
    wanted += ["</Location>", "</VirtualHost>"]
    machine.run("sh", "-c", "cat > /tmp/all.conf", text=loaded(machine) + "\n".join(wanted) + "\n")
    found = machine.attempt("apache2", "-t", "-D", "DUMP_CONFIG", "-f", "/tmp/all.conf")
    assert "Syntax OK" in found.stderr + found.stdout, found.stderr
    read = [line.strip(" ") for line in found.stdout.split("\n") if line.strip() and line.strip()[0] != "#"]
    assert read[read.index("Listen 8099") + 1 :] == [line.strip(" ") for line in wanted]


GROUPS = 12
IMPORT = """
import json, mod_wsgi, os
with open("/tmp/parsed/" + mod_wsgi.process_group, "w") as file:
    json.dump(os.environ["PYTHON_EGG_CACHE"], file)
"""
SERVE = """
import json, os, subprocess, sys, time
count = int(sys.argv[1])
subprocess.run("rm -rf /tmp/parsed && mkdir -m 777 /tmp/parsed", shell=True, check=True)
subprocess.run(["apache2", "-k", "start", "-f", "/tmp/groups.conf"], check=True)
try:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        names = [name for name in os.listdir("/tmp/parsed") if os.path.getsize("/tmp/parsed/" + name)]
        if len(names) == count:
            break
        time.sleep(0.05)
    print(json.dumps({name: json.load(open("/tmp/parsed/" + name)) for name in names}))
finally:
    pid = int(open("/tmp/parser.pid").read())
    subprocess.run(["apache2", "-k", "stop", "-f", "/tmp/groups.conf"], check=True)
    while os.path.exists("/proc/%d" % pid):
        time.sleep(0.05)
"""


@pytest.mark.parametrize("host", HOSTS)
@settings(parent=BATCH, max_examples=2)
@given(texts=st.lists(PATHS, min_size=GROUPS * 4, max_size=GROUPS * 4, unique=True))
def test_the_value_of_an_option_reaches_the_daemon_process_unchanged(host: str, texts: list[str]) -> None:
    # The one free text of which a process tells: WSGIDaemonProcess python-eggs=, which becomes PYTHON_EGG_CACHE.
    machine, setting = ManagedHost(host), daemon_options()["python_eggs"]
    texts = [*(f"/{text}" for text in HOSTILE[:6]), *texts]
    accepted = [text for text in texts if not list(value_problems(setting, "x", text))][:GROUPS]
    configuration = [loaded(machine), "WSGIRestrictEmbedded On", "WSGISocketPrefix /tmp/parser-wsgi"]
    for number, text in enumerate(accepted):
        words = daemon_option_words({"python_eggs": text, "maximum_requests": 5})
        configuration += [
            f"WSGIDaemonProcess g{number} threads=1 \\\n    " + " \\\n    ".join(words),
            f"WSGIImportScript /tmp/import.py process-group=g{number} application-group=%{{GLOBAL}}",
        ]
    machine.run("sh", "-c", "cat > /tmp/import.py", text=IMPORT)
    machine.run("sh", "-c", "cat > /tmp/groups.conf", text="\n".join(configuration) + "\n")
    found = machine.python(SERVE, str(len(accepted)))
    assert found == {f"g{number}": text for number, text in enumerate(accepted)}
