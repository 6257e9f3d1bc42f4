# SPDX-License-Identifier: Apache-2.0
"""Logins that httpd asks for, and those that scripts check."""

from __future__ import annotations

import json

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, auth
from support.applications import HASH, App, complete, problems, refused, rendered, section, shown, vhost

CASES: list[tuple[App, str]] = [
    ({"auth": [{"users": {}}]}, "auth[0].users: nobody could log in"),
    ({"auth": [{"users": {"a": "secret"}}]}, "auth[0].users.a: is not a hashed password"),
    ({"auth": [{"users": {"a:b": HASH}}]}, "auth[0].users: is not usable as a user's name"),
    ({"auth": [{"users": {"a": f"{HASH}\nroot:x"}}]}, "auth[0].users.a: is not a hashed password"),
    ({"auth": [{"users": {"a": HASH}, "user_file": "/x"}]}, "auth[0].users: give one of the two"),
    ({"auth": [{"user_file": "x"}]}, "auth[0].user_file: is not the absolute path"),
    ({"auth": [{"type": "openid-connect", "users": {"a": HASH}}]}, "auth[0].users: for the type Basic"),
    ({"auth": [{"user_file": "/x", "require": ['a"b']}]}, "auth[0].require[0]: is not what Require takes"),
    ({"auth": [{"user_file": "/x", "require": ["a\nb"]}]}, "auth[0].require[0]: is not what Require takes"),
    ({"auth": [{"type": "x", "directives": "</Location>"}]}, "auth[0].directives: closes a section"),
    ({"auth": [{"type": "x", "modules": ["../x"]}]}, "auth[0].modules[0]: is not a module"),
    ({"auth": [{"user_file": "/x"}, {"user_file": "/y"}]}, "auth: the path / is there 2 times"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_users_are_in_no_value_that_a_module_logs(shop: App) -> None:
    shop["auth"] = [{"path": "/x", "users": {"alice": HASH}}]
    assert HASH not in json.dumps(apps.without_environments(complete(shop)))
    assert HASH not in json.dumps(rendered(shop))
    assert auth.user_files([shop]) == {"modwsgi-users/shop-0": f"alice:{HASH}\n"}
    assert "AuthUserFile modwsgi-users/shop-0" in vhost(shop)


def test_the_health_check_needs_no_login(shop: App) -> None:
    shop["auth"] = [{"user_file": "/users", "require": ["user alice"]}]
    text = vhost(shop)
    assert "<Location /healthz>\n        Require local\n        Require user alice\n    </Location>" in text
    assert text.index("<Location />") < text.index("<Location /healthz>")


def test_a_location_has_the_last_word_over_a_login_above_it(shop: App) -> None:
    script = {"script": "auth.py", "realm": "Staff"}
    shop |= {
        "auth": [{"path": "/", "users": {"alice": "$2y$05$abcdefghijklmnopqrstuu"}}],
        "wsgi_directives": {
            "locations": [
                {"path": "/api", "pass_authorization": True},
                {"path": "/staff", "auth_user_script": script},
            ]
        },
    }
    lines = shown(vhost(shop))
    login = lines.index("AuthUserFile modwsgi-users/shop-0")
    assert login < lines.index("<Location /api>") < lines.index("<Location /staff>")
    assert "WSGIPassAuthorization On" in section(lines, "<Location /api>")
    assert {"AuthBasicProvider wsgi", "AuthMerging And"} <= set(section(lines, "<Location /staff>"))


def test_two_logins_for_one_path_are_refused(shop: App) -> None:
    shop |= {
        "auth": [{"path": "/staff/private", "users": {"alice": "$2y$05$abcdefghijklmnopqrstuu"}}],
        "wsgi_directives": {
            "locations": [{"path": "/staff", "auth_user_script": {"script": "auth.py", "realm": "Staff"}}]
        },
    }
    assert problems(shop) == [
        "wsgi_apps: application 'shop', key wsgi_directives.locations[0].auth_user_script: the key auth asks for a "
        "password at '/staff/private', which is below; remove one."
    ]


def test_the_host_itself_may_ask_where_a_script_checks_passwords(shop: App) -> None:
    location = {
        "path": "/",
        "auth_user_script": {"script": "auth.py", "realm": "Staff"},
        "auth_group_script": {"script": "auth.py", "groups": ["staff"]},
    }
    shop["wsgi_directives"] = {"locations": [location]}
    lines = shown(vhost(shop))
    assert section(lines, "<Location /healthz>") == ["Require local", "Require wsgi-group staff"]
    assert lines.index("AuthBasicProvider wsgi") < lines.index("<Location /healthz>")
