# SPDX-License-Identifier: Apache-2.0
"""What httpd reads in the image, and that it is what hosts have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import sizing
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError, Reference, quote
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from support.scripts import load_script

image_files: Any = load_script("images/mod-wsgi/server/filter_plugins/image_files.py")
INSTALLATION: dict[str, Any] = {
    "version": "1.2.3",
    "interpreter": {"executable": "/usr/bin/python3.11", "version": "3.11", "full_version": "3.11.2"},
    "express": "/opt/mod_wsgi/1.2.3-cp311/bin/mod_wsgi-express",
    "module": "/opt/mod_wsgi/1.2.3-cp311/lib/python3.11/site-packages/mod_wsgi/server/mod_wsgi-py311.so",
}
SIZES = {"processes": 3, "threads": 4, "listen_backlog": 100}


def contents() -> dict[str, str]:
    return {file["path"]: file.get("content", "") for file in image_files.files(INSTALLATION)}


def directives(text: str, values: dict[str, str]) -> list[str]:
    """The lines of a configuration as httpd takes them: joined, without comments and quotes, variables put in."""
    text = text.replace("\\\n", " ")
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    lines = (" ".join(line.replace('"', "").split()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_the_vhosts_of_hosts_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text("")
    (tmp_path / "css files").mkdir()
    source = {"directory": str(tmp_path)}
    static = [
        {"url": "/static/", "directory": "css files", "cache_seconds": 60},
        {"url": "/media", "directory": "/srv/media"},
    ]
    raw = [
        {"name": "blog", "source": source, "server_name": "blog.example.com", "mode": "embedded"},
        {"name": "lab", "source": source, "server_name": "lab.example.com", "debug": True},
        {
            "name": "shop",
            "source": source,
            "server_name": "shop.example.com",
            "server_aliases": ["*.shop.example.com"],
            "static": static,
            "graceful_timeout": 7,
        },
    ]
    complete = apps.normalise(raw, [80], dict.fromkeys(("blog", "lab", "shop"), SIZES), instance("apache2"))
    found = "".join(
        f"==> {file['path']}\n{file['content']}"
        for file in wsgi_files.files(complete, instance("apache2"))
        if file["path"].startswith("sites-available/100-")
    )
    assert found == (Path(__file__).parent / "data" / "host_vhosts.conf").read_text()


@pytest.mark.parametrize("mode", ["daemon", "embedded"])
def test_the_image_serves_as_a_host_does(tmp_path: Path, mode: str) -> None:
    """Both are rendered; once the variables have their values, only what is named here may differ."""
    (tmp_path / "wsgi.py").write_text("")
    raw: dict[str, Any] = {
        "name": "app",
        "source": {"directory": str(tmp_path)},
        "server_name": "localhost",
        "port": 8080,
        "mode": mode,
        "static": [{"url": "/static/", "directory": "/srv/static"}],
    }
    if mode == "daemon":
        raw |= {"user": "www-data", "group": "www-data", "processes": 2, "threads": 15}
    sizes = {**SIZES, "processes": 2, "threads": 15, "listen_backlog": sizing.DAEMON_LISTEN_BACKLOG}
    sizes["module_version"] = "6.1.1"
    (application,) = apps.normalise([raw], [8080], {"app": sizes}, instance("apache2"))
    files = {file["path"]: file.get("content") for file in wsgi_files.files([application], instance("apache2"))}
    host = directives(str(files["sites-available/100-modwsgi-app.conf"]), {})
    settings = image_files.settings
    values = settings.read({"WSGI_STATIC_URL": "/static/", "WSGI_STATIC_PATH": "/srv/static", "WSGI_MODE": mode})
    image = directives(image_files.vhost(mode, wsgi_files.templates()), {**values, **settings.derived(values, "6.1.1")})

    where_it_is = {
        "user=www-data group=www-data ": "",
        "/srv/wsgi/app/venv": settings.VENV,
        "/srv/wsgi/app/current": "/app",
        "<Directory /srv/wsgi/app>": "<Directory /app>",
        "/usr/local/lib/modwsgi/embedded/app.py": "/usr/local/lib/modwsgi-image/application.py",
        "/usr/local/lib/modwsgi/embedded": "/usr/local/lib/modwsgi-image",
        "/usr/local/lib/modwsgi/launcher.py": "/usr/local/lib/modwsgi-image/application.py",
        "<Directory /usr/local/lib/modwsgi>": "<Directory /usr/local/lib/modwsgi-image>",
        "<Files launcher.py>": "<Files application.py>",
        "<Files app.py>": "<Files application.py>",
        "/var/log/apache2/app-access.log": "/proc/self/fd/1",
    }
    image = ["Options None" if line == "Options SymLinksIfOwnerMatch" else line for line in image]
    for old, new in where_it_is.items():
        host = [line.replace(old, new) for line in host]
    # The image has one error log, that of the server, and so nothing to gain by a group in the vhost.
    host.remove("ErrorLog /var/log/apache2/app-error.log")
    groups = [line for line in host if line.startswith("WSGIDaemonProcess")]
    host = groups + [line for line in host if line not in groups]
    switch = image.index("<IfDefine WSGI_STATIC>")
    assert image.pop(switch).startswith("<IfDefine")
    assert image.pop(image.index("</IfDefine>")) == "</IfDefine>"
    assert image == host


def test_every_variable_has_a_value() -> None:
    settings = image_files.settings
    # That file is for mod_wsgi-express, which has variables of its own.
    text = "".join(content for path, content in contents().items() if not path.endswith("/debug.conf"))
    named = set(re.findall(r"\$\{(\w+)\}", text))
    apache = {name for name in named if name.startswith("APACHE_")}
    assert apache == {"APACHE_RUN_DIR"}
    values = settings.read({})
    assert named - apache <= {**values, **settings.derived(values, "6.1.1")}.keys()
    for name in (
        named - apache - {"WSGI_STATIC_URL", "WSGI_STATIC_PATH", "WSGI_TRUSTED_PROXIES", "MODWSGI_HEALTH_PATTERN"}
    ):
        assert f"Define {name} " in text


def test_what_the_configuration_asks_for_is_what_the_settings_define() -> None:
    settings = image_files.settings
    asked = {word.strip("!") for word in re.findall(r"<IfDefine (\S+)>", "".join(contents().values()))}
    everything = {
        "WSGI_MODE": "embedded",
        "WSGI_LOG_FORMAT": "json",
        "WSGI_TRUSTED_PROXIES": "10.0.0.1",
        "WSGI_HEALTH_PATH": "/healthz",
        "WSGI_HEALTH_SCHEME": "https",
        "WSGI_STATIC_URL": "/s",
        "WSGI_STATIC_PATH": "/s",
    }
    assert {f"-D{name}" for name in asked} == set(settings.defines(settings.read(everything)))


def test_the_entry_point_s_description_of_the_module() -> None:
    assert json.loads(contents()["/usr/local/lib/modwsgi-image/image.json"]) == {
        "mod_wsgi": "1.2.3",
        "python": "3.11.2",
        "executable": "/usr/bin/python3.11",
        "express": "/opt/mod_wsgi/1.2.3-cp311/bin/mod_wsgi-express",
        "package": "/opt/mod_wsgi/1.2.3-cp311/lib/python3.11/site-packages/mod_wsgi",
    }
    with pytest.raises(AnsibleFilterError, match=r"lacks .interpreter.; give ansible_local\.mod_wsgi"):
        image_files.files({"version": "1.2.3"})


def test_only_code_makes_references() -> None:
    assert quote(Reference("WSGI_PORT")) == '"${WSGI_PORT}"'
    with pytest.raises(QuotingError, match="which httpd would replace by a variable"):
        quote(str(Reference("WSGI_PORT")))
    for name in ("", "wsgi", "A}", "A\n", "1A"):
        with pytest.raises(QuotingError, match="is not the name of a variable"):
            Reference(name)
