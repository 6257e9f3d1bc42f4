# SPDX-License-Identifier: Apache-2.0
"""Items about packages and the kernel."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor as kernel
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import control, effective, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    NOT_APPLICABLE,
    TO_JUDGE,
    Judgement,
    judged,
    shown,
)

OLD_LISTS_DAYS = 7
"""Package lists that are older say nothing of what is there now."""
SELINUX = Path("/sys/fs/selinux/enforce")
SANDBOX = ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "NoNewPrivileges", "LimitCORE")


def patched(_host: Effective, packages: list[str]) -> Judgement:
    """The sources of the host offer nothing newer."""
    found = effective.candidates(*packages)
    age = effective.days_since("/var/lib/apt/lists")
    if not found or age > OLD_LISTS_DAYS:
        return Judgement(TO_JUDGE, f"the package lists are {age:.0f} days old; run apt-get update")
    old = [f"{name} {now} ({new} is there)" for name, (now, new) in found.items() if now != new]
    return judged(not old, shown(old) if old else shown(f"{name} {now}" for name, (now, _) in found.items()))


def from_distribution(host: Effective) -> Judgement:
    """httpd's program belongs to a package of the distribution."""
    found = control.run_command(["dpkg-query", "--search", host.described["binary"]], effective.COMMAND_SECONDS)
    version = control.run_command([host.described["binary"], "-v"], effective.COMMAND_SECONDS).output.splitlines()
    return judged(found.status == 0, f"{found.output.partition(':')[0].strip()}: {version[0] if version else ''}")


def selinux(_host: Effective) -> Judgement:
    """SELinux enforces, where the kernel has it."""
    if not SELINUX.exists():
        return Judgement(NOT_APPLICABLE, "the kernel has no SELinux; the distribution has AppArmor instead")
    enforces = SELINUX.read_text(encoding="ascii").strip()
    return judged(enforces == "1", f"{SELINUX}: {enforces}")


def apparmor(host: Effective) -> Judgement:
    """AppArmor is on."""
    on = kernel.is_on()
    return judged(on, f"AppArmor is {'on' if on else 'off, or not in this kernel'}; {_sandbox(host)}")


def apparmor_profile(host: Effective) -> Judgement:
    """httpd runs with a profile that is enforced."""
    main = processes.httpd_main_process(host.described)
    label = kernel.label(main.pid) if main else "does not run"
    told = ", so its profile only logs" if label.endswith(f"({kernel.COMPLAIN})") else ""
    return judged(label.endswith(f"({kernel.ENFORCE})"), f"httpd: {label}{told}; {_sandbox(host)}")


def _sandbox(host: Effective) -> str:
    found = host.unit(*SANDBOX)
    return "systemd: " + (shown(f"{name}={value}" for name, value in found.items()) if found else "does not run it")
