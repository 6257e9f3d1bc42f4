# SPDX-License-Identifier: Apache-2.0
"""What the lab's images and environment are made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import check
from tools.laboratory.cli import main
from tools.laboratory.console import LabError
from tools.laboratory.environment import collection_names, members_of_collections
from tools.laboratory.images import base_image, host_image
from tools.laboratory.lock import without_addresses
from tools.laboratory.machine import trusted_certificates
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, SUITES

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(name="lab")
def fixture_lab(tmp_path: Path) -> Lab:
    """A lab with a definition of test hosts."""
    folder = tmp_path / "images/test-host"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM base\n")
    return Lab(tmp_path)


def test_an_image_is_named_by_all_that_it_is_made_of(lab: Lab) -> None:
    suite = SUITES[DEFAULT_SUITE]
    names = {host_image(lab, suite, {}), host_image(lab, SUITES["trixie"], {}), host_image(lab, suite, {"a.crt": b"1"})}
    (lab.repository / "images/test-host/Dockerfile").write_text("FROM base\nRUN true\n")
    names.add(host_image(lab, suite, {}))
    assert len(names) == 4
    assert host_image(lab, suite, {}) in names
    assert all(re.fullmatch(r"modwsgi-lab/test-host:[a-z]+-[0-9a-f]{12}", name) for name in names)


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
    names = collection_names((REPOSITORY / "requirements.yml").read_text())
    assert "community.docker" in names
    members = ["ansible_collections/community/docker/a", "ansible_collections/community/docker_swarm/b", "ansible/c"]
    assert members_of_collections(members, ["community.docker"]) == members[:1]
    with pytest.raises(LabError, match=r"does not carry the collection ansible\.posix"):
        members_of_collections(members, ["ansible.posix"])


def test_pins_name_no_package_index() -> None:
    compiled = "--index-url x\n--find-links y\n-i z\n\na==1 \\\n    --hash=sha256:0\n    # via b\n"
    assert without_addresses(compiled) == "a==1 \\\n    --hash=sha256:0\n    # via b\n"


def test_every_pin_has_a_hash() -> None:
    text = (REPOSITORY / "requirements-dev.txt").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 40
    assert [entry for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []


@pytest.mark.parametrize(
    "arguments", [[], ["up"], ["image"], ["host"], ["host", "create"], ["host", "destroy"], ["clean"]]
)
def test_every_command_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    assert "usage: tools/lab.py" in capsys.readouterr().out


def test_what_must_not_be_committed_is_recognised() -> None:
    index = "pypi" + ".org"
    assert check.forbidden_in(f"see https://{index}/simple") == ["the host of a package registry"]
    assert check.forbidden_in("cd /home/" + "anna/site") == ["a path of one machine"]
    assert check.forbidden_in("python3 -m pip install ansible-core  # from PyPI; /srv/wsgi/shop") == []


def test_a_package_of_the_collection_holds_the_roles_and_no_tests() -> None:
    assert check.wrong_members([*check.PACKED, "docs/variables.md"]) == []
    assert check.wrong_members([*check.PACKED[1:], "tests/unit/test_a.py"]) == [
        f"the archive lacks {check.PACKED[0]}",
        "the archive holds tests/unit/test_a.py",
    ]
