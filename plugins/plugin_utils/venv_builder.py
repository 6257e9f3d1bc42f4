# SPDX-License-Identifier: Apache-2.0
"""The host that builds virtual environments for others of its kind. On the control node.

What it has built passes the control node as an archive, which is neither opened nor kept there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS

EACH = "each"
_NAMED = re.compile(r"host:(\S+)")


def builder_of(build_on: str, host: str) -> str:
    """Who builds the virtual environments of a host, by ``wsgi_build_on``; "" when it does so itself."""
    named = _NAMED.fullmatch(build_on)
    return "" if named is None or named[1] == host else named[1]


def setting_problems(build_on: str, known: Collection[str]) -> list[str]:
    """What is wrong with ``wsgi_build_on``. ``known`` are the hosts of the inventory."""
    named = _NAMED.fullmatch(build_on)
    if build_on != EACH and named is None:
        return [f"wsgi_build_on is {build_on!r}; write {EACH}, or host:NAME with the name of a host in the inventory."]
    if named and named[1] not in known:
        return [f"wsgi_build_on names {named[1]}, and the inventory has no such host; correct the name."]
    return []


def problem(
    host: str, preflights: Mapping[str, Mapping[str, Any]], everyone: Collection[str], alive: Collection[str]
) -> str:
    """Why the builder of a host cannot build for it, in a sentence; "" when it can.

    ``preflights`` has what is known of the host and of its builder, ``everyone`` are the hosts of the play, ``alive``
    those that have not failed.
    """
    own = preflights[host]
    builder = str(own["wsgi_app_builder"])
    asked, otherwise = f"wsgi_build_on of host {host} names {builder}", f"set wsgi_build_on of {host} to {EACH}"
    if builder not in everyone:
        return f"{asked}, which is not in this run; run it for {builder}, too (--limit), or {otherwise}."
    theirs = preflights.get(builder) or {}
    if builder not in alive or "wsgi_app_builder" not in theirs:
        return f"{asked}, which has failed in this run; correct that and run the play again."
    if theirs["wsgi_app_builder"]:
        return f"{asked}, whose own are built on {theirs['wsgi_app_builder']}; name that one."
    if _kind(own) != _kind(theirs):
        return f"{asked}, which has {_shown(theirs)} and not {_shown(own)}; name one of its kind, or {otherwise}."
    missing = sorted(_names(own) - _names(theirs))
    if missing:
        return f"{asked}, which has no application {', '.join(missing)}; give it the same ones, or {otherwise}."
    return ""


def _kind(preflight: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two hosts have to have in common for what one has compiled to run on the other."""
    inspection, interpreter = preflight["mod_wsgi_inspection"], preflight["mod_wsgi_interpreter"]
    python = (interpreter[key] for key in ("executable", "full_version", "abi", "libpython"))
    return (inspection["distribution"], inspection["architecture"], *python)


def _shown(preflight: Mapping[str, Any]) -> str:
    inspection, interpreter = preflight["mod_wsgi_inspection"], preflight["mod_wsgi_interpreter"]
    title = DISTRIBUTIONS[inspection["distribution"]].title
    return f"{title}, {inspection['architecture']}, {interpreter['executable']} {interpreter['full_version']}"


def _names(preflight: Mapping[str, Any]) -> set[str]:
    """All applications of a host, also those that this run leaves alone."""
    keys = ("wsgi_app_applications", "wsgi_app_others")
    return {str(application["name"]) for key in keys for application in preflight.get(key) or []}


def place(temporary: str, builder: str, application: str, identity: str) -> Path:
    """Where an archive is on the control node while the run lasts.

    ``temporary`` is a private folder of the run. The name of a host may have any character, so its digest is there.
    """
    folder = hashlib.sha256(builder.encode()).hexdigest()[:20]
    return Path(temporary, "wsgi_venvs", folder, f"{application}-{identity}{os.extsep}tar.gz")
