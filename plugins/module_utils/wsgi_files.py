# SPDX-License-Identifier: Apache-2.0
"""The files outside of an application's own folders that make httpd serve it. Runs on the control node only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils import wsgi_directives
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_quoting import quote
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_apps import DAEMON
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import (
    DEBUG_TOOL,
    DEBUGGED_SCRIPT,
    DEBUGGER,
    EMBEDDED,
    LAUNCHER,
    LIBRARY,
    PROBE,
    RUN_TOOL,
    RUNNER,
)

MODULE_UTILS = Path(__file__).resolve().parent
ROLE = MODULE_UTILS.parents[1] / "roles" / "wsgi_app"

HEADER = "# Managed by Ansible (modwsgi.deploy.wsgi_app): changes are overwritten.\n"

# Debian starts httpd in the locale C, in which an embedded Python 3 takes the names of files for ASCII.
UTF_8_UNIT = f"""{HEADER}[Service]
# For the embedded application; daemon processes have locales of their own.
Environment=PYTHONUTF8=1
"""

File = dict[str, Any]
"""One entry of the option `files` of the module httpd_config."""


def templates() -> jinja2.Environment:
    """The role's templates. They only lay out; each value that is a text goes through httpd's quoting."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML
    )
    environment.filters.update(wsgi_directives.FILTERS, quote=quote)
    return environment


def listen(application: Mapping[str, Any]) -> str:
    """The argument of VirtualHost."""
    address = str(application["address"])
    return f"[{address}]:{application['port']}" if ":" in address else f"{address}:{application['port']}"


def vhost_name(application: Mapping[str, Any]) -> str:
    """The vhost's file name. httpd reads them in order, and the first vhost of a port answers unknown names."""
    if application["default_vhost"]:
        return f"000-modwsgi-default-{application['name']}.conf"
    return f"100-modwsgi-{application['name']}.conf"


def role_file(name: str) -> str:
    """The text of one of the role's files."""
    return (ROLE / "files" / name).read_text(encoding="utf-8")


def launcher_text() -> str:
    """The script that loads an application."""
    return role_file("launcher.py")


def helper_files() -> list[File]:
    """The scripts that all applications share, and the commands for operators."""
    return [
        {"path": LAUNCHER, "content": launcher_text()},
        {"path": PROBE, "content": role_file("probe.py")},
        {"path": RUN_TOOL, "content": (MODULE_UTILS / "wsgi_run.py").read_text(encoding="utf-8"), "mode": "0755"},
        {"path": DEBUG_TOOL, "content": role_file("wsgi_debug.py"), "mode": "0755"},
        {"path": DEBUGGED_SCRIPT, "content": role_file("debugged_script.py")},
        # Links, and not the files: Python looks for the modules beside the file itself.
        {"path": RUNNER, "link": os.path.relpath(RUN_TOOL, os.path.dirname(RUNNER))},
        {"path": DEBUGGER, "link": os.path.relpath(DEBUG_TOOL, os.path.dirname(DEBUGGER))},
    ]


def launcher_of(application: Mapping[str, Any]) -> str:
    """Path of the script that httpd loads for an application."""
    return LAUNCHER if application["mode"] == DAEMON else f"{EMBEDDED}/{application['name']}.py"


def mode_files(applications: Iterable[Mapping[str, Any]]) -> list[File]:
    """The file that says whether applications may run in httpd's own processes, and its link.

    The directive stands once: mod_wsgi 4.9.1 does not prepare Python there once it has read On, whatever it reads
    later, and the first request then crashes the process (measured on Debian 12, Apache 2.4, 2026-11).
    """
    embedded = any(application["mode"] != DAEMON for application in applications)
    content = HEADER + (
        "# An application runs inside httpd's own processes.\nWSGIRestrictEmbedded Off\n"
        if embedded
        else "# No application runs inside httpd's own processes.\nWSGIRestrictEmbedded On\n"
    )
    name = "modwsgi-embedded.conf"
    return [
        {"path": f"conf-available/{name}", "content": content, "action": "restart"},
        {"path": f"conf-enabled/{name}", "link": f"../conf-available/{name}", "action": "restart"},
    ]


def embedded_files(application: Mapping[str, Any], instance: Mapping[str, str]) -> list[File]:
    """What only an embedded application needs."""
    if application["mode"] == DAEMON:
        return []
    return [
        {"path": launcher_of(application), "content": launcher_text()},
        {
            "path": f"{instance['unit_drop_in_directory']}/modwsgi-embedded.conf",
            "content": UTF_8_UNIT,
            "action": "restart",
        },
    ]


def application_files(
    application: Mapping[str, Any], instance: Mapping[str, str], environment: jinja2.Environment
) -> list[File]:
    """The vhost of one application, its link, and its part of the private vhost."""
    # httpd looks at scripts from outside of a chroot; mod_wsgi takes its path off.
    root = wsgi_directives.root(application)
    launcher_directory, launcher_file = os.path.split(root + launcher_of(application))
    log = f"{instance['log_directory']}/{application['name']}"
    values = {
        "application": application,
        "paths": application["paths"],
        "logs": {"error": f"{log}-error.log", "access": f"{log}-access.log", "format": instance["access_log_format"]},
        "listen": listen(application),
        "process_group": application["name"] if application["mode"] == DAEMON else "%{GLOBAL}",
        "launcher_directory": launcher_directory,
        "launcher_file": launcher_file,
        "wsgi": wsgi_directives.vhost_values(
            application,
            application["paths"]["current"],
            application["name"] if application["mode"] == DAEMON else "%{GLOBAL}",
            launcher_of(application),
        ),
        "probe": root + PROBE,
        "library": root + LIBRARY,
    }
    name = vhost_name(application)
    return [
        {
            "path": f"{instance['private_include']}/{application['name']}.conf",
            "content": environment.get_template("probe.conf.j2").render(values),
        },
        {
            "path": f"sites-available/{name}",
            "content": environment.get_template("vhost.conf.j2").render(values),
        },
        {"path": f"sites-enabled/{name}", "link": f"../sites-available/{name}"},
        *embedded_files(application, instance),
    ]


def files(applications: Iterable[Mapping[str, Any]], instance: Mapping[str, str]) -> list[File]:
    """All files of the role, for one transaction.

    Raises QuotingError for a value that httpd's configuration cannot carry.
    """
    environment, applications = templates(), list(applications)
    of_applications = [application_files(application, instance, environment) for application in applications]
    return [*helper_files(), *mode_files(applications), *(file for group in of_applications for file in group)]
