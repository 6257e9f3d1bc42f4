# SPDX-License-Identifier: Apache-2.0
"""The maintenance pages of applications: when visitors see them. Runs on the managed host."""

from __future__ import annotations

import os
from typing import Any

FLAG = "maintenance"


class PageError(Exception):
    """A page cannot be shown or hidden; the text is one sentence for the user."""


def wanted(application: dict[str, Any], releases: dict[str, Any]) -> bool:
    """Whether the application's page is to be shown."""
    maintenance = application.get("maintenance")  # of an earlier version, there was none
    if not maintenance:
        return False
    return bool(maintenance["enabled"]) or (maintenance["during_deploy"] and is_replaced(application, releases))


def is_replaced(application: dict[str, Any], releases: dict[str, Any]) -> bool:
    """Whether an application that serves is about to get another release."""
    current = application["paths"]["current"]
    new = str((releases.get(application["name"]) or {}).get("path") or "")
    return bool(new) and os.path.exists(current) and os.path.realpath(current) != os.path.realpath(new)


def flag(application: dict[str, Any]) -> str:
    """The file that is there while visitors see the page."""
    return os.path.join(str(application["paths"]["code"]), FLAG)


def switch(application: dict[str, Any], show: bool, check_mode: bool) -> bool:
    """Make or remove the file; whether that changes something."""
    path = flag(application)
    if os.path.exists(path) == show or (show and not os.path.isdir(application["paths"]["code"])):
        return False
    if not check_mode:
        if show:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("Visitors see the maintenance page while this file is here.\n")
            os.chmod(path, 0o644)
        else:
            os.unlink(path)
    return True


def is_due(application: dict[str, Any], releases: dict[str, Any]) -> bool:
    """Whether the page has to be switched before the deployment, or after it."""
    return is_replaced(application, releases) or switch(application, wanted(application, releases), check_mode=True)


def switch_all(applications: list[Any], releases: dict[str, Any], check_mode: bool) -> tuple[Any, ...]:
    """Show and hide the pages of all applications; the names of those that are shown, and whether something changed.

    Raises PageError.
    """
    shown, changed = [], False
    for application in applications:
        show = wanted(application, releases)
        shown += [application["name"]] if show else []
        try:
            changed = switch(application, show, check_mode) or changed
        except OSError as error:
            raise PageError(
                f"The maintenance page of {application['name']} cannot be switched: {error}; become root."
            ) from error
    return shown, changed
