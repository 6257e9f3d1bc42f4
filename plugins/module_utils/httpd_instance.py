# SPDX-License-Identifier: Apache-2.0
"""The description of one httpd instance: every path, unit and name that belongs to it.

One httpd process can load one Python only, so a host with two Pythons needs two instances. This
function is the one place that knows what an instance consists of; roles and modules ask it.
"""

from __future__ import annotations

DEFAULT_INSTANCE = "apache2"


class UnknownInstanceError(ValueError):
    """The name of an instance that this collection cannot serve; the text is for the user."""


def instance(name: str = DEFAULT_INSTANCE) -> dict[str, str]:
    """Describe the instance called ``name``.

    The values follow the conventions of Debian's package ``apache2``, because operators and other software
    live there too.

    Raises UnknownInstanceError for any name but ``apache2``.
    """
    if name != DEFAULT_INSTANCE:
        raise UnknownInstanceError(
            f"The httpd instance {name!r} is not known; use {DEFAULT_INSTANCE!r}, the instance of the distribution."
        )
    return {
        "name": name,
        "server_root": f"/etc/{name}",
        "environment_file": f"/etc/{name}/envvars",
        "binary": "/usr/sbin/apache2",
        "control": "/usr/sbin/apache2ctl",
        "unit": f"{name}.service",
        "reaper_unit": "modwsgi-reap.service",
        "unit_drop_in_directory": f"/etc/systemd/system/{name}.service.d",
        "init_script": f"/etc/init.d/{name}",
        "run_directory": f"/run/{name}",
        "pid_file": f"/run/{name}/{name}.pid",
        "log_directory": f"/var/log/{name}",
        "error_log": f"/var/log/{name}/error.log",
        # Nickname of the LogFormat that the role httpd defines, for CustomLog in every vhost.
        "access_log_format": "modwsgi",
        "socket_directory": "/run/wsgi",
        "user": "www-data",
        "group": "www-data",
        "state_directory": f"/var/lib/modwsgi/{name}",
        # Relative to server_root; the private vhost on loopback includes its *.conf files.
        "private_include": "modwsgi-private.d",
    }
