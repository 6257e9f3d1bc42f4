# SPDX-License-Identifier: Apache-2.0
"""The files outside of an application's own folders that make httpd serve it. Runs on the control node only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils import layout
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import LOOPBACK, Listener
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import rendering
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import logs, private
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import host_program, managed, role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon, health, hosts, pages, strategy, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.certificates import UNKNOWN_HOST
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import DAEMON
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.render import Members, site_values
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Certificates

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
    return rendering.templates(ROLE, regex=pages.regex, **daemon.FILTERS)


def vhost_name(application: App, foreign: Mapping[str, Any] | None = None) -> str:
    """The vhost's file name. httpd reads them in order, and the first vhost of a port answers unknown names.

    Beside ``foreign`` sites ours come last, so that these go on to answer what they have answered.
    """
    if application["default_vhost"]:
        return f"000-modwsgi-default-{application['name']}.conf"
    return f"{'zz' if foreign else '100'}-modwsgi-{application['name']}.conf"


def launcher_text() -> str:
    """The script that loads an application."""
    return role_file(ROLE, "launcher.py")


def enabled(kind: str, name: str, content: str, **more: str) -> list[File]:
    """A file of Debian's ``conf-available`` or ``sites-available`` (``kind``: conf, sites), and its link."""
    return [
        {"path": f"{kind}-available/{name}", "content": content, **more},
        {"path": f"{kind}-enabled/{name}", "link": f"../{kind}-available/{name}", **more},
    ]


def helper_files() -> list[File]:
    """The scripts that all applications share, and the commands for operators."""
    return [
        {"path": layout.LAUNCHER, "content": launcher_text()},
        {"path": layout.LOADING, "content": role_file(ROLE, "loading.py")},
        {"path": layout.PROBE, "content": role_file(ROLE, "probe.py")},
        {"path": layout.RUN_TOOL, "content": host_program("deploy/run.py"), "mode": "0755"},
        {"path": layout.TERMINAL_TOOL, "content": role_file(ROLE, "wsgi_terminal.py")},
        {"path": layout.DEBUG_TOOL, "content": role_file(ROLE, "wsgi_debug.py"), "mode": "0755"},
        {"path": layout.DEBUGGED_SCRIPT, "content": role_file(ROLE, "debugged_script.py")},
        {"path": layout.DEBUG_CONFIGURATION, "content": role_file(ROLE, "debug.conf")},
        {"path": layout.DOCTOR_TOOL, "content": role_file(ROLE, "wsgi_doctor.py"), "mode": "0755"},
        {"path": layout.EVIDENCE, "content": role_file(ROLE, "wsgi_evidence.py")},
        {"path": layout.DIAGNOSES, "content": host_program("deploy/diagnoses.py")},
        {"path": layout.COMMAND_TOOL, "content": command_text(), "mode": "0755"},
        {"path": layout.LOG_READER, "content": host_program("deploy/log.py")},
        {"path": layout.DAEMON_FINDER, "content": host_program("deploy/daemon.py")},
        # Links, and not the files: Python looks for the modules beside the file itself.
        {"path": layout.RUNNER, "link": os.path.relpath(layout.RUN_TOOL, os.path.dirname(layout.RUNNER))},
        {"path": layout.DEBUGGER, "link": os.path.relpath(layout.DEBUG_TOOL, os.path.dirname(layout.DEBUGGER))},
        {"path": layout.DOCTOR, "link": os.path.relpath(layout.DOCTOR_TOOL, os.path.dirname(layout.DOCTOR))},
        {"path": layout.RELEASER, "link": os.path.relpath(layout.COMMAND_TOOL, os.path.dirname(layout.RELEASER))},
        {"path": layout.RESTARTER, "link": os.path.relpath(layout.COMMAND_TOOL, os.path.dirname(layout.RESTARTER))},
    ]


def command_text() -> str:
    """What wsgi-release and wsgi-restart are. The modules keep its code on the host when they change something.

    So other code has to be a change: the digest of it makes this another file.
    """
    return f"{role_file(ROLE, 'wsgi_command.py')}\n# Digest of its code: {rendering.host_code_digest()}\n"


def launcher_of(application: App) -> str:
    """Path of the script that httpd loads for an application."""
    return layout.LAUNCHER if application["mode"] == DAEMON else f"{layout.EMBEDDED}/{application['name']}.py"


def mode_files(applications: Iterable[App], foreign: Mapping[str, Any] | None = None) -> list[File]:
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
    return enabled("conf", "modwsgi-embedded.conf", content, action="restart")


@dataclass(frozen=True)
class _Host:
    """What all files of one host are made from; see ``files``."""

    instance: Mapping[str, str]
    certificates: Certificates
    logging: Mapping[str, str]
    private_port: int
    foreign: Mapping[str, Any]
    environment: jinja2.Environment

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """A template of the role."""
        return self.environment.get_template(template).render(values)

    def embedded_files(self, application: App) -> list[File]:
        """What only an embedded application needs."""
        unit = f"{self.instance['unit_drop_in_directory']}/modwsgi-embedded.conf"
        return [
            {"path": launcher_of(application), "content": launcher_text()},
            {"path": unit, "content": UTF_8_UNIT, "action": "restart"},
        ]

    def log_paths(self, site: App) -> dict[str, str]:
        """The log files of a site, by kind."""
        return {kind: f"{self.instance['log_directory']}/{site['name']}-{kind}.log" for kind in ("access", "error")}

    def canary_paths(self, members: Members) -> list[str]:
        """The log files in which a run reads how a release does that is tried; files, whatever the others are."""
        tried = filter(strategy.has_canary, (member["application"] for member in members))
        return [colours.canary_log(self.instance["log_directory"], application["name"]) for application in tried]

    def logs(self, site: App) -> dict[str, Any]:
        """The logs of a site in httpd's words."""
        targets = {
            kind: logs.target(self.logging, kind, path, self.instance) for kind, path in self.log_paths(site).items()
        }
        return {**targets, "format": self.instance["access_log_format"]}

    def vhost_files(self, site: App, members: Members) -> list[File]:
        """The vhost of a site, its link, and its logs."""
        values = {
            **site_values(site, members, self.certificates),
            **member_of(site),
            "logs": self.logs(site),
            "shared": bool(self.foreign),
            "canary_logs": [
                line
                for member in members
                for line in strategy.canary_log(member["application"], self.instance["log_directory"])
            ],
        }
        vhost, link = enabled("sites", vhost_name(site, self.foreign), self.render("vhost.conf.j2", values))
        return [
            {**vhost, "mode": rendering.CLOSED},
            link,
            *logs.log_files(self.logging, self.log_paths(site).values()),
            *logs.log_files(PLAIN_LOGS, self.canary_paths(members)),
        ]

    def tls_files(self, sites: Iterable[App]) -> list[File]:
        """What TLS needs beside the vhosts; nothing when no site has it."""
        secure = [site for site in sites if site["tls"] is not None]
        if not secure:
            return []
        # Unknown names of these ports are answered by a site of others.
        theirs = {vhost["port"] for vhost in self.foreign.get("vhosts", [])}
        state_directory = self.instance["state_directory"]
        values = {
            "profiles_version": tls.profiles_version(),
            "store": tls.md_store(state_directory),
            "renewals_timer": self.instance["renewals_timer"],
            "acme": [
                {**site["tls"]["acme"], "names": hosts.all_names(site), "stapling": site["tls"]["stapling"]}
                for site in secure
                if site["tls"]["acme"]
            ],
            "ports": sorted({site["tls"]["port"] for site in secure} - theirs),
            "files": tls.self_signed_files(UNKNOWN_HOST, state_directory),
            "certificate": tls.certificate_note(UNKNOWN_HOST, self.certificates),
            "settings": tls.settings("intermediate"),
        }
        unknown = self.render("unknown_tls_host.conf.j2", values)
        return [
            *enabled("conf", "modwsgi-tls.conf", self.render("tls_server.conf.j2", values), action="restart"),
            *enabled("sites", "050-modwsgi-unknown-tls-host.conf", unknown),
        ]

    def private_files(self, sites: Iterable[tuple[App, Members]]) -> list[File]:
        """The vhosts on the private listener, given as each site with its members: for the probes, and for health.

        One for each name, since only vhosts of the same name may ask a daemon process group that is in a vhost. Until
        httpd has got the certificate of a site itself (mod_md), it answers 503 to all that comes over TLS, so the
        health of these sites is asked there, too.
        """
        by_name: dict[str, list[tuple[App, Members]]] = {}
        for site, members in sites:
            by_name.setdefault(site["server_name"].lower(), []).append((site, members))
        values = {
            "listener": Listener(LOOPBACK, self.private_port).directive,
            "sites": [self._private_vhost(of_name) for of_name in by_name.values()],
            "probe": layout.PROBE,
            "library": layout.LIBRARY,
            "for_root": private.requirement(self.instance),
        }
        return enabled("sites", "060-modwsgi-probes.conf", self.render("probe.conf.j2", values)) if by_name else []

    def _private_vhost(self, sites: Sequence[tuple[App, Members]]) -> dict[str, Any]:
        """The private vhost of all sites of one name, given with their members."""
        return {
            "name": sites[0][0]["server_name"],
            "error_log": self.logs(sites[0][0])["error"],
            "members": [member for _, members in sites for member in members],
            "health": health.private_values(sites),
        }

    def acme_files(self) -> list[File]:
        """What renews certificates that httpd gets itself.

        mod_md puts a renewed certificate beside the one that is served and waits for a reload, which a timer sees to.
        """
        instance, timer, units = self.instance, self.instance["renewals_timer"], self.instance["unit_directory"]
        values = {
            "program": layout.RENEWALS,
            "store": tls.md_store(instance["state_directory"]),
            "record": f"{instance['state_directory']}/renewals.json",
            "instance": instance,
        }
        service = self.render("renewals.service.j2", values)
        return [
            {"path": layout.RENEWALS, "content": role_file(ROLE, "renewals.py"), "mode": "0755"},
            {"path": f"{units}/{instance['renewals_service']}", "content": service},
            {"path": f"{units}/{timer}", "content": self.render("renewals.timer.j2", values)},
            # What `systemctl enable` would make; here it comes and goes with the timer, also when a deployment returns.
            {"path": f"{units}/timers.target.wants/{timer}", "link": f"../{timer}"},
        ]

    def limit_files(self) -> list[File]:
        """What gives each application a control group of its own, and holds it to its limits."""
        instance, program = self.instance, role_file(ROLE, "limits.py")
        digest = hashlib.sha256(program.encode()).hexdigest()
        values = {"program": layout.LIMITS, "instance": instance, "digest": digest}
        service = f"{instance['unit_directory']}/{instance['limits_service']}"
        drop_in = f"{instance['unit_drop_in_directory']}/modwsgi-limits.conf"
        return [
            {"path": layout.LIMITS, "content": program, "mode": "0755"},
            {"path": service, "content": self.render("limits.service.j2", values)},
            # systemd delegates a control group when it starts a unit.
            {"path": drop_in, "content": self.render("unit-limits.conf.j2", values), "action": "restart"},
        ]


def member_of(application: App) -> dict[str, Any]:
    """An application as a part of its vhost."""
    launcher, root = launcher_of(application), daemon.root(application)
    # httpd looks at scripts from outside of a chroot; mod_wsgi takes its path off.
    launcher_directory, launcher_file = os.path.split(root + launcher)
    process_group = application["name"] if application["mode"] == DAEMON else "%{GLOBAL}"
    if strategy.is_blue_green(application):
        process_group = strategy.expression(application["name"])
    return {
        "application": application,
        "paths": application["paths"],
        "process_group": process_group,
        "paths_of_groups": daemon.paths_of_groups(application) if application["mode"] == DAEMON else [],
        "launcher_directory": launcher_directory,
        "launcher_file": launcher_file,
        "root": root,
        "wsgi": daemon.vhost_values(application, application["paths"]["current"], process_group, launcher),
    }


def files(
    applications: Iterable[App],
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
    applications = list(applications)
    port = private_port or int(instance["private_port"])
    host = _Host(instance, certificates or {}, logging or PLAIN_LOGS, port, foreign or {}, templates())
    sites = [application for application in applications if application["site"] == application["name"]]
    by_site = [(site, [member_of(each) for each in applications if each["site"] == site["name"]]) for site in sites]
    return [
        *helper_files(),
        *mode_files(applications, foreign),
        *host.tls_files(sites),
        *host.private_files(by_site),
        *(host.acme_files() if any(map(tls.is_acme, sites)) else []),
        *(host.limit_files() if any(application["control_group"] for application in applications) else []),
        *(file for site, members in by_site for file in host.vhost_files(site, members)),
        *(file for each in applications if each["mode"] != DAEMON for file in host.embedded_files(each)),
    ]
