# SPDX-License-Identifier: Apache-2.0
"""docker-bake.hcl and the workflows publish what images/versions.json says, and nothing else."""

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

from tools.laboratory.wsgi_images import versions

IMAGES = versions(ROOT)


def test_a_page_that_names_another_version_than_the_table_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("images/versions.json", "docs/image.md", "docs/versions.md", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    tool = load_script("tools/versions.py").MADE
    assert tool.main("", ["--check"], tmp_path) == 0
    for name, old, new in (
        ("images/versions.json", f'"module": "{IMAGES[0].module}"', '"module": "0.1.2"'),
        ("docs/image.md", f"FROM mod-wsgi:{IMAGES[0].module}-", "FROM mod-wsgi:0.1.3-"),
        ("docs/versions.md", "| no |", "| yes |"),
        ("README.md", f"{IMAGES[0].module} by default", "0.1.4 by default"),
    ):
        path = tmp_path / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert tool.main("", ["--check"], tmp_path) == 1
    said = capsys.readouterr().err.splitlines()
    for line, word in zip(said, ("names 0.1.4", "names 0.1.3", "docs/versions.md", "versions.json"), strict=True):
        assert word in line
    assert tool.main("", ["--write"], tmp_path) == 0
    assert (tmp_path / "images/versions.json").read_bytes() == (ROOT / "images/versions.json").read_bytes()


def test_the_bake_file_gives_every_argument_of_the_containerfile() -> None:
    containerfile = (ROOT / "images/mod-wsgi/Containerfile").read_text(encoding="utf-8")
    bake = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    given = re.findall(r"^    (\w+) += ", bake.partition("\n  args = {\n")[2], re.MULTILINE)
    assert set(given) == set(re.findall(r"^ARG (\w+)", containerfile, re.MULTILINE))
    assert not [image.module for image in IMAGES if image.module in bake], "versions are in the table alone"


@pytest.mark.skipif(
    subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode != 0
    if shutil.which("docker")
    else True,
    reason="docker has no buildx here; the publishing workflow has",
)
def test_buildx_reads_the_table() -> None:
    base, mirror = "debian:bookworm-slim", f"mirror.example.com:5000/debian:bookworm-slim@sha256:{'a' * 64}"
    variables = {"REGISTRY": "registry.example.com/team", "BASES": json.dumps({base: mirror})}
    words = ["docker", "buildx", "bake", "--print", "--file=docker-bake.hcl", "--file=images/versions.json"]
    shown = subprocess.run(words, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, check=True)
    targets = json.loads(shown.stdout)["target"]
    assert len(targets) == 3 * len(IMAGES)
    for image in IMAGES:
        for form, names in {"build": [image.builder], "slim": image.slim_names, "default": image.names}.items():
            target = targets[f"{image.tags[0].replace('.', '_')}-{form}"]
            assert (target["target"], target["platforms"]) == (form, ["linux/amd64", "linux/arm64"])
            assert target["tags"] == [f"registry.example.com/team/{name}" for name in names]
            values = {
                "BASE_IMAGE": mirror if image.suite == "bookworm" else f"debian:{image.suite}-slim",
                "BASE_NAME": mirror.partition("@")[0] if image.suite == "bookworm" else f"debian:{image.suite}-slim",
                "BASE_DIGEST": mirror.partition("@")[2] if image.suite == "bookworm" else "",
                "CONTROL_IMAGE": mirror if image.python in {"3.9", "3.11"} else f"debian:{image.suite}-slim",
                "APT_OPTIONS": image.apt_options,
                "APT_PREFERENCES": image.apt_preferences,
                "PYTHON_VERSION": image.python,
                "MOD_WSGI_VERSION": image.module,
            }
            assert values.items() <= target["args"].items()


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
    assert any("--file images/versions.json" in step.get("run", "") for step in jobs["plan"]["steps"])


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
    assert commands["check"] == ["make check slow-checks root-tests examples"]
    assert commands["scenario"] == ['make molecule SCENARIO="$SCENARIO"']
    assert jobs["scenario"]["strategy"]["matrix"] == {"scenario": "${{ fromJSON(needs.plan.outputs.scenarios) }}"}
    assert any("tools/scenarios.py --list" in command for command in commands["plan"])
    assert "exec make test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "test: check slow-checks root-tests examples molecule " in (ROOT / "Makefile").read_text(encoding="utf-8")
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
