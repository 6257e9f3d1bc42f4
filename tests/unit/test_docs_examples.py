# SPDX-License-Identifier: Apache-2.0
"""What the documentation shows can be copied: the roles know each key of it, accept it, and can lay it out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.modwsgi.deploy.plugins.module_utils import mod_wsgi_directives, wsgi_apps, wsgi_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import instance

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
BLOCK = re.compile(r"^( *)```yaml\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
HASH = "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 2048}
SECRETS = {"vault_alice": HASH, "vault_shop_secret_key": "a secret"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
SECRETS |= {"vault_shop_deploy_key": KEY, "vault_shop_common_key": KEY}
SECRETS |= {"vault_shop_git_token": "a token", "vault_shop_index_password": "a password"}
TREE = ["wsgi.py", "shop/wsgi.py", "requirements.txt", "auth.py", "static/shop.css", "staticfiles/shop.css"]


@cache
def options_of_roles() -> dict[str, Any]:
    """The variables of all roles, as they are specified."""
    found: dict[str, Any] = {}
    for role in ("httpd", "mod_wsgi", "wsgi_app"):
        text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
        found |= yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def blocks() -> Iterator[Any]:
    """Each example, with the page and the line where it begins."""
    for page in PAGES:
        text = page.read_text()
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(textwrap.dedent(match[2]), id=f"{page.relative_to(ROOT)}:{line}")


def variables_of(example: Any) -> dict[str, Any]:
    """The variables that an example sets: those of a play's roles, those of a host group, or an application's keys."""
    if isinstance(example, list):
        of_roles = [role for play in example for role in play["roles"]]
        found: dict[str, Any] = {}
        for role in of_roles:
            found |= {key: value for key, value in role.items() if key not in ("role", "vars")} | role.get("vars", {})
        return found
    if set(example) <= set(options_of_roles()["wsgi_apps"]["options"]):
        return {"wsgi_apps": [example]}
    return dict(example)


def filled(value: Any, folder: Path) -> Any:
    """A value with what Ansible would put into its expressions."""
    if isinstance(value, Mapping):
        return {key: filled(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, folder) for inner in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    known = {**SECRETS, "playbook_dir": str(folder), "inventory_dir": str(folder)}
    return re.sub(r"\{\{ (\w+) \}\}", lambda name: known[name[1]], value)


def complete(application: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An application with what an example leaves out."""
    needed = {"name": "shop", "server_name": "shop.example.com", "source": {"directory": str(folder / "shop")}}
    return {**needed, **application}


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    """What the examples deploy."""
    for application in ("shop", "blog"):
        for name in TREE:
            file = tmp_path / application / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return tmp_path


def refused(variables: Mapping[str, Any]) -> list[str]:
    """What the roles' specifications say against variables."""
    specification = {name: options_of_roles()[name] for name in variables}
    return list(ArgumentSpecValidator(specification).validate(variables).error_messages)


@pytest.mark.parametrize("text", list(blocks()))
def test_an_example_can_be_copied(text: str, folder: Path) -> None:
    example = yaml.safe_load(text)
    if isinstance(example, dict) and all(isinstance(group, dict) and "hosts" in group for group in example.values()):
        groups = [group.get("vars", {}) for group in example.values()]  # an inventory of hosts
        example = {name: value for group in groups for name, value in group.items()}
    variables = filled(variables_of(example), folder)
    assert set(variables) <= set(options_of_roles())
    if "wsgi_apps" in variables:
        variables["wsgi_apps"] = [complete(application, folder) for application in variables["wsgi_apps"]]
    assert refused(variables) == []
    directives = variables.get("mod_wsgi_directives", {})
    assert list(mod_wsgi_directives.server_problems(directives, "6.1.1")) == []
    applications, listen = variables.get("wsgi_apps", []), variables.get("httpd_listen", [80, 443, 8080])
    assert wsgi_apps.problems(applications, listen) == []
    whole = wsgi_apps.normalise(applications, listen, {application["name"]: SIZES for application in applications})
    assert wsgi_files.files(whole, instance())


def test_an_example_with_a_mistake_is_found(folder: Path) -> None:
    """So that the test above can fail."""
    assert refused({"wsgi_apps": [complete({"redirect": []}, folder)]})
    assert refused({"wsgi_apps": [complete({"redirects": [{"from": "/a", "status": "gone"}]}, folder)]})
    assert wsgi_apps.problems([complete({"tls": {"certificate": "x"}}, folder)], [80])
