# SPDX-License-Identifier: Apache-2.0
"""Applications as an inventory has them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, files

App = dict[str, Any]
"""An application, or some of its keys."""
LISTEN = (80, 443, 8080)
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 2048}
HASH = "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"
LAUNCHER = "/usr/local/lib/modwsgi/launcher.py"


def problems(*written: App, listen: Sequence[Any] = LISTEN, environment: str = "") -> list[str]:
    """What is wrong with a list of applications."""
    return apps.problems(written, listen, environment)


def refused(shop: App, change: App, start: str) -> None:
    """A changed application is refused in one sentence, which begins with a key and names no secret."""
    (sentence,) = problems({**shop, **change})
    key, _, text = start.partition(": ")
    assert sentence.startswith(f"wsgi_apps: application {change.get('name', 'shop')!r}, key {key}: ")
    assert text in sentence
    assert "secret" not in sentence
    assert "token@" not in sentence
    assert sentence.endswith(".")


def complete(*written: App, listen: Sequence[Any] = LISTEN, **sizes: int) -> list[App]:
    """The complete form of applications."""
    return apps.normalise(written, listen, {each["name"]: {**SIZES, **sizes} for each in written}, instance("apache2"))


def contents(applications: Sequence[App], *settings: Any, **more: Any) -> dict[str, str]:
    """The texts and targets of links of the role's files, by path, from complete applications."""
    found = files.files(applications, instance("apache2"), *settings, **more)
    return {file["path"]: file.get("content", file.get("link", "")) for file in found}


def rendered(*written: App, certificates: Any = None, listen: Sequence[Any] = LISTEN) -> dict[str, str]:
    """The same from applications as an inventory has them."""
    return contents(complete(*written, listen=listen), certificates)


def vhost(shop: App, *others: App, certificates: Any = None, **change: Any) -> str:
    """The vhost of the site ``shop``, changed, with the applications below it."""
    found = rendered({**shop, **change}, *others, certificates=certificates)
    return found["sites-available/100-modwsgi-shop.conf"]


def shown(text: str) -> list[str]:
    """The lines of a text without what is around them."""
    return [line.strip() for line in text.splitlines()]


def section(lines: list[str], opening: str) -> list[str]:
    """The lines of a section of httpd."""
    start = lines.index(opening)
    return lines[start + 1 : lines.index("</Location>", start)]
