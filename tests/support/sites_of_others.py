# SPDX-License-Identifier: Apache-2.0
"""The sites that molecule/refusals/prepare.yml has put on the host before any deployment."""

from __future__ import annotations

from support.managed_host import ManagedHost
from support.site import Site

OF_OTHERS = {
    "an index page": (200, "An index page"),
    "a language that the client takes": (200, "A language"),
    "a CGI script": (200, "A script"),
    "an application in httpd's own processes": (200, "Python 11 in httpd"),
    "the distribution's page for unknown names": (200, "<!DOCTYPE html"),
}
"""How they answer: status and the beginning of the text."""


def of_others(machine: ManagedHost) -> dict[str, tuple[int, str]]:
    """How they answer now."""
    address = machine.address()
    folder, tool = Site(address, "folder.example"), Site(address, "tool.example", 8070)
    answers = {
        "an index page": folder.get("/"),
        "a language that the client takes": folder.get("/greeting.html"),
        "a CGI script": folder.get("/script"),
        "an application in httpd's own processes": tool.get("/"),
        "the distribution's page for unknown names": Site(address, "nobody.example").get("/"),
    }
    return {name: (found.status_code, found.text.strip()[: len(OF_OTHERS[name][1])]) for name, found in answers.items()}
