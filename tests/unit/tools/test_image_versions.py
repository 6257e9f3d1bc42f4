# SPDX-License-Identifier: Apache-2.0
"""docker-bake.hcl and the workflows say what images/versions.json says, and nothing is published otherwise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.scripts import ROOT, load_script

from tools.laboratory.suites import SUITES
from tools.laboratory.wsgi_images import Image, versions

IMAGES = versions(ROOT)
OLD = Image("5.0.2", "3.9", "bullseye", ("5.0.2-python3.9", "5.0.2"))

tool = load_script("tools/image_versions.py")


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path) -> Path:
    """A repository with images and a bake file that agree."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/versions.json").write_bytes((ROOT / "images/versions.json").read_bytes())
    assert tool.main(["--write"], tmp_path) == 0
    return tmp_path


def block(kind: str, name: str, text: str) -> str:
    """One block of a bake file."""
    (found,) = re.findall(rf'^{kind} "{name}" {{\n(.*?)^}}$', text, re.MULTILINE | re.DOTALL)
    return str(found)


def test_agreement_is_left_in_peace(repository: Path) -> None:
    assert tool.main(["--check"], repository) == 0


def test_a_changed_table_is_found(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository / "images/versions.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"latest"', '"newest"'), encoding="utf-8")
    assert tool.main(["--check"], repository) == 1
    assert "run tools/image_versions.py --write" in capsys.readouterr().err


def test_a_bake_file_that_is_edited_or_missing_is_found(repository: Path) -> None:
    path = repository / "docker-bake.hcl"
    path.write_text(path.read_text(encoding="utf-8").replace("linux/arm64", "linux/riscv64"), encoding="utf-8")
    assert tool.main(["--check"], repository) == 1
    path.unlink()
    assert tool.main(["--check"], repository) == 1


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.tags[0])
def test_each_image_has_its_three_forms_with_all_names(image: Image) -> None:
    text = tool.document(IMAGES)
    name = tool.identifier(image)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name), "bake takes no other characters in a target's name"
    tags: list[str] = []
    for stage in ("build", "slim", "default"):
        target = block("target", f"{name}-{stage}", text)
        assert f'target   = "{stage}"' in target
        tags += json.loads(re.findall(r"names\((.*)\)", target)[0])
        assert f'"{name}-{stage}"' in block("group", name, text)
    assert sorted(f"mod-wsgi:{tag}" for tag in tags) == sorted([*image.names, *image.slim_names, image.builder])
    assert f'"{name}"' in block("group", "default", text)


def test_every_argument_of_the_containerfile_is_given() -> None:
    declared = set(
        re.findall(r"^ARG (\w+)", (ROOT / "images/mod-wsgi/Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    text = tool.document(IMAGES)
    common = set(re.findall(r"^    (\w+) += ", block("target", "_common", text), re.MULTILINE))
    for image in IMAGES:
        own = block("target", f"_{tool.identifier(image)}", text)
        assert common | set(re.findall(r"^    (\w+) += ", own, re.MULTILINE)) == declared


def test_an_old_python_gets_the_roles_from_a_newer_suite() -> None:
    assert [suite.name for suite in tool.suites(OLD)] == ["bullseye", "bookworm"]
    values = tool.arguments(OLD)
    assert values["BASE_IMAGE"] == "base(BULLSEYE_BASE, BULLSEYE_DIGEST)"
    assert values["CONTROL_IMAGE"] == "base(BOOKWORM_BASE, BOOKWORM_DIGEST)"
    (job,) = tool.matrix([OLD])["include"]
    assert job["bases"] == "BULLSEYE_DIGEST debian:bullseye-slim\nBOOKWORM_DIGEST debian:bookworm-slim"


def test_settings_of_apt_are_quoted() -> None:
    forky = Image("6.1.1", "3.14", "forky", ("6.1.1-python3.14",))
    assert json.loads(tool.arguments(forky)["APT_OPTIONS"]) == "\n".join(SUITES["forky"].apt_options)


def test_the_matrix_has_a_job_for_each_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--matrix"], ROOT) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1, "an output of a workflow's step is one line"
    jobs = json.loads(out)["include"]
    assert [job["image"] for job in jobs] == [image.tags[0] for image in IMAGES]
    text = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    for job in jobs:
        block("group", job["group"], text)
        for line in job["bases"].splitlines():
            variable, base = line.split(" ")
            block("variable", variable, text)
            assert json.dumps(base) in block("variable", variable.replace("_DIGEST", "_BASE"), text)


@pytest.mark.skipif(
    subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode != 0
    if shutil.which("docker")
    else True,
    reason="docker has no buildx here; the publishing workflow has",
)
def test_buildx_reads_the_bake_file() -> None:
    variables = {"REGISTRY": "registry.example.com/team", "BOOKWORM_DIGEST": f"sha256:{'a' * 64}"}
    words = ["docker", "buildx", "bake", "--print", "--file=docker-bake.hcl"]
    shown = subprocess.run(words, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, check=True)
    targets = json.loads(shown.stdout)["target"]
    assert len(targets) == 3 * len(IMAGES)
    for image in IMAGES:
        serving = targets[f"{tool.identifier(image)}-default"]
        assert serving["tags"] == [f"registry.example.com/team/{name}" for name in image.names]
        assert serving["platforms"] == ["linux/amd64", "linux/arm64"]
        assert serving["args"]["PYTHON_VERSION"] == image.python
        if image.suite == "bookworm":
            assert serving["args"]["BASE_IMAGE"] == f"debian:bookworm-slim@sha256:{'a' * 64}"


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))
    return found


def test_the_workflow_takes_its_images_from_the_table() -> None:
    text = (ROOT / ".github/workflows/images.yml").read_text(encoding="utf-8")
    for image in IMAGES:
        assert image.module not in text
        assert f"python{image.python}" not in text
        assert image.suite not in text
    jobs = workflow("images")["jobs"]
    assert jobs["publish"]["strategy"]["matrix"] == "${{ fromJSON(needs.plan.outputs.matrix) }}"
    assert any("tools/image_versions.py --matrix" in step.get("run", "") for step in jobs["plan"]["steps"])


def test_nothing_is_published_that_was_not_tested() -> None:
    jobs = workflow("images")["jobs"]
    assert set(jobs["publish"]["needs"]) == {"plan", "test"}
    assert jobs["test"]["with"]["ref"] == "${{ needs.plan.outputs.commit }}"
    (clone,) = [step for step in jobs["publish"]["steps"] if "actions/checkout" in step.get("uses", "")]
    assert clone["with"]["ref"] == "${{ needs.plan.outputs.commit }}"
    assert jobs["test"]["uses"] == "./.github/workflows/test-all.yml"
    (test,) = workflow("test-all")["jobs"].values()
    assert [step["run"] for step in test["steps"] if "run" in step] == ["make test-all"]
    assert [step["with"]["ref"] for step in test["steps"] if "uses" in step] == ["${{ inputs.ref }}"]


def test_each_change_is_tested_and_each_week_all() -> None:
    jobs = workflow("test")["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands["check"] == ["make check examples"]
    assert commands["scenario"] == ['make molecule SCENARIO="$SCENARIO"']
    assert jobs["scenario"]["strategy"]["matrix"] == {"scenario": "${{ fromJSON(needs.plan.outputs.scenarios) }}"}
    assert any("tools/scenarios.py --list" in command for command in commands["plan"])
    assert "exec make test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "test: check examples molecule " in (ROOT / "Makefile").read_text(encoding="utf-8")
    # PyYAML takes the key `on` for a boolean.
    assert set(workflow("test")[True]) == {"push", "pull_request"}
    assert set(workflow("test-all")[True]) == {"schedule", "workflow_dispatch", "workflow_call"}


@pytest.mark.parametrize("name", ["images", "test", "test-all"])
def test_a_workflow_has_the_least_rights_and_an_end(name: str) -> None:
    found = workflow(name)
    assert found["permissions"] == {}
    assert found["concurrency"]["group"]
    for job in found["jobs"].values():
        assert "timeout-minutes" in job or "uses" in job
        assert job["permissions"]["contents"] == "read"
        for step in job.get("steps", []):
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])


def test_an_image_is_signed_by_its_digest_before_it_has_a_name() -> None:
    steps = {step["name"]: step.get("run", "") for step in workflow("images")["jobs"]["publish"]["steps"]}
    runs = list(steps.values())
    assert "push-by-digest=true" in steps["Build, and push by digest"]

    def place(word: str) -> int:
        (found,) = [number for number, run in enumerate(runs) if word in run]
        return found

    assert place("push-by-digest=true") < place("docker run --rm") < place("cosign sign") < place("imagetools create")
    assert place("cosign sign") == place("cosign verify")
