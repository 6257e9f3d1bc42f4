# SPDX-License-Identifier: Apache-2.0
"""Test hosts that have the packages and mod_wsgi already: an image that the roles themselves have furnished.

It is for scenarios that promise something else than how a host comes from nothing. A container of the suite's test
host image gets what molecule/shared/furnish.yml says, and is committed. systemd has never run in it, so it has no
machine id, no keys and no journal that its hosts would share.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tools.laboratory import images
from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.images import CLONE_LABEL
from tools.laboratory.plays import play
from tools.laboratory.process import run
from tools.laboratory.state import Lab, content_hash
from tools.laboratory.suites import Suite

#: What decides which packages and which module the roles put on a host. With anything else a host of the image is still
#: right: site.yml brings what it lacks, as it does for any host.
_MADE_BY = (
    "molecule/shared/furnish.yml",
    "plugins/*/mod_wsgi*",
    "plugins/*/mod_wsgi/*",
    "plugins/module_utils/distributions.py",
    "roles/httpd/tasks/packages.yml",
    *(f"roles/mod_wsgi/{folder}/*" for folder in ("defaults", "files", "tasks", "vars")),
)


def furnished_image(lab: Lab, host: str, module: str) -> str:
    """The name of a test host image with mod_wsgi, by the image below it and all that decides what is put there."""
    definition: list[str | bytes] = [host, module]
    for path in _makers(lab.repository):
        definition += [str(path.relative_to(lab.repository)), path.read_bytes()]
    return f"{_family(host, module)}{content_hash(definition)}"


def _makers(repository: Path) -> Iterator[Path]:
    for pattern in _MADE_BY:
        yield from sorted(path for path in repository.glob(pattern) if path.is_file())


def _family(host: str, module: str) -> str:
    # After the name of the image below it in the order of names, by which images are removed.
    return f"{host.rpartition('-')[0]}-with-mod-wsgi-{module}-"


def ensure(lab: Lab, console: Console, suite: Suite, host: str, module: str) -> str:
    """Makes sure that a suite's test host image with mod_wsgi is there, and names it.

    Raises:
        LabError: it cannot be made.
    """
    image = furnished_image(lab, host, module)
    if not images.exists(image):
        with console.step(f"Test host image of {suite.title} with mod_wsgi {module}"):
            _furnish(lab, suite, host, module, image)
        lab.add("images", [image])
        images.remove_superseded(lab, _family(host, module), image)
    return image


def _furnish(lab: Lab, suite: Suite, host: str, module: str, image: str) -> None:
    # With the label of a host, so that `tools/lab.py clean` finds what a killed lab has left.
    options = [f"--label={CLONE_LABEL}={lab.repository}", "--tmpfs=/run", "--tmpfs=/tmp:exec,mode=1777"]
    container = docker(["run", "--detach", *options, host, "sleep", "infinity"]).strip()
    log = lab.directory / "furnish.log"
    variables = {"mod_wsgi_python": suite.python, "mod_wsgi_version": module, "lab_image": host}
    try:
        with log.open("w", encoding="utf-8") as output:
            status = play(
                lab, "furnish", ["--inventory", f"{container},", "--extra-vars", json.dumps(variables)], output
            )
        if status != 0:
            raise LabError(f"A task of molecule/shared/furnish.yml failed for mod_wsgi {module}: the log is {log}.")
        first_process = docker(["image", "inspect", "--format", "{{json .Config.Cmd}}", host]).strip()
        changes = [f"--change=CMD {first_process}", f"--change=LABEL {CLONE_LABEL}="]
        docker(["commit", *changes, container, image])
    finally:
        run(["docker", "rm", "--force", "--volumes", container])
