# SPDX-License-Identifier: Apache-2.0
"""Exactly the packages that a build installed are removed again; apt-get is played by a small model of a host."""

from __future__ import annotations

import json

import pytest
from ansible_collections.modwsgi.deploy.plugins.modules import mod_wsgi_build_tools as build_tools

DEPENDENCIES = {"apache2-dev": ["libtool"], "libtool": ["gcc"], "gcc": ["libc6-dev"], "libc6-dev": [], "perl": []}


class Host:
    """What is installed, and what depends on what."""

    def __init__(self, *packages):
        self.packages = set(packages)
        self.dependencies = {**DEPENDENCIES}
        self.fails = False

    def with_dependencies(self, names):
        found = set(names)
        for name in names:
            found |= self.with_dependencies(self.dependencies[name])
        return found

    def with_dependents(self, names):
        found = {name for name in self.packages if self.with_dependencies([name]) & set(names)}
        return found & self.packages

    def apt(self, _host, verb, *names):
        simulated = "--simulate" in names
        names = [name for name in names if name != "--simulate"]
        if verb == "install":
            new = self.with_dependencies(names) - self.packages
            if not simulated:
                if self.fails:
                    raise build_tools.AptError("apt-get failed.")
                self.packages |= new
            return (
                "".join(f"Inst {name} (1.0 Debian:12 [amd64])\n" for name in new) + "Inst perl [5.1] (5.2 Debian:12)\n"
            )
        if verb == "purge":
            gone = self.with_dependents(names)
            if not simulated:
                self.packages -= gone
            return "".join(f"Purg {name} [1.0]\n" for name in gone)
        return ""


@pytest.fixture
def host(monkeypatch):
    host = Host("perl", "libc6-dev")
    monkeypatch.setattr(build_tools, "run_apt", host.apt)
    monkeypatch.setattr(build_tools, "installed", lambda names: [name for name in names if name in host.packages])
    return host


@pytest.fixture
def record(tmp_path):
    return tmp_path / "state" / "packages.json"


def test_what_was_there_before_stays(host, record):
    assert build_tools.install(["apache2-dev", "libc6-dev"], record, "web1") == ["apache2-dev", "gcc", "libtool"]
    assert json.loads(record.read_text(encoding="utf-8")) == ["apache2-dev", "gcc", "libtool"]

    assert build_tools.remove(record, "web1", check_mode=False) == ["apache2-dev", "gcc", "libtool"]
    assert host.packages == {"perl", "libc6-dev"}
    assert not record.exists()


def test_the_record_is_there_before_the_packages_are(host, record):
    host.fails = True
    with pytest.raises(build_tools.AptError):
        build_tools.install(["gcc"], record, "web1")
    assert json.loads(record.read_text(encoding="utf-8")) == ["gcc"]


def test_a_run_after_an_interrupted_one_removes_the_packages_of_both(host, record):
    build_tools.install(["gcc"], record, "web1")
    assert build_tools.install(["apache2-dev"], record, "web1") == ["apache2-dev", "libtool"]
    build_tools.remove(record, "web1", check_mode=False)
    assert host.packages == {"perl", "libc6-dev"}


def test_what_something_else_needs_meanwhile_stays(host, record):
    build_tools.install(["apache2-dev"], record, "web1")
    host.dependencies["app-tool"] = ["gcc"]
    host.packages.add("app-tool")

    build_tools.remove(record, "web1", check_mode=False)

    assert host.packages == {"perl", "libc6-dev", "app-tool", "gcc"}


def test_what_has_gone_already_is_no_matter(host, record):
    build_tools.install(["gcc"], record, "web1")
    host.packages.discard("gcc")
    assert build_tools.remove(record, "web1", check_mode=False) == []
    assert not record.exists()


def test_check_mode_removes_nothing(host, record):
    build_tools.install(["gcc"], record, "web1")
    assert build_tools.remove(record, "web1", check_mode=True) == ["gcc"]
    assert "gcc" in host.packages
    assert record.exists()


@pytest.mark.usefixtures("host")
def test_nothing_new_leaves_no_record(record):
    assert build_tools.install(["libc6-dev"], record, "web1") == []
    assert not record.exists()


@pytest.mark.usefixtures("host")
def test_without_a_record_nothing_is_removed(record):
    assert build_tools.remove(record, "web1", check_mode=False) == []


def test_an_upgraded_package_is_not_new():
    output = "Inst gcc (12.2 Debian:12 [amd64])\nInst perl [5.1] (5.2 Debian:12 [amd64])\nConf gcc (12.2)\n"
    assert build_tools.would_install(output) == ["gcc"]


def test_removals_are_read_without_their_architecture():
    assert build_tools.would_remove("Remv gcc [12.2]\nPurg libc6-dev:amd64 [2.36]\n") == ["gcc", "libc6-dev"]
