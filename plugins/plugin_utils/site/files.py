# SPDX-License-Identifier: Apache-2.0
"""The files outside of an application's own folders that make httpd serve it. Runs on the control node only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import LOOPBACK, Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import (
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
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import rendering
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import logs
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import host_program, managed, role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.apps import DAEMON
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.certificates import UNKNOWN_HOST
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.render import (
    Certificates,
    Members,
    certificate_note,
    health_values,
    regex,
    site_values,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.vhost import certificate_names

ROLE = "wsgi_app"

# Debian starts httpd in the locale C, in which an embedded Python 3 takes the names of files for ASCII.
UTF_8_UNIT = f"""{managed(ROLE)}
[Service]
# For the embedded application; daemon processes have locales of their own.
Environment=PYTHONUTF8=1
"""

PLAIN_LOGS = {"format": logs.TEXT, "destination": logs.FILES}

File = dict[str, Any]
"""One entry of the option `files` of the module httpd_config."""


def templates() -> jinja2.Environment:
    """The role's templates."""
    return rendering.templates(ROLE, regex=regex, **daemon.FILTERS)


def vhost_name(application: Mapping[str, Any], foreign: Mapping[str, Any] | None = None) -> str:
    """The vhost's file name. httpd reads them in order, and the first vhost of a port answers unknown names.

    Beside ``foreign`` sites ours come last, so that these go on to answer what they have answered.
    """
    if application["default_vhost"]:
        return f"000-modwsgi-default-{application['name']}.conf"
    return f"{'zz' if foreign else '100'}-modwsgi-{application['name']}.conf"


def launcher_text() -> str:
    """The script that loads an application."""
    return role_file(ROLE, "launcher.py")


def helper_files() -> list[File]:
    """The scripts that all applications share, and the commands for operators."""
    return [
        {"path": LAUNCHER, "content": launcher_text()},
        {"path": LOADING, "content": role_file(ROLE, "loading.py")},
        {"path": PROBE, "content": role_file(ROLE, "probe.py")},
        {"path": RUN_TOOL, "content": host_program("deploy/run.py"), "mode": "0755"},
        {"path": TERMINAL_TOOL, "content": role_file(ROLE, "wsgi_terminal.py")},
        {"path": DEBUG_TOOL, "content": role_file(ROLE, "wsgi_debug.py"), "mode": "0755"},
        {"path": DEBUGGED_SCRIPT, "content": role_file(ROLE, "debugged_script.py")},
        {"path": DEBUG_CONFIGURATION, "content": role_file(ROLE, "debug.conf")},
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
    content = f"{managed(ROLE)}\n" + (
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
    launcher_directory, launcher_file = os.path.split(daemon.root(application) + launcher)
    process_group = application["name"] if application["mode"] == DAEMON else "%{GLOBAL}"
    return {
        "application": application,
        "paths": application["paths"],
        "process_group": process_group,
        "launcher_directory": launcher_directory,
        "launcher_file": launcher_file,
        "root": daemon.root(application),
        "wsgi": daemon.vhost_values(application, application["paths"]["current"], process_group, launcher),
    }


def log_paths(site: Mapping[str, Any], instance: Mapping[str, str]) -> dict[str, str]:
    """The log files of a site, by kind."""
    return {kind: f"{instance['log_directory']}/{site['name']}-{kind}.log" for kind in ("access", "error")}


def site_logs(site: Mapping[str, Any], instance: Mapping[str, str], logging: Mapping[str, str]) -> dict[str, Any]:
    """The logs of a site in httpd's words."""
    targets = {kind: logs.target(logging, kind, path, instance) for kind, path in log_paths(site, instance).items()}
    return {**targets, "format": instance["access_log_format"]}


def vhost_files(
    site: Mapping[str, Any],
    values: Mapping[str, Any],
    instance: Mapping[str, str],
    environment: jinja2.Environment,
    logging: Mapping[str, str],
    foreign: Mapping[str, Any] | None = None,
) -> list[File]:
    """The vhost of a site, its link, and its logs. ``values`` are those of the vhost."""
    complete = {
        **values,
        **member_of(site),
        "logs": site_logs(site, instance, logging),
        "shared": bool(foreign),
    }
    name = vhost_name(site, foreign)
    return [
        {
            "path": f"sites-available/{name}",
            "content": environment.get_template("vhost.conf.j2").render(complete),
        },
        {"path": f"sites-enabled/{name}", "link": f"../sites-available/{name}"},
        *logs.log_files(logging, log_paths(site, instance).values()),
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
        "profiles_version": tls.profiles_version(),
        "store": tls.md_store(instance["state_directory"]),
        "renewals_timer": instance["renewals_timer"],
        "acme": [
            {**site["tls"]["acme"], "names": certificate_names(site), "stapling": site["tls"]["stapling"]}
            for site in secure
            if site["tls"]["acme"]
        ],
        "ports": sorted({site["tls"]["port"] for site in secure} - _foreign_ports(foreign)),
        "files": tls.self_signed_files(UNKNOWN_HOST, instance["state_directory"]),
        "certificate": certificate_note(UNKNOWN_HOST, certificates),
        "settings": tls.settings("intermediate"),
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


def private_files(
    members: Iterable[Members],
    instance: Mapping[str, str],
    environment: jinja2.Environment,
    private_port: int,
    logging: Mapping[str, str],
) -> list[File]:
    """The vhosts on the private listener, given as the members of each site: for the probes, and for health.

    One for each name, since only vhosts of the same name may ask a daemon process group that is in a vhost. Until httpd
    has got the certificate of a site itself (mod_md), it answers 503 to all that comes over TLS, so the health of these
    sites is asked there, too.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for of_site in members:
        site = _site_of(of_site)
        awaits = site["tls"] and site["tls"]["acme"]
        by_name.setdefault(str(site["server_name"]).lower(), []).append(
            {"site": site, "members": of_site, "health": health_values(site, of_site) if awaits else None}
        )
    values = {
        "listener": Listener(LOOPBACK, private_port).directive,
        "sites": [
            {
                "name": sites[0]["site"]["server_name"],
                "error_log": site_logs(sites[0]["site"], instance, logging)["error"],
                "members": [member for site in sites for member in site["members"]],
                "health": next((site["health"] for site in sites if site["health"]), None),
            }
            for sites in by_name.values()
        ],
        "probe": PROBE,
        "library": LIBRARY,
    }
    if not by_name:
        return []
    name = "060-modwsgi-probes.conf"
    return [
        {"path": f"sites-available/{name}", "content": environment.get_template("probe.conf.j2").render(values)},
        {"path": f"sites-enabled/{name}", "link": f"../sites-available/{name}"},
    ]


def acme_files(
    sites: Iterable[Mapping[str, Any]], instance: Mapping[str, str], environment: jinja2.Environment
) -> list[File]:
    """What renews certificates that httpd gets itself; nothing where no site has one.

    mod_md puts a renewed certificate beside the one that is served and waits for a reload, which a timer sees to.
    """
    if not any(site["tls"] and site["tls"]["acme"] for site in sites):
        return []
    timer, units = instance["renewals_timer"], instance["unit_directory"]
    values = {
        "program": RENEWALS,
        "store": tls.md_store(instance["state_directory"]),
        "record": f"{instance['state_directory']}/renewals.json",
        "instance": instance,
    }
    return [
        {"path": RENEWALS, "content": role_file(ROLE, "renewals.py"), "mode": "0755"},
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
    private_port: int | None = None,
    foreign: Mapping[str, Any] | None = None,
) -> list[File]:
    """All files of the role, for one transaction.

    ``certificates`` is what httpd_certificates has found; ``logging`` has `format` and `destination` of the logs;
    ``private_port`` is `httpd_private_port`, else the default of the instance; ``foreign`` is `httpd_host.foreign`.

    Raises QuotingError for a value that httpd's configuration cannot carry.
    """
    environment, applications, found = templates(), list(applications), certificates or {}
    port = private_port or int(instance["private_port"])
    by_site: dict[str, list[Mapping[str, Any]]] = {}
    for application in applications:
        by_site.setdefault(application["site"], []).append(application)
    sites = [application for application in applications if application["site"] == application["name"]]
    members = {site["name"]: [member_of(member) for member in by_site[site["name"]]] for site in sites}
    values = {site["name"]: site_values(site, members[site["name"]], found) for site in sites}
    of_sites = [
        vhost_files(site, values[site["name"]], instance, environment, logging or PLAIN_LOGS, foreign) for site in sites
    ]
    return [
        *helper_files(),
        *mode_files(applications, foreign),
        *tls_files(sites, instance, environment, found, foreign),
        *private_files(members.values(), instance, environment, port, logging or PLAIN_LOGS),
        *acme_files(sites, instance, environment),
        *(file for of_site in of_sites for file in of_site),
        *(file for application in applications for file in embedded_files(application, instance)),
    ]
