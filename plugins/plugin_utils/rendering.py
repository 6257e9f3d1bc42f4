# SPDX-License-Identifier: Apache-2.0
"""The texts that the roles put on hosts: their templates, which only lay out, and their files.

One renderer for all of httpd's configuration. What a template is given is a plain value; each text goes through httpd's
quoting (``quote``), or through the shell's where a shell reads it (``shell_quote``).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import quote, quote_realm, quote_rule

# resolve(): in a plain clone the collection is a folder of links, and each leads to the same files.
COLLECTION = Path(__file__).resolve().parents[2]
ROLES = COLLECTION / "roles"

CLOSED = "0640"
"""The mode of configuration in which a secret may be, such as a header of extra_config for a backend; root reads it."""


def managed(name: str) -> str:
    """The first line of each text that the role of this name puts on a host."""
    return f"# Managed by Ansible (modwsgi.deploy.{name}): changes are overwritten."


@cache
def templates(role: str, **filters: Callable[..., Any]) -> jinja2.Environment:
    """The templates of a role, with filters of its own. A value that is not given is an error.

    Made once, and so is each template: to compile them takes longer than all else that makes the files.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLES / role / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML
        auto_reload=False,
    )
    environment.filters.update(
        filters,
        quote=quote,
        quote_realm=quote_realm,
        quote_rule=quote_rule,
        shell_quote=lambda value: shlex.quote(str(value)),
    )
    environment.globals["managed"] = managed(role)
    return environment


def role_file(role: str, name: str) -> str:
    """The text of a role's file."""
    return (ROLES / role / "files" / name).read_text(encoding="utf-8")


def host_program(name: str) -> str:
    """The text of a program that is a utility of our modules as well, by its path below ``module_utils``."""
    return (COLLECTION / "plugins/module_utils" / name).read_text(encoding="utf-8")


def host_code_digest() -> str:
    """A digest of the code that our modules bring to hosts."""
    digest = hashlib.sha256()
    for file in sorted((COLLECTION / "plugins/module_utils").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
