# SPDX-License-Identifier: Apache-2.0
"""The filter of play.yml: the files that make httpd in an image serve its one application.

The vhost comes from the template of the hosts. Where a host has a value, the image has a variable that httpd puts in
when it starts, so one image serves with any setting.
"""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import DEBUG_CONFIGURATION
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import logs
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import Reference
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import DAEMON_LISTEN_BACKLOG
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.settings import applications
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import daemon
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import DAEMON, EMBEDDED, SECONDS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import ROLE, File, templates
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.render import site_values

FOLDER = Path(__file__).resolve().parents[2]
settings = SimpleNamespace(**runpy.run_path(str(FOLDER / "runtime" / "settings.py")))
LIBRARY = "/usr/local/lib/modwsgi-image"
"""Where the image has the files of images/mod-wsgi/runtime."""
NAME = "app"

# Not /dev/stdout: that is a link which a slim root need not have.
LOGS = {
    "access": "/proc/self/fd/1",
    # The server's own: a program that writes it as JSON is one process then, and not one for each vhost.
    "error": "",
    "format": Reference("MODWSGI_LOG_FORMAT"),
}
LOG_WRITER = "log_writer.py"
"""What writes the error log as JSON; beside the files of images/mod-wsgi/runtime."""


def application(mode: str) -> dict[str, Any]:
    """The application in the complete form that the template of the vhost takes."""
    static = {"url": "", "directory": ""}
    written = {"name": NAME, "mode": mode, "server_name": "localhost", "source": {}, "static": [static]}
    (specified,) = applications([written])
    return {
        **specified,
        # None: httpd's. mod_wsgi refuses one without an entry in /etc/passwd, and a container may run as any.
        "user": None,
        "group": None,
        "processes": Reference("WSGI_PROCESSES"),
        "threads": Reference("WSGI_THREADS"),
        "listen_backlog": DAEMON_LISTEN_BACKLOG,
        **{name: Reference(f"WSGI_{name.upper()}") for name in SECONDS},
        "request_limit": Reference("MODWSGI_REQUEST_LIMIT"),
        "port": Reference("WSGI_PORT"),
        "max_body_size": Reference("WSGI_MAX_BODY_SIZE"),
        "static": [
            {
                **specified["static"][0],
                "url": Reference("WSGI_STATIC_URL"),
                "directory": Reference("WSGI_STATIC_PATH"),
                "cache_seconds": Reference("WSGI_STATIC_CACHE_SECONDS"),
                "only_if_defined": "WSGI_STATIC",
                # httpd and the application are one account here.
                "links": True,
            }
        ],
        "maintenance": None,
        "tls": None,
    }


def vhost(mode: str, environment: jinja2.Environment) -> str:
    """The vhost for one mode, from the template of the hosts."""
    home = Reference("WSGI_HOME")
    member: dict[str, Any] = {
        "application": application(mode),
        "paths": {"venv": settings.VENV, "current": home, "code": home},
        "process_group": NAME if mode == DAEMON else "%{GLOBAL}",
        "launcher_directory": LIBRARY,
        "launcher_file": "application.py",
        "wsgi": daemon.vhost_values(
            application(mode), str(home), NAME if mode == DAEMON else "%{GLOBAL}", f"{LIBRARY}/application.py"
        ),
    }
    values = site_values(member["application"], [member], {})
    # Only the alias has it: whatever its path, the one application of the vhost is the whole of it.
    mounted = {"application": {**member["application"], "path": Reference("WSGI_MOUNT_PATH")}}
    values |= {
        **member,
        "members": [{**each, **mounted} for each in values["members"]],
        "shared": False,
        "logs": LOGS,
        "canary_logs": [],
    }
    return environment.get_template("vhost.conf.j2").render(values)


def defaults(module: str) -> dict[str, str]:
    """The values of all variables when nobody sets one. Empty ones stand only where IfDefine leaves them out."""
    values = settings.read({})
    return {name: value for name, value in {**values, **settings.derived(values, module)}.items() if value}


def files(installation: Mapping[str, Any]) -> list[File]:
    """All files for the owner `image` of httpd_config. `installation` is the fact ``ansible_local.mod_wsgi``."""
    environment = templates()
    server = {
        "error_log": Reference("MODWSGI_ERROR_LOG"),
        "json_error_format": logs.line_format({"format": logs.JSON}, "error"),
        "defaults": defaults(description(installation)["mod_wsgi"]),
        "configuration": settings.CONFIGURATION,
    }
    both = "".join(
        f"<IfDefine {'!' if mode == DAEMON else ''}WSGI_EMBEDDED>\n{vhost(mode, environment)}</IfDefine>\n"
        for mode in (DAEMON, EMBEDDED)
    )
    text = (FOLDER / "server/templates/image.conf.j2").read_text(encoding="utf-8")
    configuration = environment.from_string(text)
    # Read after the files of the role httpd, whose values these replace.
    image, site = "modwsgi-image.conf", f"100-modwsgi-{NAME}.conf"
    return [
        {"path": settings.CONFIGURATION, "directory": True},
        {"path": settings.HOOKS, "directory": True},
        {"path": f"conf-available/{image}", "content": configuration.render(server)},
        {"path": f"conf-enabled/zzz-{image}", "link": f"../conf-available/{image}"},
        {"path": f"sites-available/{site}", "content": both},
        {"path": f"sites-enabled/{site}", "link": f"../sites-available/{site}"},
        {"path": f"{LIBRARY}/loading.py", "content": role_file(ROLE, "loading.py")},
        {"path": f"{LIBRARY}/{LOG_WRITER}", "content": logs.writer(), "mode": "0755"},
        {"path": f"{LIBRARY}/{os.path.basename(DEBUG_CONFIGURATION)}", "content": role_file(ROLE, "debug.conf")},
        {"path": f"{LIBRARY}/image.json", "content": json.dumps(description(installation), indent=2) + "\n"},
    ]


def description(installation: Mapping[str, Any]) -> dict[str, str]:
    """What the entry point has to know of the module."""
    try:
        interpreter = installation["interpreter"]
        return {
            "mod_wsgi": str(installation["version"]),
            "python": str(interpreter["full_version"]),
            "executable": str(interpreter["executable"]),
            "express": str(installation["express"]),
            # .../site-packages/mod_wsgi/server/mod_wsgi-py311.so
            "package": os.path.dirname(os.path.dirname(str(installation["module"]))),
        }
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"The record of mod_wsgi lacks {error}; give ansible_local.mod_wsgi.") from None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"image_files": files}
