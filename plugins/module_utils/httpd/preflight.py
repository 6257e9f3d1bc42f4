# SPDX-License-Identifier: Apache-2.0
"""What the roles need to know about a host, read once and without a change."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils import apt, distributions
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import SYSTEMD, service_manager
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import (
    children,
    httpd_main_process,
    listening_sockets,
    pids,
    program_name,
    sockets_of,
)

MEBIBYTE = 1024 * 1024
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
"""Of the unified hierarchy; elsewhere there is no such file."""
NEEDED_CONTROLLERS = frozenset({"cpu", "memory", "pids"})
UNPRIVILEGED_PORT_START = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


class HostError(Exception):
    """A host that cannot become what is asked for; the text is for the user."""


def distribution(os_release: str, host: str) -> dict[str, str]:
    """The part of the fact ``httpd_host`` that the text of /etc/os-release tells.

    Raises HostError when the distribution is not supported.
    """
    try:
        found = distributions.identify(os_release)
    except distributions.UnsupportedDistributionError as error:
        raise HostError(f"{host} {error}") from None
    return {
        "distribution": found.family,
        "codename": found.codename,
        "release": found.release,
        "python_version": found.python,
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def memory_mebibytes() -> int:
    """The memory of the host, or of the control group that bounds it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    return min(total, int(limit) if limit.isdigit() else total) // MEBIBYTE


def has_control_groups(manager: str, controllers: Path = CONTROLLERS) -> bool:
    """Whether systemd, where ``manager`` is that, can give applications control groups with limits of their own."""
    try:
        found = controllers.read_text(encoding="ascii").split()
    except OSError:
        return False
    return manager == SYSTEMD and NEEDED_CONTROLLERS.issubset(found)


def describe(host: str) -> dict[str, Any]:
    """The host as the fact ``httpd_host`` has it. Raises HostError when its distribution is not supported."""
    text, manager = Path("/etc/os-release").read_text(encoding="utf-8"), service_manager()
    return {
        **distribution(text, host),
        "architecture": platform.machine(),
        "service_manager": manager,
        "control_groups": has_control_groups(manager),
        "apparmor": apparmor.takes_profiles(),
        "cores": cores(),
        "memory_mebibytes": memory_mebibytes(),
    }


def missing_packages(names: Iterable[str]) -> list[str]:
    """Which packages are not installed."""
    names = list(names)
    found = apt.provided(*names) if names else {}
    return [name for name in names if name not in found]


def refuse_taken_ports(instance: Mapping[str, str], wanted: Iterable[Listener], host: str) -> None:
    """Raises HostError when another program than this instance listens where httpd is to listen."""
    listening = listening_sockets()
    taken = {inode: (mine, theirs) for inode, theirs in listening.items() for mine in wanted if mine.overlaps(theirs)}
    main = httpd_main_process(instance)
    ours = {main.pid, *(child.pid for child in children(main.pid))} if main else set()
    for pid in ours:
        for inode in sockets_of(pid) or ():
            taken.pop(inode, None)
    if not taken:
        return
    inode, (mine, _) = min(taken.items())
    raise HostError(
        f"Port {mine.port} of {host} is in use by {_holder(inode)}, so httpd cannot listen on {mine.directive}; "
        "stop that program, or choose another port (httpd_listen, httpd_private_port)."
    )


def unprivileged_port_warning(port: int, host: str, setting: Path = UNPRIVILEGED_PORT_START) -> str:
    """What to say when the kernel of the host lets any account listen on the private port; empty when it does not."""
    try:
        first = int(setting.read_text(encoding="ascii"))
    except (OSError, ValueError):  # before Linux 4.11 it is always 1024
        return ""
    if port < first:
        return ""
    advice = f" or set httpd_private_port below {first}" if first > 1 else ""
    return (
        f"Any account of {host} can listen on port {port} (httpd_private_port) while httpd is down, and the probe "
        f"would believe it, since net.ipv4.ip_unprivileged_port_start is {first} there; set that to 1024 in "
        f"/etc/sysctl.d (for a container, where it is started){advice}."
    )


def _holder(inode: int) -> str:
    for pid in sorted(pids()):
        if inode in (sockets_of(pid) or ()):
            return f"{program_name(pid)} (pid {pid})"
    return "a program that cannot be named from here"
