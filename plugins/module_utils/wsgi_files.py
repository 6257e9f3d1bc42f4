# SPDX-License-Identifier: Apache-2.0
"""The files outside of an application's own folders that make httpd serve it. Runs on the control node only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils import httpd_logs, httpd_tls, wsgi_directives
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_listeners import LOOPBACK, Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_quoting import quote, quote_realm
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_apps import DAEMON
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_certificates import UNKNOWN_HOST
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_layout import (
    DEBUG_CONFIGURATION,
    DEBUG_TOOL,
    DEBUGGED_SCRIPT,
    DEBUGGER,
    EMBEDDED,
    LAUNCHER,
    LIBRARY,
    LOADING,
    PROBE,
    RENEWALS,
    RUN_TOOL,
    RUNNER,
    TERMINAL_TOOL,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_site import (
    Certificates,
    Members,
    certificate_note,
    health_values,
    regex,
    site_values,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.wsgi_vhost import certificate_names

MODULE_UTILS = Path(__file__).resolve().parent
ROLE = MODULE_UTILS.parents[1] / "roles" / "wsgi_app"

HEADER = "# Managed by Ansible (modwsgi.deploy.wsgi_app): changes are overwritten.\n"

# Debian starts httpd in the locale C, in which an embedded Python 3 takes the names of files for ASCII.
UTF_8_UNIT = f"""{HEADER}[Service]
# For the embedded application; daemon processes have locales of their own.
Environment=PYTHONUTF8=1
"""

PRIVATE_PORT = 297
"""The default of `httpd_private_port`; a test compares."""

PLAIN_LOGS = {"format": httpd_logs.TEXT, "destination": httpd_logs.FILES}

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
    environment.filters.update(wsgi_directives.FILTERS, quote=quote, quote_realm=quote_realm, regex=regex)
    return environment


def vhost_name(application: Mapping[str, Any], foreign: Mapping[str, Any] | None = None) -> str:
    """The vhost's file name. httpd reads them in order, and the first vhost of a port answers unknown names.

    Beside ``foreign`` sites ours come last, so that these go on to answer what they have answered.

    What an application under a path of another one's vhost has is read before all vhosts, which name its group.
    """
    if application["site"] != application["name"]:
        return f"000-modwsgi-application-{application['name']}.conf"
    if application["default_vhost"]:
        return f"000-modwsgi-default-{application['name']}.conf"
    return f"{'zz' if foreign else '100'}-modwsgi-{application['name']}.conf"


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
        {"path": LOADING, "content": role_file("loading.py")},
        {"path": PROBE, "content": role_file("probe.py")},
        {"path": RUN_TOOL, "content": (MODULE_UTILS / "wsgi_run.py").read_text(encoding="utf-8"), "mode": "0755"},
        {"path": TERMINAL_TOOL, "content": role_file("wsgi_terminal.py")},
        {"path": DEBUG_TOOL, "content": role_file("wsgi_debug.py"), "mode": "0755"},
        {"path": DEBUGGED_SCRIPT, "content": role_file("debugged_script.py")},
        {"path": DEBUG_CONFIGURATION, "content": role_file("debug.conf")},
        # Links, and not the files: Python looks for the modules beside the file itself.
        {"path": RUNNER, "link": os.path.relpath(RUN_TOOL, os.path.dirname(RUNNER))},
        {"path": DEBUGGER, "link": os.path.relpath(DEBUG_TOOL, os.path.dirname(DEBUGGER))},
    ]


def launcher_of(application: Mapping[str, Any]) -> str:
    """Path of the script that httpd loads for an application."""
    return LAUNCHER if application["mode"] == DAEMON else f"{EMBEDDED}/{application['name']}.py"


def mode_files(applications: Iterable[Mapping[str, Any]], foreign: Mapping[str, Any] | None = None) -> list[File]:
    """The file that says whether applications may run in httpd's own processes, and its link.

    Those of ``foreign`` sites may, as without us.

    The directive stands once: mod_wsgi 4.9.1 does not prepare Python there once it has read On, whatever it reads
    later, and the first request then crashes the process (measured on Debian 12, Apache 2.4, 2026-11).
    """
    embedded = any(application["mode"] != DAEMON for application in applications)
    if foreign and not embedded:
        return []
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


def member_of(application: Mapping[str, Any]) -> dict[str, Any]:
    """An application as a part of its vhost."""
    launcher = launcher_of(application)
    # httpd looks at scripts from outside of a chroot; mod_wsgi takes its path off.
    launcher_directory, launcher_file = os.path.split(wsgi_directives.root(application) + launcher)
    process_group = application["name"] if application["mode"] == DAEMON else "%{GLOBAL}"
    return {
        "application": application,
        "paths": application["paths"],
        "process_group": process_group,
        "launcher_directory": launcher_directory,
        "launcher_file": launcher_file,
        "wsgi": wsgi_directives.vhost_values(application, application["paths"]["current"], process_group, launcher),
    }


def application_files(
    application: Mapping[str, Any],
    site: Mapping[str, Any],
    instance: Mapping[str, str],
    environment: jinja2.Environment,
    logging: Mapping[str, str],
    foreign: Mapping[str, Any] | None = None,
) -> list[File]:
    """The vhost of one application, its link, and its part of the private vhost.

    An application under a path of another one's vhost has only its daemon process groups in a file of its own.
    ``site`` has the values of the vhost.
    """
    log = f"{instance['log_directory']}/{application['site']}"
    root = wsgi_directives.root(application)
    values = {
        **site,
        **member_of(application),
        "logs": {
            "error": httpd_logs.target(logging, "error", f"{log}-error.log"),
            "access": httpd_logs.target(logging, "access", f"{log}-access.log"),
            "format": instance["access_log_format"],
        },
        "probe": root + PROBE,
        "library": root + LIBRARY,
        "shared": bool(foreign),
    }
    if application["site"] != application["name"]:
        values |= {"vhosts": [], "redirect_vhosts": []}
    name = vhost_name(application, foreign)
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


def tls_files(
    sites: Iterable[Mapping[str, Any]],
    instance: Mapping[str, str],
    environment: jinja2.Environment,
    certificates: Certificates,
    foreign: Mapping[str, Any] | None = None,
) -> list[File]:
    """What TLS needs beside the vhosts; nothing when no site has it."""
    secure = [site for site in sites if site["tls"] is not None]
    if not secure:
        return []
    server, unknown = "modwsgi-tls.conf", "050-modwsgi-unknown-tls-host.conf"
    values = {
        "profiles_version": httpd_tls.profiles_version(),
        "store": httpd_tls.md_store(instance["state_directory"]),
        "acme": [
            {**site["tls"]["acme"], "names": certificate_names(site), "stapling": site["tls"]["stapling"]}
            for site in secure
            if site["tls"]["acme"]
        ],
        "ports": sorted({site["tls"]["port"] for site in secure} - _foreign_ports(foreign)),
        "files": httpd_tls.self_signed_files(UNKNOWN_HOST, instance["state_directory"]),
        "certificate": certificate_note(UNKNOWN_HOST, certificates),
        "settings": httpd_tls.settings("intermediate"),
    }
    return [
        {
            "path": f"conf-available/{server}",
            "content": environment.get_template("tls_server.conf.j2").render(values),
            "action": "restart",
        },
        {"path": f"conf-enabled/{server}", "link": f"../conf-available/{server}", "action": "restart"},
        {
            "path": f"sites-available/{unknown}",
            "content": environment.get_template("unknown_tls_host.conf.j2").render(values),
        },
        {"path": f"sites-enabled/{unknown}", "link": f"../sites-available/{unknown}"},
    ]


def _foreign_ports(foreign: Mapping[str, Any] | None) -> set[int]:
    """The ports whose unknown names are answered by a site of others."""
    return {vhost["port"] for vhost in (foreign or {}).get("vhosts", [])}


def acme_files(
    members: Iterable[Members],
    instance: Mapping[str, str],
    environment: jinja2.Environment,
    private_port: int,
) -> list[File]:
    """What sites need for which httpd itself gets a certificate, given as the members of each; nothing without one.

    Until there is a certificate, mod_md answers 503 to all that comes over TLS, so the health of these sites is asked
    on the private listener. Later, mod_md puts a renewed certificate beside the one that is served and waits for a
    reload, which a timer sees to.
    """
    sites = [(_site_of(of_site), of_site) for of_site in members]
    healths = [health_values(site, of_site) for site, of_site in sites if site["tls"] and site["tls"]["acme"]]
    if not healths:
        return []
    health, timer = "060-modwsgi-health.conf", instance["renewals_timer"]
    values = {
        "listener": Listener(LOOPBACK, private_port).directive,
        "sites": healths,
        "program": RENEWALS,
        "store": httpd_tls.md_store(instance["state_directory"]),
        "record": f"{instance['state_directory']}/renewals.json",
        "instance": instance,
    }
    units = instance["unit_directory"]
    return [
        {
            "path": f"sites-available/{health}",
            "content": environment.get_template("health.conf.j2").render(values),
        },
        {"path": f"sites-enabled/{health}", "link": f"../sites-available/{health}"},
        {"path": RENEWALS, "content": role_file("renewals.py"), "mode": "0755"},
        {
            "path": f"{units}/{instance['renewals_service']}",
            "content": environment.get_template("renewals.service.j2").render(values),
        },
        {"path": f"{units}/{timer}", "content": environment.get_template("renewals.timer.j2").render(values)},
        # What `systemctl enable` would make; here it comes and goes with the timer, also when a deployment returns.
        {"path": f"{units}/timers.target.wants/{timer}", "link": f"../{timer}"},
    ]


def _site_of(members: Members) -> Mapping[str, Any]:
    """The application whose vhost it is."""
    applications = [member["application"] for member in members]
    return next(each for each in applications if each["site"] == each["name"])


def files(
    applications: Iterable[Mapping[str, Any]],
    instance: Mapping[str, str],
    certificates: Certificates | None = None,
    logging: Mapping[str, str] | None = None,
    private_port: int = PRIVATE_PORT,
    foreign: Mapping[str, Any] | None = None,
) -> list[File]:
    """All files of the role, for one transaction.

    ``certificates`` is what httpd_certificates has found; ``logging`` has `format` and `destination` of the logs;
    ``private_port`` is `httpd_private_port`; ``foreign`` is `httpd_host.foreign`.

    Raises QuotingError for a value that httpd's configuration cannot carry.
    """
    environment, applications, found = templates(), list(applications), certificates or {}
    by_site: dict[str, list[Mapping[str, Any]]] = {}
    for application in applications:
        by_site.setdefault(application["site"], []).append(application)
    sites = [application for application in applications if application["site"] == application["name"]]
    members = {site["name"]: [member_of(member) for member in by_site[site["name"]]] for site in sites}
    values = {site["name"]: site_values(site, members[site["name"]], found) for site in sites}
    of_applications = [
        application_files(
            application, values[application["site"]], instance, environment, logging or PLAIN_LOGS, foreign
        )
        for application in applications
    ]
    return [
        *helper_files(),
        *mode_files(applications, foreign),
        *tls_files(sites, instance, environment, found, foreign),
        *acme_files(members.values(), instance, environment, private_port),
        *(file for group in of_applications for file in group),
    ]
