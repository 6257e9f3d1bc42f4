# SPDX-License-Identifier: Apache-2.0
"""One application's deployment on the managed host: what is wanted, what is in use, and the record of it.

A deployment is a release, a virtual environment, environment variables and the way in which the script is loaded. The
record (deployment.json in the application's folder, readable by root only) says which one was switched to last,
and which daemon processes still ran an earlier one at that moment.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import tempfile
from typing import Any

PARTS = ("release", "venv", "environment", "commands", "application", "launcher")
"""What a deployment consists of; a change of any part makes it a new one."""

COMMAND_PARTS = ("release", "venv", "environment", "commands")
"""Parts whose change makes the release commands run again."""

APPLICATION_KEYS = (
    "name",
    "user",
    "group",
    "script",
    "callable",
    "python_path",
    "server_name",
    "static",
    "static_root",
    "lang",
    "locale",
    "debug",
    "startup_timeouts",
    "max_tasks",
    "max_open_files",
    "memory_max",
    "cpu_weight",
    "control_group",
)
"""What the launcher, wsgi-run and wsgi-debug need to know of an application; none of it is secret."""

HISTORY_LENGTH = 100

COMPLETE = ".complete"
"""In a virtual environment that is whole."""


def decode_environments(encoded: str) -> dict[str, dict[str, str]]:
    """The environment variables of all applications, from base64-encoded JSON.

    They travel as one opaque string, because Ansible hides the value of a secret option wherever it occurs in a
    message: hiding each single value would blot every "1" out of all messages once one variable is "1".

    Raises ValueError when the text is not that.
    """
    try:
        decoded = json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("The option environments must be base64-encoded JSON.") from error
    if not isinstance(decoded, dict):
        raise ValueError("The option environments must be base64-encoded JSON of a mapping.")
    return decoded


def fingerprint(value: object) -> str:
    """A digest of any JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def application_file(application: dict[str, Any]) -> dict[str, Any]:
    """The content of application.json."""
    paths = application["paths"]
    return {
        **{key: application[key] for key in APPLICATION_KEYS},
        # For nobody to read: so other ones are a change, after which a way back knows them. Not in earlier records.
        **({"rollback_commands": commands} if (commands := application.get("rollback_commands")) else {}),
        "state": paths["state"],
        "current": paths["current"],
        "venv": paths["venv"],
    }


def wanted(
    application: dict[str, Any], variables: dict[str, str], release: str, venv: str, launcher: str
) -> dict[str, str]:
    """The deployment that the play asks for. `launcher` is a digest of launcher.py."""
    return {
        "release": release,
        "venv": venv,
        "environment": fingerprint(variables),
        "commands": fingerprint([application["release_commands"], application["static_root"]]),
        "application": fingerprint(application_file(application)),
        "launcher": launcher,
    }


def is_complete(path: str) -> bool:
    """Whether a virtual environment is whole, and not one that is just being made, whatever is in it."""
    try:
        return os.lstat(path).st_uid == os.geteuid() and os.path.lexists(os.path.join(path, COMPLETE))
    except FileNotFoundError:
        return False


def read_record(path: str) -> dict[str, Any]:
    """The record; empty when there is none or it is damaged, which makes the next run deploy again."""
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def differing(deployment: dict[str, str], record: dict[str, Any], parts: tuple[str, ...] = PARTS) -> list[str]:
    """The parts in which the wanted deployment is not the recorded one."""
    return [part for part in parts if deployment[part] != record.get(part)]


def new_record(deployment: dict[str, str], record: dict[str, Any], stale: list[list[int]]) -> dict[str, Any]:
    """The record after a switch. `stale` are the daemon processes, as [pid, start time], to be replaced."""
    pair = {"release": deployment["release"], "venv": deployment["venv"]}
    earlier = [entry for entry in record.get("history", []) if entry != pair]
    return {**deployment, "stale_processes": stale, "history": [pair, *earlier][:HISTORY_LENGTH]}


def write_file(path: str, content: str, mode: int, gid: int = 0) -> None:
    """Replace a file at once; whoever reads it sees the old or the new content."""
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchown(stream.fileno(), 0, gid)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_record(path: str, record: dict[str, Any]) -> None:
    """Write the record; readable by root only, since digests of short secrets can be guessed."""
    write_file(path, record_text(record), 0o600)


def record_text(record: dict[str, Any]) -> str:
    """The record as it is in its file."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def once_digest(deployment: dict[str, str]) -> str:
    """What release commands with ``once`` are to prepare: nobody prepares the same twice."""
    return fingerprint([deployment[part] for part in COMMAND_PARTS])


def prepared_once(paths: dict[str, str]) -> str:
    """The digest of what they have prepared on this host last; empty when that was nothing."""
    digest = read_record(paths["once"]).get("digest", "") if "once" in paths else ""
    return digest if isinstance(digest, str) else ""


def leads_to(link: str, target: str) -> bool:
    """Whether the symbolic link exists and leads to the target."""
    return os.path.islink(link) and os.path.realpath(link) == os.path.realpath(target)
