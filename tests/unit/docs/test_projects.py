# SPDX-License-Identifier: Apache-2.0
"""README.md's example with projects as Django and Wagtail make them: no folder is missing, pages have their style."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import release as wsgi_releases
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import source
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from support import projects
from support.building import GROUP
from support.documents import SIZES, blocks, filled
from support.scripts import ROOT

LOOK = """
import os, re, sys
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
from django.test import Client
answer = Client().get(sys.argv[1], headers={"host": "shop.example.com"})
print(answer.status_code)
for url in re.findall(r'<link[^>]*href="/static/([^"?]+)', answer.content.decode()):
    print(url)
"""
"""Asks for a page; prints its status and the files of its own below /static/."""

SITES = [
    pytest.param(projects.django, "shop.settings", "/admin/login/", ["home/static"], id="django-admin startproject"),
    pytest.param(
        projects.wagtail,
        "shop.settings.production",
        "/",
        ["home/static", "shop/static"],
        id="wagtail start",
        marks=pytest.mark.breadth("what Wagtail needs takes half a minute to install"),
    ),
]


def example() -> dict[str, Any]:
    """The application of README.md."""
    (text,) = [
        block.values[0]
        for block in blocks()
        if str(block.id).startswith("README.md:") and "static_root" in str(block.values[0])
    ]
    found: dict[str, Any] = yaml.safe_load(str(text))
    (application,) = filled(found, ROOT)["wsgi_apps"]
    return dict(application)


def releases_of(application: dict[str, Any], project: Path, folder: Path) -> list[Path]:
    """What a host gets of this project, out of a folder and out of git, as it is before the release commands."""
    folder.mkdir()
    (directory,) = normalised({**application, "source": {"directory": str(project)}})
    archive = folder / "release.tar.gz"
    source.pack(str(project), source.examine(directory), str(archive))
    repository = ["git", f"--git-dir={folder}/repository", f"--work-tree={project}"]
    for command in (
        "init --quiet",
        "add --all --force",
        "-c user.name=x -c user.email=x@y.example commit --quiet -m x",
    ):
        projects.run([*repository, *shlex.split(command)], project)
    exported = subprocess.run([*repository, "archive", "HEAD"], cwd=project, capture_output=True, check=True).stdout
    (git,) = normalised(application)
    found = []
    for kind, described, content in (("directory", directory, archive.read_bytes()), ("git", git, exported)):
        found.append(folder / kind)
        wsgi_releases.install(io.BytesIO(content), str(found[-1]), {**described, "group": GROUP})
    return found


def normalised(application: dict[str, Any]) -> list[dict[str, Any]]:
    """The application, complete."""
    assert apps.problems([application], [80]) == []
    return apps.normalise([application], [80], {application["name"]: SIZES}, instance("apache2"))


def files_below(folder: Path) -> set[str]:
    """All files below a folder, by their paths in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("make", "settings", "page", "folders"), SITES)
def test_a_project_has_all_its_static_files(
    make: Callable[[Path], Path], settings: str, page: str, folders: list[str], tmp_path: Path
) -> None:
    application = example()
    project = tmp_path / "project"
    project.mkdir()
    python = make(project)
    for static_root in ("static", application["static_root"]):
        (project / static_root).mkdir()
        (project / static_root / "of-the-developer.css").write_text("")  # of a collectstatic in the working copy
    # Without static_root itself, and with every other folder of that name.
    wanted = {path for path in files_below(project) if not path.startswith("staticfiles/")}
    releases = releases_of(application, project, tmp_path / "as-in-readme")
    assert [files_below(release) for release in releases] == [wanted, wanted]
    assert "static/of-the-developer.css" in wanted
    assert all(files_below(project / folder) for folder in folders)
    other = {**application, "static_root": "static", "static": [{**application["static"][0], "directory": "static"}]}
    wanted = {path for path in files_below(project) if not path.startswith("static/")}
    assert [files_below(release) for release in releases_of(other, project, tmp_path / "static")] == [wanted, wanted]

    release = releases[0]
    variables = {
        **os.environ,
        **application["environment"],
        "DJANGO_SETTINGS_MODULE": settings,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "WSGI_STATIC_ROOT": str(release / application["static_root"]),
        "WSGI_STATE_DIRECTORY": str(tmp_path),
    }
    for command in application["release_commands"]:
        projects.run(shlex.split(command), release, variables)
    collected = files_below(release / application["static_root"])
    for folder in folders:
        assert files_below(release / folder) <= collected
    health = projects.run([str(python), "-c", LOOK, application["health"]["path"]], release, variables)
    assert health.startswith("200\n"), "the health path of the example is one that the project has"
    status, *styles = projects.run([str(python), "-c", LOOK, page], release, variables).splitlines()
    assert status == "200"
    assert styles
    assert set(styles) <= collected
