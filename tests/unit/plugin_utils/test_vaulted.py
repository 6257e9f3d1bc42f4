# SPDX-License-Identifier: Apache-2.0
"""Secrets may stand in the inventory as ``!vault`` values: Ansible's own loader makes them, and ours takes them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import Templar
from ansible_collections.modwsgi.deploy.plugins.action import preflight, wsgi_go_live, wsgi_venv
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import decode_environments
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import ROLES
from support import actions
from support.preflight import Machine

TOKEN = "correct horse: {{ battery }} %"
HASH = "$2y$05$" + "a" * 53
SSH_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n"
NETRC = "machine pypi.example.com login deploy password wisdom\n"
INDEX = "https://pypi.example.com/simple"
SECRETS = {
    "shop": {
        "git": {"username": "deploy", "password": TOKEN},
        "pip": {"netrc": NETRC, "ssh_key": SSH_KEY, "index_url": INDEX},
    }
}


class Vault:
    """A vault with a key of its own."""

    def __init__(self) -> None:
        self.secrets = [("default", VaultSecret(b"a key of this test"))]

    def value(self, text: str) -> str:
        """A value as ``ansible-vault encrypt_string`` writes it into YAML."""
        return f'!vault "{VaultLib(self.secrets).encrypt(text).decode()}"'.replace("\n", "\\n")

    def loaded(self, path: Path, text: str) -> dict[str, Any]:
        """The variables of a file, as Ansible's loader makes them."""
        path.write_text(text, encoding="utf-8")
        loader = DataLoader()
        loader.set_vault_secrets(self.secrets)
        found: dict[str, Any] = loader.load_from_file(str(path), trusted_as_template=True)
        return found


@pytest.fixture(name="vault")
def fixture_vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    """The key is known to this process only while a test runs."""
    vault = Vault()
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(vault.secrets))
    return vault


@pytest.fixture(name="variables")
def fixture_variables(vault: Vault, tmp_path: Path) -> dict[str, Any]:
    """An inventory in which each secret, and some that are none, are values of a vault."""
    return vault.loaded(
        tmp_path / "inventory.yml",
        f"""
vault_name: {vault.value("shop.example")}
groups: {{all: [web1]}}
inventory_hostname: web1
mod_wsgi_wheel_cache: {tmp_path}/wheels
httpd_listen: [80, 443]
mod_wsgi_build_environment: {{PIP_INDEX_URL: {vault.value(INDEX)}}}
wsgi_apps:
  - name: shop
    server_name: "{{{{ vault_name }}}}"
    source:
      git: https://git.example.com/shop.git
      version: {vault.value("v1")}
      credentials: {{username: {vault.value("deploy")}, password: {vault.value(TOKEN)}}}
    script: wsgi.py
    requirements: requirements.txt
    pip:
      index_url: {vault.value(INDEX)}
      netrc: {vault.value(NETRC)}
      ssh_key: {vault.value(SSH_KEY)}
    environment: {{TOKEN: {vault.value(TOKEN)}, PLAIN: "1"}}
    threads: {vault.value("3")}
    auth: [{{type: basic, path: /, realm: Shop, users: {{ann: {vault.value(HASH)}}}}}]
    tls: {{certificate: {vault.value("/etc/ssl/shop.pem")}, key: {vault.value("/etc/ssl/private/shop.key")}}}
    headers: [{{name: X-Key, value: {vault.value("x y")}}}]
""",
    )


def asked(variables: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the preflight returns, and what it asks the host, with the templates that Ansible makes."""
    machine = Machine()
    return made_preflight(variables, {"roles": list(ROLES)}, machine.ask).run(None, variables), machine.arguments


def made_preflight(variables: dict[str, Any], arguments: dict[str, Any], ask: actions.Ask) -> Any:
    """The action of a task, with Ansible's own templates."""
    made = actions.made(preflight, arguments, ask)
    made._templar = templar(variables)
    return made


def templar(variables: dict[str, Any]) -> Templar:
    """Ansible's own, with the variables of a play."""
    return Templar(DataLoader(), variables=variables)


def decoded(text: str) -> Any:
    """What an opaque option of a module holds."""
    return json.loads(base64.b64decode(text))


def module_options(action: Any, variables: dict[str, Any], applications: list[dict[str, Any]]) -> dict[str, Any]:
    """What a module on the host gets from its action, when a task hands ``wsgi_apps`` on."""
    made = action.ActionModule(SimpleNamespace(args={}), *[MagicMock()] * 5)
    written = templar(variables).template(variables["wsgi_apps"])
    options: dict[str, Any] = made.complete({"wsgi_apps": written, "applications": applications, "files": []})
    return options


def test_the_preflight_takes_them(variables: dict[str, Any]) -> None:
    found, questions = asked(variables)
    assert not found.get("failed"), found["msg"]
    shop = found["wsgi_app_applications"][0]
    assert (shop["server_name"], shop["threads"], shop["source"]["version"]) == ("shop.example", 3, "v1")
    question = questions["wsgi_inspect"]
    assert decode_environments(question["environments"]) == {"shop": {"TOKEN": TOKEN, "PLAIN": "1"}}
    assert decoded(question["credentials"]) == SECRETS
    certificate = next(each for each in question["certificates"] if each["name"] == "shop")
    assert (certificate["certificate"], certificate["key"]) == ("/etc/ssl/shop.pem", "/etc/ssl/private/shop.key")


def test_what_is_registered_holds_no_secret(variables: dict[str, Any]) -> None:
    found = json.dumps(asked(variables)[0])
    assert "shop.example" in found
    for secret in (TOKEN, HASH, "wisdom", "b3BlbnNzaC1rZXk", "$ANSIBLE_VAULT"):
        assert secret not in found


def test_modules_get_them_decrypted(variables: dict[str, Any]) -> None:
    applications = asked(variables)[0]["wsgi_app_applications"]
    live = module_options(wsgi_go_live, variables, applications)
    assert decode_environments(live["environments"]) == {"shop": {"TOKEN": TOKEN, "PLAIN": "1"}}
    assert decoded(live["sensitive_files"]) == [{"path": "modwsgi-users/shop-0", "content": f"ann:{HASH}\n"}]
    assert decoded(module_options(wsgi_venv, variables, applications)["credentials"]) == SECRETS


@pytest.mark.parametrize(("role", "name"), [("httpd", "httpd_environment"), ("mod_wsgi", "mod_wsgi_build_environment")])
def test_other_variables_of_the_environment_take_them(vault: Vault, tmp_path: Path, role: str, name: str) -> None:
    text = f"{name}: {{TOKEN: {vault.value(TOKEN)}}}\nmod_wsgi_wheel_cache: /wheels\n"
    loaded = vault.loaded(tmp_path / "variables.yml", text)
    values = made_preflight(loaded, {}, lambda *_: {}).templated(loaded)
    assert settings.checked(role, values)[name] == {"TOKEN": TOKEN}


def test_a_wrong_value_is_told_without_its_text(vault: Vault, tmp_path: Path, variables: dict[str, Any]) -> None:
    wrong = vault.loaded(tmp_path / "wrong.yml", f"users: {{ann: {vault.value('open sesame')}}}")
    variables["wsgi_apps"][0]["auth"][0]["users"] = wrong["users"]
    found, questions = asked(variables)
    assert "key auth[0].users.ann: the value is not a hashed password" in found["msg"]
    assert "sesame" not in found["msg"]
    assert not questions
