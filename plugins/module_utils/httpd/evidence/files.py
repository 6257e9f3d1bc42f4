# SPDX-License-Identifier: Apache-2.0
"""Items about accounts, owners and modes."""

from __future__ import annotations

import os
import re
import stat

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    MET,
    NOT_APPLICABLE,
    Judgement,
    judged,
    no_tls,
    shown,
)

NO_LOGIN = ("nologin", "false")
HTPASSWD = "/usr/bin/htpasswd"


def unprivileged(host: Effective) -> Judgement:
    """httpd's children do not run as root, but as an account of the system."""
    user, uids = host.user(), host.child_uids()
    met = user not in {"", "root"} and all(uid > 0 for uid in uids)
    return judged(met and bool(uids), f"User {user}; its children have the uids {shown(sorted(uids))}")


def no_shell(host: Effective) -> Judgement:
    """The account cannot log in with a shell."""
    shell, _ = effective.login(host.user())
    return judged(os.path.basename(shell) in NO_LOGIN, f"the shell of {host.user()} is {shell or 'unknown'}")


def locked(host: Effective) -> Judgement:
    """The account has no password."""
    _, password = effective.login(host.user())
    return judged(password[:1] in {"!", "*"}, f"the password of {host.user()} is {'locked' if password else 'unknown'}")


def owned(host: Effective, by: str) -> Judgement:
    """httpd's configuration, programs and modules belong to the ``user`` or ``group`` root."""
    looked = list(effective.paths_below(host.program_paths()))
    found = [each.path for each in looked if (each.uid if by == "user" else each.gid) != 0]
    return judged(bool(looked) and not found, _paths(found, len(looked), f"whose {by} is not root"))


def closed(host: Effective, to: str, what: str) -> Judgement:
    """``others`` or a ``group`` other than root's cannot write to the ``server``, or to what is ``published``."""
    looked = list(effective.paths_below({"server": host.program_paths, "published": host.published}[what]()))
    if not looked:
        return Judgement(NOT_APPLICABLE, "there is no such folder")
    bit = stat.S_IWOTH if to == "others" else stat.S_IWGRP
    writable = [each for each in looked if each.mode & bit and not each.mode & stat.S_ISVTX]
    found = [each.path for each in writable if to == "others" or each.gid != 0]
    return judged(not found, _paths(found, len(looked), f"to which {to} can write"))


def _paths(found: list[str], count: int, wrong: str) -> str:
    return f"{count} files and folders, {len(found)} {wrong}" + (f": {shown(found)}" if found else "")


def private_logs(host: Effective, by: str) -> Judgement:
    """Logs can be read (``reading``) and written (``writing``) by root and a group of administrators alone."""
    refused = 0o007 if by == "reading" else 0o022
    logs = list(effective.paths_below(host.log_paths()))
    if not logs:
        return Judgement(NOT_APPLICABLE, "httpd writes no log file itself")
    found = [f"{each.path} ({each.mode:04o})" for each in logs if each.mode & refused or each.uid != 0]
    return judged(not found, _paths(found, len(logs), "that others can open" if by == "reading" else "of others"))


def private_keys(host: Effective) -> Judgement:
    """Keys belong to root, and nobody else can read them."""
    paths = [path for path in host.key_files() if os.path.exists(path)]
    if not paths:
        return no_tls()
    found = [path for path in paths if os.stat(path).st_uid != 0 or os.stat(path).st_mode & 0o077]
    return judged(not found, _paths(found, len(paths), "that others than root can read"))


def private_folder(host: Effective, what: str) -> Judgement:
    """The folder of the ``pid`` file, of ``locks`` or of ``cores`` is root's, and published nowhere."""
    folders = {
        "pid": os.path.dirname(host.described["pid_file"]),
        "locks": _lock_folder(host),
        "cores": _core_folder(host),
    }
    folder = folders[what]
    if not folder:
        return Judgement(MET, {"locks": "locks are no files", "cores": "no CoreDumpDirectory"}.get(what, ""))
    found = os.stat(folder)
    published = any(f"{folder}/".startswith(f"{path}/") for path in host.published())
    private = found.st_uid == 0 and not stat.S_IMODE(found.st_mode) & (stat.S_IWOTH | stat.S_IWGRP)
    return judged(private and not published, f"{folder}: uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}")


def _lock_folder(host: Effective) -> str:
    found = re.search(r'^Mutex default: dir="([^"]*)"', host.httpd("DUMP_RUN_CFG"), re.MULTILINE)
    return found[1].rstrip("/") if found else ""


def _core_folder(host: Effective) -> str:
    found = host.everywhere("coredumpdirectory")
    return found[-1].arguments[0] if found and found[-1].arguments else ""


def pid_file(host: Effective) -> Judgement:
    """Only root can write the number of the process that a stop ends."""
    found = os.stat(host.described["pid_file"])
    met = found.st_uid == 0 and not found.st_mode & 0o022
    folder = private_folder(host, "pid")
    return judged(
        met and folder.status == MET,
        f"{host.described['pid_file']}: uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}; {folder.fact}",
    )


def passwords(_host: Effective) -> Judgement:
    """Where the program htpasswd is, only administrators can run it."""
    if not os.path.exists(HTPASSWD):
        return Judgement(NOT_APPLICABLE, "the program htpasswd is not installed")
    mode = stat.S_IMODE(os.stat(HTPASSWD).st_mode)
    return judged(not mode & ~0o550, f"{HTPASSWD} has the mode {mode:04o}; at most 0550")


def separate_partition(host: Effective) -> Judgement:
    """What httpd serves itself is on another file system than its programs."""
    paths = host.published()
    if not paths:
        return Judgement(NOT_APPLICABLE, "httpd serves no files")
    system = os.stat(host.described["binary"]).st_dev
    same = [path for path in paths if os.stat(path).st_dev == system]
    return judged(not same, f"on the file system of {host.described['binary']}: {shown(same)}")
