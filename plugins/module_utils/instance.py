# SPDX-License-Identifier: Apache-2.0
"""The description of one httpd instance: every path, unit and name that belongs to it.

One httpd process can load one Python only, so a host with two Pythons needs two instances. This
function is the one place that knows what an instance consists of; roles and modules ask it.
"""

from __future__ import annotations

DEFAULT_INSTANCE = "apache2"
CONTAINER = "container"
INSTANCES = (DEFAULT_INSTANCE, CONTAINER)


class UnknownInstanceError(ValueError):
    """The name of an instance that this collection cannot serve; the text is for the user."""


def instance(name: str = DEFAULT_INSTANCE) -> dict[str, str]:
    """Describe the instance called ``name``.

    ``apache2`` follows the conventions of Debian's package, because operators and other software live there too.
    ``container`` is httpd as the first process of a container: no service manager (``unit`` is empty), logs on the
    standard streams, and all that is written at run time below one folder, which httpd's user makes in a tmpfs.

    Raises UnknownInstanceError for any other name.
    """
    if name == DEFAULT_INSTANCE:
        return _host()
    if name == CONTAINER:
        return _container()
    known = " or ".join(repr(each) for each in INSTANCES)
    raise UnknownInstanceError(
        f"The httpd instance {name!r} is not known; use {known} "
        "(the instance of the distribution, or httpd as the first process of a container)."
    )


def _host() -> dict[str, str]:
    name = DEFAULT_INSTANCE
    return {
        "name": name,
        "server_root": f"/etc/{name}",
        "environment_file": f"/etc/{name}/envvars",
        "binary": "/usr/sbin/apache2",
        "control": "/usr/sbin/apache2ctl",
        "module_directory": "/usr/lib/apache2/modules",
        "unit": f"{name}.service",
        "reaper_unit": "modwsgi-reap.service",
        "renewals_service": "modwsgi-renewals.service",
        "renewals_timer": "modwsgi-renewals.timer",
        "unit_directory": "/etc/systemd/system",
        "unit_drop_in_directory": f"/etc/systemd/system/{name}.service.d",
        "init_script": f"/etc/init.d/{name}",
        "run_directory": f"/run/{name}",
        "pid_file": f"/run/{name}/{name}.pid",
        "log_directory": f"/var/log/{name}",
        "error_log": f"/var/log/{name}/error.log",
        "access_log": f"/var/log/{name}/access.log",
        # Nickname of the LogFormat that the role httpd defines, for CustomLog in every vhost.
        "access_log_format": "modwsgi",
        "socket_directory": "/run/wsgi",
        "user": "www-data",
        "group": "www-data",
        "state_directory": f"/var/lib/modwsgi/{name}",
        # The packages that a build has installed and not yet removed.
        "build_record": f"/var/lib/modwsgi/{name}/mod_wsgi-build-packages.json",
        # For root alone: the staged configuration, and what one role hands to another within a run.
        "volatile_directory": f"/run/modwsgi/{name}",
        # Relative to server_root; the private vhost on loopback includes its *.conf files.
        "private_include": "modwsgi-private.d",
    }


def _container() -> dict[str, str]:
    # Where a container with a read-only root has a tmpfs, since applications need one that any user may write to.
    run_directory = "/tmp/modwsgi"  # noqa: S108  # the only user of the container makes it before httpd starts
    return {
        **_host(),
        "name": CONTAINER,
        # No service manager: none of these exists.
        "unit": "",
        "reaper_unit": "",
        "renewals_service": "",
        "renewals_timer": "",
        "unit_directory": "",
        "unit_drop_in_directory": "",
        "init_script": "",
        "run_directory": run_directory,
        "pid_file": f"{run_directory}/apache2.pid",
        # Nothing is written there: both logs are streams.
        "log_directory": run_directory,
        "error_log": "/dev/stderr",
        "access_log": "/dev/stdout",
        "socket_directory": run_directory,
        "state_directory": f"/var/lib/modwsgi/{CONTAINER}",
        "build_record": f"/var/lib/modwsgi/{CONTAINER}/mod_wsgi-build-packages.json",
        "volatile_directory": f"/run/modwsgi/{CONTAINER}",
    }
