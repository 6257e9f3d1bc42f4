# SPDX-License-Identifier: Apache-2.0
"""Test host images with mod_wsgi: what names them, and what is left when one is made or cannot be made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.scripts import ROOT

from tools.laboratory import furnished, images
from tools.laboratory.console import Console, LabError
from tools.laboratory.furnished import furnished_image
from tools.laboratory.images import host_image, interpreter_image
from tools.laboratory.state import Lab
from tools.laboratory.suites import SUITES

BOOKWORM = SUITES["bookworm"]
HOST = "modwsgi-lab/test-host:bookworm-0123456789ab"
Programs = Callable[[int], Path]


@pytest.fixture(name="lab")
def fixture_lab(tmp_path: Path) -> Lab:
    """A lab with the roles and plugins."""
    for folder in ("roles", "plugins", "molecule/shared"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return Lab(tmp_path)


@pytest.fixture(name="programs")
def fixture_programs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Makes a `docker` that has no image yet and notes what it is to do, and plays that end with a status."""

    def make(status: int) -> Path:
        folder, calls = lab.repository / "programs", lab.repository / "calls"
        folder.mkdir()
        scripts = {
            folder / "docker": f"""echo "$@" >> {calls}
case "$1 $2" in
  "image inspect") case $3 in --format) echo '["/first"]';; *) exit 1;; esac;;
  "image rm") case $3 in *in-use) exit 1;; esac;;
  "run "*) echo container-1;;
esac""",
            lab.environment / "bin/ansible-playbook": f"echo no package list >&2; exit {status}",
        }
        for script, text in scripts.items():
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return make


def test_it_is_named_by_what_decides_about_packages_and_module_alone(lab: Lab) -> None:
    first = furnished_image(lab, HOST, "1.2.3")
    names = {first, furnished_image(lab, f"{HOST}0", "1.2.3"), furnished_image(lab, HOST, "5.0.2")}
    for name in (
        "roles/httpd/tasks/packages.yml",
        "roles/mod_wsgi/files/mod_reload_drain.c",
        "molecule/shared/furnish.yml",
    ):
        with (lab.repository / name).open("a") as file:
            file.write("\n")
        names.add(furnished_image(lab, HOST, "1.2.3"))
    (lab.repository / "plugins/module_utils/mod_wsgi/versions.py").write_text("")
    changed = furnished_image(lab, HOST, "1.2.3")
    assert len({*names, changed}) == 7
    (lab.repository / "roles/wsgi_app/templates/vhost.conf.j2").write_text("")
    (lab.repository / "plugins/plugin_utils/site/hosts.py").write_text("")
    assert furnished_image(lab, HOST, "1.2.3") == changed, "site.yml does the rest on every host"


def test_the_roles_are_where_their_changes_are_looked_for() -> None:
    lab = Lab(ROOT)
    assert all(list(lab.repository.glob(pattern)) for pattern in furnished._MADE_BY)


def test_it_is_removed_before_the_images_below_it(lab: Lab) -> None:
    shutil.copytree(ROOT / "images", lab.repository / "images")
    host = host_image(lab, BOOKWORM, {})
    above = furnished_image(lab, host, "1.2.3")
    lab.add("images", [above, host, interpreter_image(lab, host, "3.13")])
    assert next(reversed(lab.recall("images"))) == above
    assert images.base_image(BOOKWORM) < host < above


def test_what_older_roles_made_is_removed_unless_it_is_used(lab: Lab, programs: Programs) -> None:
    calls = programs(0)
    family = "modwsgi-lab/test-host:bookworm-with-mod-wsgi-1.2.3-"
    lab.add("images", [HOST, f"{family}old", f"{family}in-use", "mod-wsgi:1.2.3"])
    made = furnished.ensure(lab, Console(), BOOKWORM, HOST, "1.2.3")
    assert made.startswith(family)
    assert lab.recall("images") == sorted(["mod-wsgi:1.2.3", HOST, made, f"{family}in-use"])
    said = calls.read_text().splitlines()
    assert [line for line in said if line.startswith("image rm")] == [
        f"image rm {family}in-use",
        f"image rm {family}old",
    ]
    (commit,) = [line for line in said if line.startswith("commit")]
    assert commit.startswith('commit --change=CMD ["/first"] ')
    assert commit.endswith(f"container-1 {made}")
    assert said.index(commit) < said.index("rm --force --volumes container-1")


def test_one_that_cannot_be_made_leaves_nothing(lab: Lab, programs: Programs) -> None:
    calls = programs(2)
    sentence = r"^A task of molecule/shared/furnish\.yml failed for mod_wsgi 1\.2\.3: the log is .*/furnish\.log\.$"
    with pytest.raises(LabError, match=sentence):
        furnished.ensure(lab, Console(), BOOKWORM, HOST, "1.2.3")
    assert calls.read_text().splitlines()[-1] == "rm --force --volumes container-1"
    assert "commit" not in calls.read_text()
    assert (lab.directory / "furnish.log").read_text() == "no package list\n"
    assert lab.recall("images", []) == []
