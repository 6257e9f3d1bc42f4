# SPDX-License-Identifier: Apache-2.0
"""What systemd keeps httpd and the applications in it from: one row for each measure. Runs on the control node.

`systemd-analyze security` gives a unit of the distribution 9.2, and 2.9 with all of it (systemd 252, 2026-11). What is
left belongs to a web server that starts as root, has the network, and gives each application an account of its own.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import HOMES, STATE_ROOT


class Measure(NamedTuple):
    """A directive of systemd.exec(5)."""

    directive: str
    value: str


PROTECT_SYSTEM, PROTECT_HOME = "ProtectSystem", "ProtectHome"
CAPABILITIES, SYSTEM_CALLS = "CapabilityBoundingSet", "SystemCallFilter"

MEASURES = (
    Measure(PROTECT_SYSTEM, "strict"),
    Measure(PROTECT_HOME, "yes"),
    Measure("PrivateDevices", "yes"),
    Measure("PrivateTmp", "yes"),
    Measure("ProtectProc", "invisible"),
    Measure("ProtectKernelTunables", "yes"),
    Measure("ProtectKernelModules", "yes"),
    Measure("ProtectKernelLogs", "yes"),
    Measure("ProtectControlGroups", "yes"),
    Measure("ProtectClock", "yes"),
    Measure("ProtectHostname", "yes"),
    # AF_NETLINK: getaddrinfo() asks the kernel for its addresses, and drain.py for connections.
    Measure("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    Measure("RestrictNamespaces", "yes"),
    Measure("RestrictRealtime", "yes"),
    Measure("RestrictSUIDSGID", "yes"),
    Measure("LockPersonality", "yes"),
    Measure("SystemCallArchitectures", "native"),
    Measure(SYSTEM_CALLS, "@system-service"),
    # httpd: its port, its logs, the accounts of daemon processes, and signals to these. The rest is what programs need
    # that change their account when an application runs them.
    Measure(
        CAPABILITIES,
        "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE CAP_SETGID "
        "CAP_SETUID",
    ),
)
"""What each answers, what it takes from applications, and what it costs: docs/security.md#the-service."""

DIRECTIVES = tuple(measure.directive for measure in MEASURES)

FILES = (
    *("directory", "file", "certificate", "key", "acme_challenge_directory", "page", "user_file", "chroot"),
    *("newrelic_config_file", "python_eggs"),
)
"""Keys of an application, wherever they stand, whose value is a path of the host; others begin with / and are URLs'."""
CAPABILITY = re.compile(r"CAP_[A-Z_]+")
SYSTEM_CALL = re.compile(r"@?[a-z][a-z0-9_-]*")
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+@/-]*")
"""What systemd takes as it is: nothing of it is a quote, a blank or a specifier."""


def lines(
    settings: Mapping[str, Any], instance: Mapping[str, str], applications: Sequence[Mapping[str, Any]]
) -> list[str]:
    """The directives of the unit; none where the operator wants none of them."""
    if not settings["httpd_hardening"]:
        return []
    wanted = [measure for measure in MEASURES if measure.directive not in settings["httpd_hardening_disabled"]]
    found = [line for measure in wanted for line in _lines_of(measure, settings, instance, applications)]
    if not settings["httpd_setuid_programs"]:
        found.append("NoNewPrivileges=yes")
    return found


def _lines_of(
    measure: Measure,
    settings: Mapping[str, Any],
    instance: Mapping[str, str],
    applications: Sequence[Mapping[str, Any]],
) -> list[str]:
    directive, value = measure
    if directive == PROTECT_SYSTEM:
        # -: a folder that is not there keeps httpd from nothing.
        folders = " ".join(f"-{path}" for path in writable(settings, instance, applications))
        return [f"{directive}={value}", f"ReadWritePaths={folders}"]
    if directive == CAPABILITIES:
        return [f"{directive}={' '.join(capabilities(settings, applications))}"]
    if directive == SYSTEM_CALLS:
        # EPERM: a program that tries one hears "Operation not permitted", and is not ended.
        chroot = any(each.get("chroot") for each in options(applications))
        calls = [*(["chroot"] if chroot else []), *settings["httpd_system_calls"]]
        return [f"{directive}={' '.join([value, *dict.fromkeys(calls)])}", "SystemCallErrorNumber=EPERM"]
    return [f"{directive}={value}"]


def capabilities(settings: Mapping[str, Any], applications: Sequence[Mapping[str, Any]]) -> list[str]:
    """The capabilities that httpd and the applications may have."""
    found = list(options(applications))
    chroot = ["CAP_SYS_CHROOT"] if any(each.get("chroot") for each in found) else []
    nicer = ["CAP_SYS_NICE"] if any(int(each.get("cpu_priority") or 0) < 0 for each in found) else []
    ordinary = dict(MEASURES)[CAPABILITIES].split()
    return list(dict.fromkeys([*ordinary, *chroot, *nicer, *settings["httpd_capabilities"]]))


def options(applications: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The options of all daemon process groups, two of which need a right of their own."""
    for application in applications:
        for group in (application, *(application.get("daemon_groups") or [])):
            yield group.get("daemon_options") or {}


def writable(
    settings: Mapping[str, Any], instance: Mapping[str, str], applications: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Where httpd and applications may write, as far as the modes of files let them; also each /tmp of theirs."""
    with_acme = any((application.get("tls") or {}).get("acme") for application in applications)
    return [
        "/run",
        instance["log_directory"],
        STATE_ROOT,
        f"/var/cache/{instance['name']}",
        # mod_md makes its folder in there when httpd starts.
        *([instance["state_directory"]] if with_acme else []),
        *settings["httpd_writable_paths"],
    ]


def problems(
    settings: Mapping[str, Any], applications: Sequence[Mapping[str, Any]], python: str, host: str
) -> list[str]:
    """What contradicts the measures, one sentence each."""
    found = [
        f"{key} of host {host} has {value!r}, which systemd would not take; write it like {example}."
        for key, (fits, example) in FORMS.items()
        for value in settings[key]
        if not fits(value)
    ]
    if not settings["httpd_hardening"] or PROTECT_HOME in settings["httpd_hardening_disabled"]:
        return found
    hidden = list(_in_homes(applications))
    if _is_in_home(python):
        hidden.append(("mod_wsgi_python", python))
    return found + [
        f"{where}: httpd of host {host} sees nothing of {', '.join(HOMES[:-1])} and {HOMES[-1]}, and so nothing of "
        f"{path}; choose another place, or name {PROTECT_HOME} in httpd_hardening_disabled."
        for where, path in hidden
    ]


def _is_folder(path: str) -> bool:
    return bool(PLAIN_PATH.fullmatch(path)) and path != "/" and os.path.normpath(path) == path.rstrip("/")


FORMS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "httpd_hardening_disabled": (DIRECTIVES.__contains__, PROTECT_HOME),
    "httpd_writable_paths": (_is_folder, "/srv/uploads"),
    "httpd_capabilities": (CAPABILITY.fullmatch, "CAP_NET_RAW"),
    "httpd_system_calls": (SYSTEM_CALL.fullmatch, "@debug"),
}
"""For each list: what a value has to be, and an example of it."""


def _is_in_home(path: Any) -> bool:
    return isinstance(path, str) and any(path == home or path.startswith(f"{home}/") for home in HOMES)


def _in_homes(applications: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What httpd or a daemon process is to open in a home, by the key; the source is read without httpd."""
    return ((where, path) for where, path in paths(applications) if _is_in_home(path))


def paths(applications: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The files and folders that the keys of applications name, each with where it stands."""
    for application in applications:
        rest = {key: value for key, value in application.items() if key not in ("source", "environment")}
        for key, path in _texts(rest):
            if key.rpartition(".")[2] in FILES:
                yield f"wsgi_apps: application {application['name']!r}, key {key}", path


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a value, by where it stands: ``static[0].directory``."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _texts(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, f"{key}[{index}]")
