# SPDX-License-Identifier: Apache-2.0
"""What the documentation shows can be copied: the roles know each key of it, accept it, and can lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives as mod_wsgi_directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, files
from support.documents import PAGES, SIZES, TREE, blocks, filled
from support.scripts import ROOT


@cache
def options_of_roles() -> dict[str, Any]:
    """The variables of all roles, as they are specified."""
    found: dict[str, Any] = {}
    for role in ("httpd", "mod_wsgi", "wsgi_app"):
        text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
        found |= yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def variables_of(example: Any) -> dict[str, Any]:
    """The variables that an example sets: those of a play's roles, those of a host group, or an application's keys."""
    if isinstance(example, list):
        of_roles = [role for play in example for role in play.get("roles", [])]  # none in a list of tasks
        found: dict[str, Any] = {}
        for role in of_roles:
            found |= {key: value for key, value in role.items() if key not in ("role", "vars")} | role.get("vars", {})
        return found
    if set(example) <= set(options_of_roles()["wsgi_apps"]["options"]):
        return {"wsgi_apps": [example]}
    return dict(example)


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
    assert apps.problems(applications, listen) == []
    whole = apps.normalise(
        applications, listen, {application["name"]: SIZES for application in applications}, instance("apache2")
    )
    assert files.files(whole, instance("apache2"))


def test_an_example_with_a_mistake_is_found(folder: Path) -> None:
    """So that the test above can fail."""
    assert refused({"wsgi_apps": [complete({"redirect": []}, folder)]})
    assert refused({"wsgi_apps": [complete({"redirects": [{"from": "/a", "status": "gone"}]}, folder)]})
    assert apps.problems([complete({"tls": {"certificate": "x"}}, folder)], [80])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_containers_are_stopped_as_every_engine_knows_it(page: Path) -> None:
    """Docker 28 has `--timeout` and warns of `--time`, Podman has `--time`; both have always had `-t`."""
    assert "stop --time" not in page.read_text()
