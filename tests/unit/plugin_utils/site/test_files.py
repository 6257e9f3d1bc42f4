# SPDX-License-Identifier: Apache-2.0
"""What httpd reads about an application."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files


@pytest.fixture(name="application")
def fixture_application(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "wsgi.py").write_text("")
    (tmp_path / "css files").mkdir()
    raw = {
        "name": "shop",
        "source": {"directory": str(tmp_path)},
        "server_name": "shop.example.com",
        "server_aliases": ["*.shop.example.com"],
        "static": [{"url": "/static/", "directory": "css files", "cache_seconds": 60}],
        "graceful_timeout": 7,
        "environment": {"KEY": "a secret"},
    }
    sizes = {"shop": {"processes": 3, "threads": 4, "listen_backlog": 100}}
    return apps.normalise([raw], [80], sizes, instance("apache2"))[0]


def contents(*applications: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file.get("content", "") for file in wsgi_files.files(applications, instance("apache2"))}


def test_the_daemon_process_group(application: dict[str, Any]) -> None:
    vhost = contents(application)["sites-available/100-modwsgi-shop.conf"]
    (group,) = [line for line in vhost.replace("\\\n", "").splitlines() if line.startswith("WSGIDaemonProcess")]
    assert group.split() == [
        "WSGIDaemonProcess",
        "shop",
        "user=wsgi-shop",
        "group=wsgi-shop",
        "umask=0022",
        "processes=3",
        "threads=4",
        "listen-backlog=100",
        "display-name=(wsgi:shop)",
        "python-home=/srv/wsgi/shop/venv",
        "home=/srv/wsgi/shop/current",
        "lang=C.UTF-8",
        "locale=C.UTF-8",
        "request-timeout=60",
        "startup-timeout=15",
        "deadlock-timeout=60",
        "queue-timeout=45",
        "graceful-timeout=7",
        "shutdown-timeout=5",
    ]


def test_the_vhost(application: dict[str, Any]) -> None:
    lines = [line.strip() for line in contents(application)["sites-available/100-modwsgi-shop.conf"].splitlines()]
    assert "<VirtualHost *:80>" in lines
    assert "ServerName shop.example.com" in lines
    assert "ServerAlias *.shop.example.com" in lines
    assert "ErrorLog /var/log/apache2/shop-error.log" in lines
    script = "/usr/local/lib/modwsgi/launcher.py"
    assert f"WSGIScriptAlias / {script} process-group=shop application-group=%{{GLOBAL}}" in lines
    assert 'Alias /static "/srv/wsgi/shop/current/css files"' in lines
    assert 'Header set Cache-Control "public, max-age=60"' in lines


def vhost_of(application: dict[str, Any], **changes: Any) -> str:
    """The text of the vhost of a changed application, continued lines joined."""
    raw = {key: application[key] for key in ("name", "server_name")}
    raw["source"] = {"directory": application["source"]["directory"]}
    sizes = {"shop": {"processes": 3, "threads": 4, "listen_backlog": 100}}
    (complete,) = apps.normalise([{**raw, **changes}], [80], sizes, instance("apache2"))
    return contents(complete)["sites-available/100-modwsgi-shop.conf"].replace("\\\n", "")


def test_debug_mode(application: dict[str, Any]) -> None:
    ordinary, debug = vhost_of(application), vhost_of(application, debug=True)
    (group,) = [line for line in debug.splitlines() if line.startswith("WSGIDaemonProcess")]
    assert "processes=" not in group, "also processes=1 would make wsgi.multiprocess true"
    assert {"threads=1", "request-timeout=3600", "socket-timeout=3600"} <= set(group.split())
    lines = {line.strip() for line in debug.splitlines()}
    wanted = {
        "WSGIScriptReloading On",
        "LogLevel wsgi:debug",
        "WSGIRestrictStdin Off",
        "WSGIRestrictStdout Off",
        "Timeout 3600",
    }
    assert wanted <= lines
    assert not wanted & {line.strip() for line in ordinary.splitlines()}


def test_an_embedded_application(application: dict[str, Any]) -> None:
    raw = {key: application[key] for key in ("name", "server_name")}
    raw |= {"source": {"directory": application["source"]["directory"]}, "mode": "embedded"}
    sizes = {"shop": {"processes": 3, "threads": 4, "listen_backlog": 100}}
    (embedded,) = apps.normalise([raw], [80], sizes, instance("apache2"))
    found = contents(embedded)
    vhost = found["sites-available/100-modwsgi-shop.conf"]
    script = "/usr/local/lib/modwsgi/embedded/shop.py"
    assert "WSGIDaemonProcess" not in vhost
    assert f"WSGIScriptAlias / {script} process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}" in vhost
    assert "<Files shop.py>" in vhost
    assert found[script] == found["/usr/local/lib/modwsgi/launcher.py"]
    assert "WSGIProcessGroup %{GLOBAL}" in found["sites-available/060-modwsgi-probes.conf"]
    assert "Environment=PYTHONUTF8=1" in found["/etc/systemd/system/apache2.service.d/modwsgi-embedded.conf"]


def test_one_file_says_whether_httpd_s_own_processes_have_python(application: dict[str, Any]) -> None:
    """mod_wsgi 4.9.1 crashes where a later Off follows an On."""

    def said(*applications: dict[str, Any]) -> list[str]:
        text = "".join(str(text) for text in contents(*applications).values())
        return [line for line in text.splitlines() if line.startswith("WSGIRestrictEmbedded")]

    embedded = {**application, "name": "blog", "mode": "embedded"}
    assert said() == said(application) == ["WSGIRestrictEmbedded On"]
    assert said(application, embedded) == ["WSGIRestrictEmbedded Off"]


def test_logs_are_made_for_root_and_those_who_may_read_logs(application: dict[str, Any]) -> None:
    files = wsgi_files.files([application], instance("apache2"))
    logs = [file for file in files if file.get("log")]
    assert {file["path"] for file in logs} == {f"/var/log/apache2/shop-{kind}.log" for kind in ("access", "error")}
    assert {(file["mode"], file["group"]) for file in logs} == {("0640", "adm")}
    journal = {"format": "text", "destination": "journal"}
    assert not [
        file for file in wsgi_files.files([application], instance("apache2"), logging=journal) if file.get("log")
    ]


def test_the_private_listener_asks_under_the_names_of_the_sites(application: dict[str, Any]) -> None:
    """mod_wsgi lets no vhost of another name reach a daemon process group that is in a vhost."""
    twin = {**application, "name": "twin", "site": "twin", "port": 8080, "probed_groups": ["twin"]}
    other = {**application, "name": "blog", "site": "blog", "server_name": "blog.example", "probed_groups": ["blog"]}
    text = contents(application, twin, other)["sites-available/060-modwsgi-probes.conf"]
    vhosts = text.split("<VirtualHost 127.0.0.1:297>")[1:]
    asked = [re.findall(r"ServerName (\S+)|WSGIScriptAlias (\S+)", vhost) for vhost in vhosts]
    assert [["".join(found) for found in vhost] for vhost in asked] == [
        ["shop.example.com", "/probe/shop", "/probe/twin"],
        ["blog.example", "/probe/blog"],
    ]


def test_a_named_application_group(application: dict[str, Any]) -> None:
    assert "process-group=shop application-group=sub" in vhost_of(application, application_group="sub")
    named = contents({**application, "application_group": "sub"})
    assert "WSGIApplicationGroup sub" in named["sites-available/060-modwsgi-probes.conf"]


def test_no_secret_is_in_a_file(application: dict[str, Any]) -> None:
    assert "a secret" not in str(contents(application))


def test_an_address_of_version_6_is_in_brackets(application: dict[str, Any]) -> None:
    vhost = contents({**application, "address": "::1"})["sites-available/100-modwsgi-shop.conf"]
    assert "<VirtualHost [::1]:80>" in vhost


def test_the_default_application_comes_first(application: dict[str, Any]) -> None:
    paths = contents({**application, "default_vhost": True})
    assert "sites-enabled/000-modwsgi-default-shop.conf" in paths
    assert "sites-enabled/100-modwsgi-shop.conf" not in paths


def test_helpers_are_there_without_any_application() -> None:
    assert [path for path in contents() if path.startswith("/usr/local/")] == [
        "/usr/local/lib/modwsgi/launcher.py",
        "/usr/local/lib/modwsgi/loading.py",
        "/usr/local/lib/modwsgi/probe.py",
        "/usr/local/lib/modwsgi/wsgi_run.py",
        "/usr/local/lib/modwsgi/wsgi_terminal.py",
        "/usr/local/lib/modwsgi/wsgi_debug.py",
        "/usr/local/lib/modwsgi/debugged_script.py",
        "/usr/local/lib/modwsgi/debug.conf",
        "/usr/local/bin/wsgi-run",
        "/usr/local/bin/wsgi-debug",
    ]


def test_a_value_that_httpd_cannot_carry_is_refused_once_more(application: dict[str, Any]) -> None:
    with pytest.raises(QuotingError, match="a newline"):
        contents({**application, "server_name": "shop\nInclude /etc/shadow"})
