# SPDX-License-Identifier: Apache-2.0
"""What an application says about its processes and about mod_wsgi: checked as a whole, written where it belongs."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives as mod_wsgi
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, daemon
from support.applications import (
    LAUNCHER,
    LISTEN,
    SIZES,
    App,
    complete,
    contents,
    problems,
    refused,
    rendered,
    section,
    shown,
    vhost,
)

SERVER: App = {"version": "6.1.1", "directives": {}}


def options(text: str) -> list[list[str]]:
    joined = text.replace("\\\n", "").splitlines()
    return [line.split() for line in joined if line.startswith("WSGIDaemonProcess")]


def module_problems(*written: App, **server: Any) -> list[str]:
    return apps.module_problems(settings.applications(written), {**SERVER, **server})


def group(**keys: Any) -> App:
    return {"daemon_groups": [{"name": "a", "paths": ["/a"], **keys}]}


def located(*locations: App) -> App:
    return {"wsgi_directives": {"locations": list(locations)}}


CASES: list[tuple[App, str]] = [
    ({"processes": 0}, "processes: the least is 1"),
    ({"threads": -1}, "threads: the least is 1"),
    ({"request_timeout": -1}, "request_timeout: is negative"),
    ({"application_group": "%{SERVER}"}, "application_group: use %{GLOBAL}, or a name"),
    ({"application_group": "a b"}, "application_group: 'a b' is not usable"),
    ({"lang": "C UTF"}, "lang: is not the name of a locale"),
    ({"daemon_options": {"maximum_requests": -1}}, "daemon_options.maximum_requests: -1 is too small; the least is 0."),
    ({"daemon_options": {"chroot": "/"}}, "daemon_options.chroot: it is the whole system"),
    (group(daemon_options={"chroot": "/srv/jail"}), "daemon_groups[0].daemon_options.chroot: all processes of an"),
    (
        {"daemon_options": {"script_user": "root", "script_group": "root"}},
        "daemon_options.script_group: script_user is given too",
    ),
    (
        {"request_timeout": 0, "daemon_options": {"interrupt_timeout": 5}},
        "daemon_options.interrupt_timeout: it has no effect while request_timeout is 0",
    ),
    (
        {"wsgi_directives": {"import_scripts": [{"script": "absent.py"}]}},
        "wsgi_directives.import_scripts[0].script: 'absent.py' is not in the source",
    ),
    (
        located({"path": "/a", "access_script": {"script": "absent.py"}}),
        "wsgi_directives.locations[0].access_script.script: 'absent.py' is not in the source",
    ),
    (located({"path": "a b", "chunked_request": True}), "wsgi_directives.locations[0].path: 'a b' is not a URL path"),
    (located({"path": "/a*", "chunked_request": True}), "wsgi_directives.locations[0].path: '/a*' is a pattern for"),
    (
        {"wsgi_directives": {"locations": [{"path": "/a", "chunked_request": True}] * 2}},
        "wsgi_directives.locations[1].path: '/a' is there twice",
    ),
    (located({"path": "/a"}), "wsgi_directives.locations[0]: it sets nothing"),
    (
        located({"path": "/a", "auth_group_script": {"script": "auth.py", "groups": ["staff"]}}),
        "wsgi_directives.locations[0].auth_group_script: nothing says who the user is",
    ),
    ({"daemon_groups": [{"name": "A", "paths": ["/a"]}]}, "daemon_groups[0].name: 'A' is not usable"),
    ({"daemon_groups": [{"name": "a", "paths": []}]}, "daemon_groups[0].paths: the list is empty"),
    (
        {"daemon_groups": [{"name": "a", "paths": ["/a"]}, {"name": "b", "paths": ["/a"]}]},
        "daemon_groups[1].paths[0]: '/a' is there twice",
    ),
    (
        {"daemon_groups": [{"name": "a", "paths": ["/a"]}, {"name": "a", "paths": ["/b"]}]},
        "daemon_groups[1].name: 'a' is there twice",
    ),
    (group(processes=0), "daemon_groups[0].processes: 0 is too small"),
    (group(daemon_options={"stack_size": 0}), "daemon_groups[0].daemon_options.stack_size: 0 is too small"),
    (
        {
            "daemon_options": {"script_user": "root"},
            "daemon_groups": [{"name": "a", "paths": ["/a"], "daemon_options": {"script_group": "root"}}],
        },
        "daemon_groups[0].daemon_options.script_group: script_user is given too",
    ),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_a_line_break_in_a_nested_value_is_refused(shop: App) -> None:
    location = {"path": "/a", "auth_user_script": {"script": "auth.py", "realm": "Staff\nWSGIRestrictEmbedded Off"}}
    refused(shop, located(location), "wsgi_directives.locations[0].auth_user_script.realm: holds a newline")


def test_the_reference_tells_the_defaults_that_the_role_has() -> None:
    names = {*daemon.SECONDS, "application_group", "callable", "lang", "locale"}
    told = {
        key.removeprefix("wsgi_apps[]."): str(setting.default if setting.ours is None else setting.ours)
        for setting in (*mod_wsgi.table(mod_wsgi.DAEMON_OPTIONS), *mod_wsgi.table(mod_wsgi.DIRECTIVES))
        for key in setting.set_by
        if len(setting.set_by) == 1
    }
    specified = settings.options("wsgi_app")["wsgi_apps"]["options"]
    assert {name: told[name] for name in names} == {name: str(specified[name]["default"]) for name in names}


def test_what_the_module_does_not_have_is_refused_by_name_and_version(shop: App) -> None:
    application = {
        **shop,
        "daemon_options": {"interrupt_timeout": 5, "maximum_requests": 9},
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "daemon_options": {"switch_interval": 0.1}}],
    }
    assert module_problems(application, version="4.9.4") == [
        "wsgi_apps: application 'shop', key daemon_options.interrupt_timeout: exists since mod_wsgi 6.0.0, and 4.9.4 "
        "is to be installed; leave it out or set mod_wsgi_version to 6.0.0 or later.",
        "wsgi_apps: application 'shop', key daemon_groups[0].daemon_options.switch_interval: exists since mod_wsgi "
        "6.0.0, and 4.9.4 is to be installed; leave it out or set mod_wsgi_version to 6.0.0 or later.",
    ]
    assert module_problems(application) == []


def test_a_switch_interval_and_free_threading_are_refused(shop: App) -> None:
    application = {**shop, "daemon_options": {"switch_interval": 0.1}}
    (found,) = module_problems(application, directives={"free_threading": True})
    assert "key daemon_options.switch_interval: it has no effect while mod_wsgi_directives.free_threading" in found


def test_what_debug_mode_owns_is_refused(shop: App) -> None:
    directives = {"restrict_stdin": True}
    (found,) = module_problems({**shop, "debug": True}, directives=directives)
    assert "mod_wsgi_directives.restrict_stdin is true; remove one." in found
    assert module_problems(shop, directives=directives) == []


@pytest.mark.parametrize(("name", "known"), [("shop", True), ("shop:slow", True), ("%{GLOBAL}", True), ("shpo", False)])
def test_interpreter_options_name_applications(shop: App, name: str, known: bool) -> None:
    directives = {"interpreter_options": [{"process_group": name, "restrict_signal": True}]}
    application = {**shop, "daemon_groups": [{"name": "slow", "paths": ["/slow"]}]}
    found = module_problems(application, directives=directives)
    assert bool(found) is not known
    assert all("'shpo' is neither the name of an application" in sentence for sentence in found)


@pytest.mark.parametrize(
    ("method", "release", "version"),
    [("package", "12", "4.9.4"), ("package", "13", "5.0.2"), ("source", "12", "6.1.1")],
)
def test_the_distribution_decides_the_version_of_its_package(method: str, release: str, version: str) -> None:
    host = {"distribution": "debian", "release": release}
    assert daemon.module_version("6.1.1", method, host) == version


def test_options_follow_those_of_the_role_in_the_order_of_the_data(shop: App) -> None:
    given = {"umask": "027", "restart_interval": "3600", "python_eggs": "/", "listen_backlog": 7, "stack_size": None}
    (plain,), (found,) = options(vhost(shop)), options(vhost(shop, daemon_options=given))
    assert [word for word in found if word not in plain] == [
        "umask=027", "listen-backlog=7", "python-eggs=/", "restart-interval=3600",
    ]  # fmt: skip
    assert [word for word in plain if word not in found] == ["umask=0022", "listen-backlog=2048"]


def test_httpd_finds_the_scripts_of_a_chroot(shop: App) -> None:
    files = rendered({**shop, "daemon_options": {"chroot": "/srv/jail/"}})
    text = files["sites-available/100-modwsgi-shop.conf"]
    assert "WSGIScriptAlias / /srv/jail/usr/local/lib/modwsgi/launcher.py\n" in text
    assert "WSGIImportScript /usr/local/lib/modwsgi/launcher.py process-group=shop application-group=%{GLOBAL}" in text
    assert "    <Location />\n        WSGIProcessGroup shop\n        WSGIApplicationGroup %{GLOBAL}\n" in text
    assert "<Directory /srv/jail/usr/local/lib/modwsgi>" in text
    assert "python-home=/srv/wsgi/shop/venv" in text
    (probe,) = [content for path, content in files.items() if "/srv/jail/usr/local/lib/modwsgi/probe.py" in content]
    assert "<Directory /srv/jail/usr/local/lib/modwsgi>" in probe


def test_limits_are_left_out_in_debug_mode(shop: App) -> None:
    given = {"restart_interval": 3600, "socket_timeout": 5, "memory_limit": 10**9}
    (found,) = options(vhost(shop, daemon_options=given, debug=True))
    assert "memory-limit=1000000000" in found
    assert not any(word.startswith("restart-interval") for word in found)
    assert [word for word in found if word.startswith("socket-timeout")] == ["socket-timeout=3600"]


def test_directives_stand_in_the_vhost_and_in_locations(shop: App) -> None:
    text = vhost(
        shop,
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
    lines = shown(text)
    ours = f"WSGIScriptAlias / {LAUNCHER} process-group=shop application-group=shop"
    matched = f'WSGIScriptAliasMatch "^/wiki/[a-z]+" {LAUNCHER} process-group=shop application-group=shop'
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


def test_below_a_path_of_a_vhost_directives_are_for_that_path(shop: App) -> None:
    directives = {"chunked_request": True, "pass_authorization": False, "import_scripts": [{"script": "warm.py"}]}
    (found,) = complete({**shop, "path": "/shop", "wsgi_directives": directives})
    values = daemon.vhost_values(found, "/code", "shop", "/launcher.py")
    assert values["directives"] == [
        "WSGIImportScript /code/warm.py process-group=shop application-group=%{GLOBAL}",
        "<Location /shop>",
        "    WSGIChunkedRequest On",
        *(f"    {line}" for line in daemon.WHOLE_BODY),
        "    WSGIPassAuthorization Off",
        "</Location>",
    ]


@pytest.mark.parametrize(
    "values", [{"chunked_request": True}, {"locations": [{"path": "/upload", "chunked_request": True}]}]
)
def test_a_body_of_unknown_length_is_handed_on_without_empty_parts(shop: App, values: dict[str, Any]) -> None:
    """Over HTTP/2 there are some, the first of which ends the body for a daemon process."""
    text, written = vhost(shop, wsgi_directives=values), {**shop, "wsgi_directives": values}
    assert [line.strip() for line in text.splitlines() if "BUFFER" in line] == ["SetInputFilter BUFFER"]
    assert apps.modules(settings.applications([written])) == ["buffer"]
    assert "BUFFER" not in vhost(shop)
    assert apps.modules(settings.applications([shop])) == []


@pytest.mark.parametrize(
    ("mode", "script", "process_group"),
    [("daemon", "launcher.py", "shop"), ("embedded", "embedded/shop.py", "%{GLOBAL}")],
)
@pytest.mark.parametrize("group", ["%{GLOBAL}", "named"])
def test_the_application_is_loaded_when_the_process_starts(
    shop: App, mode: str, script: str, process_group: str, group: str
) -> None:
    """As both options of the alias say. What the first request loads, 4.9.1 would have hang at its end."""
    text = vhost(shop, mode=mode, application_group=group)
    assert (
        f"WSGIScriptAlias / /usr/local/lib/modwsgi/{script} process-group={process_group} application-group={group}\n"
        in text
    )


def test_an_embedded_application_imports_into_httpds_processes(shop: App) -> None:
    text = vhost(shop, mode="embedded", wsgi_directives={"import_scripts": [{"script": "warm.py"}]})
    assert "warm.py process-group=%{GLOBAL} application-group=%{GLOBAL}" in text


def test_a_further_group_of_processes_serves_its_paths(shop: App) -> None:
    group = {
        "name": "slow",
        "paths": ["/slow", "/reports"],
        "processes": 2,
        "request_timeout": 600,
        "daemon_options": {"maximum_requests": 5},
    }
    options_of_all = {"maximum_requests": 9, "memory_limit": 10**9}
    shop |= {"processes": 3, "threads": 4, "daemon_groups": [group], "daemon_options": options_of_all}
    text = vhost(shop)
    first, second = options(text)
    assert (first[1], second[1]) == ("shop", "shop:slow")
    assert {"processes=3", "threads=4", "request-timeout=60", "maximum-requests=9"} <= set(first)
    own = {"processes=2", "threads=15", "request-timeout=600", "maximum-requests=5", "memory-limit=1000000000"}
    assert own <= set(second)
    assert {word for word in first if word.startswith(("user=", "python-home=", "display-name="))} <= set(second)
    lines = shown(text)
    assert f"WSGIScriptAlias / {LAUNCHER}" in lines
    for path, name in (("/", "shop"), ("/slow", "shop:slow"), ("/reports", "shop:slow")):
        start = lines.index(f"<Location {path}>")
        assert lines[start + 1] == f"WSGIProcessGroup {name}"
    for name in ("shop", "shop:slow"):
        assert f"WSGIImportScript {LAUNCHER} process-group={name} application-group=%{{GLOBAL}}" in lines
    (found,) = complete(shop)
    assert found["all_processes"] == 5
    assert found["probed_groups"] == ["shop", "shop:slow"]
    (private,) = [text for text in rendered(shop).values() if "/probe/shop:slow" in text]
    for name in found["probed_groups"]:
        assert re.search(
            rf"<Location /probe/{name}>\n        Require expr .*\n        WSGIProcessGroup {name}\n", private
        )


def test_debug_mode_has_one_group(shop: App) -> None:
    shop |= {"daemon_groups": [{"name": "slow", "paths": ["/slow"]}], "debug": True}
    assert len(options(vhost(shop))) == 1
    assert "shop:slow" not in vhost(shop)
    assert complete(shop)[0]["all_processes"] is None


@pytest.mark.parametrize(
    ("given", "seconds"), [({}, 15), ({"eviction_timeout": 40}, 40), ({"eviction_timeout": 2}, 15)]
)
def test_a_deployment_waits_as_long_as_a_process_may_take(shop: App, given: dict[str, int], seconds: int) -> None:
    (found,) = complete({**shop, "daemon_options": given})
    assert found["replacement_seconds"] == seconds


def test_an_application_below_a_path_has_its_own_chroot_and_processes(shop: App, blog: App) -> None:
    slow = {"name": "slow", "paths": ["/blog/reports"]}
    lines = shown(vhost(shop, {**blog, "daemon_options": {"chroot": "/srv/jail"}, "daemon_groups": [slow]}))
    # In the first vhost of the site, before all that names them.
    groups = [line.split()[1] for line in lines if line.startswith("WSGIDaemonProcess")]
    assert groups == ["blog", "blog:slow", "shop"]
    assert lines.index("<VirtualHost *:80>") < lines.index("WSGIDaemonProcess blog \\")
    assert lines.index("WSGIDaemonProcess shop \\") < lines.index(f"WSGIScriptAlias /blog /srv/jail{LAUNCHER}")
    # The longest path first, and each launcher where httpd finds it.
    aliases = [line for line in lines if line.startswith("WSGIScriptAlias")]
    assert aliases == [
        f"WSGIScriptAlias /blog /srv/jail{LAUNCHER}",
        f"WSGIScriptAlias / {LAUNCHER} process-group=shop application-group=%{{GLOBAL}}",
    ]
    assert "WSGIProcessGroup blog" in section(lines, "<Location /blog>")
    assert "WSGIProcessGroup blog:slow" in section(lines, "<Location /blog/reports>")
    assert lines.index("<Location /blog>") < lines.index("<Location /blog/reports>")
    assert "<Directory /srv/jail/usr/local/lib/modwsgi>" in lines
    assert "<Directory /usr/local/lib/modwsgi>" in lines


def test_process_groups_of_the_site_do_not_reach_below_the_path_of_another(shop: App, blog: App) -> None:
    shop["daemon_groups"] = [{"name": "slow", "paths": ["/reports"]}]
    blog["daemon_groups"] = [{"name": "slow", "paths": ["/blog/reports"]}]
    lines = shown(vhost(shop, blog))
    order = [lines.index(f"<Location {path}>") for path in ("/", "/reports", "/blog", "/blog/reports")]
    assert order == sorted(order)


def test_a_group_for_the_path_of_another_application_is_refused(shop: App, blog: App) -> None:
    blog["daemon_groups"] = [{"name": "slow", "paths": ["/reports"]}]
    assert problems(shop, blog) == [
        "wsgi_apps: application 'blog', key daemon_groups[0].paths[0]: '/reports' is not below the application's path "
        "'/blog'; begin it with that."
    ]


def test_what_one_application_says_of_the_header_authorization_is_not_for_the_other(shop: App, blog: App) -> None:
    shop["wsgi_directives"] = {"pass_authorization": False, "chunked_request": True}
    lines = shown(vhost(shop, blog))
    assert "WSGIPassAuthorization Off" in lines[: lines.index("<Location /blog>")]
    assert section(lines, "<Location /blog>") == ["WSGIPassAuthorization On"]
    assert lines.count("WSGIChunkedRequest On") == 1


def test_debug_mode_is_one_process_with_one_thread_and_patience(shop: App) -> None:
    shop |= {"debug": "yes", "processes": 4, "threads": 9, "request_timeout": 5}
    (found,) = complete(shop)
    assert found["debug"] is True
    assert (found["processes"], found["threads"]) == (None, 1)
    assert found["request_timeout"] == found["deadlock_timeout"] == daemon.DEBUG_TIMEOUT


@pytest.mark.parametrize(
    ("version", "threads", "seconds", "written"),
    [
        ("6.1.1", 15, 60, 17),
        ("6.0.0", 1, 60, 60),
        ("5.0.2", 15, 60, 60),
        ("4.9.1", 15, 60, 60),
        ("", 15, 60, 60),
        ("6.1.1", 9, 0, 0),
    ],
)
def test_a_request_ends_its_process_after_the_seconds_that_were_asked_for(
    shop: App, version: str, threads: int, seconds: int, written: int
) -> None:
    """6 multiplies by 1 + ln(threads): 17 * 3.7 is 63."""
    shop |= {
        "threads": threads,
        "request_timeout": seconds,
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "threads": threads}],
    }
    (found,) = apps.normalise([shop], LISTEN, {"shop": {**SIZES, "module_version": version}}, instance("apache2"))
    assert [group["request_limit"] for group in daemon.process_groups(found)] == [written, written]
    assert found["request_timeout"] == seconds


def test_the_tasks_of_an_application_are_bounded_where_the_account_is_its_own(shop: App) -> None:
    shop |= {
        "processes": 2,
        "threads": 15,
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "processes": 1, "threads": 5}],
    }
    assert complete(shop)[0]["max_tasks"] == 2 * (2 * (15 + 64) + (5 + 64)) + 256
    assert complete(shop)[0]["max_open_files"] == 0
    for others in ({"user": "deploy"}, {"debug": True}):
        assert complete({**shop, **others})[0]["max_tasks"] == 0
    assert complete({**shop, "user": "deploy", "max_tasks": 300, "max_open_files": 99})[0]["max_tasks"] == 300
    assert complete({**shop, "max_tasks": 0})[0]["max_tasks"] == 0
    (contained,) = apps.normalise([settings.applications([shop])[0]], LISTEN, {"shop": SIZES}, instance("container"))
    assert contained["max_tasks"] == 0, "the kernel counts the account in all containers together"


@pytest.mark.parametrize(
    ("key", "value", "least"),
    [("max_tasks", 15, 16), ("max_tasks", -1, 16), ("max_open_files", 63, 64), ("memory_max", 1 << 20, 64 << 20)],
)
def test_a_limit_that_nothing_could_run_in_is_refused(shop: App, key: str, value: int, least: int) -> None:
    refused(shop, {key: value}, f"{key}: {value} is too small; use at least {least}, or 0 for no limit")


@pytest.mark.parametrize("weight", [0, -1, 10_001])
def test_a_weight_that_linux_does_not_take_is_refused(shop: App, weight: int) -> None:
    refused(shop, {"cpu_weight": weight}, "cpu_weight: is no weight; use 1 to 10000")


def test_limits_of_a_control_group_need_an_account_of_its_own(shop: App) -> None:
    blog = {**shop, "name": "blog", "server_name": "blog.example", "user": "wsgi-shop"}
    for key, value in (("memory_max", 1 << 30), ("cpu_weight", 50)):
        assert problems({**shop, key: value}, blog) == [
            f"wsgi_apps: application 'shop', key {key}: another application runs as 'wsgi-shop', too, and Linux tells "
            "them apart by their accounts; remove the key user of one of the two, or this one."
        ]
    assert problems({**shop, "memory_max": 0}, blog) == []
    assert problems({**shop, "memory_max": 1 << 30}, {**blog, "user": "deploy"}) == []


def test_an_application_has_a_control_group_where_the_host_can_give_it_one(shop: App) -> None:
    def service(**keys: Any) -> str:
        (found,) = complete({**shop, **keys}, control_groups=True)
        return str(found["control_group"])

    assert service() == "/run/modwsgi-limits.sock"
    assert service(user="deploy") == "/run/modwsgi-limits.sock"
    assert service(user="www-data") == "", "httpd's own processes have that account"
    assert service(mode="embedded") == ""
    (elsewhere,) = complete({**shop, "memory_max": 1 << 30, "cpu_weight": 50})
    assert (elsewhere["control_group"], elsewhere["memory_max"]) == ("", 1 << 30)
    assert apps.limit_notes(complete({**shop, "memory_max": 1 << 30}, control_groups=True), "web1") == []
    assert apps.limit_notes([elsewhere], "web1") == [
        "On host web1, memory_max of 'shop' bounds the memory of each of its processes, and not of all together, since "
        "no control group is there for it (docs/security.md#what-one-application-can-take).",
        "On host web1, cpu_weight of 'shop' has no effect, since no control group is there for it "
        "(docs/security.md#what-one-application-can-take).",
    ]


def test_the_service_that_moves_processes_is_installed_where_it_has_some_to_move(shop: App) -> None:
    units, drop_in = "/etc/systemd/system", "/etc/systemd/system/apache2.service.d/modwsgi-limits.conf"
    found = contents(complete(shop, control_groups=True))
    assert "Delegate=cpu memory pids\n" in found[drop_in]
    assert "Wants=modwsgi-limits.service\nAfter=modwsgi-limits.service\n" in found[drop_in]
    service = found[f"{units}/modwsgi-limits.service"]
    start = "ExecStart=/usr/bin/python3 -I -S /usr/local/lib/modwsgi/limits.py apache2.service /run/modwsgi-limits.sock"
    assert start in service.splitlines()
    digest = hashlib.sha256(found["/usr/local/lib/modwsgi/limits.py"].encode()).hexdigest()
    assert digest in service, "another program has to be another unit, so that systemd starts it again"
    for without in (rendered(shop), contents(complete({**shop, "mode": "embedded"}, control_groups=True))):
        assert not [path for path in without if "limits" in path]


def test_each_daemon_process_group_has_its_own_time_for_a_load(shop: App) -> None:
    shop |= {
        "startup_timeout": 60,
        "threads": 5,
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "startup_timeout": 7, "threads": 3}],
    }
    (found,) = complete(shop)
    assert found["startup_timeouts"] == {"shop": 60, "shop:slow": 7}
    assert found["fewest_threads"] == 3
    (debugged,) = complete({**shop, "debug": True})
    assert debugged["startup_timeouts"] == {"shop": 0}


def test_the_time_to_reach_a_daemon_process_is_computed_unless_it_is_given(shop: App) -> None:
    def options(**change: Any) -> App:
        (found,) = complete({**shop, **change}, connect_timeout=2)
        return dict(found.get("daemon_options") or {})

    assert options() == {"connect_timeout": 2}
    assert options(daemon_options={"maximum_requests": 9}) == {"connect_timeout": 2, "maximum_requests": 9}
    assert options(daemon_options={"connect_timeout": 30}) == {"connect_timeout": 30}
    assert options(daemon_options={"connect_timeout": None}) == {"connect_timeout": 2}
    assert options(debug=True) == options(mode="embedded") == {}
