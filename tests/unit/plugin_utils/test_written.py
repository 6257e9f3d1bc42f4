# SPDX-License-Identifier: Apache-2.0
"""Modules of a deployment get what they need of the applications as they are written, and secrets as opaque strings."""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.action import (
    wsgi_go_live,
    wsgi_prepare,
    wsgi_release,
    wsgi_rollback,
    wsgi_venv,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import written
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from support import actions

SECRET = "correct horse {{ battery }}"
WRITTEN = {
    "name": "shop",
    "server_name": "shop.example",
    "source": {"git": "https://git.example/shop.git", "credentials": {"username": "u", "password": SECRET}},
    "environment": {"TOKEN": SECRET},
    "auth": [{"type": "basic", "path": "/", "realm": "Shop", "users": {"ann": "$2y$05$" + "a" * 53}}],
}


def decoded(text: str) -> Any:
    return json.loads(base64.b64decode(text))


def ran(plugin: Any, **arguments: Any) -> dict[str, Any]:
    """What the module on the host is given."""
    given: dict[str, Any] = {}

    def ask(module: str, options: dict[str, Any]) -> dict[str, Any]:
        given.update(options, module=module)
        return {"changed": False}

    actions.made(plugin, arguments, ask).run(None, {"inventory_hostname": "web1"})
    return given


@pytest.fixture(name="applications")
def fixture_applications() -> list[dict[str, Any]]:
    """What the preflight makes of it."""
    sizes = {"shop": {"processes": 2, "threads": 15, "listen_backlog": 100, "connect_timeout": None}}
    complete = apps.normalise([WRITTEN], [80], sizes, instance("apache2"))
    return apps.without_environments(complete)


@pytest.mark.parametrize(
    ("plugin", "option", "value"),
    [
        (wsgi_release, "credentials", SECRET),
        (wsgi_venv, "credentials", SECRET),
        (wsgi_prepare, "environments", {"shop": {"TOKEN": SECRET}}),
        (wsgi_go_live, "environments", {"shop": {"TOKEN": SECRET}}),
    ],
)
def test_a_module_gets_what_it_needs_and_no_more(
    applications: list[dict[str, Any]], plugin: Any, option: str, value: Any
) -> None:
    files = {"files": []} if plugin is wsgi_go_live else {}
    given = ran(plugin, wsgi_apps=[WRITTEN], applications=applications, **files)
    found = decoded(given.pop(option))
    assert found == value or found["shop"]["git"]["password"] == value
    assert "wsgi_apps" not in given
    assert SECRET not in str(given)


def test_what_the_preflight_has_proven_needs_no_module() -> None:
    proven = {"applications": {"shop": {"status": 200}}, "awaited_certificates": ["Not yet."]}
    ask = MagicMock()
    made = actions.made(wsgi_go_live, {"proven": proven, "applications": []}, ask)
    result = made.run(None, {"inventory_hostname": "web1"})
    ask.assert_not_called()
    assert result["applications"] == proven["applications"]
    assert result["awaited_certificates"] == ["Not yet."]
    assert (result["changed"], result["unproven"], result["actions"]) == (False, False, [])


def test_what_is_not_proven_is_put_live(applications: list[dict[str, Any]]) -> None:
    given = ran(wsgi_go_live, wsgi_apps=[WRITTEN], applications=applications, files=[], proven={})
    assert given["module"] == "wsgi_go_live"
    assert "proven" not in given


def test_what_a_play_gives_itself_is_taken(applications: list[dict[str, Any]]) -> None:
    assert ran(wsgi_prepare, applications=applications, environments="e30=")["environments"] == "e30="


def test_the_files_are_rendered_and_passwords_are_apart(applications: list[dict[str, Any]]) -> None:
    given = ran(
        wsgi_go_live,
        wsgi_apps=[WRITTEN],
        applications=applications,
        certificates={},
        logging={"format": "json", "destination": "files"},
        site={"private_port": 297},
    )
    vhost = next(file for file in given["files"] if file["path"].startswith("sites-available/"))
    assert "ServerName shop.example" in vhost["content"]
    assert "$2y$" not in str(given["files"])
    assert "$2y$" in str(decoded(given["sensitive_files"]))
    assert not {"certificates", "logging"} & set(given)


def test_what_httpd_cannot_carry_is_refused_before_the_host_is_asked(applications: list[dict[str, Any]]) -> None:
    applications[0]["server_name"] = "shop\n.example"
    with pytest.raises(AnsibleActionFail, match="contains a newline"):
        ran(wsgi_go_live, wsgi_apps=[WRITTEN], applications=applications, site={"private_port": 297})


def test_the_host_is_told_who_goes_live_or_back(
    applications: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    monkeypatch.setattr("platform.node", lambda: "ops1")
    assert ran(wsgi_go_live, applications=applications, files=[])["by"] == "anna@ops1"
    assert ran(wsgi_rollback, application="shop")["by"] == "anna@ops1"
    assert ran(wsgi_rollback, application="shop", by="a pipeline")["by"] == "a pipeline"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert written.caller() == f"{os.getuid()}@ops1"
