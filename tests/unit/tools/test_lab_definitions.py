# SPDX-License-Identifier: Apache-2.0
"""What the lab's images and environment are made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from support.scripts import ROOT

from tools.laboratory import images
from tools.laboratory.cli import main
from tools.laboratory.console import Console, LabError
from tools.laboratory.environment import collection_names, members_of_collections
from tools.laboratory.images import base_image, host_image, interpreter_image
from tools.laboratory.lock import without_addresses
from tools.laboratory.machine import trusted_certificates
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, INTERPRETERS, SUITES
from tools.laboratory.wsgi_images import versions


@pytest.fixture(name="lab")
def fixture_lab(tmp_path: Path) -> Lab:
    """A lab with a definition of test hosts."""
    folder = tmp_path / "images/test-host"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM base\n")
    (folder / "interpreter").mkdir()
    (folder / "interpreter/Dockerfile").write_text("FROM host\n")
    (folder / "interpreter/build-python").write_text("exit 0\n")
    return Lab(tmp_path)


@pytest.fixture(name="docker_calls")
def fixture_docker_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that notes how it was called, and starts containers that fail."""
    calls = tmp_path / "calls"
    calls.touch()
    script = tmp_path / "programs/docker"
    script.parent.mkdir()
    script.write_text(f"""#!/bin/sh
echo "$1 $2 $3" >> {calls}
case $1 in run)
  for word; do case $word in --cidfile=*) echo container-1 > "${{word#*=}}";; esac; done
  echo "no compiler" >&2
  exit 3
esac
""")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return calls


def test_an_image_is_named_by_all_that_it_is_made_of(lab: Lab) -> None:
    suite = SUITES[DEFAULT_SUITE]
    names = {host_image(lab, suite, {}), host_image(lab, SUITES["trixie"], {}), host_image(lab, suite, {"a.crt": b"1"})}
    (lab.repository / "images/test-host/Dockerfile").write_text("FROM base\nRUN true\n")
    names.add(host_image(lab, suite, {}))
    assert len(names) == 4
    assert host_image(lab, suite, {}) in names
    assert all(re.fullmatch(r"modwsgi-lab/test-host:[a-z]+-[0-9a-f]{12}", name) for name in names)


def test_an_image_with_a_second_python_is_named_by_what_is_below_it_too(lab: Lab) -> None:
    host = host_image(lab, SUITES["bookworm"], {})
    names = {interpreter_image(lab, image, python) for image in (host, f"{host}0") for python in ("3.13", "3.14")}
    (lab.repository / "images/test-host/interpreter/build-python").write_text("exit 1\n")
    names.add(interpreter_image(lab, host, "3.13"))
    assert len(names) == 5
    assert all(re.fullmatch(r"modwsgi-lab/test-host:bookworm-python3\.1[34]-[0-9a-f]{12}", name) for name in names)
    assert host_image(lab, SUITES["bookworm"], {}) == host, "a host without it is not made anew"


def test_a_second_python_that_cannot_be_built_leaves_no_container(lab: Lab, docker_calls: Path) -> None:
    lab.directory.mkdir()
    archive = lab.directory / "python.tar"
    with pytest.raises(
        LabError, match=r"Python 3\.13 for test hosts was not built \(no compiler\): the log is .*\.log\."
    ):
        images._build_python(lab, "host:1", "3.13", archive)
    assert docker_calls.read_text().splitlines()[-1] == "rm --force --volumes"


def test_images_are_removed_before_those_below_them(lab: Lab, docker_calls: Path) -> None:
    host = host_image(lab, SUITES["bookworm"], {})
    above = interpreter_image(lab, host, "3.13")
    below = base_image(SUITES["bookworm"])
    lab.add("images", [host, above, below])
    images.remove(lab, Console())
    removed = re.findall(r"^image rm (.*)$", docker_calls.read_text(), re.MULTILINE)
    assert removed == [above, host, below]


def test_the_lab_and_the_roles_know_the_same_distributions() -> None:
    known = {entry.codename: (entry.release, entry.python) for entry in DISTRIBUTIONS.values()}
    assert {suite.name: (suite.version, suite.python) for suite in SUITES.values()} == known
    assert {python: suite.name for python, suite in INTERPRETERS.items()} == {
        entry.python: entry.codename for entry in DISTRIBUTIONS.values() if entry.family == "debian"
    }
    assert {suite.pulled_image for suite in SUITES.values()} == {entry.image for entry in DISTRIBUTIONS.values()}


def test_ubuntu_is_not_made_out_of_debians_packages(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, docker_calls: Path
) -> None:
    monkeypatch.setattr(images, "exists", lambda _: False)
    monkeypatch.setattr(images, "_pull", lambda *_: False)
    with pytest.raises(LabError, match=r"^The image ubuntu:24\.04 is not on this machine and cannot be pulled"):
        images.ensure_base(lab, Console(), SUITES["noble"])
    assert docker_calls.read_text() == ""


def test_only_a_suite_in_the_making_may_have_an_old_index() -> None:
    assert [suite.name for suite in SUITES.values() if suite.apt_options] == ["forky"]
    assert len({base_image(suite) for suite in SUITES.values()}) == len(SUITES)


def test_certificates_are_found_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    (tmp_path / "company/root.pem").write_bytes(b"pem")
    (tmp_path / "proxy.crt").write_bytes(b"crt")
    (tmp_path / "README").write_bytes(b"no")
    assert trusted_certificates([tmp_path, tmp_path / "missing"]) == {"root.crt": b"pem", "proxy.crt": b"crt"}


def test_the_wheel_is_asked_for_the_collections_of_requirements_yml() -> None:
    names = collection_names((ROOT / "requirements.yml").read_text())
    assert "community.docker" in names
    members = ["ansible_collections/community/docker/a", "ansible_collections/community/docker_swarm/b", "ansible/c"]
    assert members_of_collections(members, ["community.docker"]) == members[:1]
    with pytest.raises(LabError, match=r"does not carry the collection ansible\.posix"):
        members_of_collections(members, ["ansible.posix"])


def test_pins_name_no_package_index() -> None:
    compiled = "--index-url x\n--find-links y\n-i z\n\na==1 \\\n    --hash=sha256:0\n    # via b\n"
    assert without_addresses(compiled) == "a==1 \\\n    --hash=sha256:0\n    # via b\n"


def test_every_pin_has_a_hash() -> None:
    text = (ROOT / "requirements-dev.txt").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 40
    assert [entry for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []


@pytest.mark.parametrize("arguments", [[], ["up"], ["image"], ["images"], ["push"], ["clean"]])
def test_every_command_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    assert "usage: tools/lab.py" in capsys.readouterr().out


def test_hosts_and_images_of_debian_11_build_with_the_same_preferences() -> None:
    prepared = (ROOT / "molecule/pythons/prepare.yml").read_text(encoding="utf-8")
    # The archive of its security updates lists versions of apache2-dev and libaprutil1-dev that it does not have
    # (2026-11). The module that is built with those of the release serves with httpd of the security updates.
    (preferences,) = [image.apt_preferences for image in versions(ROOT) if image.apt_preferences]
    for line in preferences.splitlines():
        assert f" {line}\n" in prepared
