# SPDX-License-Identifier: Apache-2.0
"""What is wrong with `wsgi_apps` is said in one sentence; what is right gets its complete form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from support.scripts import ROOT

ROLE = ROOT / "roles" / "wsgi_app"
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 2048}


@pytest.fixture(name="source")
def fixture_source(tmp_path: Path) -> Path:
    source = tmp_path / "shop"
    (source / "assets").mkdir(parents=True)
    (source / "wsgi.py").write_text("")
    (source / "requirements.txt").write_text("")
    (tmp_path / "outside.py").write_text("")
    (source / "link.py").symlink_to("../outside.py")
    return source


@pytest.fixture(name="shop")
def fixture_shop(source: Path) -> dict[str, Any]:
    return {"name": "shop", "source": {"directory": str(source)}, "server_name": "shop.example.com"}


def found(application: dict[str, Any], listen: list[Any] | None = None) -> list[str]:
    return apps.problems([application], [80] if listen is None else listen)


def test_a_plain_application_has_no_problem(shop: dict[str, Any]) -> None:
    assert found(shop) == []


def test_many_keys_have_no_problem(shop: dict[str, Any]) -> None:
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
    assert found(shop, [80, "127.0.0.1:8080"]) == []


HTTPS = {"git": "https://git.example.com/shop.git"}
SSH = {"git": "git@git.example.com:shop.git"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n"

CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "Shop"}, "name", "'Shop' is not usable"),
    ({"name": "a" * 26}, "name", "is not usable"),
    ({"name": "shop\n"}, "name", "holds a newline, a NUL"),
    ({"name": "default"}, "name", "'default' is reserved"),
    ({"user": "root"}, "user", "must not run as root"),
    ({"group": "a b"}, "group", "is not the name of an account"),
    ({"server_name": "shop example"}, "server_name", "is not a host name"),
    ({"server_name": "shop.example\nInclude /etc/shadow"}, "server_name", "holds a newline, a NUL"),
    ({"server_name": "*.example.com"}, "server_name", "is not a host name"),
    ({"server_aliases": ["ok.example", "-bad"]}, "server_aliases[1]", "is not a host name"),
    ({"processes": 0}, "processes", "the least is 1"),
    ({"threads": -1}, "threads", "the least is 1"),
    ({"request_timeout": -1}, "request_timeout", "is negative"),
    ({"max_body_size": -1}, "max_body_size", "is negative"),
    ({"port": 70000}, "port", "is not a port"),
    ({"port": 8080}, "port", "httpd does not listen on 8080; add it to httpd_listen (now 80)"),
    ({"address": "localhost"}, "address", "is neither * nor an IP address"),
    ({"callable": "app()"}, "callable", "is not a Python name"),
    ({"application_group": "%{SERVER}"}, "application_group", "use %{GLOBAL}, or a name"),
    ({"application_group": "a b"}, "application_group", "'a b' is not usable"),
    ({"lang": "C UTF"}, "lang", "is not the name of a locale"),
    ({"health": {"path": "healthz"}}, "health.path", "is not a path"),
    ({"health": {"status": 20}}, "health.status", "is not an HTTP status"),
    ({"health": {"timeout": 0}}, "health.timeout", "is too short"),
    ({"environment": {"A-B": "x"}}, "environment.A-B", "letters, digits and '_' only"),
    ({"environment": {"A": 5}}, "environment.A", "is of type int and must be a string"),
    ({"environment": {"A": "a\0b"}}, "environment.A", "holds a NUL byte"),
    ({"environment": {"WSGI_STATIC_ROOT": "/x"}}, "environment.WSGI_STATIC_ROOT", "set by the role itself"),
    (
        {"environment": {"PYTHONPATH": "lib"}},
        "environment.PYTHONPATH",
        "use the key python_path",
    ),
    (
        {"environment": {"LD_LIBRARY_PATH": "/opt"}},
        "environment.LD_LIBRARY_PATH",
        "set it in httpd_environment, for the w",
    ),
    ({"environment": {"LD_PRELOAD": "x.so"}}, "environment.LD_PRELOAD", "set it in httpd_environment"),
    ({"environment": {"MALLOC_ARENA_MAX": "2"}}, "environment.MALLOC_ARENA_MAX", "set it in httpd_environment"),
    ({"environment": {"PYTHONHOME": "/usr"}}, "environment.PYTHONHOME", "virtual environment of its own"),
    (
        {"environment": {"PYTHONHASHSEED": "0"}},
        "environment.PYTHONHASHSEED",
        "use mod_wsgi_directives.python_hash_seed",
    ),
    ({"environment": {"PYTHONUTF8": "1"}}, "environment.PYTHONUTF8", "set it in httpd_environment"),
    ({"environment": {"LANG": "de_DE.UTF-8"}}, "environment.LANG", "use the keys lang and locale"),
    ({"environment": {"LC_ALL": "de_DE.UTF-8"}}, "environment.LC_ALL", "use the keys lang and locale"),
    ({"script": "/etc/passwd"}, "script", "leads out of the source"),
    ({"script": "../outside.py"}, "script", "leads out of the source"),
    ({"script": "link.py"}, "script", "is a link that leads out of the source"),
    ({"script": "app.py"}, "script", "'app.py' is not in the source"),
    ({"script": "assets"}, "script", "is not in the source"),
    ({"requirements": "dev.txt"}, "requirements", "'dev.txt' is not in the source"),
    ({"python_path": ["lib"]}, "python_path[0]", "'lib' is not in the source"),
    ({"static_root": "."}, "static_root", "a folder of its own"),
    ({"static": [{"url": "static", "directory": "assets"}]}, "static[0].url", "is not a URL path"),
    ({"static": [{"url": '/a"b', "directory": "assets"}]}, "static[0].url", "is not a URL path"),
    ({"static": [{"url": "/", "directory": "assets"}]}, "static[0].url", "would hide the whole application"),
    ({"static": [{"url": "/a", "directory": "."}]}, "static[0].directory", "would publish everything"),
    ({"static": [{"url": "/a", "directory": "../x"}]}, "static[0].directory", "leads out of the source"),
    ({"static": [{"url": "/a", "directory": "/srv/../etc"}]}, "static[0].directory", "holds '..'"),
    ({"static": [{"url": "/a", "directory": "/srv/*"}]}, "static[0].directory", "is a pattern for httpd"),
    ({"static": [{"url": "/a", "directory": "/srv/[a-z]"}]}, "static[0].directory", "is a pattern for httpd"),
    (
        {"static": [{"url": "/(a|b)", "directory": "assets", "precompressed": True}]},
        "static[0].url",
        "cannot be precompressed",
    ),
    (
        {"static": [{"url": "/%{HTTP_HOST}", "directory": "assets", "precompressed": True}]},
        "static[0].url",
        "cannot be precompressed",
    ),
    (
        {"static": [{"url": "/a", "directory": "/srv/%{HTTP_HOST}", "precompressed": True}]},
        "static[0].directory",
        "cannot be precompressed",
    ),
    ({"static": [{"url": "/a", "directory": "nope"}]}, "static[0].directory", "'nope' is not in the source"),
    ({"static": [{"url": "/a", "directory": "as\0sets"}]}, "static[0].directory", "holds a newline, a NUL"),
    (
        {"static": [{"url": "/a", "directory": "assets"}, {"url": "/a/", "directory": "assets"}]},
        "static[1].url",
        "is there twice",
    ),
    (
        {"static": [{"url": "/a", "directory": "assets", "cache_seconds": -1}]},
        "static[0].cache_seconds",
        "is negative",
    ),
    ({"release_commands": ["echo 'x"]}, "release_commands[0]", "cannot be split into words"),
    ({"release_commands": [["echo", "a\0b"]]}, "release_commands[0]", "the command holds a NUL byte"),
    ({"release_commands": [[]]}, "release_commands[0]", "the command is empty"),
    ({"source": {}}, "source", "neither directory nor git is given"),
    ({"source": {"directory": "/a", "git": "https://b"}}, "source", "both directory and git are given"),
    ({"source": {"directory": "shop"}}, "source.directory", "is not absolute"),
    ({"source": {"directory": "/does/not/exist"}}, "source.directory", "is not a folder on the control node"),
    ({"source": {"git": "ext::sh -c id"}}, "source.git", "is not a git address"),
    ({"source": {"git": "--upload-pack=id"}}, "source.git", "is not a git address"),
    ({"source": {"git": "https://u:secret@git.example/x"}}, "source.git", "the address holds a user or a password"),
    ({"source": {"git": "https://token@git.example/x"}}, "source.git", "the address holds a user or a password"),
    ({"source": {"git": "HTTPS://token@git.example/x"}}, "source.git", "the address holds a user or a password"),
    ({"source": {"git": "ssh://git:secret@git.example/x"}}, "source.git", "the address holds a user or a password"),
    ({"source": {"git": "git:secret@git.example:x"}}, "source.git", "is not a git address"),
    ({"source": {**HTTPS, "credentials": {"password": "secret"}}}, "source.credentials.username", "no username with"),
    ({"source": {**HTTPS, "credentials": {"username": "u"}}}, "source.credentials.password", "no password or token"),
    (
        {"source": {**HTTPS, "credentials": {"username": "u", "password": "secret\n"}}},
        "source.credentials.password",
        "it holds a newline",
    ),
    ({"source": {**HTTPS, "credentials": {"ssh_key": KEY}}}, "source.credentials.ssh_key", "it is for ssh"),
    (
        {"source": {**SSH, "credentials": {"username": "u", "password": "secret"}}},
        "source.credentials.password",
        "it is for https",
    ),
    ({"source": {**SSH, "credentials": {"ssh_key": "secret"}}}, "source.credentials.ssh_key", "not the text of a"),
    ({"pip": {"ssh_key": "secret"}}, "pip.ssh_key", "not the text of a private key"),
    ({"pip": {"netrc": "login u password secret"}}, "pip.netrc", "it has no entry"),
    ({"user": "modwsgi-build"}, "user", "it is the account for builds"),
    ({"source": {"git": "https://git.example/x", "version": "--all"}}, "source.version", "is not a branch, a tag"),
]


@pytest.mark.parametrize(("change", "key", "text"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: dict[str, Any], change: dict[str, Any], key: str, text: str) -> None:
    (sentence,) = found({**shop, **change})
    name = change.get("name", "shop")
    assert sentence.startswith(f"wsgi_apps: application {name!r}, key {key}: ")
    assert text in sentence
    assert "secret" not in sentence.replace(" SECRET", "")
    assert "token@" not in sentence
    assert sentence.endswith(".")
    assert "secret" not in sentence


def test_a_script_that_is_excluded_is_missed(shop: dict[str, Any]) -> None:
    shop["source"]["exclude"] = ["*.py"]
    (sentence,) = found(shop)
    assert "key script: 'wsgi.py' is in the source, but an exclude pattern leaves it out" in sentence


def test_two_applications_with_one_name(shop: dict[str, Any]) -> None:
    other = {**shop, "server_name": "other.example.com"}
    assert apps.problems([shop, other], [80]) == [
        "wsgi_apps: application 'shop', key name: 2 applications have this name; give each its own."
    ]


def test_two_applications_with_one_host_name(shop: dict[str, Any]) -> None:
    other = {**shop, "name": "blog", "server_name": "blog.example.com", "server_aliases": ["SHOP.example.com"]}
    (sentence,) = apps.problems([shop, other], [80])
    assert "'blog', key server_name: shop.example.com on port 80 is already the application 'shop'" in sentence
    assert apps.problems([shop, {**other, "port": 8080}], [80, 8080]) == []


def test_two_default_applications_on_one_port(shop: dict[str, Any]) -> None:
    shop["default_vhost"] = True
    other = {**shop, "name": "blog", "server_name": "blog.example.com"}
    (sentence,) = apps.problems([shop, other], [80])
    assert "'blog', key default_vhost: the application 'shop' is already the default of port 80" in sentence
    assert apps.problems([shop, {**other, "port": 8080}], [80, 8080]) == []


def test_debug_mode_is_one_process_with_one_thread_and_patience(shop: dict[str, Any]) -> None:
    shop |= {"debug": "yes", "processes": 4, "threads": 9, "request_timeout": 5}
    (complete,) = apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2"))
    assert complete["debug"] is True
    assert (complete["processes"], complete["threads"]) == (None, 1)
    assert complete["request_timeout"] == complete["deadlock_timeout"] == apps.DEBUG_TIMEOUT


def test_debug_mode_is_refused_in_production_unless_somebody_insists(shop: dict[str, Any]) -> None:
    shop["debug"] = True
    assert apps.problems([shop], [80]) == apps.problems([shop], [80], "staging") == []
    (sentence,) = apps.problems([shop], [80], "production")
    assert sentence.startswith("wsgi_apps: application 'shop', key debug: ")
    assert "insist with debug_in_production: true" in sentence
    assert apps.problems([{**shop, "debug_in_production": True}], [80], "production") == []
    assert apps.problems([{**shop, "debug": False}], [80], "production") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("user", "me"), ("processes", 2), ("threads", 5), ("request_timeout", 0), ("lang", "C"), ("debug", True)],
)
def test_an_embedded_application_has_no_key_of_a_daemon_process_group(
    shop: dict[str, Any], key: str, value: object
) -> None:
    (sentence,) = found({**shop, "mode": "embedded", key: value})
    assert sentence.startswith(f"wsgi_apps: application 'shop', key {key}: ")
    assert sentence.endswith("mode is embedded; remove it, or use mode: daemon.")
    assert found({**shop, "mode": "daemon", key: value}) == []


def test_an_embedded_application_runs_as_httpd(shop: dict[str, Any]) -> None:
    shop["mode"] = "embedded"
    assert found(shop) == []
    (complete,) = apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2"))
    assert (complete["user"], complete["group"]) == ("www-data", "www-data")


def test_one_application_of_a_host_can_be_embedded(shop: dict[str, Any]) -> None:
    others = [{**shop, "name": name, "server_name": f"{name}.example", "mode": "embedded"} for name in ("a", "b")]
    assert apps.problems([shop, others[0]], [80]) == []
    (sentence,) = apps.problems([shop, *others], [80])
    assert sentence.startswith("wsgi_apps: application 'b', key mode: the application 'a' is embedded already")


def test_what_is_to_be_known_of_an_embedded_application_is_told(shop: dict[str, Any]) -> None:
    assert apps.notes([shop]) == []
    (sentence,) = apps.notes([shop, {**shop, "name": "blog", "mode": "embedded"}])
    assert sentence.startswith("The application 'blog' is embedded: ")
    assert "without a limit" in sentence


def test_variables_that_have_their_effect_or_harm_nobody_are_let_through(shop: dict[str, Any]) -> None:
    for name in (
        "TZ",
        "LANGUAGE",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONASYNCIODEBUG",
        "PATH",
        "LDAP_HOST",
    ):
        assert apps.problems([{**shop, "environment": {name: "x"}}], [80]) == []


def test_each_daemon_process_group_has_its_own_time_for_a_load(shop: dict[str, Any]) -> None:
    shop |= {
        "startup_timeout": 60,
        "threads": 5,
        "daemon_groups": [{"name": "slow", "paths": ["/slow"], "startup_timeout": 7, "threads": 3}],
    }
    (complete,) = apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2"))
    assert complete["startup_timeouts"] == {"shop": 60, "shop:slow": 7}
    assert complete["fewest_threads"] == 3
    (debugged,) = apps.normalise([{**shop, "debug": True}], [80], {"shop": SIZES}, instance("apache2"))
    assert debugged["startup_timeouts"] == {"shop": 0}


def test_the_time_to_reach_a_daemon_process_is_computed_unless_it_is_given(shop: dict[str, Any]) -> None:
    def options(**change: Any) -> dict[str, Any]:
        sizes = {**SIZES, "connect_timeout": 2}
        (complete,) = apps.normalise([{**shop, **change}], [80], {"shop": sizes}, instance("apache2"))
        return dict(complete.get("daemon_options") or {})

    assert options() == {"connect_timeout": 2}
    assert options(daemon_options={"maximum_requests": 9}) == {"connect_timeout": 2, "maximum_requests": 9}
    assert options(daemon_options={"connect_timeout": 30}) == {"connect_timeout": 30}
    assert options(daemon_options={"connect_timeout": None}) == {"connect_timeout": 2}
    assert options(debug=True) == options(mode="embedded") == {}


def test_the_complete_form(shop: dict[str, Any], source: Path) -> None:
    shop |= {
        "release_commands": ["python manage.py 'a b'"],
        "static": [{"url": "/static/", "directory": "assets/"}],
        "environment": {"KEY": "secret"},
    }
    (complete,) = apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2"))
    assert complete["user"] == complete["group"] == "wsgi-shop"
    assert (complete["processes"], complete["threads"], complete["listen_backlog"]) == (2, 15, 2048)
    assert complete["release_commands"] == [["python", "manage.py", "a b"]]
    assert complete["static"] == [
        {
            "url": "/static",
            "directory": "/srv/wsgi/shop/current/assets",
            "cache_seconds": 3600,
            "precompressed": False,
            "immutable": False,
        }
    ]
    assert complete["source"] == {"directory": str(source), "exclude": []}
    assert complete["health"] == {
        "path": "/healthz",
        "status": 200,
        "timeout": 30,
        "address": "127.0.0.1",
        "port": 80,
        "host": "shop.example.com",
        "tls": False,
        "certificate": "",
    }
    assert "environment" not in apps.without_environments([complete])[0]


def test_what_the_user_sets_wins_over_what_is_computed(shop: dict[str, Any]) -> None:
    shop |= {"processes": "5", "threads": 1, "user": "deploy", "port": 8080, "address": "::1"}
    (complete,) = apps.normalise([shop], ["[::1]:8080"], {"shop": SIZES}, instance("apache2"))
    assert (complete["processes"], complete["threads"]) == (5, 1)
    assert (complete["user"], complete["group"]) == ("deploy", "deploy")
    assert (complete["health"]["address"], complete["health"]["host"]) == ("::1", "shop.example.com:8080")


def test_health_is_asked_where_httpd_listens(shop: dict[str, Any]) -> None:
    (complete,) = apps.normalise([shop], ["192.0.2.1:80"], {"shop": SIZES}, instance("apache2"))
    assert complete["health"]["address"] == "192.0.2.1"


def test_a_list_with_problems_has_no_complete_form(shop: dict[str, Any]) -> None:
    shop["port"] = 81
    with pytest.raises(ValueError, match=re.escape("httpd does not listen on 81")):
        apps.normalise([shop], [80], {"shop": SIZES}, instance("apache2"))


def specified(options: dict[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_the_argument_specification_repeats_the_defaults() -> None:
    specification = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    options = specification["options"]["wsgi_apps"]["options"]
    assert specified(options) == {**apps.DEFAULTS, "health": {}}
    assert specified(options["source"]["options"]) == apps.SOURCE_DEFAULTS
    assert specified(options["static"]["options"]) == apps.STATIC_DEFAULTS
    assert specified(options["health"]["options"]) == apps.HEALTH_DEFAULTS


def test_credentials_are_nowhere_but_in_their_own_option(shop: dict[str, Any]) -> None:
    git = {"username": "u", "password": "git-secret", "known_hosts": "", "ssh_key": None}
    described = {**shop, "source": {**HTTPS, "credentials": git}, "pip": {"netrc": "machine x\npassword pip-secret\n"}}
    assert apps.problems([described], [80]) == []
    sizes = {"shop": {"processes": 1, "threads": 1, "listen_backlog": 1}}
    complete = apps.without_environments(apps.normalise([described], [80], sizes, instance("apache2")))
    assert "secret" not in json.dumps(complete)
    assert apps.credentials([described, {"name": "other", "source": HTTPS}]) == {
        "shop": {
            "git": {"username": "u", "password": "git-secret"},
            "pip": {"netrc": "machine x\npassword pip-secret\n"},
        }
    }


@pytest.mark.parametrize(
    "address", ["git@git.example.com:shop.git", "ssh://git@git.example.com:2222/shop.git", "/srv/git/a@b.git"]
)
def test_a_user_of_ssh_is_no_secret(shop: dict[str, Any], address: str) -> None:
    assert found({**shop, "source": {"git": address}}) == []
