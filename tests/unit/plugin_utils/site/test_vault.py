# SPDX-License-Identifier: Apache-2.0
"""Values that Ansible Vault has encrypted one by one are taken wherever a secret can stand, and reach the modules."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import Templar
from ansible_collections.modwsgi.deploy.plugins.action.wsgi_go_live import ActionModule as GoLive
from ansible_collections.modwsgi.deploy.plugins.action.wsgi_venv import ActionModule as Venv
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from support.applications import HASH, App, problems

SECRET = "correct horse {{ battery }}"


@pytest.fixture(name="vaulted")
def fixture_vaulted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that encrypts a text, and writes it as an inventory has it."""
    key = VaultSecret(b"made for this test")
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext([("default", key)]))
    vault = VaultLib([("default", key)])

    def written(text: str, indent: int) -> str:
        lines = vault.encrypt(text, key).decode().splitlines()
        return "!vault |\n" + "\n".join(" " * indent + line for line in lines)

    return written


def test_each_secret_can_be_encrypted(shop: App, vaulted: Any) -> None:
    text = f"""
environment:
  TOKEN: {vaulted(SECRET, 4)}
pip:
  netrc: {vaulted("machine index.example login a password b", 4)}
auth:
  - realm: Staff
    users:
      ann: {vaulted(HASH, 8)}
"""
    loader = DataLoader()
    given = Templar(loader=loader).template(loader.load(text))
    written = [{**shop, **given}]
    assert problems(written[0]) == []
    (typed,) = settings.applications(written)
    assert typed["environment"] == {"TOKEN": SECRET}

    def options(action: Any) -> dict[str, Any]:
        made = action.__new__(action)
        found: dict[str, Any] = made.complete({"wsgi_apps": written, "files": []})
        return {name: json.loads(base64.b64decode(value)) for name, value in found.items() if isinstance(value, str)}

    assert options(GoLive)["environments"] == {"shop": {"TOKEN": SECRET}}
    assert HASH in str(options(GoLive)["sensitive_files"])
    assert options(Venv)["credentials"]["shop"]["pip"]["netrc"].startswith("machine index.example")
