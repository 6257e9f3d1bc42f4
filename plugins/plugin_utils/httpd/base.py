# SPDX-License-Identifier: Apache-2.0
"""httpd's base configuration: what is wrong with its settings, and the files of the role httpd. On the control node.

The settings are the role's variables by their names, as its argument specification has them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils import instance as httpd_instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor as host_apparmor
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import listeners as httpd_listeners
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import LIBRARY, STATE_ROOT
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import rendering
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import apparmor, hardening, private, sizing, stopping
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import logs as httpd_logs
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, tls
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import network

ROLE = "httpd"
DEFAULT_SITE = "000-default"
"""The site that the distribution enables."""
OWN_CONFIGURATIONS = ("charset", "localized-error-pages", "other-vhosts-access-log", "security", "serve-cgi-bin")
"""What the distribution enables in conf-enabled."""

# What a2enmod, a2enconf and a2ensite take: one component of a path.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
DRAIN_PATH = re.compile(r"/[A-Za-z0-9/_.~-]*")
"""A path that means the same in a request and in httpd's expression, without quotes."""
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")

WITHOUT_CONFIGURATION = ("alias", *sizing.MPMS, "reqtimeout", "status")
"""Modules whose configuration of the distribution is left out: ours says the same things in other values, and
mod_status's would show /server-status on every vhost."""
WITHOUT_CONFIGURATION_FOR_SITES = ("http2", "setenvif")
"""Likewise, where a site asks for the module; an operator who asks for it gets the distribution's."""

CLIENT_LIMIT = "50%"
"""The part of httpd's workers that one client address may hold, where the operator says nothing."""

STATUS_DIRECTORY_MODE = "2750"
"""What opens httpd's status is in it; httpd's group, which may enter, is that of all that is made there."""
SOCKET_DIRECTORY_MODE = "0711"
"""httpd makes the sockets as root; its children, which run as others, only have to reach them."""

File = dict[str, Any]
"""One entry of the option ``files`` of the module httpd_config."""


class FileNameError(ValueError):
    """A name that cannot be one of httpd's files; the text is for the user."""


def check_names(names: Iterable[str], key: str, example: str) -> None:
    """Raises FileNameError for a name that would leave its folder."""
    for name in names:
        if not NAME.fullmatch(str(name)):
            raise FileNameError(f"{key} contains {name!r}, which cannot be a name there; write it like {example}.")


def module_files(
    wanted: Iterable[str], removed: Iterable[str], bare: Iterable[str], foreign: Mapping[str, Any] | None = None
) -> list[File]:
    """The files of mods-enabled.

    ``removed`` modules are disabled unless they are wanted; ``bare`` ones go without the distribution's configuration.
    Beside ``foreign`` sites nothing is disabled, and what is there of the configuration of bare ones stays.
    """
    wanted, bare, removed = list(dict.fromkeys(wanted)), set(bare), list(removed)
    check_names([*wanted, *removed], "httpd_modules, httpd_extra_modules or httpd_removed_modules", "rewrite")
    files: list[File] = []
    for name in wanted:
        files.append(_enabled_module(name, "load"))
        if name not in bare:
            files.append({**_enabled_module(name, "conf"), "optional": True})
        elif not foreign:
            files.append(_disabled("mods", name, "conf"))
    for name in removed:
        if name not in wanted and not foreign:
            files += [_disabled("mods", name, "load"), _disabled("mods", name, "conf")]
    return files


def removed_files(names: Iterable[str], kind: str) -> list[File]:
    """Files of the distribution that are not enabled (``kind``: conf or sites)."""
    names = list(names)
    key, example = {
        "conf": ("httpd_removed_configurations", "charset"),
        "sites": ("httpd_removed_sites", DEFAULT_SITE),
    }[kind]
    check_names(names, key, example)
    return [_disabled(kind, name, "conf") for name in names]


def _enabled_module(name: str, suffix: str) -> File:
    # A module is loaded and unloaded safely only by a new process.
    return {
        "path": f"mods-enabled/{name}.{suffix}",
        "link": f"../mods-available/{name}.{suffix}",
        "action": "restart",
    }


def _disabled(kind: str, name: str, suffix: str) -> File:
    action = "restart" if kind == "mods" else "reload"
    return {"path": f"{kind}-enabled/{name}.{suffix}", "absent": True, "adopt": True, "action": action}


def replaced(settings: Mapping[str, Any]) -> list[str]:
    """Enabled files of others, relative to the server root, which the operator names: they are to be gone."""
    return [
        *(f"sites-enabled/{name}.conf" for name in _named_sites(settings)),
        *(f"conf-enabled/{name}.conf" for name in _named_configurations(settings)),
    ]


def _named_sites(settings: Mapping[str, Any]) -> list[str]:
    return [name for name in settings["httpd_removed_sites"] if name != DEFAULT_SITE]


def _named_configurations(settings: Mapping[str, Any]) -> list[str]:
    return [name for name in settings["httpd_removed_configurations"] if name not in OWN_CONFIGURATIONS]


def packages(applications: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[str]:
    """The packages that the role needs for these applications, with its variables."""
    parser = [apparmor.PACKAGE] if apparmor.is_asked_for(settings) else []
    return ["apache2", *(["openssl"] if tls.ports(applications) else []), *parser]


@dataclass(frozen=True)
class Base:
    """The base configuration of one host."""

    settings: Mapping[str, Any]
    """The role's variables."""
    applications: Sequence[Mapping[str, Any]]
    """``wsgi_apps``: what they need of the server."""
    host: Mapping[str, Any]
    """The fact ``httpd_host``."""
    python: str = ""
    """The variable ``mod_wsgi_python``."""

    @cached_property
    def instance(self) -> dict[str, str]:
        """The instance. Raises UnknownInstanceError."""
        return httpd_instance.instance(self.settings["httpd_instance"])

    @cached_property
    def foreign(self) -> Mapping[str, Any]:
        """The sites of others. What is theirs stays beside ours; empty on a host of our own."""
        found: Mapping[str, Any] = self.host.get("foreign") or {}
        return found

    @cached_property
    def listeners(self) -> list[dict[str, Any]]:
        """The listen addresses, the private one last. Raises ListenerError."""
        settings = self.settings
        return httpd_listeners.described(
            settings["httpd_listen"], settings["httpd_private_port"], variables=not self.instance["unit"]
        )

    @cached_property
    def modules_of_sites(self) -> list[str]:
        """The modules of httpd that the applications need."""
        return apps.modules(self.applications)

    @property
    def modules(self) -> list[str]:
        """The modules that are enabled.

        To load one takes a restart, which a site should not need for its first login or certificate. So those that
        sites can need are there from the start; not beside the sites of others, whose ``IfModule`` would see them,
        nor in an image, whose settings are known when it starts. They cost 4.3 MiB in each of httpd's four children
        and 10 ms of its start (measured on Debian 12, 2026-11).
        """
        return [*self._modules_of_operator, *self.modules_of_sites, *self._modules_in_advance]

    @property
    def _modules_in_advance(self) -> list[str]:
        if self.settings["httpd_site_modules"] == "needed" or self.foreign or not self.instance["unit"]:
            return []
        without = {"http2"} if self.mpm == sizing.PREFORK else set()
        return [name for name in apps.possible_modules() if name not in without]

    @property
    def mpm(self) -> str:
        """The module that takes connections; the first where ``problems`` refuses several, "" where there is none."""
        return next((name for name in self._modules_of_operator if name in sizing.MPMS), "")

    @property
    def _modules_of_operator(self) -> list[str]:
        return [*self.settings["httpd_modules"], *self.settings["httpd_extra_modules"]]

    @cached_property
    def logs(self) -> dict[str, Any]:
        """The logs of the server, in httpd's words."""
        return httpd_logs.described(
            self.settings["httpd_log_format"], self.settings["httpd_log_destination"], self.instance
        )

    def problems(self, name: str, python: str = "") -> list[str]:
        """What contradicts what is known of the host, one sentence each; ``name`` is the host's.

        ``python`` is the variable ``mod_wsgi_python``.
        """
        settings, has_systemd = self.settings, self.host["service_manager"] == "systemd"
        found = []
        if settings["httpd_reap_stuck_children"] and not has_systemd:
            found.append(
                f"httpd_reap_stuck_children needs systemd as the service manager of host {name}; set it to false."
            )
        if settings["httpd_manage_service"] and not self.instance["unit"]:
            found.append(
                f"httpd_instance of host {name} is {self.instance['name']}, which has no service to manage; "
                "set httpd_manage_service to false."
            )
        path, seconds = settings["httpd_drain_path"], settings["httpd_drain_seconds"]
        if path and not DRAIN_PATH.fullmatch(path):
            found.append(
                f"httpd_drain_path of host {name} is {path!r}, which is no plain path of a URL; write it like /healthz."
            )
        if seconds < 0:
            found.append(f"httpd_drain_seconds of host {name} is less than 0; write how long balancers need, e.g. 10.")
        if settings["httpd_environment"] and self.instance["unit"]:
            found.append(
                f"httpd_environment of host {name} is for containers; remove it, or set httpd_instance to container."
            )
        if settings["httpd_log_destination"] == httpd_logs.JOURNAL and not has_systemd:
            found.append(
                f"httpd_log_destination of host {name} is journal, which needs systemd as its service manager; "
                "set it to files."
            )
        if self.logs["writer"] and not self.instance["unit"]:
            found.append(
                f"httpd_log_format and httpd_log_destination are for hosts, and host {name} becomes an image; remove "
                "them and set WSGI_LOG_FORMAT when the container starts."
            )
        found += self._mpm_problems(name)
        found += self._client_problems(name)
        if self.instance["unit"]:
            found += apparmor.problems(settings, self.host, name)
        if self.instance["unit"] and not self.foreign:
            found += hardening.problems(settings, self.applications, python, name)
        found += httpd_foreign.server_problems(self.foreign, name, self.listeners, self.modules)
        return [
            *found,
            *(
                f"httpd_environment has {variable}, which is no name of a variable; write it like WSGI_PORT."
                for variable in settings["httpd_environment"]
                if not VARIABLE.fullmatch(str(variable))
            ),
        ]

    def _client_problems(self, name: str) -> list[str]:
        """What is wrong with the limit for single clients."""
        limit = self.settings["httpd_client_limit"]
        found = [
            f"httpd_unlimited_clients of host {name} has {entry!r}, which is neither an IP address nor a network; "
            "write it like 192.0.2.0/24."
            for entry in self.settings["httpd_unlimited_clients"]
            if not network(str(entry))
        ]
        if limit is not None and limit < 0:
            found.append(f"httpd_client_limit of host {name} is {limit}; give a number of workers, or 0 for no limit.")
        if limit and self.foreign:
            found.append(f"httpd_client_limit of host {name} would hold for the sites of others, too; remove it there.")
        return found

    def _mpm_problems(self, name: str) -> list[str]:
        """What contradicts the module that takes connections."""
        lists = f"httpd_modules or httpd_extra_modules of host {name}"
        chosen = [module for module in dict.fromkeys(self._modules_of_operator) if module in sizing.MPMS]
        if len(chosen) != 1:
            named = " and ".join(chosen) or "no MPM"
            return [f"{lists} has {named}, and httpd needs exactly one; choose one of {', '.join(sizing.MPMS)}."]
        found = []
        if "http2" in self.modules_of_sites and self.mpm == sizing.PREFORK:
            found.append(
                f"{lists} has mpm_prefork, with which HTTP/2 does not work; use mpm_event, or set tls.http2 to false "
                "for each application."
            )
        if self.settings["httpd_reap_stuck_children"] and self.mpm != sizing.EVENT:
            found.append(
                f"httpd_reap_stuck_children of host {name} needs mpm_event, which alone tells of processes that are "
                f"stopping, and the host has {self.mpm}; set it to false, or use mpm_event."
            )
        php = self.host["php"]
        if php and php not in self.settings["httpd_removed_modules"] and self.mpm != sizing.PREFORK:
            found.append(
                f"{lists} has {self.mpm}, and httpd of the host has {php} enabled, which only mpm_prefork can load; "
                f"name {php} in httpd_removed_modules, or use mpm_prefork."
            )
        return found

    def notes(self, name: str) -> list[str]:
        """What the operator of a host is to know; nothing of it is wrong."""
        if not self.foreign:
            return []
        files = ", ".join(dict.fromkeys(site["file"] for site in self.foreign["sites"]))
        return [
            f"Host {name} serves sites of others, which stay as they are: {files}. So nothing of theirs is disabled, "
            "settings of the whole server hold for our vhosts alone, and each change is followed by a look at whether "
            "they still answer (docs/shared-hosts.md)."
        ]

    def files(self) -> list[File]:
        """The complete set of the role.

        Raises ValueError, with a sentence for the user, for what httpd's configuration cannot carry.
        """
        on_host = bool(self.instance["unit"])
        return [
            *self._own_files(),
            *(self._shared_files() if self.foreign else self._alone_files()),
            *self._log_files(),
            *(self._host_files() if on_host else self._container_files()),
            # How long the logs of others are kept is theirs to say.
            *(self._rotation_files() if on_host and not self.foreign else []),
            *(self._extra_files() if self.settings["httpd_extra_config"] else []),
            *self._module_files(),
            *self._removed_files(),
        ]

    @cached_property
    def _environment(self) -> Any:
        return rendering.templates(ROLE)

    @cached_property
    def _values(self) -> dict[str, Any]:
        settings = self.settings
        overrides = {key: settings[f"httpd_{key}"] for key in sizing.SERVER_KEYS}
        sizes = sizing.sizes(self.host["cores"], self.host["memory_mebibytes"], (), overrides, self.mpm)
        return {
            **settings,
            "instance": self.instance,
            "logs": self.logs,
            "sizes": sizes,
            "mpm": self.mpm,
            "spare": "Servers" if self.mpm == sizing.PREFORK else "Threads",
            "client_limit": self._client_limit,
            "unlimited_clients": [network(str(entry)) for entry in settings["httpd_unlimited_clients"]],
            "stop_limits": stopping.stop_limits(settings["httpd_stop_timeout"]),
            "private_listener": self.listeners[-1]["directive"],
            "unknown_host_ports": self._unknown_host_ports(),
            "is_shared": bool(self.foreign),
            # Sites of others may write anywhere, and need anything.
            "hardening": [] if self.foreign else hardening.lines(settings, self.instance, self.applications),
            "library": LIBRARY,
            "for_root": private.requirement(self.instance),
            "log_writer": httpd_logs.WRITER,
            "status_directory_mode": STATUS_DIRECTORY_MODE,
            "socket_directory_mode": SOCKET_DIRECTORY_MODE,
        }

    @property
    def _client_limit(self) -> int | str:
        """Workers, or a part of all with a percent sign."""
        limit: int | None = self.settings["httpd_client_limit"]
        return CLIENT_LIMIT if limit is None else limit

    def _render(self, template: str, **values: Any) -> str:
        text: str = self._environment.get_template(template).render({**self._values, **values})
        return text

    def _unknown_host_ports(self) -> list[Any]:
        """The ports on which a vhost of ours answers for names that no site has."""
        taken = {*tls.ports(self.applications), *(vhost["port"] for vhost in self.foreign.get("vhosts", []))}
        ports = dict.fromkeys(listener["port"] for listener in self.listeners[:-1])
        return [port for port in ports if port not in taken]

    def _own_files(self) -> list[File]:
        return [
            {
                "path": "conf-available/modwsgi-httpd.conf",
                "content": self._render("modwsgi-httpd.conf.j2", scope="shared" if self.foreign else "server"),
            },
            {"path": "conf-enabled/modwsgi-httpd.conf", "link": "../conf-available/modwsgi-httpd.conf"},
            *self._size_files(),
            {"path": "sites-available/050-modwsgi-private.conf", "content": self._render("private.conf.j2")},
            {
                "path": "sites-enabled/050-modwsgi-private.conf",
                "link": "../sites-available/050-modwsgi-private.conf",
            },
            {"path": self.instance["private_include"], "directory": True},
        ]

    def _size_files(self) -> list[File]:
        """httpd cannot change its process limits while it runs, so they restart it.

        With a process for each connection, how many there may be depends on what the sites of others do in them.
        """
        if self.foreign and self.mpm == sizing.PREFORK and not self.settings["httpd_max_request_workers"]:
            return []
        name = "modwsgi-sizes.conf"
        return [
            {"path": f"conf-available/{name}", "content": self._render(f"{name}.j2"), "action": "restart"},
            {"path": f"conf-enabled/{name}", "link": f"../conf-available/{name}", "action": "restart"},
        ]

    def _alone_files(self) -> list[File]:
        """On a host of our own, all ports are ours."""
        content = self._render("ports.conf.j2", listeners=self.listeners)
        return [{"path": "ports.conf", "content": content, "adopt": True}]

    def _shared_files(self) -> list[File]:
        """Beside sites of others: our ports are added to theirs; our vhosts include what else is for the server."""
        added = httpd_foreign.uncovered(self.listeners, self.foreign, self.modules)
        return [
            {
                "path": "conf-available/modwsgi-ports.conf",
                "content": self._render("ports.conf.j2", listeners=added),
            },
            {"path": "conf-enabled/modwsgi-ports.conf", "link": "../conf-available/modwsgi-ports.conf"},
            {
                "path": "conf-available/modwsgi-vhosts.conf",
                "content": self._render("modwsgi-httpd.conf.j2", scope="vhosts"),
            },
        ]

    def _log_files(self) -> list[File]:
        programs = [
            # Takes the lines of the logs from httpd, as JSON or for the journal.
            {"path": httpd_logs.WRITER, "content": self.logs["writer"], "mode": "0755"},
            # Waits until they are written, after httpd has ended.
            _program("last_lines.py"),
        ]
        return [*(programs if self.logs["writer"] else []), *([] if self.foreign else self.logs["files"])]

    def _host_files(self) -> list[File]:
        """What a host has beyond that: more than one site, and a service manager."""
        instance, drop_in = self.instance, self.instance["unit_drop_in_directory"]
        return [
            {
                "path": "sites-available/050-modwsgi-unknown-host.conf",
                "content": self._render("unknown-host.conf.j2"),
            },
            {
                "path": "sites-enabled/050-modwsgi-unknown-host.conf",
                "link": "../sites-available/050-modwsgi-unknown-host.conf",
            },
            {
                "path": instance["temporary_files"],
                "content": self._render("tmpfiles.conf.j2"),
            },
            {"path": instance["socket_directory"], "directory": True, "mode": SOCKET_DIRECTORY_MODE},
            # What is not there when httpd starts stays read-only for it.
            {"path": STATE_ROOT, "directory": True},
            {
                "path": instance["status_directory"],
                "directory": True,
                "mode": STATUS_DIRECTORY_MODE,
                "group": instance["group"],
            },
            {
                "path": f"{LIBRARY}/httpd_status.py",
                "content": rendering.host_program("httpd/status.py"),
                "mode": "0755",
            },
            # Waits for the requests in flight when systemd stops the server.
            _program("drain.py"),
            # Ends child processes that a reload has left behind and that do not end.
            _program("reap.py"),
            # Puts right what a run has left that was killed, before httpd reads its configuration.
            {"path": f"{LIBRARY}/httpd_journal.py", "content": rendering.host_program("httpd/journal.py")},
            {
                "path": f"{instance['unit_directory']}/{instance['reaper_unit']}",
                "content": self._render("reap.service.j2"),
            },
            {"path": f"{drop_in}/modwsgi.conf", "content": self._render("unit.conf.j2")},
            *self._apparmor_files(),
            # Unlike the other settings of the unit, these are for the processes, so they take effect at a start.
            {
                "path": f"{drop_in}/modwsgi-hardening.conf",
                "content": self._render("unit-hardening.conf.j2"),
                "action": "restart",
            },
        ]

    def _apparmor_files(self) -> list[File]:
        """The profile, and what loads it before httpd starts; a process gets it when it starts.

        One that only logs is worth no restart, so it holds from the next start.
        """
        mode = apparmor.mode(self.settings, self.host)
        if mode == apparmor.OFF:
            return []
        complains = mode == apparmor.COMPLAIN
        values = apparmor.values(self.settings, self.instance, self.applications, self.python, complains)
        profile = self._render("apparmor.j2", **values)
        drop_in = self._render(
            "unit-apparmor.conf.j2",
            complains=complains,
            parser=host_apparmor.PARSER,
            digest=hashlib.sha256(profile.encode()).hexdigest()[:16],
        )
        action = {} if complains else {"action": "restart"}
        return [
            {"path": self.instance["apparmor_file"], "content": profile, **action},
            {
                "path": f"{self.instance['unit_drop_in_directory']}/modwsgi-apparmor.conf",
                "content": drop_in,
                **action,
            },
        ]

    def _rotation_files(self) -> list[File]:
        content = self._render("logrotate.conf.j2")
        return [{"path": self.instance["log_rotation"], "content": content, "adopt": True}]

    def _container_files(self) -> list[File]:
        """A container serves one application, whatever the name that a client asks for, and starts httpd itself."""
        return [
            {"path": self.instance["environment_file"], "content": self._render("envvars.j2"), "adopt": True},
        ]

    def _extra_files(self) -> list[File]:
        """By its name httpd reads it before ours, so that it cannot replace what we set."""
        content = self._render("modwsgi-extra.conf.j2")
        # In a container, httpd is not started by root.
        mode = {"mode": rendering.CLOSED} if self.instance["unit"] else {}
        return [
            {"path": "conf-available/modwsgi-extra.conf", "content": content, **mode},
            {"path": "conf-enabled/modwsgi-extra.conf", "link": "../conf-available/modwsgi-extra.conf"},
        ]

    def _module_files(self) -> list[File]:
        operators = self._modules_of_operator
        bare = [
            *WITHOUT_CONFIGURATION,
            *(name for name in WITHOUT_CONFIGURATION_FOR_SITES if name not in operators),
        ]
        # httpd loads one; the distribution enables mpm_event, and mod_php brings mpm_prefork.
        removed = [*self.settings["httpd_removed_modules"], *sizing.MPMS]
        return module_files(self.modules, removed, bare, self.foreign)

    def _removed_files(self) -> list[File]:
        """What the operator names beyond the distribution's own is to be gone, whoever's it is."""
        settings = self.settings
        configurations, sites = settings["httpd_removed_configurations"], settings["httpd_removed_sites"]
        if self.foreign:
            configurations, sites = _named_configurations(settings), _named_sites(settings)
        return [*removed_files(configurations, "conf"), *removed_files(sites, "sites")]


def _program(name: str) -> File:
    return {"path": f"{LIBRARY}/{name}", "content": rendering.role_file(ROLE, name), "mode": "0755"}
