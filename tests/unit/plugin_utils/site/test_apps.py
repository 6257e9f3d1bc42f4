# SPDX-License-Identifier: Apache-2.0
"""What is wrong with `wsgi_apps` is said in one sentence; what is right gets its complete form."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, tls
from support.applications import SIZES, App, complete, problems, refused, rendered
from support.preflight import base

CASES: list[tuple[App, str]] = [
    ({"name": "Shop"}, "name: 'Shop' is not usable"),
    ({"name": "a" * 26}, "name: is not usable"),
    ({"name": "shop\n"}, "name: holds a newline, a NUL"),
    ({"name": "default"}, "name: 'default' is reserved"),
    ({"user": "root"}, "user: must not run as root"),
    ({"group": "a b"}, "group: is not the name of an account"),
    ({"callable": "app()"}, "callable: is not a Python name"),
    ({"user": "modwsgi-build"}, "user: it is the account for builds"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_applications_without_a_problem(shop: App) -> None:
    assert problems(shop) == []
    shop |= {
        "requirements": "requirements.txt",
        "python_path": ["assets"],
        "environment": {"KEY": "line 1\nline 2"},
        "server_aliases": ["*.example.org", "192.0.2.1"],
        "static": [{"url": "/static/", "directory": "made/css"}, {"url": "/assets", "directory": "assets"}],
        "static_root": "made",
        "release_commands": ["python manage.py migrate\n", ["echo", "a b"]],
        "address": "127.0.0.1",
        "port": "8080",
        "health": {"path": "/ping?full=1", "status": 204},
    }
    assert problems(shop, listen=[80, "127.0.0.1:8080"]) == []


def test_keys_that_are_null_or_empty_are_not_set(shop: App) -> None:
    empty = {"daemon_options": {}, "daemon_groups": [], "static": None, "tls": None, "port": None, "processes": None}
    assert problems({**shop, **empty}) == problems({**shop, **empty, "mode": "embedded"}) == []
    assert complete({**shop, **empty}) == [
        {**each, "daemon_options": {}, "daemon_groups": []} for each in complete(shop)
    ]


def test_two_applications_with_one_name(shop: App) -> None:
    assert problems(shop, {**shop, "server_name": "other.example.com"}) == [
        "wsgi_apps: application 'shop', key name: 2 applications have this name; give each its own."
    ]


def test_debug_mode_is_refused_in_production_unless_somebody_insists(shop: App) -> None:
    shop["debug"] = True
    assert problems(shop) == problems(shop, environment="staging") == []
    (sentence,) = problems(shop, environment="production")
    assert sentence.startswith("wsgi_apps: application 'shop', key debug: ")
    assert "insist with debug_in_production: true" in sentence
    assert problems({**shop, "debug_in_production": True}, environment="production") == []
    assert problems({**shop, "debug": False}, environment="production") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "me"),
        ("processes", 2),
        ("request_timeout", 0),
        ("request_timeout", 60),
        ("lang", "C"),
        ("debug", True),
        ("daemon_options", {"maximum_requests": 5}),
        ("daemon_groups", [{"name": "slow", "paths": ["/slow"]}]),
    ],
)
def test_an_embedded_application_has_no_key_of_a_daemon_process_group(shop: App, key: str, value: object) -> None:
    (sentence,) = problems({**shop, "mode": "embedded", key: value})
    assert sentence.startswith(f"wsgi_apps: application 'shop', key {key}: only a daemon process group has it, and ")
    assert sentence.endswith("mode is embedded; remove it, or use mode: daemon.")
    assert problems({**shop, "mode": "daemon", key: value}) == []


def test_one_application_of_a_host_can_be_embedded(shop: App) -> None:
    others = [{**shop, "name": name, "server_name": f"{name}.example", "mode": "embedded"} for name in ("a", "b")]
    assert problems(shop, others[0]) == []
    (sentence,) = problems(shop, *others)
    assert sentence.startswith("wsgi_apps: application 'b', key mode: the application 'a' is embedded already")


def test_what_is_to_be_known_of_an_embedded_application_is_told(shop: App) -> None:
    assert apps.notes(complete(shop)) == []
    (sentence,) = apps.notes(complete({**shop, "mode": "embedded"}))
    assert sentence.startswith("The application 'shop' is embedded: ")
    assert "without a limit" in sentence


def test_an_embedded_application_runs_as_httpd(shop: App) -> None:
    (embedded,) = complete({**shop, "mode": "embedded", "debug": False})
    assert (embedded["user"], embedded["group"]) == ("www-data", "www-data")


def test_what_the_user_sets_wins_over_what_is_computed(shop: App) -> None:
    (plain,) = complete(shop)
    assert (plain["user"], plain["group"], plain["listen_backlog"]) == ("wsgi-shop", "wsgi-shop", 2048)
    assert (plain["processes"], plain["threads"]) == (2, 15)
    (given,) = complete({**shop, "processes": "5", "threads": 1, "user": "deploy"})
    assert (given["processes"], given["threads"], given["user"], given["group"]) == (5, 1, "deploy", "deploy")


def test_a_list_with_problems_has_no_complete_form(shop: App) -> None:
    with pytest.raises(ValueError, match=re.escape("httpd does not listen on 81")):
        complete({**shop, "port": 81})
    with pytest.raises(ValueError, match="missing required arguments: source found in wsgi_apps"):
        apps.normalise([{**shop, "source": None}], [80], {"shop": SIZES}, instance("apache2"))


def test_environment_variables_are_in_no_value_that_a_module_logs(shop: App) -> None:
    (public,) = apps.without_environments(complete({**shop, "environment": {"KEY": "wisdom"}}))
    assert "wisdom" not in json.dumps(public)


def test_the_modules_are_those_that_are_needed(shop: App) -> None:
    def needed(**change: Any) -> list[str]:
        return apps.modules(settings.applications([{**shop, **change}]))

    assert needed() == []
    assert tls.ports(settings.applications([shop])) == []
    assert not [path for path in rendered(shop) if "tls" in path]
    script = {"path": "/a", "auth_user_script": {"script": "auth.py", "realm": "Staff"}}
    assert needed(wsgi_directives={"locations": [script]}) == ["auth_basic", "authn_core", "authz_user"]
    assert needed(wsgi_directives={"locations": [{"path": "/a"}]}) == []
    assert needed(tls={"acme": {"contact": "a@b.example"}}) == ["http2", "md", "setenvif", "socache_shmcb", "ssl"]
    assert needed(
        tls={"self_signed": True, "http2": "no"},
        static=[{"url": "/s", "directory": "static", "precompressed": True}],
        auth=[{"type": "openid-connect", "modules": ["auth_openidc"]}],
        backends=[{"path": "/a", "url": "unix:/run/x|http://localhost/"}, {"path": "/b", "url": "ws://b/"}],
    ) == [
        "auth_openidc", "authn_core", "authz_user", "proxy", "proxy_http", "proxy_wstunnel", "rewrite", "setenvif",
        "socache_shmcb", "ssl",
    ]  # fmt: skip
    assert needed(trusted_proxies=["192.0.2.1"]) == ["setenvif"]


@pytest.mark.parametrize(
    "change",
    [
        {"tls": {"self_signed": True}},
        {"auth": [{"type": "basic", "realm": "Staff", "users": {"ann": "$2y$05$" + "a" * 53}}]},
        {"backends": [{"path": "/a", "url": "wss://b/"}, {"path": "/b", "url": "https://b/"}]},
        {"static": [{"url": "/s", "directory": "static", "precompressed": True}]},
        {"trusted_proxies": ["192.0.2.1"]},
        {"wsgi_directives": {"chunked_request": True}},
        {"wsgi_directives": {"locations": [{"path": "/a", "auth_user_script": {"script": "a.py", "realm": "Staff"}}]}},
    ],
)
def test_no_key_of_an_application_loads_a_module_later(shop: App, change: dict[str, Any]) -> None:
    """To load a module, httpd has to be restarted, which loses requests."""

    def of_modules(*applications: App, host: dict[str, Any] | None = None, **variables: Any) -> set[str]:
        files = base(applications, host, **variables).files()
        return {file["path"] for file in files if file["path"].startswith("mods-enabled/") and not file.get("absent")}

    assert of_modules({**shop, **change}) == of_modules(shop)
    needed = of_modules({**shop, **change}, httpd_site_modules="needed")
    assert of_modules(shop, httpd_site_modules="needed") < needed < of_modules(shop)
    foreign = {"sites": [{"file": "/etc/apache2/sites-enabled/other.conf"}], "files": [], "vhosts": [], "names": []}
    assert of_modules({**shop, **change}, host={"foreign": foreign}) == needed, "others would see more modules"


def test_http2_is_not_loaded_in_advance_where_it_cannot_work(shop: App) -> None:
    prefork = base((shop,), httpd_modules=["mpm_prefork", "alias"])
    assert "ssl" in prefork.modules
    assert "http2" not in prefork.modules
