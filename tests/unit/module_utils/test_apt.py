# SPDX-License-Identifier: Apache-2.0
"""Exactly the packages that a build installed are removed again; apt-get is played by a small model of a host."""

from __future__ import annotations

import json

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import apt as build_tools
from support.apt_host import apt_host


@pytest.fixture
def host(monkeypatch):
    return apt_host(monkeypatch, "perl", "libc6-dev")


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


def test_of_an_interrupted_build_what_is_to_stay_meanwhile_stays(host, record):
    """A package of a build that an operator has listed since, and what it needs."""
    build_tools.install(["apache2-dev"], record, "web1")
    assert build_tools.remove(record, "web1", check_mode=False, keep=["libtool"]) == ["apache2-dev"]
    assert host.packages == {"perl", "libc6-dev", "libtool", "gcc"}


def test_without_a_record_packages_stay(host, record):
    assert build_tools.install(["gcc"], None, "web1") == ["gcc"]
    assert build_tools.remove(record, "web1", check_mode=False) == []
    assert "gcc" in host.packages


def test_a_package_is_there_under_its_name_or_as_what_another_provides(monkeypatch):
    rows = {"libssl3t64": ["installed", "libssl3 (= 3.5), libssl-x"], "mawk": ["config-files", "awk"]}

    def query(_form, *names):
        return [[name, *row] for name, row in rows.items() if not names or name in names]

    monkeypatch.setattr(build_tools, "query", query)
    assert build_tools.missing(["libssl3", "libssl-x", "libssl3t64", "mawk", "awk", "gcc"]) == ["awk", "gcc", "mawk"]
    assert build_tools.missing([]) == []


def test_a_name_that_nobody_knows_is_to_be_corrected(tmp_path, monkeypatch):
    program = tmp_path / "apt-get"
    program.write_text("#!/bin/sh\necho 'E: Unable to locate package libqp5' >&2; exit 100\n")
    program.chmod(0o755)
    monkeypatch.setattr(build_tools, "APT", [str(program)])
    with pytest.raises(build_tools.AptError, match=r"failed on host web1: E: Unable to locate .*; correct the name of"):
        build_tools.run_apt("web1", "install", "libqp5")
