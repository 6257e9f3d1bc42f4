#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_build_tools
short_description: Install packages for the time of a build, and remove exactly those again
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - O(state=present) installs packages without recommendations, and records beforehand which packages of the whole
    dependency tree are new on the host.
  - O(state=absent) purges the recorded packages; packages that were there before, and those that something else needs
    meanwhile, stay.
  - The record outlives an interrupted run, so that the next one can clean up.
options:
  state:
    description: Whether the packages are to be there.
    type: str
    choices: [present, absent]
    required: true
  packages:
    description: The packages to install; needed with O(state=present).
    type: list
    elements: str
    default: []
  record:
    description: File that holds the names of the new packages while they are installed.
    type: path
    required: true
  host:
    description: Name of the host for messages.
    type: str
    required: true
attributes:
  check_mode:
    description: Predicts the change and touches nothing.
    support: full
"""

EXAMPLES = r"""
- name: Install the compiler for the build
  modwsgi.deploy.mod_wsgi_build_tools:
    state: present
    packages: [apache2-dev, gcc]
    record: /var/lib/modwsgi/apache2/mod_wsgi-build-packages.json
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
packages:
  description: Names of the packages that were installed or removed.
  returned: success
  type: list
  elements: str
"""

import json
import os
import re
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

SECONDS_FOR_LOCK = 300
APT = [
    "apt-get",
    "--quiet",
    "--assume-yes",
    "--no-install-recommends",
    f"--option=DPkg::Lock::Timeout={SECONDS_FOR_LOCK}",
]


class AptError(Exception):
    """apt-get failed; the text is one sentence for the user."""


def run_apt(host: str, *arguments: str) -> str:
    """Run apt-get and return what it wrote; raises AptError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        [*APT, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment
    )
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E: ")] or ["E: no reason given"]
        raise AptError(
            f"apt-get {' '.join(arguments[:3])} failed on host {host}: {' '.join(errors)}; "
            "correct the host's package sources or its package state, then run again."
        )
    return result.stdout


def would_install(output: str) -> list[str]:
    """Packages that apt-get --simulate names as new; an upgraded one has its old version in brackets instead."""
    return sorted(set(re.findall(r"^Inst (\S+) \(", output, re.MULTILINE)))


def would_remove(output: str) -> list[str]:
    """Packages that apt-get --simulate would remove, without their architecture."""
    return sorted({name.partition(":")[0] for name in re.findall(r"^(?:Remv|Purg) (\S+)", output, re.MULTILINE)})


def read_record(path: Path) -> list[str]:
    """Names of the packages that were installed for a build; [] when there are none."""
    try:
        names: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return names
    except (OSError, ValueError):
        return []


def install(packages: list[str], record: Path, host: str) -> list[str]:
    """Install packages after recording which of them are new, and return the new ones."""
    # The lists may be older than the mirror's files; a build is rare, so this second is well spent.
    run_apt(host, "update")
    new = would_install(run_apt(host, "install", "--simulate", *packages))
    if not new:
        return []
    # Added to those of an interrupted run, which are no less ours.
    recorded = sorted({*read_record(record), *new})
    record.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = record.with_name(record.name + ".new")
    temporary.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    temporary.replace(record)
    run_apt(host, "install", *packages)
    return new


def installed(names: list[str]) -> list[str]:
    """Those of the packages of which dpkg knows something."""
    command = ["dpkg-query", "-W", "-f", "${binary:Package}\t${db:Status-Status}\n", *names]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    return [row[0] for row in rows if row[1] != "not-installed"]


def removable(names: list[str], host: str) -> list[str]:
    """Those of the packages whose removal takes nothing else away."""
    ours = {name.partition(":")[0] for name in names}
    remaining = list(names)
    while remaining:
        going = would_remove(run_apt(host, "purge", "--simulate", *remaining))
        if ours.issuperset(going):
            return remaining
        # Something else needs one of ours meanwhile: keep what, alone, would take it away.
        kept = [name for name in remaining if not needed_elsewhere(name, ours, host)]
        if kept == remaining:
            return []
        ours = {name.partition(":")[0] for name in kept}
        remaining = kept
    return remaining


def needed_elsewhere(name: str, ours: set[str], host: str) -> bool:
    """Whether removing one package would take away a package that is not ours."""
    return not ours.issuperset(would_remove(run_apt(host, "purge", "--simulate", name)))


def remove(record: Path, host: str, check_mode: bool) -> list[str]:
    """Purge the recorded packages that nothing else needs, and return them."""
    names = removable(installed(read_record(record)), host)
    if not check_mode:
        if names:
            run_apt(host, "purge", *names)
        record.unlink(missing_ok=True)
    return names


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
        },
        required_if=[("state", "present", ["packages"])],
        supports_check_mode=True,
    )
    record, host = Path(module.params["record"]), module.params["host"]
    try:
        if module.params["state"] == "absent":
            present = record.exists()
            module.exit_json(changed=present, packages=remove(record, host, module.check_mode))
        if module.check_mode:
            missing = [name for name in module.params["packages"] if not installed([name])]
            module.exit_json(changed=bool(missing), packages=missing)
        packages = install(module.params["packages"], record, host)
        module.exit_json(changed=bool(packages), packages=packages)
    except AptError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
