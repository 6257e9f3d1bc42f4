# SPDX-License-Identifier: Apache-2.0
"""The examples that the documentation shows."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.scripts import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
BLOCK = re.compile(r"^( *)```yaml\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
HASH = "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 2048}
SECRETS = {"vault_alice": HASH, "vault_shop_secret_key": "a secret"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
SECRETS |= {"vault_shop_deploy_key": KEY, "vault_shop_common_key": KEY}
SECRETS |= {"vault_shop_git_token": "a token", "vault_shop_index_password": "a password"}
SECRETS["our_authority"] = "-----BEGIN CERTIFICATE-----"
TREE = ["wsgi.py", "shop/wsgi.py", "requirements.txt", "auth.py", "static/shop.css", "staticfiles/shop.css"]
TREE += ["pages/missing.html", "pages/maintenance.html"]


def blocks() -> Iterator[Any]:
    """Each example, with the page and the line where it begins."""
    for page in PAGES:
        text = page.read_text()
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(textwrap.dedent(match[2]), id=f"{page.relative_to(ROOT)}:{line}")


def filled(value: Any, folder: Path) -> Any:
    """A value with what Ansible would put into its expressions."""
    if isinstance(value, Mapping):
        return {key: filled(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, folder) for inner in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    known = {**SECRETS, "playbook_dir": str(folder), "inventory_dir": str(folder), "inventory_hostname_short": "web1"}
    return re.sub(r"\{\{ (\w+) \}\}", lambda name: known[name[1]], value)
