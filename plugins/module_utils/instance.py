# SPDX-License-Identifier: Apache-2.0
"""The description of one httpd instance: every path, unit, port and name that belongs to it.

One httpd process can load one Python only, so a host with two Pythons needs two instances. This
function is the one place that knows what an instance consists of; roles and modules ask it.

All instances of a host share what is the same for each: httpd's program and modules, httpd's user and group, the key
that lets root read a server's status (``status_directory``), and the programs of this collection (``layout.LIBRARY``).
An application's folders belong to the application (``layout``); its name is unique on a host.
"""

from __future__ import annotations

import re

DEFAULT_INSTANCE = "apache2"
CONTAINER = "container"
INSTANCES = (DEFAULT_INSTANCE, CONTAINER)
"""What the variable ``httpd_instance`` can be."""

FURTHER = re.compile(r"apache2-(?P<suffix>[a-z0-9]+(?:-[a-z0-9]+)*)")
"""A further instance, as Debian's script ``setup-instance`` makes it from a suffix."""


class UnknownInstanceError(ValueError):
    """The name of an instance that this collection cannot serve; the text is for the user."""


def instance(name: str) -> dict[str, str]:
    """Describe the instance called ``name``.

    ``apache2`` follows the conventions of Debian's package, because operators and other software live there too.
    ``apache2-SUFFIX`` is a further instance beside it, by the same conventions; no role offers one yet.
    ``container`` is httpd as the first process of a container: no service manager (``unit`` is empty), logs on the
    standard streams, and all that is written at run time below one folder, which httpd's user makes in a tmpfs.

    Raises UnknownInstanceError for any other name.
    """
    further = FURTHER.fullmatch(name)
    if name == DEFAULT_INSTANCE or further:
        return _host(name, further["suffix"] if further else "")
    if name == CONTAINER:
        return _container()
    known = " or ".join(repr(each) for each in INSTANCES)
    raise UnknownInstanceError(
        f"The httpd instance {name!r} is not known; use {known} "
        "(the instance of the distribution, or httpd as the first process of a container)."
    )


def _host(name: str, suffix: str) -> dict[str, str]:
    tail = f"-{suffix}" if suffix else ""
    unit = f"apache2@{suffix}.service" if suffix else "apache2.service"
    return {
        "name": name,
        "server_root": f"/etc/{name}",
        # The server root that the command line of a running httpd names; empty: none, as it is compiled in.
        "named_root": f"/etc/{name}" if suffix else "",
        "environment_file": f"/etc/{name}/envvars",
        "binary": "/usr/sbin/apache2",
        "control": f"/usr/local/sbin/apache2ctl{tail}" if suffix else "/usr/sbin/apache2ctl",
        "module_directory": "/usr/lib/apache2/modules",
        "unit": unit,
        "reaper_unit": f"modwsgi-reap{tail}.service",
        "renewals_service": f"modwsgi-renewals{tail}.service",
        "renewals_timer": f"modwsgi-renewals{tail}.timer",
        # Holds the applications to their limits, and where they ask it to.
        "limits_service": f"modwsgi-limits{tail}.service",
        "limits_socket": f"/run/modwsgi-limits{tail}.sock",
        "apparmor_profile": f"modwsgi-{name}",
        "apparmor_file": f"/etc/apparmor.d/modwsgi-{name}",
        "unit_directory": "/etc/systemd/system",
        "unit_drop_in_directory": f"/etc/systemd/system/{unit}.d",
        "init_script": f"/etc/init.d/{name}",
        "temporary_files": f"/etc/tmpfiles.d/modwsgi-{name}.conf",
        "log_rotation": f"/etc/logrotate.d/{name}",
        "run_directory": f"/run/{name}",
        "pid_file": f"/run/{name}/apache2.pid",
        "log_directory": f"/var/log/{name}",
        "error_log": f"/var/log/{name}/error.log",
        "access_log": f"/var/log/{name}/access.log",
        # Nickname of the LogFormat that the role httpd defines, for CustomLog in every vhost.
        "access_log_format": "modwsgi",
        # What the names of its logs begin with in the journal.
        "journal_name": name if suffix else "httpd",
        "socket_directory": f"/run/wsgi{tail}",
        "status_directory": "/run/modwsgi-status",
        # For what clients send and take slowly, in files without a name: on a disk, and the service's own (PrivateTmp).
        "spool_directory": "/var/tmp",  # noqa: S108
        # Where httpd_private_port says nothing. A name tells no free port, so that of a further instance must be given.
        "private_port": "" if suffix else "297",
        "user": "www-data",
        "group": "www-data",
        "state_directory": f"/var/lib/modwsgi/{name}",
        # Is there while the host is away from its load balancer; httpd looks for it (httpd_drain_path).
        "away_file": f"/var/lib/modwsgi/{name}/away",
        # The packages that a build has installed and not yet removed.
        "build_record": f"/var/lib/modwsgi/{name}/mod_wsgi-build-packages.json",
        # Likewise, for virtual environments.
        "venv_build_record": f"/var/lib/modwsgi/{name}/venv-build-packages.json",
        # For root alone: the staged configuration, and what one role hands to another within a run.
        "volatile_directory": f"/run/modwsgi/{name}",
        # The module that it loads; Ansible reads it as ansible_local.mod_wsgi.
        "facts_file": f"/etc/ansible/facts.d/mod_wsgi{tail}.fact",
        # Relative to server_root; the private vhost on loopback includes its *.conf files.
        "private_include": "modwsgi-private.d",
    }


def _container() -> dict[str, str]:
    # Where a container with a read-only root has a tmpfs, since applications need one that any user may write to.
    run_directory = "/tmp/modwsgi"  # noqa: S108  # the only user of the container makes it before httpd starts
    return {
        **_host(DEFAULT_INSTANCE, ""),
        "name": CONTAINER,
        # No service manager: none of these exists.
        "unit": "",
        "reaper_unit": "",
        "renewals_service": "",
        "renewals_timer": "",
        "limits_service": "",
        "apparmor_profile": "",
        "apparmor_file": "",
        "limits_socket": "",
        "unit_directory": "",
        "unit_drop_in_directory": "",
        "init_script": "",
        "temporary_files": "",
        "log_rotation": "",
        "run_directory": run_directory,
        "pid_file": f"{run_directory}/apache2.pid",
        # Nothing is written there: both logs are streams.
        "log_directory": run_directory,
        "error_log": "/dev/stderr",
        "access_log": "/dev/stdout",
        "socket_directory": run_directory,
        "spool_directory": "/tmp",  # noqa: S108  # files without a name, where the root is read-only
        "state_directory": f"/var/lib/modwsgi/{CONTAINER}",
        "away_file": f"/var/lib/modwsgi/{CONTAINER}/away",
        "build_record": f"/var/lib/modwsgi/{CONTAINER}/mod_wsgi-build-packages.json",
        "venv_build_record": f"/var/lib/modwsgi/{CONTAINER}/venv-build-packages.json",
        "volatile_directory": f"/run/modwsgi/{CONTAINER}",
    }
