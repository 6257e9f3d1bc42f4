# SPDX-License-Identifier: Apache-2.0
"""The settings of the image: their defaults are those of hosts, and nothing hostile gets through to httpd."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import sizing
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.settings import options
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon
from support.scripts import ROOT, load_script

settings: Any = load_script("images/mod-wsgi/runtime/settings.py")


def problems(**environment: str) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.read(environment)
    return list(caught.value.sentences)


def test_the_defaults_are_those_of_hosts() -> None:
    values = settings.read({})
    keys = options("wsgi_app")["wsgi_apps"]["options"]
    for name in (*daemon.SECONDS, "mode", "callable", "max_body_size"):
        assert values[f"WSGI_{name.upper()}"] == str(keys[name]["default"])
    assert values["WSGI_STATIC_CACHE_SECONDS"] == str(keys["static"]["options"]["cache_seconds"]["default"])
    assert values["WSGI_PROCESSES"] == str(sizing.MIN_DAEMON_PROCESSES)
    assert values["WSGI_THREADS"] == str(sizing.DAEMON_THREADS)
    assert settings.read(values) == values, "a plain form is its own plain form"
    assert instance.instance("container")["run_directory"] == settings.RUNTIME


def test_the_private_port_is_what_the_roles_get_for_an_image() -> None:
    (play,) = yaml.safe_load((ROOT / "images/mod-wsgi/server/play.yml").read_text())
    assert play["vars"]["httpd_private_port"] == settings.PRIVATE_PORT


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant() -> None:
    assert problems(WSGI_PROCESSSES="4") == [
        "WSGI_PROCESSSES is not a setting; did you mean WSGI_PROCESSES? If it is the application's own, name it in "
        "WSGI_APPLICATION_VARIABLES."
    ]
    (sentence,) = problems(WSGI_XYZZY_PLUGH_QUUX="")
    assert "`help` lists the settings" in sentence


def test_names_of_others_are_left_alone() -> None:
    assert settings.read({"MOD_WSGI_X": "1", "DJANGO_SETTINGS_MODULE": "x"}) == settings.read({})


def test_a_variable_of_the_application_may_begin_as_settings_do() -> None:
    own = {"WSGI_AUTH_CREDENTIALS": "any ${value}", "WSGI_APPLICATION_VARIABLES": "WSGI_AUTH_CREDENTIALS, WSGI_unset"}
    assert settings.read(own)["WSGI_APPLICATION_VARIABLES"] == "WSGI_AUTH_CREDENTIALS WSGI_unset"
    (sentence,) = problems(**own, WSGI_THREAD="3")
    assert sentence.startswith("WSGI_THREAD is not a setting; did you mean WSGI_THREADS?")
    (sentence,) = problems(**{**own, "WSGI_APPLICATION_VARIABLES": "WSGI_AUTH_CREDENTIALS WSGI_THREADS"})
    assert sentence.endswith(
        "must be names like WSGI_AUTH_TOKEN that are no settings, separated by commas; correct it or leave it out."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("WSGI_SERVICE_HOST", "10.0.0.1"), ("WSGI_PORT_80_TCP_ADDR", "10.0.0.1"), ("WSGI_PORT", "tcp://10.0.0.1:80")],
)
def test_what_kubernetes_sets_is_named(name: str, value: str) -> None:
    (sentence,) = problems(**{name: value})
    assert sentence.startswith(name)
    assert sentence.endswith("set enableServiceLinks: false.")


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda setting: setting.name)
@pytest.mark.parametrize(
    "value",
    [
        'x" Include /etc/shadow', "x\nInclude /etc/shadow", "/x\nInclude /etc/shadow", "/x\n", "8080\n", "x\\", "/x\\",
        "${PATH}", "/${PATH}", "/a\x00", "/\u00a0\x1b[31m", "%{GLOBAL}", "٣", "-1", " ",
    ],
)  # fmt: skip
def test_no_setting_carries_anything_into_the_configuration(setting: Any, value: str) -> None:
    (sentence,) = problems(**{setting.name: value})
    assert sentence.startswith(f"{setting.name} is {value!r}, and must be ")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("WSGI_SCRIPT", "wsgi.py", "an absolute path"),
        ("WSGI_SCRIPT", "/app/../etc/passwd", "an absolute path without '..'"),
        ("WSGI_CALLABLE", "make app", "a Python name"),
        ("WSGI_PROCESSES", "0", "a whole number from 1 to 1000"),
        ("WSGI_THREADS", "many", "a whole number from 1 to 1000"),
        ("WSGI_STOP_TIMEOUT", "14", "a whole number from 15 to 86400"),
        ("WSGI_PORT", "65536", "a whole number from 1 to 65535"),
        ("WSGI_PORT", "8079", "another port than 8079"),
        ("WSGI_MODE", "prefork", "one of daemon, embedded"),
        ("WSGI_DESTROY_INTERPRETER", "yes", "one of On, Off"),
        ("WSGI_STATIC_URL", "/", "a URL path below /"),
        ("WSGI_TRUSTED_PROXIES", "proxy.example.com", "IP addresses or networks"),
        ("WSGI_TRUSTED_PROXIES", "10.0.0.1/8", "IP addresses or networks"),
        ("WSGI_LOG_LEVEL", "loud", "one of error, "),
        ("WSGI_LOG_LEVEL", "crit", "one of error, "),
        ("WSGI_LOG_FORMAT", "xml", "one of text, json"),
        ("WSGI_HEALTH_PATH", "healthz", "a URL path like /healthz"),
        ("WSGI_HEALTH_SCHEME", "tls", "one of http, https"),
        ("WSGI_MOUNT_PATH", "shop", "a URL path like /shop"),
        ("WSGI_MOUNT_PATH", "//shop", "a URL path like /shop"),
        ("WSGI_APPLICATION_VARIABLES", "WSGI_ENV AUTH_TOKEN", "names like WSGI_AUTH_TOKEN"),
        ("WSGI_SCRIPT", "", "an absolute path"),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: str, wanted: str) -> None:
    (sentence,) = problems(**{name: value})
    assert sentence.startswith(f"{name} is {value!r}, and must be {wanted}")


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("WSGI_DESTROY_INTERPRETER", "off", "Off"),
        ("WSGI_PROCESSES", "007", "7"),
        ("WSGI_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1", "10.0.0.0/8 2001:db8::1"),
        ("WSGI_TRUSTED_PROXIES", "", ""),
        ("WSGI_SCRIPT", "/srv/my shop/wsgi.py", "/srv/my shop/wsgi.py"),
        ("WSGI_CALLABLE", "factory.app", "factory.app"),
        ("WSGI_MAX_BODY_SIZE", "0", "0"),
        ("WSGI_MOUNT_PATH", "/shop/new/", "/shop/new"),
        ("WSGI_MOUNT_PATH", "/", "/"),
    ],
)
def test_a_good_value_has_a_plain_form(name: str, value: str, plain: str) -> None:
    assert settings.read({name: value})[name] == plain


def test_static_files_need_a_url_and_a_folder() -> None:
    assert problems(WSGI_STATIC_URL="/static/") == [
        "WSGI_STATIC_URL and WSGI_STATIC_PATH need each other; set both or none."
    ]
    values = settings.read({"WSGI_STATIC_URL": "/static/", "WSGI_STATIC_PATH": "/srv/static/"})
    assert (values["WSGI_STATIC_URL"], values["WSGI_STATIC_PATH"]) == ("/static", "/srv/static")


def test_all_problems_are_told() -> None:
    assert len(problems(WSGI_PORTS="1", WSGI_PORT="x", WSGI_MODE="y")) == 3


def test_a_stop_leaves_the_processes_their_time() -> None:
    assert settings.derived(settings.read({"WSGI_STOP_TIMEOUT": "15"}), "6.1.1")["MODWSGI_REQUESTS_TO_END"] == "1", (
        "0 would be no limit"
    )


def test_httpd_asks_whether_a_request_comes_from_a_proxy() -> None:
    def expression(proxies: str) -> str:
        return settings.derived(settings.read({"WSGI_TRUSTED_PROXIES": proxies}), "6.1.1")["MODWSGI_FROM_PROXY"]

    assert expression("") == "false"
    assert expression("10.0.0.0/8, 2001:db8::1") == (
        "%{CONN_REMOTE_ADDR} -ipmatch '10.0.0.0/8' || %{CONN_REMOTE_ADDR} -ipmatch '2001:db8::1'"
    )


def test_the_health_check_is_believed_on_its_path_alone() -> None:
    values = {"WSGI_HEALTH_PATH": "/is.it+well", "WSGI_HEALTH_SCHEME": "HTTPS", "WSGI_TRUSTED_PROXIES": "10.0.0.1"}
    name = "-DWSGI_HEALTH_AS_PROXY"
    assert name in settings.defines(settings.read(values))
    for left_out in values:
        assert name not in settings.defines(settings.read({key: values[key] for key in values if key != left_out}))
    assert settings.derived(settings.read(values), "6.1.1")["MODWSGI_HEALTH_PATTERN"] == r"^/is\.it\+well$"


def test_httpd_hears_of_switches_only() -> None:
    assert settings.defines(settings.read({})) == ["-DWSGI_SETTINGS"]
    assert settings.defines(settings.read({"WSGI_MODE": "embedded"})) == ["-DWSGI_SETTINGS", "-DWSGI_EMBEDDED"]


@pytest.mark.parametrize(
    ("level", "written"),
    [("warn", "warn wsgi:info"), ("error", "error wsgi:info"), ("notice", "notice wsgi:info"), ("info", "info")]
    + [(level, level) for level in ("debug", "trace8")],
)
def test_why_a_process_ended_is_logged_at_every_level(level: str, written: str) -> None:
    assert settings.derived(settings.read({"WSGI_LOG_LEVEL": level}), "6.1.1")["MODWSGI_LOG_LEVEL"] == written


@pytest.mark.parametrize(("threads", "module"), [("1", "6.1.1"), ("15", "6.1.1"), ("15", "5.0.2"), ("60", "6.0.0")])
def test_a_request_has_its_seconds_as_on_a_host(threads: str, module: str) -> None:
    values = settings.read({"WSGI_THREADS": threads, "WSGI_REQUEST_TIMEOUT": "60"})
    group = {"request_timeout": 60, "threads": int(threads), "module_version": module}
    assert settings.derived(values, module)["MODWSGI_REQUEST_LIMIT"] == str(daemon.request_limit(group))
