# SPDX-License-Identifier: Apache-2.0
"""Packages that an application needs are there and stay; those of a build are there for its time, and no others go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.apt import AptError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import packages, venv
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import PackagesError
from support.apt_host import AptHost, apt_host

BEFORE = {"perl", "libc6-dev"}


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> AptHost:
    return apt_host(monkeypatch, *BEFORE)


@pytest.fixture(name="record", autouse=True)
def fixture_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages, "record_of", lambda _: tmp_path / "record.json")
    return tmp_path / "record.json"


def shop(**keys: Any) -> dict[str, Any]:
    return {"name": "shop", "paths": {"venvs": "/nowhere"}, "requirements": "", **keys}


class Builds:
    """Virtual environments that are not made, but for which packages are there."""

    def __init__(self, host: AptHost, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host, self.folder = host, folder
        self.fails = self.is_complete = False
        self.seen: list[set[str]] = []
        monkeypatch.setattr(venv, "build", self.build)
        monkeypatch.setattr(venv, "is_complete", lambda _: self.is_complete)

    def build(self, *_: object) -> None:
        self.seen.append(set(self.host.packages))
        if self.fails:
            raise venv.VenvError("it is broken")

    def run(self, *applications: dict[str, Any], check_mode: bool = False) -> None:
        releases = {each["name"]: {"id": "1", "path": str(self.folder)} for each in applications}
        interpreter = {"executable": "/python", "full_version": "3", "abi": "cp3"}
        parameters = {"releases": releases, "interpreter": interpreter, "host": "web1"}
        venv.virtual_environments(list(applications), parameters, check_mode)


@pytest.fixture(name="builds")
def fixture_builds(host: AptHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    return Builds(host, tmp_path, monkeypatch)


def test_packages_of_a_build_are_there_for_its_time(host: AptHost, builds: Builds, record: Path) -> None:
    builds.run(shop(build_packages=["libtool", "libc6-dev"]), {**shop(), "name": "blog"})
    assert builds.seen[0] == BEFORE | {"libtool", "gcc"}
    assert host.packages == BEFORE
    assert not record.exists()


def test_after_a_failure_they_go_too_and_the_failure_is_told(host: AptHost, builds: Builds, record: Path) -> None:
    builds.fails = True
    with pytest.raises(venv.VenvError, match="'shop', key requirements: it is broken"):
        builds.run(shop(build_packages=["gcc"]))
    assert host.packages == BEFORE
    assert not record.exists()


def test_where_nothing_is_built_nothing_is_installed(host: AptHost, builds: Builds) -> None:
    builds.run(shop(build_packages=["gcc"]), check_mode=True)
    builds.is_complete = True
    builds.run(shop(build_packages=["gcc"]))
    assert (builds.seen, host.packages) == ([], BEFORE)


def test_those_that_cannot_be_installed_are_told_by_application_and_key(host: AptHost, builds: Builds) -> None:
    host.fails = True
    with pytest.raises(PackagesError, match=r"^wsgi_apps: application 'shop', key build_packages: apt-get failed\.$"):
        builds.run(shop(build_packages=["gcc"]))
    with pytest.raises(PackagesError, match=r"^wsgi_apps: application 'shop', key packages: apt-get failed\.$"):
        packages.ensure([shop(packages=["gcc"])], {}, "web1", check_mode=False)
    assert (builds.seen, host.packages) == ([], BEFORE)


def test_packages_that_cannot_be_removed_are_told_unless_the_build_has_failed(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object, **__: object) -> list[str]:
        raise AptError("apt-get failed.")

    monkeypatch.setattr(packages.apt, "remove", remove)
    with pytest.raises(PackagesError, match=r"the build_packages of this run are not removed: apt-get failed\."):
        builds.run(shop(build_packages=["gcc"]))
    builds.fails = True
    with pytest.raises(venv.VenvError, match="it is broken"):
        builds.run(shop(build_packages=["gcc"]))


def test_what_an_application_needs_stays_through_a_build(host: AptHost, builds: Builds) -> None:
    application = shop(packages=["gcc"], build_packages=["libtool"])
    assert packages.due([application], {})
    told = packages.ensure([application], {}, "web1", check_mode=True)
    assert (told, host.packages) == ({"installed": ["gcc"], "removed": []}, BEFORE)
    assert packages.ensure([application], {}, "web1", check_mode=False) == told
    builds.run(application)
    assert host.packages == BEFORE | {"gcc"}
    assert not packages.due([application], {})
    assert packages.ensure([application], {}, "web1", check_mode=False) == {"installed": [], "removed": []}


def test_the_next_run_removes_what_one_that_was_cut_off_has_left(host: AptHost, record: Path) -> None:
    """But for what an application needs by now."""
    host.packages |= {"libtool", "gcc"}
    record.write_text(json.dumps(["libtool", "gcc"]))
    applications = [shop(packages=["gcc"])]
    assert packages.due(applications, {})
    for check_mode in (True, False):
        told = packages.ensure(applications, {}, "web1", check_mode)
        assert told == {"installed": [], "removed": ["libtool"]}
    assert host.packages == BEFORE | {"gcc"}
    assert not packages.due(applications, {})
