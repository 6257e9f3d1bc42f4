# SPDX-License-Identifier: Apache-2.0
"""`make test` leaves breadth to `make test-all` and says so; `make test-all` leaves out nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml
from molecule.interpolation import Interpolator, TemplateWithDefaults
from support import breadth
from support.scripts import ROOT

from tools.laboratory.wsgi_images import chosen, versions

pytestmark = pytest.mark.slow

SCENARIOS = sorted(path.parent.parent for path in ROOT.glob("molecule/*/breadth/hosts.yml"))
NAMES = [folder.name for folder in SCENARIOS]
CONFTEST = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests")!r}]
from support.breadth import pytest_collection_modifyitems, pytest_terminal_summary
"""
TESTS = """
import pytest
from support import breadth
@pytest.mark.parametrize("version", breadth.wider(["6.1.1", "5.0.2", "4.9.1"], "older modules"))
def test_it_serves(version): assert version == "6.1.1"
@pytest.mark.breadth("it takes long")
def test_it_serves_again(): pass
"""
INI = "[pytest]\nmarkers = breadth(reason): left out\naddopts = --strict-markers -p no:cacheprovider -q\n"


def ran(value: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest, with that value of the variable."""
    own = {breadth.VARIABLE: value, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # sooner
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(name="suite")
def fixture_suite(tmp_path: Path) -> str:
    """Three tests and one more, of which one is a promise."""
    for name, text in (("conftest.py", CONFTEST), ("test_some.py", TESTS), ("pytest.ini", INI)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path)


def test_a_test_that_is_left_out_is_told_with_the_reason(suite: str) -> None:
    done = ran("", suite, MOLECULE_SCENARIO_DIRECTORY=str(ROOT / "molecule" / "directives"))
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 deselected" in done.stdout
    assert "left to `make test-all` (older modules): 2 of test_some.py::test_it_serves\n" in done.stdout
    assert "left to `make test-all` (it takes long): 1 of test_some.py::test_it_serves_again\n" in done.stdout
    assert "left to `make test-all`: hosts directives-491, directives-502\n" in done.stdout


def test_with_breadth_nothing_is_left_out(suite: str) -> None:
    done = ran("breadth", suite)
    assert "2 failed, 2 passed" in done.stdout
    assert "left to" not in done.stdout


def test_any_other_value_is_refused(suite: str) -> None:
    with pytest.raises(ValueError, match="MODWSGI_ALSO_TEST is 'yes': set it to 'breadth'"):
        breadth.wanted({breadth.VARIABLE: "yes"})
    assert ran("yes", suite).returncode not in (0, 1)


def makefile(goal: str) -> str:
    """What the recipes of a goal would find in the variable."""
    text = f"include {ROOT}/Makefile\n.PHONY: check examples molecule\n"
    done = subprocess.run(
        ["make", "--no-print-directory", "--file=-", "check=", goal],
        input=f"{text}check slow-checks root-tests examples molecule: ; @printenv {breadth.VARIABLE} || echo none\n",
        env={name: value for name, value in os.environ.items() if name != breadth.VARIABLE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (value,) = set(done.stdout.split())
    return value


def test_the_two_commands_differ_in_breadth_alone() -> None:
    assert (makefile("test"), makefile("test-all")) == ("none", "breadth")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
@pytest.mark.parametrize(("value", "further"), [("", 0), ("breadth", 1)])
def test_the_playbooks_and_the_tests_have_the_same_hosts(
    scenario: Path, value: str, further: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"MOLECULE_SCENARIO_DIRECTORY": str(scenario), breadth.VARIABLE: value}
    text = (scenario / "molecule.yml").read_text(encoding="utf-8")
    read = yaml.safe_load(Interpolator(TemplateWithDefaults, known).interpolate(text))
    words = read["ansible"]["executor"]["args"]["ansible_playbook"]
    monkeypatch.setenv(breadth.VARIABLE, value)
    given = list(dict.fromkeys(Path(word.removeprefix("--inventory=")) for word in words))
    assert given == breadth.inventories(scenario)
    assert len(given) == 1 + further
    assert bool(breadth.hosts_left_out(scenario)) is not bool(further)


def suites_of(value: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The Debian suites on which some scenario serves."""
    monkeypatch.setenv(breadth.VARIABLE, value)
    every = [folder.parent for folder in ROOT.glob("molecule/*/inventory/hosts.yml") if folder.parent.name != "image"]
    hosts = [
        host
        for folder in every
        if "wsgi" in (folder / "hosts.yml").read_text(encoding="utf-8")
        for host in breadth.hosts(folder.parent).values()
    ]
    return {host.get("lab_suite", "bookworm") for host in hosts}


def test_every_suite_is_served_on_without_breadth(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README says: each tested on every change."""
    promised = re.search(r"^\| managed hosts \| (.*?), each tested", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert promised
    assert promised[1] == "Debian 11, 12, 13 and forky"
    assert suites_of("", monkeypatch) == {"bullseye", "bookworm", "trixie", "forky"}


def test_every_pinned_version_serves_without_breadth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(breadth.VARIABLE, "")
    first = {host["pairs"][0] for host in breadth.hosts(ROOT / "molecule" / "pythons").values()}
    upgrade = ROOT / "molecule" / "upgrade"
    begun = yaml.safe_load((upgrade / "inventory/group_vars/wsgi.yml").read_text(encoding="utf-8"))["mod_wsgi_version"]
    steps = re.findall(
        r'^(?:FIRST =|   ) Step\(".*?", "(.*?)"', (upgrade / "tests/test_upgrade.py").read_text(), re.MULTILINE
    )
    assert begun == steps[0]
    assert {*first, *steps} == {"6.1.1", "5.0.2", "4.9.4", "4.9.1"}


@pytest.mark.parametrize(("value", "number"), [("", 1), ("breadth", 4)])
def test_the_images_that_are_built_are_those_that_are_tested(value: str, number: int) -> None:
    (play,) = yaml.safe_load((ROOT / "molecule" / "image" / "converge.yml").read_text(encoding="utf-8"))
    environment = jinja2.Environment(autoescape=False)
    environment.globals["lookup"] = lambda _plugin, name: {breadth.VARIABLE: value}[name]
    wanted = environment.compile_expression(play["vars"]["breadth"].strip("{} "))()
    (word,) = [word for word in play["tasks"][0]["ansible.builtin.command"]["argv"] if word.startswith("--python=")]
    python = environment.from_string(word).render(breadth=wanted).removeprefix("--python=")
    built = {name for image in chosen(versions(ROOT), python, "") for name in (image.names[0], image.slim_names[0])}
    assert len(built) == 2 * number

    collected = ran(value, "--collect-only", "tests/images/test_contents.py", "tests/images/test_builds.py").stdout
    assert set(re.findall(r"^\S*keeps_to_its_size\[(.+)\]$", collected, re.MULTILINE)) == built
    assert ("same_files" in re.sub("(?m)^left to.*", "", collected)) == (value == "breadth")
