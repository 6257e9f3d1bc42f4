# SPDX-License-Identifier: Apache-2.0
"""What httpd reads about an application."""

from __future__ import annotations

import re

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from support.applications import App, complete, contents, rendered, shown, vhost


@pytest.fixture(name="application")
def fixture_application(shop: App) -> App:
    return complete({**shop, "environment": {"KEY": "s3cr3t-of-the-shop"}})[0]


def test_debug_mode(shop: App) -> None:
    ordinary, debug = vhost(shop), vhost(shop, debug=True).replace("\\\n", "")
    (group,) = [line for line in debug.splitlines() if line.startswith("WSGIDaemonProcess")]
    assert "processes=" not in group, "also processes=1 would make wsgi.multiprocess true"
    assert {"threads=1", "request-timeout=3600", "socket-timeout=3600"} <= set(group.split())
    lines = set(shown(debug))
    wanted = {"WSGIScriptReloading On", "LogLevel wsgi:debug", "Timeout 3600"}
    wanted |= {"WSGIRestrictStdin Off", "WSGIRestrictStdout Off"}
    assert wanted <= lines
    assert not wanted & set(shown(ordinary))


def test_what_a_user_has_written_into_a_vhost_only_root_can_read(shop: App) -> None:
    (application,) = complete({**shop, "extra_config": "RequestHeader set X-Key a-secret"})
    holding = [each for each in wsgi_files.files([application], instance("apache2")) if "a-secret" in str(each)]
    assert [(each["path"], each["mode"]) for each in holding] == [("sites-available/100-modwsgi-shop.conf", "0640")]


def test_an_embedded_application(shop: App) -> None:
    found = rendered({**shop, "mode": "embedded"})
    vhost = found["sites-available/100-modwsgi-shop.conf"]
    script = "/usr/local/lib/modwsgi/embedded/shop.py"
    assert "WSGIDaemonProcess" not in vhost
    assert f"WSGIScriptAlias / {script} process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}" in vhost
    assert "<Files shop.py>" in vhost
    assert found[script] == found["/usr/local/lib/modwsgi/launcher.py"]
    assert "WSGIProcessGroup %{GLOBAL}" in found["sites-available/060-modwsgi-probes.conf"]
    assert "Environment=PYTHONUTF8=1" in found["/etc/systemd/system/apache2.service.d/modwsgi-embedded.conf"]


def test_one_file_says_whether_httpd_s_own_processes_have_python(application: App) -> None:
    """mod_wsgi 4.9.1 crashes where a later Off follows an On."""

    def said(*applications: App) -> list[str]:
        text = "".join(str(text) for text in contents(applications).values())
        return [line for line in text.splitlines() if line.startswith("WSGIRestrictEmbedded")]

    embedded = {**application, "name": "blog", "mode": "embedded"}
    assert said() == said(application) == ["WSGIRestrictEmbedded On"]
    assert said(application, embedded) == ["WSGIRestrictEmbedded Off"]


def test_logs_are_made_for_root_and_those_who_may_read_logs(application: App) -> None:
    files = wsgi_files.files([application], instance("apache2"))
    logs = [file for file in files if file.get("log")]
    assert {file["path"] for file in logs} == {f"/var/log/apache2/shop-{kind}.log" for kind in ("access", "error")}
    assert {(file["mode"], file["group"]) for file in logs} == {("0640", "adm")}
    journal = {"format": "text", "destination": "journal"}
    assert not [
        file for file in wsgi_files.files([application], instance("apache2"), logging=journal) if file.get("log")
    ]


def test_the_private_listener_asks_under_the_names_of_the_sites(application: App) -> None:
    """mod_wsgi lets no vhost of another name reach a daemon process group that is in a vhost."""
    twin = {**application, "name": "twin", "site": "twin", "port": 8080, "probed_groups": ["twin"]}
    other = {**application, "name": "blog", "site": "blog", "server_name": "blog.example", "probed_groups": ["blog"]}
    text = contents([application, twin, other])["sites-available/060-modwsgi-probes.conf"]
    vhosts = text.split("<VirtualHost 127.0.0.1:297>")[1:]
    asked = [re.findall(r"ServerName (\S+)|WSGIScriptAlias (\S+)", vhost) for vhost in vhosts]
    assert [["".join(found) for found in vhost] for vhost in asked] == [
        ["shop.example", "/probe/shop", "/probe/twin"],
        ["blog.example", "/probe/blog"],
    ]


def test_a_named_application_group(shop: App) -> None:
    named = rendered({**shop, "application_group": "sub"})
    assert "process-group=shop application-group=sub" in named["sites-available/100-modwsgi-shop.conf"]
    assert "WSGIApplicationGroup sub" in named["sites-available/060-modwsgi-probes.conf"]


def test_no_secret_is_in_a_file(application: App) -> None:
    assert "s3cr3t-of-the-shop" not in str(contents([application]))


def test_an_address_of_version_6_is_in_brackets(application: App) -> None:
    vhost = contents([{**application, "address": "::1"}])["sites-available/100-modwsgi-shop.conf"]
    assert "<VirtualHost [::1]:80>" in vhost


def test_the_default_application_comes_first(application: App) -> None:
    paths = contents([{**application, "default_vhost": True}])
    assert "sites-enabled/000-modwsgi-default-shop.conf" in paths
    assert "sites-enabled/100-modwsgi-shop.conf" not in paths


def test_helpers_are_there_without_any_application() -> None:
    package = "/usr/local/lib/modwsgi/ansible_collections/"
    paths = [path for path in contents([]) if path.startswith("/usr/local/") and not path.startswith(package)]
    assert [path.removeprefix("/usr/local/") for path in paths] == [
        *("lib/modwsgi/launcher.py", "lib/modwsgi/loading.py", "lib/modwsgi/probe.py", "lib/modwsgi/wsgi_run.py"),
        *("lib/modwsgi/wsgi_terminal.py", "lib/modwsgi/wsgi_debug.py", "lib/modwsgi/debugged_script.py"),
        *("lib/modwsgi/debug.conf", "lib/modwsgi/wsgi_doctor.py", "lib/modwsgi/wsgi_evidence.py"),
        *("lib/modwsgi/wsgi_diagnoses.py", "lib/modwsgi/wsgi_command.py", "lib/modwsgi/wsgi_log.py"),
        *("lib/modwsgi/wsgi_daemon.py", "bin/wsgi-run", "bin/wsgi-debug"),
        *("bin/wsgi-doctor", "bin/wsgi-release", "bin/wsgi-restart"),
    ]


def test_a_value_that_httpd_cannot_carry_is_refused_once_more(application: App) -> None:
    with pytest.raises(QuotingError, match="a newline"):
        contents([{**application, "server_name": "shop\nInclude /etc/shadow"}])


def test_the_private_port_is_the_default_of_the_role_httpd() -> None:
    assert settings.options("httpd")["httpd_private_port"]["default"] == int(instance("apache2")["private_port"])
