# SPDX-License-Identifier: Apache-2.0
"""What is committed serves every user, and the package of the collection holds what using it needs."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.scripts import ROOT

#: Both differ from user to user. (Written so that this file does not contain what it forbids.)
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|(deb|security|snapshot)[.]debian[.]org|npmjs[.]org|registry-1[.]docker"
    r"|galaxy[.]ansible[.]com"
)
PATH_OF_ONE_MACHINE = re.compile(r"/root/[.]pyenv|/home/(?!deployer)\w+/|/Users/\w+/")


@pytest.mark.parametrize(
    ("forbidden", "example"),
    [(REGISTRY, "see https://pypi" + ".org/simple"), (PATH_OF_ONE_MACHINE, "cd /home/" + "anna/site")],
    ids=["registry", "path"],
)
def test_nothing_names_a_package_registry_or_a_path_of_one_machine(forbidden: re.Pattern[str], example: str) -> None:
    assert forbidden.search(example)
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [path for name in listed if name and (path := ROOT / name).is_file() and not path.is_symlink()]
    assert ROOT / "README.md" in files
    assert [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ] == []


@pytest.mark.slow
def test_a_package_of_the_collection_holds_the_roles_and_no_tests(tmp_path: Path) -> None:
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (archive,) = tmp_path.glob("modwsgi-deploy-*.tar.gz")
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    roles = {f"roles/{role}/tasks/main.yml" for role in ("httpd", "mod_wsgi", "wsgi_app")}
    assert {"meta/runtime.yml", *roles} <= set(names)
    assert [name for name in names if name.startswith((".lab/", "molecule/", "tests/", "tools/"))] == []
