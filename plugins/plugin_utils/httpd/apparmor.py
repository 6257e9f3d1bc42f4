# SPDX-License-Identifier: Apache-2.0
"""The AppArmor profile of httpd's unit: what it says, from the inventory, and what contradicts it. On the control node.

It adds to the measures of systemd (``hardening``): nothing is run or loaded as code from where applications can write,
what they have no use for cannot be read, and all of it holds for setuid programs, too, which keep the profile.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import CODE_ROOT
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import hardening

AUTO, OFF, COMPLAIN, ENFORCE = "auto", "off", apparmor.COMPLAIN, apparmor.ENFORCE
"""What ``httpd_apparmor`` can be. In complain mode the kernel only logs what it would refuse."""

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", CODE_ROOT)
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the service's own, or as the modes of files say
SPECIAL = re.compile(r'([\\"*?\[\]{}^@])')
PACKAGE = "apparmor"


def is_asked_for(settings: Mapping[str, Any]) -> bool:
    """Whether the operator wants a profile; ``settings`` are the variables of the role httpd."""
    return settings["httpd_apparmor"] in (COMPLAIN, ENFORCE)


def mode(settings: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    """In which mode the host has a profile, or "off". ``host`` is the fact ``httpd_host``.

    Where the operator says nothing, it has one that only logs, as far as nothing is installed or replaced for that.
    """
    if settings["httpd_apparmor"] != AUTO:
        return str(settings["httpd_apparmor"])
    return COMPLAIN if _is_possible(host) and host.get("apparmor_ready") and not host.get("foreign") else OFF


def _is_possible(host: Mapping[str, Any]) -> bool:
    return host["service_manager"] == "systemd" and bool(host.get("apparmor"))


def values(
    settings: Mapping[str, Any],
    instance: Mapping[str, str],
    applications: Sequence[Mapping[str, Any]],
    python: str,
    complains: bool,
) -> dict[str, Any]:
    """What the template lays out. ``python`` is ``mod_wsgi_python``: a version, or a path."""
    chroots = [str(options["chroot"]) for options in hardening.options(applications) if options.get("chroot")]
    own_python = [os.path.dirname(os.path.dirname(python))] if python.startswith("/") else []
    named = [path for _, path in hardening.paths(applications) if path.startswith("/")]
    programs = list(dict.fromkeys([*PROGRAMS, *own_python, *chroots]))
    writable = list(dict.fromkeys([*hardening.writable(settings, instance, applications), *TEMPORARY]))
    readable = dict.fromkeys([instance["state_directory"], instance["server_root"], *named])
    return {
        "profile": instance["apparmor_profile"],
        "flags": ["attach_disconnected", *([COMPLAIN] if complains else [])],
        "capabilities": [name.removeprefix("CAP_").lower() for name in hardening.capabilities(settings, applications)],
        "programs": [below(path) for path in programs],
        "readable": [below(path) for path in readable],
        "writable": [below(path) for path in writable],
        "rules": list(settings["httpd_apparmor_rules"]),
    }


def below(path: str) -> str:
    """A pattern for a path and all below it; no character of the path means anything else."""
    plain = path.rstrip("/")
    return f"{plain}{{,/**}}" if hardening.PLAIN_PATH.fullmatch(plain) else f'"{SPECIAL.sub(_escaped, plain)}{{,/**}}"'


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[1]


def problems(settings: Mapping[str, Any], host: Mapping[str, Any], name: str) -> list[str]:
    """What contradicts the profile, one sentence each. ``host`` is the fact ``httpd_host``, ``name`` its name."""
    wanted = settings["httpd_apparmor"]
    if wanted == OFF:
        return []
    found = [
        f"httpd_apparmor_rules of host {name} has {rule!r}, which is no rule on one line; write it like "
        "'/srv/tools/** mrix,', with the comma."
        for rule in settings["httpd_apparmor_rules"]
        if not is_rule(str(rule))
    ]
    if wanted == AUTO:
        return found
    if not _is_possible(host):
        found.append(
            f"httpd_apparmor of host {name} is {wanted}, and no AppArmor is active there (systemd, and a kernel that "
            "was started with it); set it to auto for that host."
        )
    if host.get("foreign"):
        found.append(
            f"httpd_apparmor of host {name} is {wanted}, which would hold for the sites of others, too; set it to auto."
        )
    return found


def is_rule(text: str) -> bool:
    """Whether a text is one rule and ends neither the profile nor the line."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0 or not character.isprintable() or character == "#":
            return False
    return depth == 0 and text.endswith(",") and text.strip() == text and len(text) > 1
