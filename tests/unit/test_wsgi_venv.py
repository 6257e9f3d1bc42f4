# SPDX-License-Identifier: Apache-2.0
"""A virtual environment is named by what is in it, and its failure is told in pip's words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import wsgi_venvs

INTERPRETER = {"executable": "/usr/bin/python3.11", "full_version": "3.11.2", "abi": "cp311"}


def test_included_files_belong_to_the_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "prod.txt").write_text("-r base.txt\n--constraint=../pins.txt\n-c https://x/y.txt\n")
    (tmp_path / "requirements" / "base.txt").write_text("-r prod.txt\nflask\n")
    (tmp_path / "pins.txt").write_text("flask==3.1\n")
    files = wsgi_venvs.requirement_files(str(tmp_path), "requirements/prod.txt", {})
    assert sorted(files) == ["pins.txt", "requirements/base.txt", "requirements/prod.txt"]


@pytest.mark.parametrize("included", ["../outside.txt", "missing.txt"])
def test_an_included_file_that_is_not_in_the_source_is_refused(tmp_path: Path, included: str) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "outside.txt").write_text("")
    (tmp_path / "release" / "requirements.txt").write_text(f"-r {included}\n")
    with pytest.raises(wsgi_venvs.VenvError, match=f"{included} is not in the source"):
        wsgi_venvs.requirement_files(str(tmp_path / "release"), "requirements.txt", {})


def name(text: str = "flask==3.1\n", release: str = "r1", **interpreter: str) -> str:
    return wsgi_venvs.identity({**INTERPRETER, **interpreter}, {"requirements.txt": text}, release)


def test_the_name_depends_on_python_and_requirements_only() -> None:
    assert name() == name(release="r2")
    others = [name("flask==3.2\n"), name(full_version="3.11.9"), name(executable="/opt/python"), name(abi="cp311d")]
    assert len({name(), *others}) == 5


@pytest.mark.parametrize("line", ["-e .", "./vendor/package", "../package", ".", "package @ file:///srv/package"])
def test_requirements_that_point_into_the_source_depend_on_it(line: str) -> None:
    assert name(line, release="r1") != name(line, release="r2")


def test_pip_speaks_for_itself() -> None:
    output = "Collecting x\n  ERROR: Could not find x\nnoise\nERROR: No matching distribution found for x\n"
    assert wsgi_venvs.last_errors(output) == "ERROR: Could not find x ERROR: No matching distribution found for x"
    assert wsgi_venvs.last_errors("a\n\nb\n") == "a b"
    assert wsgi_venvs.last_errors("") == "it said nothing"


def application(path: Path, requirements: str) -> dict:
    return {"name": "shop", "requirements": requirements, "paths": {"venvs": str(path / "venvs")}}


def parameters(path: Path) -> dict:
    interpreter = {"executable": sys.executable, "full_version": "3", "abi": "cp3"}
    release = {"id": "r1", "path": str(path / "release")}
    return {"interpreter": interpreter, "cache": str(path / "cache"), "releases": {"shop": release}}


def test_one_that_is_complete_is_not_made_again_and_a_torso_is(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    made = wsgi_venvs.virtual_environment(application(tmp_path, ""), parameters(tmp_path), check_mode=False)
    assert made["changed"]
    assert (Path(made["path"]) / "bin" / "python").exists()
    again = wsgi_venvs.virtual_environment(application(tmp_path, ""), parameters(tmp_path), check_mode=False)
    assert again == {**made, "changed": False}
    (Path(made["path"]) / wsgi_venvs.COMPLETE).unlink()
    (Path(made["path"]) / "torso").touch()
    assert wsgi_venvs.virtual_environment(application(tmp_path, ""), parameters(tmp_path), check_mode=False)["changed"]
    assert not (Path(made["path"]) / "torso").exists()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "requirements.txt").write_text("./does-not-exist\n")
    with pytest.raises(wsgi_venvs.VenvError, match=r"pip install --requirement requirements\.txt failed: ERROR: "):
        wsgi_venvs.virtual_environment(
            application(tmp_path, "requirements.txt"), parameters(tmp_path), check_mode=False
        )
    assert list((tmp_path / "venvs").iterdir()) == []


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    predicted = wsgi_venvs.virtual_environment(application(tmp_path, ""), parameters(tmp_path), check_mode=True)
    assert predicted["changed"]
    assert not (tmp_path / "venvs").exists()
