# SPDX-License-Identifier: Apache-2.0
"""Sets of httpd configuration files that go live together, or not at all. Runs on the managed host."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign_answers, log_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import pending as httpd_pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import transaction as httpd_return
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import (
    ABSENT,
    CONTENT,
    Change,
    TransactionError,
    is_full,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.plan import Comparison
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.stage import Transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.log_files import LogFile
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import httpd_main_process

FILE_OPTIONS = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "link": {"type": "str"},
    "absent": {"type": "bool", "default": False},
    "directory": {"type": "bool", "default": False},
    "log": {"type": "bool", "default": False},
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "optional": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "action": {"type": "str", "choices": ["none", "reload", "restart"]},
    "sensitive": {"type": "bool", "default": False},
}


DISABLED = (
    ("sites-enabled", ".conf", "sites"),
    ("conf-enabled", ".conf", "configurations"),
    ("mods-enabled", ".load", "modules"),
)
"""What others have enabled, by folder."""
OURS = re.compile(r"(?:(?:\d+|zz)-)?modwsgi-")
"""Names of our own sites and configurations: of a site, visitors know its names and paths instead."""
SITE = re.compile(r"(?:000-modwsgi-default|100-modwsgi|zz-modwsgi)-(.+)\.conf")
"""Our files of sites in `sites-available`; no visitor reaches the vhosts of our other files there."""
NAME = re.compile(r'^ *Server(?:Name|Alias) "?([^"\n]+)"?$', re.MULTILINE)
PATH = re.compile(r'^ *WSGIScriptAlias ("(?:\\.|[^"\\])*"|\S+) ', re.MULTILINE)


def failure(error: OSError) -> str:
    """One sentence about an error that kept the files from going live."""
    remedy = "make room" if is_full(error) else "become root, or correct the host"
    return f"The configuration cannot be put in place, and nothing was changed: {error}; {remedy}, then run again."


def sensitive(encoded: str | None, group: str) -> list[dict[str, Any]]:
    """Files of root's that httpd's group may read; ``encoded`` has ``path`` and ``content`` of each, JSON in Base64."""
    listed = json.loads(base64.b64decode(encoded)) if encoded else []
    return [
        {"path": entry["path"], "content": entry["content"], "mode": "0640", "group": group, "sensitive": True}
        for entry in listed
    ]


class Left(Protocol):
    """What a run leaves as it is, although its sets of files say otherwise."""

    def stays(self, path: str) -> bool:
        """Whether a file is of that kind."""

    def problem(self, paths: Iterable[str]) -> str:
        """Why these files cannot be left, in a sentence; empty when they can."""

    def waiting(self, paths: Iterable[str]) -> list[str]:
        """What an operator should know of these files, which are left."""


def run(
    described: Mapping[str, str],
    given: dict[str, list[dict[str, Any]]],
    foreign: dict[str, Any],
    check_mode: bool,
    left: Left | None = None,
) -> dict[str, Any]:
    """Put the ``given`` complete sets of files, by owner, live; what the module returns, and ``noticeable``.

    ``foreign`` is what is known of the sites of others; ``noticeable`` what visitors may notice of the change, and what
    is ``left``. Raises TransactionError, JournalError, ControlError, OSError.
    """
    sets, logs = log_files.separate(given)
    logs = [log for log in logs if not (left and left.stays(log["path"]))]
    options: dict[str, Any] = {"foreign": foreign.get("files", []), **({"stays": left.stays} if left else {})}
    if check_mode:
        transaction = Transaction(described, sets, predict=True, **options)
        return _result(transaction, log_files.to_mend(logs, predict=True), left)
    with locked(described["state_directory"]):
        httpd_return.recover(described)
        transaction = Transaction(described, sets, predict=False, **options)
        mended = log_files.to_mend(logs)
        result = _result(transaction, mended, left)
        _go_live(transaction, foreign.get("vhosts", []), mended)
    return {**result, "unproven": transaction.journal.open}


def test(described: Mapping[str, str], given: dict[str, list[dict[str, Any]]], foreign: dict[str, Any]) -> None:
    """Let httpd test complete sets of files, of which nothing goes live. Raises as `run` does, where that would."""
    sets, _ = log_files.separate(given)
    transaction = Transaction(described, sets, predict=False, foreign=foreign.get("files", []))
    if transaction.changes:
        transaction.test()


def _result(transaction: Transaction, logs: list[LogFile], left: Left | None) -> dict[str, Any]:
    paths = [change.path for change in transaction.left]
    problem = left.problem(paths) if left else ""
    if problem:
        raise TransactionError(f"Nothing was changed: {problem}")
    pending = httpd_pending.read(transaction.instance)
    return {
        "changed": bool(transaction.changes or logs) or pending != httpd_pending.NONE,
        "action": httpd_pending.strongest(transaction.action, pending),
        "changes": [change.describe() for change in transaction.changes] + [log.describe() for log in logs],
        "diff": transaction.diff(),
        "unproven": bool(transaction.changes) or transaction.journal.open,
        "noticeable": noticeable(transaction) + restart_notice(transaction) + (left.waiting(paths) if left else []),
    }


def noticeable(transaction: Transaction) -> list[str]:
    """What visitors of a server that runs may notice of the change, in sentences: what it takes away."""
    if not transaction.changes or httpd_main_process(transaction.instance) is None:
        return []
    gone = [change for change in transaction.changes if change.desired.kind == ABSENT and not change.original]
    sentences = []
    for folder, suffix, what in DISABLED:
        paths = (Path(change.path) for change in gone)
        names = {path.stem for path in paths if path.parent.name == folder and path.suffix == suffix}
        names = {name for name in names if not OURS.match(name)}
        if any(path.endswith("/mods-enabled/modwsgi.load") for path in transaction.desired):
            names.discard("wsgi")  # ours takes its place
        if names:
            sentences.append(f"httpd runs, and these {what} are disabled by this change: {', '.join(sorted(names))}.")
    unserved = _unserved(transaction)
    if unserved:
        further = f" and {len(unserved) - 10} more" if len(unserved) > 10 else ""
        sentences.append(f"httpd runs, and no longer serves {', '.join(unserved[:10])}{further} after this change.")
    stay = (path for path, desired in transaction.desired.items() if desired.kind != ABSENT)
    removed = _site_names(change.path for change in gone) - _site_names(stay)
    if removed:
        sentences.append(
            f"Of {', '.join(sorted(removed))} the site is removed, and code, account, data and logs stay "
            "(docs/operating.md#remove-an-application)."
        )
    lost = [port for change in transaction.changes for port in _ports_lost(change)]
    if lost:
        sentences.append(f"httpd runs, and no longer listens on {', '.join(lost)} after this change (httpd_listen).")
    return sentences


def _unserved(transaction: Comparison) -> list[str]:
    """Names with their ports, and paths of applications, that sites of ours have now and will not have."""
    sites = [change for change in transaction.changes if _is_site(change.path)]
    wanted = [desired.content for desired in transaction.desired.values() if _is_site(desired.path)]
    kept: set[tuple[str, str]] = set().union(*map(_served, wanted))
    lost = set().union(*(_served(change.found.content) for change in sites)) - kept
    # Paths of a name that goes need not be told, and a name without paths leads to another site.
    names = {name for name, place in kept if place.startswith("/")}
    return sorted(name + place for name, place in lost if place.startswith(":") or name in names)


def _site_names(paths: Iterable[str]) -> set[str]:
    return {found[1] for path in paths if _is_site(path) and (found := SITE.fullmatch(Path(path).name))}


def _is_site(path: str) -> bool:
    return Path(path).parent.name == "sites-available" and bool(SITE.fullmatch(Path(path).name))


def _served(content: bytes) -> set[tuple[str, str]]:
    """Each name of the vhosts in a file with ":PORT" and, where applications are, with their paths."""
    found: set[tuple[str, str]] = set()
    # A vhost ends where the next begins: lines in between are nobody's.
    for vhost in re.split(r"^<VirtualHost ", content.decode(errors="replace"), flags=re.MULTILINE)[1:]:
        listen, _, body = vhost.partition(">\n")
        ports = [f":{address.rpartition(':')[2]}" for address in listen.split()]
        paths = [path.strip('"') for path in PATH.findall(body)]
        found |= {(name, place) for name in NAME.findall(body) for place in (*ports, *paths)}
    return found


def restart_notice(comparison: Comparison) -> list[str]:
    """Why a server that runs is restarted for the change, in a sentence; nothing where a reload does."""
    needing = [change for change in comparison.changes if change.desired.action == httpd_pending.RESTART]
    # Of a file and the link that enables it, one name.
    changed = list(dict.fromkeys(Path(change.path).name for change in needing))
    if not changed or httpd_main_process(comparison.instance) is None:
        return []
    further = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return [
        f"httpd runs, and this change restarts it, since it reads {', '.join(changed[:3])}{further} only when it "
        "starts: requests in flight are finished, and those that come within the next seconds wait or are refused "
        "(docs/operating.md#changes-that-restart-httpd)."
    ]


def _ports_lost(change: Change) -> list[str]:
    if Path(change.path).name != "ports.conf" or change.desired.kind != CONTENT:
        return []
    return [port for port in _listens(change.found.content) if port not in _listens(change.desired.content)]


def _listens(content: bytes) -> list[str]:
    """Where a ports.conf listens whatever is loaded."""
    return re.findall(r"^Listen[ \t]+(\S+)", content.decode(errors="replace"), re.IGNORECASE | re.MULTILINE)


def _go_live(transaction: Transaction, vhosts: list[dict[str, Any]], logs: list[LogFile]) -> None:
    if transaction.changes:
        transaction.test()
    for log in logs:  # before httpd opens them
        log.mend()
    if not transaction.changes:
        transaction.save_manifests()
        return
    answers = foreign_answers.ask(vhosts)
    httpd_return.begin(transaction.instance)
    if answers:
        transaction.journal.mark(foreign_answers.MARK, {"answers": answers})
    httpd_pending.add(transaction.instance, transaction.action)
    try:
        transaction.apply()
    except BaseException:
        httpd_return.forget_unless_steps(transaction.instance)
        raise
