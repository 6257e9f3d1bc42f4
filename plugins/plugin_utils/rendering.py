# SPDX-License-Identifier: Apache-2.0
"""The texts that the roles put on hosts: their templates, which only lay out, and their files.

One renderer for all of httpd's configuration. What a template is given is a plain value; each text goes through httpd's
quoting (``quote``), or through the shell's where a shell reads it (``shell_quote``).
"""

from __future__ import annotations

import shlex
from pathlib import Path

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_quoting import quote

# resolve(): in a plain clone the collection is a folder of links, and each leads to the same roles.
ROLES = Path(__file__).resolve().parents[2] / "roles"


def templates(role: str) -> jinja2.Environment:
    """The templates of a role. A value that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLES / role / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML
    )
    environment.filters.update(quote=quote, shell_quote=lambda value: shlex.quote(str(value)))
    return environment


def role_file(role: str, name: str) -> str:
    """The text of a role's file."""
    return (ROLES / role / "files" / name).read_text(encoding="utf-8")
