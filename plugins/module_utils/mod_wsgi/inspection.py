# SPDX-License-Identifier: Apache-2.0
"""What a host has for mod_wsgi: interpreter, packages, installation. Runs on the managed host."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils import apt
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import (
    Distribution,
    UnsupportedDistributionError,
    identify,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import read_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.interpreter import InterpreterError, examine
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import (
    HTTPD_PACKAGE,
    MODULE_PACKAGE,
    runtime_packages,
)

QUESTIONS = {
    "python": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "install_method": {"type": "str", "choices": ["source", "wheel", "package"], "default": "source"},
    "root": {"type": "path", "default": "/opt/mod_wsgi"},
    "build_record": {"type": "path", "required": True},
}
"""What a module is asked about a host, beside the host's name."""


def distribution_of(host: str) -> Distribution:
    """The distribution of this host; raises InterpreterError when it is not supported."""
    try:
        return identify(Path("/etc/os-release").read_text(encoding="utf-8"))
    except UnsupportedDistributionError as error:
        raise InterpreterError(f"{host} {error}") from None


def examine_host(parameters: dict[str, Any], host: str) -> dict[str, Any]:
    """All that is to be known of a host for mod_wsgi, by QUESTIONS. Raises InterpreterError."""
    distribution = distribution_of(host)
    interpreter = examine(parameters["python"], distribution, host)

    needed = runtime_packages(interpreter["version"]) if interpreter["from_distribution"] else []
    if parameters["install_method"] == "package":
        needed.append(MODULE_PACKAGE)
    installed = apt.provided(HTTPD_PACKAGE, *needed)
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
