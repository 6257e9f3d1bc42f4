#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
---
module: mod_wsgi_interpreter
short_description: Examine the target Python and the installed mod_wsgi
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Resolves a Python version or path to an interpreter and refuses one that httpd cannot embed.
  - Reports the distribution, the architecture, httpd's module API and which runtime packages are missing.
  - Changes nothing.
options:
  python:
    description: A version (V(3.11)) or the absolute path of an interpreter, also a virtual environment's.
    type: str
    required: true
  version:
    description: The mod_wsgi version whose installation is looked at.
    type: str
    required: true
  install_method:
    description: How mod_wsgi is to be installed; decides which packages are needed.
    type: str
    choices: [source, wheel, package]
    default: source
  root:
    description: Folder that holds the installations.
    type: path
    default: /opt/mod_wsgi
  build_record:
    description: File that M(modwsgi.deploy.mod_wsgi_build_tools) keeps while build tools are installed.
    type: path
    required: true
  host:
    description: Name of the host for messages.
    type: str
    required: true
attributes:
  check_mode:
    description: Reads only.
    support: full
"""

EXAMPLES = r"""
- name: Examine the interpreter
  modwsgi.deploy.mod_wsgi_interpreter:
    python: "3.11"
    version: 6.1.1
    build_record: /var/lib/modwsgi/apache2/mod_wsgi-build-packages.json
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
interpreter:
  description: >-
    The interpreter: executable, version, full_version, prefix, abi, libpython, extension_suffix, headers,
    installed (false when it is the distribution's and its package has yet to be installed), from_distribution.
  returned: success
  type: dict
distribution:
  description: Identifier of the distribution, for example V(debian12).
  returned: success
  type: str
architecture:
  description: Machine architecture, for example V(x86_64).
  returned: success
  type: str
httpd_api:
  description: Major Module Magic Number of the installed httpd; predicted where httpd is not installed.
  returned: success
  type: int
missing_packages:
  description: Runtime packages that are not installed.
  returned: success
  type: list
  elements: str
installation:
  description: The record of a complete installation of this version for this interpreter; empty when there is none.
  returned: success
  type: dict
build_tools_recorded:
  description: Whether packages that were installed for a build are still there.
  returned: success
  type: bool
"""

import platform
import re
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import (
    Distribution,
    UnsupportedDistributionError,
    identify,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi_installation import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi_interpreter import (
    InterpreterError,
    examine,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi_versions import (
    HTTPD_PACKAGE,
    MODULE_PACKAGE,
    runtime_packages,
)


def installed_packages(names: list[str]) -> dict[str, str]:
    """The installed ones of these packages, each with what it provides."""
    command = ["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Status}\t${Provides}\n", *names]
    # Its exit status is 1 when one of them is unknown, which is an answer, not a failure.
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def distribution_of(host: str) -> Distribution:
    """The distribution of this host; raises InterpreterError when it is not supported."""
    try:
        return identify(Path("/etc/os-release").read_text(encoding="utf-8"))
    except UnsupportedDistributionError as error:
        raise InterpreterError(f"{host} {error}") from None


def examine_host(parameters: dict) -> dict:
    """Everything that the module returns; raises InterpreterError."""
    host = parameters["host"]
    distribution = distribution_of(host)
    interpreter = examine(parameters["python"], distribution, host)

    needed = runtime_packages(interpreter["version"]) if interpreter["from_distribution"] else []
    if parameters["install_method"] == "package":
        needed.append(MODULE_PACKAGE)
    installed = installed_packages([HTTPD_PACKAGE, *needed])
    httpd_api = re.search(r"apache2-api-(\d+)", installed.get(HTTPD_PACKAGE, ""))

    directory = Path(parameters["root"], f"{parameters['version']}-{interpreter['abi']}")
    return {
        "interpreter": interpreter,
        "distribution": distribution.key,
        "architecture": platform.machine(),
        "httpd_api": int(httpd_api.group(1)) if httpd_api else distribution.httpd_api,
        "missing_packages": [name for name in needed if name not in installed],
        "installation": read_record(directory),
        "build_tools_recorded": Path(parameters["build_record"]).exists(),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "install_method": {"type": "str", "choices": ["source", "wheel", "package"], "default": "source"},
            "root": {"type": "path", "default": "/opt/mod_wsgi"},
            "build_record": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **examine_host(module.params))
    except InterpreterError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
