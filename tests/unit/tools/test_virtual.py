# SPDX-License-Identifier: Apache-2.0
"""Test hosts with a kernel of their own: what names their image, what is refused, and what a build leaves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools.laboratory import images, virtual
from tools.laboratory.console import Console, LabError
from tools.laboratory.state import Lab
from tools.laboratory.suites import SUITES

BOOKWORM = SUITES["bookworm"]
HOST = "modwsgi-lab/test-host:bookworm-0123456789ab"
GUEST = "modwsgi-lab/test-host:bookworm-with-mod-wsgi-1.2.3-0123456789ab"
Docker = Callable[..., Path]


@pytest.fixture(name="lab")
def fixture_lab(tmp_path: Path) -> Lab:
    """A lab with the definition of test hosts."""
    shutil.copytree(ROOT / "images/test-host", tmp_path / "images/test-host")
    return Lab(tmp_path)


@pytest.fixture(name="docker")
def fixture_docker(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Makes a `docker` that has no image yet, and notes what it is to do; a build ends with a status."""

    def make(status: int = 0, architecture: str = "amd64") -> Path:
        folder, calls = lab.repository / "programs", lab.repository / "calls"
        folder.mkdir()
        (folder / "docker").write_text(f"""#!/bin/sh
echo "$@" >> {calls}
case $1 in
  version) echo {architecture};;
  build) echo no package list >&2; exit {status};;
  image) [ "$2" != inspect ];;
esac
""")
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return make


def test_it_is_named_by_all_that_it_is_made_of(lab: Lab) -> None:
    first = virtual.machine_image(lab, HOST, GUEST)
    names = {first, virtual.machine_image(lab, f"{HOST}0", GUEST), virtual.machine_image(lab, HOST, HOST)}
    for name in ("Dockerfile", "lab-init", "guest/etc/systemd/network/10-lab.network"):
        with (virtual.definition_folder(lab) / name).open("a") as file:
            file.write("\n")
        names.add(virtual.machine_image(lab, HOST, GUEST))
    assert len(names) == 6
    assert images.host_image(lab, BOOKWORM, {}) == images.host_image(Lab(ROOT), BOOKWORM, {}), "others stay as they are"


def test_it_is_removed_before_the_image_below_it(lab: Lab) -> None:
    assert virtual.machine_image(lab, HOST, GUEST) > HOST


def test_what_it_was_before_is_removed_and_no_stage_is_left(lab: Lab, docker: Docker) -> None:
    calls = docker()
    lab.directory.mkdir()
    old = "modwsgi-lab/test-host:bookworm-machine-old"
    lab.add("images", [old, HOST, GUEST])
    made = virtual.ensure(lab, Console(), BOOKWORM, HOST, GUEST)
    assert lab.recall("images") == sorted([made, HOST, GUEST])
    said = calls.read_text().splitlines()
    (build,) = [line for line in said if line.startswith("build")]
    assert f"--tag={made}" in build
    assert {f"--build-arg=GUEST={GUEST}", f"--build-arg=HOST={HOST}"} <= set(build.split())
    prune = f"image prune --force --filter label=modwsgi.deploy.stage={made}"
    assert said.index(build) < said.index(prune) < said.index(f"image rm {old}")


def test_one_that_cannot_be_made_leaves_nothing(lab: Lab, docker: Docker) -> None:
    calls = docker(status=1)
    with pytest.raises(LabError, match=r"^`docker build --pull=false` failed: no package list$"):
        virtual.ensure(lab, Console(), BOOKWORM, HOST, GUEST)
    assert calls.read_text().splitlines()[-1].startswith("image prune --force --filter label=modwsgi.deploy.stage=")
    assert lab.recall("images", []) == []


def test_another_processor_is_refused(lab: Lab, docker: Docker) -> None:
    docker(architecture="arm64")
    with pytest.raises(LabError, match=r"^Virtual machines are made for amd64 only, and .* runs on arm"):
        virtual.ensure(lab, Console(), BOOKWORM, HOST, GUEST)


def test_another_distribution_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"^A virtual machine has a kernel of Debian, and Ubuntu 24\.04 is another"):
        virtual.ensure(lab, Console(), SUITES["noble"], HOST, GUEST)


def test_a_command_comes_into_the_machine_as_it_is(lab: Lab) -> None:
    """SSH gives a text to a shell there."""
    program = lab.repository / "ssh"
    program.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec sh -c "$*"\n')
    program.chmod(0o755)
    words = ["printf", "%s|", "two words", "it's", '"$HOME"', "", "a;b", "*"]
    done = subprocess.run(
        [virtual.definition_folder(lab) / "lab-guest", *words],
        env={"PATH": f"{lab.repository}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == 'two words|it\'s|"$HOME"||a;b|*|'
