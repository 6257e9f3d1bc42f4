# SPDX-License-Identifier: Apache-2.0
"""Each kind of bad input is refused in one sentence that names the place, and nothing on the host changes.

All are tried in one run, each under a name of its own for the same host: nearly all end in the preflight, which only
reads, and one when the virtual environment is made, beside the one in use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    SERVER,
    Setting,
    at,
    daemon_options,
)
from support.deployment import Deployment
from support.directives import sample
from support.managed_host import ManagedHost
from support.newest import NEWEST
from support.side_by_side import deploy_side_by_side, name_of
from support.site import Site, accepts_connections
from support.sites_of_others import OF_OTHERS, of_others
from support.snapshot import differences, snapshot
from support.waiting import wait_for

HOST = "<host>"
"""Stands in a sentence for the name of the host that has the defect."""
WITH_SPOILT_BLOG = "{{ [shop, blog | combine(spoilt)] }}"
OUTSIDE_THE_SPECIFICATION = "outside the specification"
UNREADABLE = "texts that httpd cannot carry"
OF_ONE_APPLICATION = "defects of one application"


@dataclass(frozen=True)
class Refusal:
    """One defect, as variables that win over the good ones, and the sentence that it must bring."""

    defect: str
    variables: dict[str, Any]
    sentence: str
    """`...` stands for any text."""
    blog: dict[str, Any] = field(default_factory=dict)
    """Keys of the application `blog` which replace the good ones."""
    further: tuple[str, ...] = ()
    """More sentences that it must bring."""
    among: str = ""
    """Several defects that are told at once share this name, and a host."""

    @property
    def host(self) -> str:
        """The name of the host that has the defect."""
        return name_of(self.among or self.defect)

    def is_told(self, text: str) -> bool:
        """Whether a text holds each sentence."""
        sentences = [sentence.replace(HOST, self.host) for sentence in (self.sentence, *self.further)]
        patterns = [".*?".join(map(re.escape, sentence.split("..."))) for sentence in sentences]
        return all(re.search(pattern, text, re.DOTALL) for pattern in patterns)


def hosts() -> dict[str, dict[str, Any]]:
    """The variables of each name of the host: those of its defects."""
    assert len({name_of(refusal.defect) for refusal in REFUSALS}) == len(REFUSALS), "two defects have one name"
    found: dict[str, dict[str, Any]] = {}
    for refusal in REFUSALS:
        variables = found.setdefault(refusal.host, {"spoilt": {}, "wsgi_apps": WITH_SPOILT_BLOG})
        variables.update(refusal.variables)
        variables["spoilt"].update(refusal.blog)
    return found


# A Python as it is without --enable-shared: the host's own, which answers differently about itself in this one point.
# Building such a Python takes minutes and proves nothing more: the role asks the interpreter, and believes it.
STATIC_PYTHON = "/opt/static/bin/python3.11"
STATIC_PYTHON_SCRIPT = """#!/bin/sh
# The role asks `PYTHON -I -c QUESTION`.
exec /usr/bin/python3 -I -c 'import sys, sysconfig
answer = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 0 if name == "Py_ENABLE_SHARED" else answer(name)
exec(sys.argv[1])' "$3"
"""

# The host's own Python under another version's name. It is refused before anything of that version is needed.
OTHER_PYTHON = "/opt/other/bin/python3.12"
OTHER_PYTHON_SCRIPT = """#!/bin/sh
exec /usr/bin/python3 -I -c 'import json, os, sys, sysconfig
sys.version_info = (3, 12, 1)
exec(sys.argv[1])' "$3"
"""

# On the host: a certificate, and a key that is not its own.
CERTIFICATE, OTHER_KEY = "/root/blog.pem", "/root/other.key"
PAIR = ["-nodes", "-days", "90", "-subj", "/CN=blog.example", "-addext", "subjectAltName=DNS:blog.example"]

# On the control node: a source distribution that is not the published one.
SPOILT_SOURCE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], f"mod_wsgi-{NEWEST}.tar.gz")


def unavailable(settings: dict[str, Setting], version: str) -> dict[str, Any]:
    """A value for each setting that a version does not have."""
    found = {key: sample(setting) for key, setting in settings.items() if setting.unavailable(version)}
    assert found, f"mod_wsgi {version} has all of them"
    return found


def options_too_many(defect: str, version: str) -> Refusal:
    """An application that sets all options which this mod_wsgi does not have; each is named."""
    settings = dict(daemon_options())
    given = unavailable(settings, version)
    place = "wsgi_apps: application 'blog', key daemon_options"
    first, *others = [f"{place}.{key}: {settings[key].unavailable(version)}." for key in given]
    return Refusal(defect, {"mod_wsgi_version": version}, first, {"daemon_options": given}, tuple(others))


def directives_too_many(defect: str, version: str) -> Refusal:
    """A server that sets all directives which this mod_wsgi does not have; each is named."""
    settings = dict(at(SERVER))
    given = unavailable(settings, version)
    first, *others = [f"mod_wsgi_directives.{key}: {settings[key].unavailable(version)}." for key in given]
    variables = {"mod_wsgi_version": version, "mod_wsgi_directives": given}
    return Refusal(defect, variables, first, further=tuple(others))


REFUSALS = [
    Refusal(
        "another Python than that of a site that others have",
        {"mod_wsgi_python": OTHER_PYTHON},
        f"/etc/apache2/sites-enabled/tool.conf, line 4 (wsgiscriptalias), of host {HOST} is a site of others that runs "
        "on Python 3.11 (/etc/apache2/mods-enabled/modwsgi.load loads its mod_wsgi), and mod_wsgi_python asks for "
        '3.12; one httpd loads one mod_wsgi, so set mod_wsgi_python: "3.11", disable that site, or use another host.',
    ),
    Refusal(
        "the place of a site that others have",
        {},
        "wsgi_apps: application 'blog', key default_vhost: on port 80, names that no site has are answered by "
        "/etc/apache2/sites-enabled/000-default.conf, line 1, of others; remove the key, or disable that site.",
        blog={"default_vhost": True},
    ),
    Refusal(
        "a Python that is not on the host",
        {"mod_wsgi_python": "3.12"},
        f'Python 3.12 is not on host {HOST}: Debian 12 offers 3.11, so set mod_wsgi_python: "3.11", '
        "or install Python 3.12 (docs/pythons.md) and give the path of its interpreter.",
    ),
    Refusal(
        "an interpreter that does not exist",
        {"mod_wsgi_python": "/opt/python/bin/python3.11"},
        f"mod_wsgi_python names /opt/python/bin/python3.11 on host {HOST}, which does not exist; "
        "install that Python (docs/pythons.md) or correct the path.",
    ),
    Refusal(
        "an interpreter without a shared libpython",
        {"mod_wsgi_python": STATIC_PYTHON},
        f"on host {HOST} (Python 3.11.2) has no shared libpython, which httpd has to load; "
        "rebuild it with --enable-shared, or name another interpreter in mod_wsgi_python.",
    ),
    Refusal(
        "a Python that the module does not support",
        {"mod_wsgi_python": "3.9"},
        f"mod_wsgi {NEWEST} supports Python 3.10 to 3.14, and host {HOST} is to use 3.9 (its source distribution "
        "asks for Python 3.10 or later); set mod_wsgi_version to one of 5.0.2, 4.9.4, or choose another "
        "Python in mod_wsgi_python.",
    ),
    Refusal(
        "a known-bad version",
        {"mod_wsgi_version": "4.9.1"},
        f"mod_wsgi 4.9.1 (mod_wsgi_version of host {HOST}) is known to be bad: CVE-2022-2255: ...; "
        f"use {NEWEST}, or insist with mod_wsgi_allow_known_bad: ['4.9.1'].",
    ),
    Refusal(
        "a source distribution with another checksum",
        {"mod_wsgi_source": str(SPOILT_SOURCE)},
        f"Checksum mismatch for mod_wsgi_source {SPOILT_SOURCE} of host {HOST}: expected a42d11ba..., got ...; "
        "get the right file, or give its checksum in mod_wsgi_source_sha256.",
    ),
    Refusal(
        "a checksum that is not the published one",
        {"mod_wsgi_source_sha256": "0" * 64},
        f"Checksum mismatch for the published source of mod_wsgi {NEWEST} on host {HOST}: expected {'0' * 64} "
        "(mod_wsgi_source_sha256), got ... (the published one); correct or remove mod_wsgi_source_sha256",
    ),
    Refusal(
        "a builder that the inventory does not have",
        {"mod_wsgi_build_on": "host:nobody"},
        f"mod_wsgi_build_on of host {HOST} names nobody, which is no host of the inventory; add it there, or "
        "name another one.",
    ),
    # Ansible's own words, since its check of nested options comes before anything of ours.
    Refusal(
        "a misspelt key of an application",
        {},
        "wsgi_apps.scirpt. Supported parameters include: ..., rollback_commands, script, server_aliases, ",
        blog={"scirpt": "wsgi.py"},
        among=OUTSIDE_THE_SPECIFICATION,
    ),
    Refusal(
        "a value of the wrong type",
        {},
        "argument 'threads' is of type str found in 'wsgi_apps'. and we were unable to convert to int",
        blog={"threads": "many"},
        among=OUTSIDE_THE_SPECIFICATION,
    ),
    Refusal(
        "an unknown httpd variable",
        {"httpd_lisen": [80]},
        "Variable httpd_lisen (did you mean httpd_listen?) is not known to the role modwsgi.deploy.httpd; "
        "correct the spelling or remove it (docs/variables.md lists the known names).",
    ),
    Refusal(
        "an unknown mod_wsgi variable",
        {"mod_wsgi_pyhton": "3.11"},
        "Variable mod_wsgi_pyhton (did you mean mod_wsgi_python?) is not known to the role modwsgi.deploy.mod_wsgi; "
        "correct the spelling or remove it (docs/variables.md lists the known names).",
    ),
    Refusal(
        "an unknown wsgi variable",
        {"wsgi_aps": []},
        "Variable wsgi_aps (did you mean wsgi_apps?) is not known to the role modwsgi.deploy.wsgi_app; "
        "correct the spelling or remove it (docs/variables.md lists the known names).",
    ),
    Refusal(
        "two applications with one name",
        {},
        "wsgi_apps: application 'shop', key name: 2 applications have this name; give each its own.",
        blog={"name": "shop"},
    ),
    Refusal(
        "two applications with one server name and port",
        {},
        "wsgi_apps: application 'blog', key server_name: shop.example on port 80 is already the application 'shop'; "
        "change the name or the port of one.",
        blog={"server_name": "shop.example"},
    ),
    Refusal(
        "a WSGI script that is not in the source",
        {},
        "wsgi_apps: application 'blog', key script: 'application.py' is not in the source .../applications/blog; "
        "correct the path or add the file.",
        blog={"script": "application.py"},
        among=OF_ONE_APPLICATION,
    ),
    Refusal(
        "a newline in a server name",
        {},
        "wsgi_apps: application 'blog', key server_name: the value 'blog.example...' holds a newline, a NUL or another "
        "control character; remove it.",
        blog={"server_name": "blog.example\nServerAlias evil.example"},
        among=UNREADABLE,
    ),
    Refusal(
        "a newline in the name of the server",
        {"httpd_server_name": "www.example\nServerTokens Full"},
        "The value of httpd_server_name contains a newline; httpd's configuration cannot carry that, so remove it.",
    ),
    Refusal(
        "the name of a module that leaves its folder",
        {"httpd_extra_modules": ["../../../tmp/evil"]},
        "httpd_modules, httpd_extra_modules or httpd_removed_modules contains '../../../tmp/evil', which cannot be a "
        "name there; write it like rewrite.",
    ),
    Refusal(
        "the name of a site that leaves its folder",
        {"httpd_removed_sites": ["../../passwd"]},
        "httpd_removed_sites contains '../../passwd', which cannot be a name there; write it like 000-default.",
    ),
    Refusal(
        "a module that is not on the host",
        {"httpd_extra_modules": ["rewrit"]},
        "The link /etc/apache2/mods-enabled/rewrit.load would lead to ../mods-available/rewrit.load, which does not "
        "exist; correct the name or install the package that brings it.",
    ),
    Refusal(
        "a NUL byte in a folder of static files",
        {},
        "wsgi_apps: application 'blog', key static[0].directory: the value ... holds a newline, a NUL or another "
        "control character; remove it.",
        blog={"static": [{"url": "/static/", "directory": "static\0files"}]},
        among=UNREADABLE,
    ),
    Refusal(
        "a NUL byte in an environment variable",
        {},
        "wsgi_apps: application 'blog', key environment.SECRET: the value holds a NUL byte, which no environment "
        "variable can; remove it.",
        blog={"environment": {"SECRET": "a\0b"}},
        among=OF_ONE_APPLICATION,
    ),
    Refusal(
        "a private port where any account can listen",
        {"httpd_private_port": 8079},
        "httpd_private_port is 8079, where any account can listen while httpd is down, and the probe would believe it; "
        "choose a free port below 1024, or remove the variable.",
    ),
    Refusal(
        "a port that is in use",
        {"httpd_listen": [80, 8090]},
        f"Port 8090 of {HOST} is in use by python3 (pid ...), so httpd cannot listen on 8090; stop that program, or "
        "choose another port (httpd_listen, httpd_private_port).",
    ),
    Refusal(
        "a certificate for another key",
        {"httpd_listen": [80, 443]},
        f"wsgi_apps: application 'blog', key tls.key: {OTHER_KEY} is not the key of {CERTIFICATE}; give the pair that "
        "belongs together.",
        blog={"tls": {"certificate": CERTIFICATE, "key": OTHER_KEY}},
    ),
    Refusal(
        "debug mode in production",
        {"wsgi_environment": "production"},
        "wsgi_apps: application 'blog', key debug: debug mode serves one request at a time and logs more, and "
        "wsgi_environment is production; remove it, or insist with debug_in_production: true.",
        blog={"debug": True},
    ),
    options_too_many("options that the newest mod_wsgi has no more", NEWEST),
    directives_too_many("directives that mod_wsgi 5.0.2 has not yet", "5.0.2"),
    Refusal(
        "one application alone where the server has changed as well",
        {"wsgi_only": "blog", "httpd_timeout": 61},
        "/etc/apache2/... not as the inventory and this version of the collection say, which concerns all "
        "applications; run site.yml without wsgi_only first.",
    ),
    Refusal(
        "one application alone where two change what all share",
        {
            "wsgi_only": "blog",
            "wsgi_apps": "{{ [shop | combine({'server_name': 'other.example'}), blog | combine(spoilt)] }}",
        },
        "Nothing was changed: /etc/apache2/sites-available/060-modwsgi-probes.conf would change for blog, and for shop "
        "as well, which wsgi_only leaves out; name all of them in wsgi_only, or run without it.",
        # A release command, which would run before httpd's configuration changes.
        blog={"server_name": "new.example", "release_commands": ["true"]},
    ),
    Refusal(
        "requirements that do not install",
        {},
        "wsgi_apps: application 'blog', key requirements: pip install --requirement impossible.txt failed: No "
        "matching distribution found for a-package-that-nobody-has==1.0; the virtual environment in use is untouched; "
        "its whole output is in /var/log/modwsgi/blog-pip.log on the host.",
        blog={"requirements": "impossible.txt"},
    ),
]


@pytest.fixture(name="prepared", scope="module", autouse=True)
def fixture_prepared(machine: ManagedHost) -> Iterator[None]:
    """The odd files, and a stranger who listens on port 8090."""
    machine.run("install", "-D", "-m", "0755", "/dev/stdin", STATIC_PYTHON, text=STATIC_PYTHON_SCRIPT)
    machine.run("install", "-D", "-m", "0755", "/dev/stdin", OTHER_PYTHON, text=OTHER_PYTHON_SCRIPT)
    for key, certificate in (("/root/blog.key", CERTIFICATE), (OTHER_KEY, "/root/other.pem")):
        machine.run("openssl", "req", "-x509", "-newkey", "rsa:2048", *PAIR, "-keyout", key, "-out", certificate)
    SPOILT_SOURCE.write_bytes(b"not the published source")
    machine.attempt("systemctl", "stop", "stranger")  # of a run that was cut off
    machine.run("systemd-run", "--unit=stranger", "/usr/bin/python3", "-m", "http.server", "8090")
    wait_for(lambda: accepts_connections(machine.address(), 8090), "the stranger listens")
    yield
    machine.run("systemctl", "stop", "stranger")


def seen(machine: ManagedHost, shop: Site, blog: Site) -> dict[str, Any]:
    """The host, and how its sites answer."""
    return {**snapshot(machine), "answers": {"shop": shop.health(), "blog": blog.health(), **of_others(machine)}}


GOOD_ANSWERS = {"shop": 200, "blog": 200, **OF_OTHERS}


@dataclass(frozen=True)
class Refused:
    """The run that has all defects, and the host before and after it."""

    run: Deployment
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(name="refused", scope="module")
def fixture_refused(machine: ManagedHost, shop: Site, blog: Site) -> Refused:
    """The defects, each on a name of its own for the host."""
    before = seen(machine, shop, blog)
    run = deploy_side_by_side(machine.container, hosts())
    return Refused(run, before, seen(machine, shop, blog))


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.defect)
def test_bad_input_is_refused(refused: Refused, refusal: Refusal) -> None:
    run = refused.run
    assert run.status != 0
    counts = {key: run.recap(refusal.host)[key] for key in ("changed", "unreachable", "failed", "rescued")}
    assert counts == {"changed": 0, "unreachable": 0, "failed": 1, "rescued": 0}, (
        f"{refusal.defect} was not refused before any change:\n{run.about(refusal.host)}"
    )
    (failure,) = run.failures(refusal.host)
    assert refusal.is_told(failure["msg"]), f"expected: {refusal}\nfound: {run.about(refusal.host)}"
    assert "Traceback" not in str(failure)


def test_refusals_change_nothing(refused: Refused) -> None:
    assert differences(refused.before, refused.after) == {}
    assert refused.after["answers"] == GOOD_ANSWERS
    assert "Traceback" not in refused.run.output, "one of them is a crash, and Ansible does not say there of which name"
