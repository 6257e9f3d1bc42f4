# SPDX-License-Identifier: Apache-2.0
"""What an application says about mod_wsgi is checked as a whole, and written where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    DAEMON_OPTIONS,
    DIRECTIVES,
    table,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, daemon
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import vhost as wsgi_vhost

SIZES = {"shop": {"processes": 3, "threads": 4, "listen_backlog": 100}}
SERVER: dict[str, Any] = {"version": "6.1.1", "directives": {}}


@pytest.fixture(name="raw")
def fixture_raw(tmp_path: Path) -> dict[str, Any]:
    for name in ("wsgi.py", "auth.py", "warm.py"):
        (tmp_path / name).write_text("")
    return {"name": "shop", "source": {"directory": str(tmp_path)}, "server_name": "shop.example.com"}


def problems(raw: dict[str, Any], **keys: Any) -> list[str]:
    return apps.problems([{**raw, **keys}], [80])


def vhost(raw: dict[str, Any], **keys: Any) -> str:
    complete = apps.normalise([{**raw, **keys}], [80], SIZES, instance("apache2"))
    files = {file["path"]: file.get("content", "") for file in wsgi_files.files(complete, instance("apache2"))}
    return str(files["sites-available/100-modwsgi-shop.conf"])


def options(text: str) -> list[list[str]]:
    joined = text.replace("\\\n", "").splitlines()
    return [line.split() for line in joined if line.startswith("WSGIDaemonProcess")]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"daemon_options": {"maximum_requests": -1}},
            "key daemon_options.maximum_requests: -1 is too small; the least is 0.",
        ),
        (
            {"daemon_options": {"chroot": "/"}},
            "key daemon_options.chroot: it is the whole system",
        ),
        (
            {"daemon_groups": [{"name": "a", "paths": ["/a"], "daemon_options": {"chroot": "/srv/jail"}}]},
            "key daemon_groups[0].daemon_options.chroot: all processes of an application have the same",
        ),
        (
            {"mode": "embedded", "daemon_options": {"maximum_requests": 5}},
            "key daemon_options: only a daemon process group has it, and mode is embedded; remove it, or use mode: "
            "daemon.",
        ),
        (
            {"mode": "embedded", "daemon_groups": [{"name": "slow", "paths": ["/slow"]}]},
            "key daemon_groups: only a daemon process group has it",
        ),
        (
            {"daemon_options": {"script_user": "root", "script_group": "root"}},
            "key daemon_options.script_group: script_user is given too",
        ),
        (
            {"request_timeout": 0, "daemon_options": {"interrupt_timeout": 5}},
            "key daemon_options.interrupt_timeout: it has no effect while request_timeout is 0",
        ),
        (
            {"wsgi_directives": {"import_scripts": [{"script": "absent.py"}]}},
            "key wsgi_directives.import_scripts[0].script: 'absent.py' is not in the source",
        ),
        (
            {"wsgi_directives": {"locations": [{"path": "/a", "access_script": {"script": "absent.py"}}]}},
            "key wsgi_directives.locations[0].access_script.script: 'absent.py' is not in the source",
        ),
        (
            {"wsgi_directives": {"locations": [{"path": "a b", "chunked_request": True}]}},
            "key wsgi_directives.locations[0].path: 'a b' is not a URL path",
        ),
        (
            {"wsgi_directives": {"locations": [{"path": "/a*", "chunked_request": True}]}},
            "key wsgi_directives.locations[0].path: '/a*' is a pattern for httpd; use none of * ? [ ]",
        ),
        (
            {"wsgi_directives": {"locations": [{"path": "/a", "chunked_request": True}] * 2}},
            "key wsgi_directives.locations[1].path: '/a' is there twice",
        ),
        (
            {"wsgi_directives": {"locations": [{"path": "/a"}]}},
            "key wsgi_directives.locations[0]: it sets nothing",
        ),
        (
            {
                "wsgi_directives": {
                    "locations": [{"path": "/a", "auth_group_script": {"script": "auth.py", "groups": ["staff"]}}]
                }
            },
            "key wsgi_directives.locations[0].auth_group_script: nothing says who the user is",
        ),
        ({"daemon_groups": [{"name": "A", "paths": ["/a"]}]}, "key daemon_groups[0].name: 'A' is not usable"),
        ({"daemon_groups": [{"name": "a", "paths": []}]}, "key daemon_groups[0].paths: the list is empty"),
        (
            {"daemon_groups": [{"name": "a", "paths": ["/a"]}, {"name": "b", "paths": ["/a"]}]},
            "key daemon_groups[1].paths[0]: '/a' is there twice",
        ),
        (
            {"daemon_groups": [{"name": "a", "paths": ["/a"]}, {"name": "a", "paths": ["/b"]}]},
            "key daemon_groups[1].name: 'a' is there twice",
        ),
        (
            {"daemon_groups": [{"name": "a", "paths": ["/a"], "processes": 0}]},
            "key daemon_groups[0].processes: 0 is too small",
        ),
        (
            {"daemon_groups": [{"name": "a", "paths": ["/a"], "daemon_options": {"stack_size": 0}}]},
            "key daemon_groups[0].daemon_options.stack_size: 0 is too small",
        ),
        (
            {
                "daemon_options": {"script_user": "root"},
                "daemon_groups": [{"name": "a", "paths": ["/a"], "daemon_options": {"script_group": "root"}}],
            },
            "key daemon_groups[0].daemon_options.script_group: script_user is given too",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_refused(raw: dict[str, Any], keys: dict[str, Any], sentence: str) -> None:
    (found,) = problems(raw, **keys)
    assert found.startswith(f"wsgi_apps: application 'shop', {sentence}")


def test_a_line_break_in_a_nested_value_is_refused(raw: dict[str, Any]) -> None:
    location = {"path": "/a", "auth_user_script": {"script": "auth.py", "realm": "Staff\nWSGIRestrictEmbedded Off"}}
    (found,) = problems(raw, wsgi_directives={"locations": [location]})
    assert "wsgi_directives.locations[0].auth_user_script.realm" in found


def test_empty_and_unset_keys_are_none(raw: dict[str, Any]) -> None:
    keys: dict[str, Any] = {"daemon_options": {}, "wsgi_directives": None, "daemon_groups": []}
    assert problems(raw, **keys) == problems(raw, mode="embedded", **keys) == []
    assert vhost(raw, **keys) == vhost(raw)


def test_the_reference_tells_the_defaults_that_the_role_has() -> None:
    names = {*apps.SECONDS, "application_group", "callable", "lang", "locale"}
    shown = {
        key.removeprefix("wsgi_apps[]."): str(setting.default if setting.ours is None else setting.ours)
        for setting in (*table(DAEMON_OPTIONS), *table(DIRECTIVES))
        for key in setting.set_by
        if len(setting.set_by) == 1
    }
    assert {name: shown[name] for name in names} == {name: str(apps.DEFAULTS[name]) for name in names}


# ---------------------------------------------------------------- what the server has to have


def test_what_the_module_does_not_have_is_refused_by_name_and_version(raw: dict[str, Any]) -> None:
    application = {
        **raw,
        "daemon_options": {"interrupt_timeout": 5, "maximum_requests": 9},
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "daemon_options": {"switch_interval": 0.1}}],
    }
    assert apps.module_problems([application], {**SERVER, "version": "4.9.4"}) == [
        "wsgi_apps: application 'shop', key daemon_options.interrupt_timeout: exists since mod_wsgi 6.0.0, and 4.9.4 "
        "is to be installed; leave it out or set mod_wsgi_version to 6.0.0 or later.",
        "wsgi_apps: application 'shop', key daemon_groups[0].daemon_options.switch_interval: exists since mod_wsgi "
        "6.0.0, and 4.9.4 is to be installed; leave it out or set mod_wsgi_version to 6.0.0 or later.",
    ]
    assert apps.module_problems([application], SERVER) == []


def test_a_password_script_brings_the_modules_of_httpd_that_it_needs(raw: dict[str, Any]) -> None:
    location = {"path": "/a", "auth_user_script": {"script": "auth.py", "realm": "Staff"}}
    application = {**raw, "wsgi_directives": {"locations": [location]}}
    assert set(wsgi_vhost.modules([application])) == {"auth_basic", "authn_core", "authz_user"}
    assert wsgi_vhost.modules([{**raw, "wsgi_directives": {"locations": [{"path": "/a"}]}}]) == []


def test_a_switch_interval_and_free_threading_are_refused(raw: dict[str, Any]) -> None:
    server = {**SERVER, "directives": {"free_threading": True}}
    (found,) = apps.module_problems([{**raw, "daemon_options": {"switch_interval": 0.1}}], server)
    assert "key daemon_options.switch_interval: it has no effect while mod_wsgi_directives.free_threading" in found


def test_what_debug_mode_owns_is_refused(raw: dict[str, Any]) -> None:
    server = {**SERVER, "directives": {"restrict_stdin": True}}
    (found,) = apps.module_problems([{**raw, "debug": True}], server)
    assert "mod_wsgi_directives.restrict_stdin is true; remove one." in found
    assert apps.module_problems([raw], server) == []


@pytest.mark.parametrize(("name", "known"), [("shop", True), ("shop:slow", True), ("%{GLOBAL}", True), ("shpo", False)])
def test_interpreter_options_name_applications(raw: dict[str, Any], name: str, known: bool) -> None:
    server = {**SERVER, "directives": {"interpreter_options": [{"process_group": name, "restrict_signal": True}]}}
    application = {**raw, "daemon_groups": [{"name": "slow", "paths": ["/slow"]}]}
    found = apps.module_problems([application], server)
    assert bool(found) is not known
    assert all("'shpo' is neither the name of an application" in sentence for sentence in found)


@pytest.mark.parametrize(
    ("method", "release", "version"),
    [("package", "12", "4.9.4"), ("package", "13", "5.0.2"), ("source", "12", "6.1.1")],
)
def test_the_distribution_decides_the_version_of_its_package(method: str, release: str, version: str) -> None:
    host = {"distribution": "debian", "release": release}
    assert daemon.module_version("6.1.1", method, host) == version


# ---------------------------------------------------------------- what is written


def test_options_follow_those_of_the_role_in_the_order_of_the_data(raw: dict[str, Any]) -> None:
    given = {"umask": "027", "restart_interval": "3600", "python_eggs": "/", "listen_backlog": 7, "stack_size": None}
    (plain,), (found,) = options(vhost(raw)), options(vhost(raw, daemon_options=given))
    assert [word for word in found if word not in plain] == [
        "umask=027", "listen-backlog=7", "python-eggs=/", "restart-interval=3600",
    ]  # fmt: skip
    assert [word for word in plain if word not in found] == ["umask=0022", "listen-backlog=100"]


def test_httpd_finds_the_scripts_of_a_chroot(raw: dict[str, Any]) -> None:
    complete = apps.normalise([{**raw, "daemon_options": {"chroot": "/srv/jail/"}}], [80], SIZES, instance("apache2"))
    files = {file["path"]: file.get("content", "") for file in wsgi_files.files(complete, instance("apache2"))}
    text = files["sites-available/100-modwsgi-shop.conf"]
    assert "WSGIScriptAlias / /srv/jail/usr/local/lib/modwsgi/launcher.py\n" in text
    assert "WSGIImportScript /usr/local/lib/modwsgi/launcher.py process-group=shop application-group=%{GLOBAL}" in text
    assert "    <Location />\n        WSGIProcessGroup shop\n        WSGIApplicationGroup %{GLOBAL}\n" in text
    assert "<Directory /srv/jail/usr/local/lib/modwsgi>" in text
    assert "python-home=/srv/wsgi/shop/venv" in text
    (probe,) = [content for path, content in files.items() if "/srv/jail/usr/local/lib/modwsgi/probe.py" in content]
    assert "<Directory /srv/jail/usr/local/lib/modwsgi>" in probe


def test_limits_are_left_out_in_debug_mode(raw: dict[str, Any]) -> None:
    given = {"restart_interval": 3600, "socket_timeout": 5, "memory_limit": 10**9}
    (found,) = options(vhost(raw, daemon_options=given, debug=True))
    assert "memory-limit=1000000000" in found
    assert not any(word.startswith("restart-interval") for word in found)
    assert [word for word in found if word.startswith("socket-timeout")] == ["socket-timeout=3600"]


def test_directives_stand_in_the_vhost_and_in_locations(raw: dict[str, Any]) -> None:
    text = vhost(
        raw,
        application_group="shop",
        wsgi_directives={
            "chunked_request": "yes",
            "pass_authorization": False,
            "import_scripts": [{"script": "warm.py"}],
            "script_alias_matches": [{"pattern": "^/wiki/[a-z]+"}],
            "locations": [
                {
                    "path": "/staff",
                    "auth_user_script": {"script": "auth.py", "realm": 'The "staff" only'},
                    "auth_group_script": {"script": "/opt/auth.py", "groups": ["staff", "admin"]},
                },
                {"path": "/healthz", "ignore_activity": True, "pass_authorization": True},
            ],
        },
    )
    lines = [line.strip() for line in text.splitlines()]
    launcher = "/usr/local/lib/modwsgi/launcher.py"
    ours = f"WSGIScriptAlias / {launcher} process-group=shop application-group=shop"
    matched = f'WSGIScriptAliasMatch "^/wiki/[a-z]+" {launcher} process-group=shop application-group=shop'
    imported = "WSGIImportScript /srv/wsgi/shop/current/warm.py process-group=shop application-group=shop"
    assert lines.index(matched) < lines.index(ours) < lines.index(imported)
    assert "WSGIPassAuthorization Off" in lines
    assert "WSGIChunkedRequest On" in lines
    start = lines.index("<Location /staff>")
    assert lines[start : start + 13] == [
        "<Location /staff>",
        "WSGIAuthGroupScript /opt/auth.py",
        "WSGIAuthUserScript /srv/wsgi/shop/current/auth.py",
        "AuthType Basic",
        'AuthName "The \\"staff\\" only"',
        "AuthBasicProvider wsgi",
        "AuthMerging And",
        "Require wsgi-group staff admin",
        "</Location>",
        "<Location /healthz>",
        "WSGIIgnoreActivity On",
        "WSGIPassAuthorization On",
        "</Location>",
    ]


def test_below_a_path_of_a_vhost_directives_are_for_that_path(raw: dict[str, Any]) -> None:
    directives = {"chunked_request": True, "pass_authorization": False, "import_scripts": [{"script": "warm.py"}]}
    (complete,) = apps.normalise([{**raw, "wsgi_directives": directives}], [80], SIZES, instance("apache2"))
    values = daemon.vhost_values({**complete, "path": "/shop"}, "/code", "shop", "/launcher.py")
    assert values["directives"] == [
        "WSGIImportScript /code/warm.py process-group=shop application-group=%{GLOBAL}",
        "<Location /shop>",
        "    WSGIChunkedRequest On",
        "    WSGIPassAuthorization Off",
        "</Location>",
    ]


@pytest.mark.parametrize(
    ("mode", "script", "process_group"),
    [("daemon", "launcher.py", "shop"), ("embedded", "embedded/shop.py", "%{GLOBAL}")],
)
@pytest.mark.parametrize("group", ["%{GLOBAL}", "named"])
def test_the_application_is_loaded_when_the_process_starts(
    raw: dict[str, Any], mode: str, script: str, process_group: str, group: str
) -> None:
    """As both options of the alias say. What the first request loads, 4.9.1 would have hang at its end."""
    text = vhost(raw, mode=mode, application_group=group)
    assert (
        f"WSGIScriptAlias / /usr/local/lib/modwsgi/{script} process-group={process_group} application-group={group}\n"
        in text
    )


def test_an_embedded_application_imports_into_httpds_processes(raw: dict[str, Any]) -> None:
    text = vhost(raw, mode="embedded", wsgi_directives={"import_scripts": [{"script": "warm.py"}]})
    assert "warm.py process-group=%{GLOBAL} application-group=%{GLOBAL}" in text


def test_a_further_group_of_processes_serves_its_paths(raw: dict[str, Any]) -> None:
    group = {
        "name": "slow",
        "paths": ["/slow", "/reports"],
        "processes": 2,
        "request_timeout": 600,
        "daemon_options": {"maximum_requests": 5},
    }
    keys: dict[str, Any] = {"daemon_groups": [group], "daemon_options": {"maximum_requests": 9, "memory_limit": 10**9}}
    text = vhost(raw, **keys)
    first, second = options(text)
    assert (first[1], second[1]) == ("shop", "shop:slow")
    assert {"processes=3", "threads=4", "request-timeout=60", "maximum-requests=9"} <= set(first)
    assert {"processes=2", "threads=15", "request-timeout=600", "maximum-requests=5", "memory-limit=1000000000"} <= set(
        second
    )
    assert {
        word for word in first if "=" in word and word.partition("=")[0] in ("user", "python-home", "display-name")
    } <= set(second)
    lines = [line.strip() for line in text.splitlines()]
    launcher = "/usr/local/lib/modwsgi/launcher.py"
    assert f"WSGIScriptAlias / {launcher}" in lines
    for path, name in (("/", "shop"), ("/slow", "shop:slow"), ("/reports", "shop:slow")):
        start = lines.index(f"<Location {path}>")
        assert lines[start + 1] == f"WSGIProcessGroup {name}"
    for name in ("shop", "shop:slow"):
        assert f"WSGIImportScript {launcher} process-group={name} application-group=%{{GLOBAL}}" in lines
    (complete,) = apps.normalise([{**raw, **keys}], [80], SIZES, instance("apache2"))
    assert complete["all_processes"] == 5
    assert complete["probed_groups"] == ["shop", "shop:slow"]
    files = {file["path"]: file.get("content", "") for file in wsgi_files.files([complete], instance("apache2"))}
    (private,) = [text for text in files.values() if "/probe/shop:slow" in text]
    for name in complete["probed_groups"]:
        assert f"<Location /probe/{name}>\n        Require local\n        WSGIProcessGroup {name}\n" in private


def test_debug_mode_has_one_group(raw: dict[str, Any]) -> None:
    keys: dict[str, Any] = {"daemon_groups": [{"name": "slow", "paths": ["/slow"]}], "debug": True}
    assert len(options(vhost(raw, **keys))) == 1
    assert "shop:slow" not in vhost(raw, **keys)
    assert apps.normalise([{**raw, **keys}], [80], SIZES, instance("apache2"))[0]["all_processes"] is None


@pytest.mark.parametrize(
    ("given", "seconds"), [({}, 15), ({"eviction_timeout": 40}, 40), ({"eviction_timeout": 2}, 15)]
)
def test_a_deployment_waits_as_long_as_a_process_may_take(
    raw: dict[str, Any], given: dict[str, int], seconds: int
) -> None:
    (complete,) = apps.normalise([{**raw, "daemon_options": given}], [80], SIZES, instance("apache2"))
    assert complete["replacement_seconds"] == seconds
