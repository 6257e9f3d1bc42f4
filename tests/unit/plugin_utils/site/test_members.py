# SPDX-License-Identifier: Apache-2.0
"""What an application says about mod_wsgi, and what a vhost has for several applications, go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files

SIZES = {name: {"processes": 1, "threads": 2, "listen_backlog": 100} for name in ("shop", "blog")}
LAUNCHER = "/usr/local/lib/modwsgi/launcher.py"


@pytest.fixture(name="shop")
def fixture_shop(tmp_path: Path) -> dict[str, Any]:
    for name in ("wsgi.py", "auth.py", "warm.py"):
        (tmp_path / name).write_text("")
    return {"name": "shop", "source": {"directory": str(tmp_path)}, "server_name": "shop.example.com"}


@pytest.fixture(name="blog")
def fixture_blog(shop: dict[str, Any]) -> dict[str, Any]:
    return {**shop, "name": "blog", "path": "/blog"}


def rendered(*applications: dict[str, Any]) -> dict[str, str]:
    complete = apps.normalise(applications, [80], SIZES, instance("apache2"))
    return {file["path"]: file.get("content", "") for file in wsgi_files.files(complete, instance("apache2"))}


def vhost(*applications: dict[str, Any]) -> list[str]:
    text = rendered(*applications)["sites-available/100-modwsgi-shop.conf"]
    return [line.strip() for line in text.splitlines()]


def section(lines: list[str], opening: str, nth: int = 0) -> list[str]:
    """The lines of a section of httpd."""
    begins = [index for index, line in enumerate(lines) if line == opening]
    start = begins[nth]
    return lines[start + 1 : lines.index("</Location>", start)]


def test_an_application_below_a_path_has_its_own_chroot_and_processes(
    shop: dict[str, Any], blog: dict[str, Any]
) -> None:
    blog |= {
        "daemon_options": {"chroot": "/srv/jail"},
        "daemon_groups": [{"name": "slow", "paths": ["/blog/reports"]}],
    }
    files = rendered(shop, blog)
    lines = vhost(shop, blog)
    # In the first vhost of the site, before all that names them.
    groups = [line.split()[1] for line in lines if line.startswith("WSGIDaemonProcess")]
    assert groups == ["blog", "blog:slow", "shop"]
    assert lines.index("<VirtualHost *:80>") < lines.index("WSGIDaemonProcess blog \\")
    assert lines.index("WSGIDaemonProcess shop \\") < lines.index(f"WSGIScriptAlias /blog /srv/jail{LAUNCHER}")
    assert not [path for path in files if "application-blog" in path]
    # The longest path first, and each launcher where httpd finds it.
    aliases = [line for line in lines if line.startswith("WSGIScriptAlias")]
    assert aliases == [
        f"WSGIScriptAlias /blog /srv/jail{LAUNCHER}",
        f"WSGIScriptAlias / {LAUNCHER} process-group=shop application-group=%{{GLOBAL}}",
    ]
    assert "WSGIProcessGroup blog" in section(lines, "<Location /blog>")
    assert "WSGIProcessGroup blog:slow" in section(lines, "<Location /blog/reports>")
    assert lines.index("<Location /blog>") < lines.index("<Location /blog/reports>")
    assert f"<Directory /srv/jail{Path(LAUNCHER).parent}>" in lines
    assert f"<Directory {Path(LAUNCHER).parent}>" in lines


def test_process_groups_of_the_site_do_not_reach_below_the_path_of_another(
    shop: dict[str, Any], blog: dict[str, Any]
) -> None:
    shop["daemon_groups"] = [{"name": "slow", "paths": ["/reports"]}]
    blog["daemon_groups"] = [{"name": "slow", "paths": ["/blog/reports"]}]
    lines = vhost(shop, blog)
    order = [lines.index(f"<Location {path}>") for path in ("/", "/reports", "/blog", "/blog/reports")]
    assert order == sorted(order)


def test_a_group_for_the_path_of_another_application_is_refused(shop: dict[str, Any], blog: dict[str, Any]) -> None:
    blog["daemon_groups"] = [{"name": "slow", "paths": ["/reports"]}]
    assert apps.problems([shop, blog], [80]) == [
        "wsgi_apps: application 'blog', key daemon_groups[0].paths[0]: '/reports' is not below the application's path "
        "'/blog'; begin it with that."
    ]


def test_what_one_application_says_of_the_header_authorization_is_not_for_the_other(
    shop: dict[str, Any], blog: dict[str, Any]
) -> None:
    shop["wsgi_directives"] = {"pass_authorization": False, "chunked_request": True}
    lines = vhost(shop, blog)
    assert "WSGIPassAuthorization Off" in lines[: lines.index("<Location /blog>")]
    assert section(lines, "<Location /blog>") == ["WSGIPassAuthorization On"]
    assert lines.count("WSGIChunkedRequest On") == 1


def test_a_location_has_the_last_word_over_a_login_above_it(shop: dict[str, Any]) -> None:
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
    lines = vhost(shop)
    login = lines.index("AuthUserFile modwsgi-users/shop-0")
    assert login < lines.index("<Location /api>") < lines.index("<Location /staff>")
    assert "WSGIPassAuthorization On" in section(lines, "<Location /api>")
    assert {"AuthBasicProvider wsgi", "AuthMerging And"} <= set(section(lines, "<Location /staff>"))


def test_two_logins_for_one_path_are_refused(shop: dict[str, Any]) -> None:
    shop |= {
        "auth": [{"path": "/staff/private", "users": {"alice": "$2y$05$abcdefghijklmnopqrstuu"}}],
        "wsgi_directives": {
            "locations": [{"path": "/staff", "auth_user_script": {"script": "auth.py", "realm": "Staff"}}]
        },
    }
    assert apps.problems([shop], [80]) == [
        "wsgi_apps: application 'shop', key wsgi_directives.locations[0].auth_user_script: the key auth asks for a "
        "password at '/staff/private', which is below; remove one."
    ]


def test_the_host_itself_may_ask_where_a_script_checks_passwords(shop: dict[str, Any]) -> None:
    location = {
        "path": "/",
        "auth_user_script": {"script": "auth.py", "realm": "Staff"},
        "auth_group_script": {"script": "auth.py", "groups": ["staff"]},
    }
    shop["wsgi_directives"] = {"locations": [location]}
    lines = vhost(shop)
    assert section(lines, "<Location /healthz>") == ["Require local", "Require wsgi-group staff"]
    assert lines.index("AuthBasicProvider wsgi") < lines.index("<Location /healthz>")


def test_proxies_have_one_key(shop: dict[str, Any]) -> None:
    shop["trusted_proxies"] = ["2001:DB8::1", "192.0.2.0/24"]
    assert "WSGITrustedProxies 2001:db8::1 192.0.2.0/24" in vhost(shop)
    (found,) = apps.problems([{**shop, "trusted_proxies": ["::ffff:192.0.2.1"]}], [80])
    assert "key trusted_proxies[0]" in found


@pytest.mark.parametrize(
    ("directive", "key"),
    [
        ("WSGIHandlerScript", "wsgi_directives.handler_scripts"),
        ("WSGIPassAuthorization", "wsgi_directives.pass_authorization"),
        ("WSGIPythonOptimize", "mod_wsgi_directives.python_optimize"),
        ("WSGITrustedProxies", "wsgi_apps[].trusted_proxies"),
    ],
)
def test_directives_of_an_operator_leave_those_of_mod_wsgi_to_their_keys(
    shop: dict[str, Any], directive: str, key: str
) -> None:
    shop["extra_config"] = f"{directive} x"
    (found,) = apps.problems([shop], [80])
    assert f"the role itself sets {directive} ({key} sets it); remove the line" in found
